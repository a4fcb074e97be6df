// Package faults stops, empties and slows Redis, kills the service, and checks how the built service answers
// meanwhile. Each time is printed beside its bar. With MEASURE=1 a test fails if a time is more than three times
// its bar.
package faults

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"gin-auth/e2e/internal/harness"
	"gin-auth/session"
)

func TestMain(m *testing.M) { harness.Main(m) }

const (
	secret  = "a secret of more than thirty-two bytes"
	expired = `{"message":"Session expired. Please login again."}`
	away    = `{"message":"Authentication service unavailable"}`
	broken  = `{"message":"Internal server error"}`
	me      = "/api/auth/me"
	logout  = "/api/auth/logout"

	// timeout is the default of REDIS_TIMEOUT. bar limits the time of a response without Redis.
	timeout = 300 * time.Millisecond
	bar     = timeout + 50*time.Millisecond
)

// production returns the settings of a service in production, and env.
func production(env ...string) []string {
	return append([]string{
		"NODE_ENV=production", "JWT_SECRET=" + secret, "BCRYPT_COST=4", "SHUTDOWN_DELAY=0s", "LOGIN_LIMIT=off",
	}, env...)
}

// start starts the service with the settings of production.
func start(t *testing.T, env ...string) *harness.Service {
	t.Helper()
	s := harness.StartService(t, production(env...)...)
	s.URL = strings.Replace(s.URL, "localhost", "127.0.0.1", 1) // so that a thousand lookups of the name are not measured
	return s
}

// answer is the response to a request.
type answer struct {
	status int
	body   string
	cookie string // the Set-Cookie header
	took   time.Duration
}

func (a answer) String() string {
	return fmt.Sprintf("%d %s, Set-Cookie %q", a.status, a.body, a.cookie)
}

// token returns the token that the response sets.
func (a answer) token() string {
	value, _, _ := strings.Cut(strings.TrimPrefix(a.cookie, "token="), ";")
	return value
}

// is reports whether the response has this status and body ("" for any), and does not change the cookie.
func (a answer) is(status int, body string) bool {
	return a.status == status && (body == "" || a.body == body) && a.cookie == ""
}

// refused reports whether the response says that the token is revoked, and clears the cookie.
func (a answer) refused() bool {
	return a.status == http.StatusUnauthorized && a.body == expired &&
		strings.HasPrefix(a.cookie, "token=;") && strings.Contains(a.cookie, "Expires=Thu, 01 Jan 1970 00:00:00 GMT")
}

var client = &http.Client{
	Timeout:   20 * time.Second,
	Transport: &http.Transport{MaxIdleConnsPerHost: requests},
}

