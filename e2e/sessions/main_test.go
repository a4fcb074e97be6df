// Package sessions ends sessions in every possible way, on a real Redis. It then checks whether the built service
// and the Express app still accept the tokens.
package sessions

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"testing"
	"time"

	"gin-auth/db"
	"gin-auth/e2e/internal/harness"
	"gin-auth/session"
)

func TestMain(m *testing.M) { harness.Main(m) }

const (
	secret   = "a secret of more than thirty-two bytes"
	password = "correct horse"
	expired  = `{"message":"Session expired. Please login again."}`
	prefix   = "/api/auth"

	// atOnce is the number of concurrent requests or rounds.
	atOnce = 64
	// timeout is long, so that a test does not fail on a busy machine.
	timeout = 5 * time.Second
)

// settings returns the settings of gin-auth in production, and env. GOMAXPROCS is higher than the number of cores
// so that more passwords are hashed at once. Otherwise some of atOnce logins would be answered 503.
func settings(secret string, env ...string) []string {
	return append([]string{
		"NODE_ENV=production", "JWT_SECRET=" + secret, "BCRYPT_COST=4", "SHUTDOWN_DELAY=0s", "LOGIN_LIMIT=off",
		"REDIS_TIMEOUT=" + timeout.String(), "LOG_LEVEL=error", "GOMAXPROCS=16",
	}, env...)
}

// startAuth starts gin-auth and returns the base URL of its routes.
func startAuth(t *testing.T, env []string) string {
	t.Helper()
	return routesOf(harness.StartService(t, env...))
}

// routesOf returns the base URL of a service's routes, with an IP address so that no name is looked up.
func routesOf(s *harness.Service) string {
	return strings.Replace(s.URL, "localhost", "127.0.0.1", 1) + prefix
}

// startNode starts the Express app and returns the base URL of its routes.
func startNode(t *testing.T, redis *harness.Redis) string {
	t.Helper()
	return routesOf(harness.StartOriginal(t, append(redis.Env(), "JWT_SECRET="+secret)...))
}

// site is gin-auth and a Node service on one Redis.
type site struct {
	redis      *harness.Redis
	auth, node string // the base URLs of their routes
}

func startSite(t *testing.T, env ...string) site {
	t.Helper()
	redis := harness.StartRedis(t)
	return site{redis, startAuth(t, settings(secret, append(redis.Env(), env...)...)), startNode(t, redis)}
}

// newSessions signs and verifies tokens as gin-auth does.
func newSessions(t *testing.T) *session.Sessions {
	t.Helper()
	sessions, err := session.New(session.Options{Secrets: []string{secret}, Lifetime: time.Hour})
	if err != nil {
		t.Fatal(err)
	}
	return sessions
}

// openDB returns a DB with the options that the commands of gin-auth use.
func openDB(t *testing.T, addrs ...string) *db.DB {
	t.Helper()
	store, err := db.Open(db.Options{
		Addrs: addrs, Timeout: timeout, RebuildToken: newSessions(t).RebuildToken, Log: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = store.Close() })
	return store
}

var client = &http.Client{
	Timeout:   30 * time.Second,
	Transport: &http.Transport{MaxIdleConnsPerHost: 2 * atOnce},
}

// answer is the response to a request.
type answer struct {
	status int
	body   string
	header http.Header
}

func (a answer) String() string { return fmt.Sprintf("%d %s", a.status, a.body) }

// token returns the token that the response sets.
func (a answer) token() string {
	value, _, _ := strings.Cut(strings.TrimPrefix(a.header.Get("Set-Cookie"), "token="), ";")
	return value
}

// is returns an error unless the response has this status.
func (a answer) is(what string, status int) error {
	if a.status != status {
		return fmt.Errorf("%s: got %s, want %d", what, a, status)
	}
	return nil
}

// try sends a request with a token, unless it is "", and a JSON body, unless it is nil.
func try(method, url, token string, body map[string]string, header ...string) (answer, error) {
	var text []byte
	if body != nil {
		text, _ = json.Marshal(body) // a map of strings can always be encoded
	}
	request, err := http.NewRequest(method, url, bytes.NewReader(text))
	if err != nil {
		return answer{}, err
	}
	if body != nil {
		request.Header.Set("Content-Type", "application/json")
	}
	if token != "" {
		request.Header.Set("Cookie", "token="+token)
	}
	for i := 0; i < len(header); i += 2 {
		request.Header.Set(header[i], header[i+1])
	}
	response, err := client.Do(request)
	if err != nil {
		return answer{}, err
	}
	defer response.Body.Close()
	got, err := io.ReadAll(response.Body)
	return answer{response.StatusCode, string(got), response.Header}, err
}

// tryFor is try that returns an error unless the response has this status.
func tryFor(status int, method, url, token string, body map[string]string, header ...string) (answer, error) {
	got, err := try(method, url, token, body, header...)
	if err == nil {
		err = got.is(method+" "+url, status)
	}
	return got, err
}

// send is tryFor that fails the test.
func send(t *testing.T, status int, method, url, token string, body map[string]string, header ...string) answer {
	t.Helper()
	got, err := tryFor(status, method, url, token, body, header...)
	if err != nil {
		t.Fatal(err)
	}
	return got
}

// claims returns the claims of a token that the tests use.
func claims(token string) (c struct {
	ID  string
	JTI string
	Exp int64
}) {
	segments := strings.Split(token, ".")
	payload, _ := base64.RawURLEncoding.DecodeString(segments[min(1, len(segments)-1)])
	_ = json.Unmarshal(payload, &c) // an invalid token has no claims
	return c
}
