// Package service runs the built service as a user does: on a real redis-server, with settings from its environment
// and .env, from start to stop.
package service

import (
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"gin-auth/e2e/internal/harness"
)

func TestMain(m *testing.M) { harness.Main(m) }

const (
	secret    = "a secret of more than thirty-two bytes"
	ada       = `{"username":"ada","email":"ada@example.com","password":"correct horse"}`
	noRedis   = `{"message":"Authentication service unavailable"}`
	revoked   = `{"message":"Session expired. Please login again."}`
	logoutMsg = `{"message":"logged out successfully"}`
)

func production(more ...string) []string {
	return append([]string{"NODE_ENV=production", "JWT_SECRET=" + secret, "SHUTDOWN_DELAY=0s"}, more...)
}

// send sends a request with a token in the cookie, unless it is empty. It returns the status, the body and the
// token that the response sets.
func send(t *testing.T, s *harness.Service, method, path, token, body string) (int, string, string) {
	t.Helper()
	status, text, set, err := try(s, method, path, token, body)
	if err != nil {
		t.Fatal(err)
	}
	return status, text, set
}

func try(s *harness.Service, method, path, token, body string) (int, string, string, error) {
	request, err := http.NewRequest(method, s.URL+path, strings.NewReader(body))
	if err != nil {
		return 0, "", "", err
	}
	request.Header.Set("Content-Type", "application/json")
	if token != "" {
		request.Header.Set("Cookie", "token="+token)
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return 0, "", "", err
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	set, _, _ := strings.Cut(strings.TrimPrefix(response.Header.Get("Set-Cookie"), "token="), ";")
	return response.StatusCode, string(text), set, err
}

func want(t *testing.T, what string, status int, body string, wantStatus int, wantBody string) {
	t.Helper()
	if status != wantStatus || wantBody != "" && body != wantBody {
		t.Errorf("%s: got %d %s, want %d %s", what, status, body, wantStatus, wantBody)
	}
}

func login(t *testing.T, s *harness.Service) string {
	t.Helper()
	send(t, s, "POST", "/api/auth/register", "", ada)
	status, body, token := send(t, s, "POST", "/api/auth/login", "", ada)
	want(t, "login", status, body, 200, "")
	return token
}

// TestLife runs the service from start to stop, and again after a restart.
func TestLife(t *testing.T) {
	t.Parallel()
	redis := harness.StartRedis(t)
	env := production(redis.Env()...)
	s := harness.StartService(t, env...)

	token := login(t, s)
	status, body, _ := send(t, s, "GET", "/api/auth/me", token, "")
	want(t, "me", status, body, 200, "")
	if !strings.Contains(body, `"email":"ada@example.com","username":"ada","role":"user"`) {
		t.Errorf("me: got %s, want the user Ada", body)
	}
	kept := login(t, s)
	status, body, set := send(t, s, "POST", "/api/auth/logout", token, "")
	want(t, "logout", status, body, 200, logoutMsg)
	if set != "" {
		t.Errorf("logout sets the token %s, want it cleared", set)
	}
	status, body, _ = send(t, s, "GET", "/api/auth/me", token, "")
	want(t, "me with the old token", status, body, 401, revoked)

	value, err := exec.Command(harness.Need(t, "redis-cli"), "-p", strconv.Itoa(redis.Port), "GET", "blacklist:"+token).Output()
	if strings.TrimSpace(string(value)) != "true" || err != nil {
		t.Errorf("the blacklist entry is %q, %v, want true", value, err)
	}
	ttl, err := exec.Command("redis-cli", "-p", strconv.Itoa(redis.Port), "TTL", "blacklist:"+token).Output()
	seconds, _ := strconv.Atoi(strings.TrimSpace(string(ttl)))
	if err != nil || seconds < 86400 || seconds > 86460 {
		t.Errorf("the TTL of the entry is %s s, %v; want the remaining lifetime of the token plus at most a minute", ttl, err)
	}

	if status := s.Stop(t); status != 0 {
		t.Errorf("SIGTERM: exit status %d, want 0", status)
	}
	again := harness.StartService(t, env...)
	status, body, _ = send(t, again, "GET", "/api/auth/me", token, "")
	want(t, "me with the old token after a restart", status, body, 401, revoked)
	status, body, _ = send(t, again, "GET", "/api/auth/me", kept, "")
	want(t, "me with the other token after a restart", status, body, 200, "")
	for _, output := range []string{s.Output(), again.Output()} {
		if strings.Contains(output, "correct horse") || strings.Contains(output, secret) || strings.Contains(output, "eyJ") {
			t.Errorf("the log contains a secret:\n%s", output)
		}
		if strings.Count(output, "connected to redis") != 1 {
			t.Errorf("the log says %d times that Redis is connected, want once:\n%s", strings.Count(output, "connected to redis"), output)
		}
	}
}

// TestRedisAway starts the service without Redis, starts Redis, kills and restarts it, and stops and continues it.
func TestRedisAway(t *testing.T) {
	t.Parallel()
	redis := harness.StartRedis(t, "--appendonly", "yes", "--appendfsync", "always")
	redis.Kill()
	s := harness.StartService(t, production(redis.Env()...)...)
	s.WaitFor(t, "Redis connection failed")
	status, body, _ := send(t, s, "GET", "/healthz", "", "")
	want(t, "healthz without Redis", status, body, 200, "")
	status, body, _ = send(t, s, "GET", "/readyz", "", "")
	want(t, "readyz without Redis", status, body, 503, "")

	redis.Start(t)
	ready := func() error {
		if status, body, _, err := try(s, "GET", "/readyz", "", ""); err != nil || status != 200 {
			return fmt.Errorf("%d %s, %w", status, body, err)
		}
		return nil
	}
	harness.Eventually(t, "the service is ready", ready)
	loginAgain := func() (token string) { // on a busy machine the first attempt may exceed the timeout
		harness.Eventually(t, "a login", func() error {
			status, body, set, err := try(s, "POST", "/api/auth/login", "", ada)
			if err != nil || status != 200 {
				return fmt.Errorf("%d %s, %w", status, body, err)
			}
			token = set
			return nil
		})
		return token
	}
	send(t, s, "POST", "/api/auth/register", "", ada)
	token, out := loginAgain(), loginAgain()
	status, body, _ = send(t, s, "POST", "/api/auth/logout", out, "")
	want(t, "logout", status, body, 200, logoutMsg)

	for fault, take := range map[string]func() (back func()){
		"killed":  func() func() { redis.Kill(); return func() { redis.Start(t) } },
		"stopped": func() func() { redis.Signal(t, syscall.SIGSTOP); return func() { redis.Signal(t, syscall.SIGCONT) } },
	} {
		back := take()
		status, body, _ = send(t, s, "GET", "/api/auth/me", token, "")
		want(t, fault+": me", status, body, 503, noRedis)
		status, body, set := send(t, s, "POST", "/api/auth/logout", token, "")
		want(t, fault+": logout", status, body, 500, `{"message":"Internal server error"}`)
		if set != "" {
			t.Errorf("Redis %s: logout sets a cookie, want it unchanged", fault)
		}
		back()
		harness.Eventually(t, fault+": the service is ready again", ready)
		status, body, _ = send(t, s, "GET", "/api/auth/me", token, "")
		if fault == "stopped" { // Redis now executes the commands in its socket, which may include the logout
			want(t, fault+": me with the token of a logout that was answered 500", status, body, status, "")
		} else {
			want(t, fault+": me again", status, body, 200, "")
		}
		status, body, _ = send(t, s, "GET", "/api/auth/me", out, "")
		want(t, fault+": me with the old token", status, body, 401, revoked)
		token = loginAgain()
	}
}

func TestWrongStarts(t *testing.T) {
	t.Parallel()
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = taken.Close() }) // the subtests continue after this function
	port := strconv.Itoa(taken.Addr().(*net.TCPAddr).Port)
	for name, test := range map[string]struct {
		env    []string
		args   []string
		status int
		output string
	}{
		"production with nothing": {
			env: []string{"NODE_ENV=production"}, status: 1,
			output: "gin-auth: the configuration is wrong:\n" +
				"  REDIS_HOST is not set; it should be a host name or an IP address, without a port: NODE_ENV=production does not run on the embedded Redis (you can set REDIS_URL, REDIS_CLUSTER_NODES or REDIS_SENTINELS instead)\n" +
				"  JWT_SECRET is not set; it should be the secret that signs the tokens, 32 bytes or more: without it no token can be signed or checked\n",
		},
		"several wrong": {
			env: []string{"PORT=http", "COOKIE_SECURE=maybe", "JWT_SECRET=hush", "NODE_ENV=production", "REDIS_HOST=127.0.0.1"}, status: 1,
			output: "gin-auth: the configuration is wrong:\n" +
				"  PORT is \"http\"; it should be a port from 0 to 65535 (0: any free one)\n" +
				"  COOKIE_SECURE is \"maybe\"; it should be true or false\n" +
				"  JWT_SECRET is set (4 bytes); it should be the secret that signs the tokens, 32 bytes or more: a shorter one can be guessed from any token (JWT_ALLOW_WEAK_SECRET=true allows it nevertheless)\n",
		},
		"port in use": {
			env: []string{"HOST=127.0.0.1", "PORT=" + port}, status: 1,
			output: "gin-auth: port " + port + " is in use: stop the process using it, or set PORT\n",
		},
		"an argument": {args: []string{"sreve"}, status: 2},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := harness.Start(t, t.TempDir(), test.env, harness.Binary(t), test.args...)
			if status := p.Exit(t); status != test.status {
				t.Errorf("exit status %d, want %d", status, test.status)
			}
			if got := withoutLog(p.Output()); test.output != "" && got != test.output {
				t.Errorf("the service printed\n%s, want\n%s", got, test.output)
			}
		})
	}
}

