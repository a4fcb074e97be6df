// Package rolling replaces the Express app by this service as a team would: behind haproxy, under load, one
// instance at a time.
package rolling

import (
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"golang.org/x/crypto/bcrypt"

	"gin-auth/e2e/internal/harness"
)

func TestMain(m *testing.M) { harness.Main(m) }

const (
	secret   = "a secret of more than thirty-two bytes"
	password = "correct horse"
	revoked  = `{"message":"Session expired. Please login again."}`
)

// TestRollingChange starts with two instances of the Express app behind haproxy and ends with two of this service,
// under load. No request fails, no session is lost, and no logged-out token is accepted.
func TestRollingChange(t *testing.T) {
	t.Parallel()
	redis := harness.StartRedis(t)
	env := append(redis.Env(), "NODE_ENV=production", "JWT_SECRET="+secret, "BCRYPT_COST=4", "SHUTDOWN_DELAY=0s")
	users := usersFile(t)
	originals := []*harness.Service{
		harness.StartOriginal(t, append(env, "USERS_FILE="+users)...),
		harness.StartOriginal(t, append(env, "USERS_FILE="+users)...),
	}
	// The users are imported before the first instance of this service joins.
	importing := harness.Start(t, t.TempDir(), env, harness.Binary(t), "import-users", users)
	if status := importing.Exit(t); status != 0 {
		t.Fatalf("import-users: exit status %d\n%s", status, importing.Output())
	}
	ours := []*harness.Service{harness.StartService(t, env...), harness.StartService(t, env...)}
	proxy := startProxy(t, originals, ours)

	load := startLoad(t, proxy.url, 8)
	load.waitFor(t, "requests at the original alone", &load.original, 500)
	if n := load.ours.Load(); n > 0 {
		t.Errorf("%d requests reached this service before it joined", n)
	}
	for i := range ours {
		proxy.command(t, fmt.Sprintf("set server auth/ours%d state ready", i))
		load.waitFor(t, "requests at both", &load.ours, load.ours.Load()+500)
	}
	for i, original := range originals {
		proxy.drain(t, fmt.Sprintf("auth/original%d", i))
		original.Stop(t)
	}
	load.waitFor(t, "requests at this service alone", &load.ours, load.ours.Load()+1000)
	load.stop(t)
}

// userCount is larger than the number of logins under load, so every user logs in at most once. If a user logs in
// twice within a second, the Express app returns the same token twice. The second token is already revoked if the
// first was logged out.
const (
	userCount = 20_000
	keptCount = 8
)

func email(i int) string { return fmt.Sprintf("user%d@example.com", i) }