// try sends a request with the token in the cookie, unless it is empty.
func try(s *harness.Service, method, path, token, body string) (answer, error) {
	request, err := http.NewRequest(method, s.URL+path, strings.NewReader(body))
	if err != nil {
		return answer{}, err
	}
	request.Header.Set("Content-Type", "application/json")
	if token != "" {
		request.Header.Set("Cookie", "token="+token)
	}
	started := time.Now()
	response, err := client.Do(request)
	if err != nil {
		return answer{}, err
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	return answer{response.StatusCode, string(text), response.Header.Get("Set-Cookie"), time.Since(started)}, err
}

func send(t *testing.T, s *harness.Service, method, path, token, body string) answer {
	t.Helper()
	got, err := try(s, method, path, token, body)
	if err != nil {
		t.Fatal(err)
	}
	return got
}

func wantStatus(t *testing.T, what string, got answer, status int) {
	t.Helper()
	if got.status != status {
		t.Fatalf("%s: got %s, want %d", what, got, status)
	}
}

func wantRefused(t *testing.T, what string, got answer) {
	t.Helper()
	if !got.refused() {
		t.Fatalf("%s: got %s, want 401 %s and the cookie cleared", what, got, expired)
	}
}

// login registers the user if they do not exist, and logs in.
func login(t *testing.T, s *harness.Service, name string) string {
	t.Helper()
	user := fmt.Sprintf(`{"username":%q,"email":"%s@example.com","password":"correct horse"}`, name, name)
	send(t, s, "POST", "/api/auth/register", "", user)
	got := send(t, s, "POST", "/api/auth/login", "", user)
	wantStatus(t, "login", got, 200)
	return got.token()
}

// wantLogout logs out and checks that the token is revoked.
func wantLogout(t *testing.T, s *harness.Service, token string) {
	t.Helper()
	wantStatus(t, "logout", send(t, s, "POST", logout, token, ""), 200)
	wantRefused(t, "me after logout", send(t, s, "GET", me, token, ""))
}

// nodeToken returns a token as the Express app issues it, without a jti. Its user is not registered.
func nodeToken(id string, issued time.Time) string {
	return sign(map[string]any{"id": id, "email": id + "@example.com", "iat": issued.Unix(), "exp": issued.Unix() + 86400})
}

// ownToken returns a token as the service issues it.
func ownToken(id string, issued time.Time) string {
	sessions, err := session.New(session.Options{Secrets: []string{secret}, Lifetime: 24 * time.Hour})
	if err != nil {
		panic(err)
	}
	s, err := sessions.Issue(session.User{ID: id}, issued)
	if err != nil {
		panic(err)
	}
	return s.Token
}

func sign(claims map[string]any) string {
	payload, err := json.Marshal(claims)
	if err != nil {
		panic(err)
	}
	encode := base64.RawURLEncoding.EncodeToString
	text := encode([]byte(`{"alg":"HS256","typ":"JWT"}`)) + "." + encode(payload)
	mac := hmac.New(sha256.New, []byte(secret))
	mac.Write([]byte(text))
	return text + "." + encode(mac.Sum(nil))
}

// metric returns the value of a metric, named with its labels, of the service with the METRICS_ADDR address.
func metric(t *testing.T, address, name string) (value float64) {
	t.Helper()
	harness.Eventually(t, name+" is shown", func() error {
		response, err := http.Get("http://" + address + "/metrics")
		if err != nil {
			return err
		}
		defer response.Body.Close()
		text, err := io.ReadAll(response.Body)
		if err != nil {
			return err
		}
		_, after, _ := strings.Cut(string(text), "\n"+name+" ")
		_, err = fmt.Sscan(after, &value)
		return err
	})
	return value
}

// connect returns a client of a Redis for the test itself.
func connect(t *testing.T, r *harness.Redis, password string) *redis.Client {
	t.Helper()
	c := redis.NewClient(&redis.Options{Addr: r.Addr(), Password: password})
	t.Cleanup(func() { _ = c.Close() })
	return c
}

// command runs a command on a Redis and returns its reply.
func command(t *testing.T, c *redis.Client, args ...any) any {
	t.Helper()
	reply, err := c.Do(context.Background(), args...).Result()
	if err != nil {
		t.Fatalf("%v: %v", args, err)
	}
	return reply
}

func signal(t *testing.T, p *harness.Process, sig syscall.Signal) {
	t.Helper()
	if err := p.Process.Signal(sig); err != nil {
		t.Fatal(err)
	}
}

// each calls do concurrently for every number below n, and waits.
func each(n int, do func(i int)) {
	var all sync.WaitGroup
	for i := range n {
		all.Go(func() { do(i) })
	}
	all.Wait()
}

// measuring reports whether nothing else runs, so that times can be compared. The serial step of .ci/run sets
// MEASURE.
var measuring = os.Getenv("MEASURE") != ""

// logTimes prints the response times. When measuring, it fails if the longest is more than three times the bar.
func logTimes(t *testing.T, what string, times []time.Duration, bar time.Duration) {
	t.Helper()
	slices.Sort(times)
	at := func(part float64) time.Duration {
		return times[int(part*float64(len(times)-1))].Round(100 * time.Microsecond)
	}
	t.Logf("%s, %d: p50 %s, p99 %s, max %s (bar %s)", what, len(times), at(0.5), at(0.99), at(1), bar)
	if measuring && at(1) > 3*bar {
		t.Errorf("%s took %s, more than three times the bar of %s", what, at(1), bar)
	}
}

// logTime prints a time. When measuring, it fails if it is more than three times the bar.
func logTime(t *testing.T, what string, took, bar time.Duration) {
	t.Helper()
	t.Logf("%s: %s (bar %s)", what, took.Round(time.Millisecond), bar)
	if measuring && took > 3*bar {
		t.Errorf("%s took %s, more than three times the bar of %s", what, took, bar)
	}
}