// withoutLog removes the log lines from output.
func withoutLog(output string) string {
	var rest strings.Builder
	for line := range strings.Lines(output) {
		if !strings.HasPrefix(line, "time=") {
			rest.WriteString(line)
		}
	}
	return rest.String()
}

func TestDotenv(t *testing.T) {
	t.Parallel()
	redis := harness.StartRedis(t, "--requirepass", "pass word")
	dir := t.TempDir()
	port := harness.FreePort(t)
	env := fmt.Sprintf("# of a Node service\nPORT=1\nexport REDIS_HOST='127.0.0.1' # here\nREDIS_PORT=%d\nREDIS_PASSWORD=\"pass word\"\nJWT_SECRET=%s\n", redis.Port, secret)
	if err := os.WriteFile(filepath.Join(dir, ".env"), []byte(env), 0o600); err != nil {
		t.Fatal(err)
	}
	start := func() *harness.Process {
		return harness.Start(t, dir, []string{"HOST=127.0.0.1", "PORT=" + strconv.Itoa(port)}, harness.Binary(t))
	}
	p := start()
	p.WaitFor(t, "listening")
	p.WaitFor(t, "connected to redis")
	login(t, &harness.Service{Process: p, URL: "http://127.0.0.1:" + strconv.Itoa(port)})
	p.Stop(t)

	if err := os.WriteFile(filepath.Join(dir, ".env"), []byte(env+"JWT_SECRET=ab$CD1x\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	p = start()
	if status := p.Exit(t); status != 1 || !strings.Contains(p.Output(), "line 7") || !strings.Contains(p.Output(), "JWT_SECRET") {
		t.Errorf("a .env line that dotenv reads differently: exit status %d, want 1 and the line\n%s", status, p.Output())
	}
	if strings.Contains(p.Output(), "CD1x") {
		t.Errorf("the service printed the secret:\n%s", p.Output())
	}
}

// TestTokensOfTheOriginal sends tokens of jsonwebtoken to the service, and verifies tokens of the service with
// jsonwebtoken.
func TestTokensOfTheOriginal(t *testing.T) {
	t.Parallel()
	harness.Node(t)
	redis := harness.StartRedis(t)
	s := harness.StartService(t, production(redis.Env()...)...)

	theirs := string(harness.RunNode(t, nil, "service/jwt.js", "sign", secret))
	status, body, _ := send(t, s, "GET", "/api/auth/me", theirs, "")
	want(t, "me with a token of jsonwebtoken", status, body, 200, "")
	if !strings.Contains(body, `"email":"grace@example.com"`) {
		t.Errorf("me with a token of jsonwebtoken: got %s", body)
	}
	var claims struct {
		Email, JTI string
		IAT, EXP   int64
	}
	ours := login(t, s)
	if err := json.Unmarshal(harness.RunNode(t, nil, "service/jwt.js", "verify", secret, ours), &claims); err != nil {
		t.Fatal(err)
	}
	if claims.Email != "ada@example.com" || claims.EXP-claims.IAT != 86400 || time.Since(time.Unix(claims.IAT, 0)) > time.Minute {
		t.Errorf("jsonwebtoken reads %+v", claims)
	}
}