// usersFile writes the users in the format that both services read.
func usersFile(t *testing.T) string {
	t.Helper()
	hash, err := bcrypt.GenerateFromPassword([]byte(password), bcrypt.MinCost)
	if err != nil {
		t.Fatal(err)
	}
	type user struct {
		ID       string `json:"id"`
		OID      string `json:"_id"`
		Email    string `json:"email"`
		Username string `json:"username"`
		Role     string `json:"role"`
		Password string `json:"password"`
	}
	var users []user
	for i := range userCount {
		id := fmt.Sprintf("64b7f0c2a1d3e4f5a6b7%04x", i)
		users = append(users, user{id, id, email(i), "user" + strconv.Itoa(i), "user", string(hash)})
	}
	text, err := json.Marshal(users)
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "users.json")
	if err := os.WriteFile(path, text, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// proxy is a haproxy in front of the instances of both services.
type proxy struct {
	url, socket string
}

// startProxy starts haproxy. It uses the instances of the Express app, and ours are not ready yet.
func startProxy(t *testing.T, originals, ours []*harness.Service) proxy {
	t.Helper()
	port := harness.FreePort(t)
	var servers strings.Builder
	for i, s := range originals {
		fmt.Fprintf(&servers, "  server original%d 127.0.0.1:%s\n", i, portOf(s))
	}
	for i, s := range ours {
		fmt.Fprintf(&servers, "  server ours%d 127.0.0.1:%s disabled\n", i, portOf(s))
	}
	p := startHaproxy(t, fmt.Sprintf(`frontend web
  bind 127.0.0.1:%d
  default_backend auth
backend auth
  balance roundrobin
%s`, port, &servers))
	p.url = "http://127.0.0.1:" + strconv.Itoa(port)
	return p
}

// command sends a command to haproxy and returns its reply.
func (p proxy) command(t *testing.T, command string) string {
	t.Helper()
	conn, err := net.Dial("unix", p.socket)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if _, err := fmt.Fprintln(conn, command); err != nil {
		t.Fatal(err)
	}
	answer, err := io.ReadAll(conn)
	if err != nil {
		t.Fatal(err)
	}
	return string(answer)
}

// drain takes a server out of use and waits until it has no running requests.
func (p proxy) drain(t *testing.T, server string) {
	t.Helper()
	p.command(t, "set server "+server+" state maint")
	name := strings.ReplaceAll(server, "/", ",")
	harness.Eventually(t, server+" has no running request", func() error {
		for line := range strings.Lines(p.command(t, "show stat")) {
			fields := strings.Split(line, ",")
			if strings.HasPrefix(line, name+",") && fields[4] == "0" { // scur: current sessions
				return nil
			}
		}
		return fmt.Errorf("not yet")
	})
}

// load is the requests of users during the change.
type load struct {
	url                    string
	original, ours, logins atomic.Int64
	ending                 atomic.Bool
	workers                sync.WaitGroup
	mu                     sync.Mutex
	failures               []string
	kept                   []string // tokens of sessions that last during the whole change
}

// startLoad starts workers that log in, call /me, log out and send the old token, without a pause.
func startLoad(t *testing.T, url string, workers int) *load {
	t.Helper()
	l := &load{url: url}
	for range keptCount {
		token := l.login()
		if token == "" {
			t.Fatalf("logging in before the change: %s", l.failures)
		}
		l.kept = append(l.kept, token)
	}
	for i := range workers {
		l.workers.Go(func() {
			for !l.ending.Load() {
				l.story(l.kept[i%keptCount])
			}
		})
	}
	return l
}

func (l *load) story(kept string) {
	token := l.login()
	for _, asked := range []string{token, kept, token} {
		l.want("me", l.send("GET", "/api/auth/me", asked, ""), 200, "")
	}
	l.want("logout", l.send("POST", "/api/auth/logout", token, ""), 200, `{"message":"logged out successfully"}`)
	for range 3 {
		l.want("me with the old token", l.send("GET", "/api/auth/me", token, ""), 401, revoked)
	}
}

// login logs in a user who has not logged in before.
func (l *load) login() string {
	body := fmt.Sprintf(`{"email":%q,"password":%q}`, email(int(l.logins.Add(1)-1)), password)
	got := l.send("POST", "/api/auth/login", "", body)
	l.want("login", got, 200, "")
	return got.token
}

type answer struct {
	status int
	body   string
	token  string
	err    error
}

func (l *load) send(method, path, token, body string) answer {
	request, err := http.NewRequest(method, l.url+path, strings.NewReader(body))
	if err != nil {
		return answer{err: err}
	}
	request.Header.Set("Content-Type", "application/json")
	if token != "" {
		request.Header.Set("Cookie", "token="+token)
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return answer{err: err}
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if response.Header.Get("X-Powered-By") == "Express" {
		l.original.Add(1)
	} else {
		l.ours.Add(1)
	}
	set, _, _ := strings.Cut(strings.TrimPrefix(response.Header.Get("Set-Cookie"), "token="), ";")
	return answer{response.StatusCode, string(text), set, err}
}

func (l *load) want(what string, got answer, status int, body string) {
	if got.err == nil && got.status == status && (body == "" || got.body == body) {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.failures = append(l.failures, fmt.Sprintf("%s: %d %s %v", what, got.status, got.body, got.err))
}

func (l *load) waitFor(t *testing.T, what string, count *atomic.Int64, n int64) {
	t.Helper()
	harness.Eventually(t, what, func() error {
		if count.Load() < n {
			return fmt.Errorf("%d of %d", count.Load(), n)
		}
		return nil
	})
}

// stop ends the load and checks that the sessions from before the change are still valid.
func (l *load) stop(t *testing.T) {
	t.Helper()
	l.ending.Store(true)
	l.workers.Wait()
	for _, token := range l.kept {
		l.want("a session from before the change", l.send("GET", "/api/auth/me", token, ""), 200, "")
	}
	l.report(t)
}

// report fails the test for each request that failed.
func (l *load) report(t *testing.T) {
	t.Helper()
	t.Logf("%d requests answered by the Express app, %d by this service, %d logins, %d failed",
		l.original.Load(), l.ours.Load(), l.logins.Load(), len(l.failures))
	for i, failure := range l.failures {
		if i == 10 {
			t.Errorf("and %d more", len(l.failures)-i)
			break
		}
		t.Error(failure)
	}
}
