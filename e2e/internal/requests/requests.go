// Package requests sends requests with tokens to the built service, and checks the responses.
package requests

import (
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"gin-auth/e2e/internal/harness"
)

// Paths and bodies of the service.
const (
	Me      = "/api/auth/me"
	Logout  = "/api/auth/logout"
	Expired = `{"message":"Session expired. Please login again."}`
	Away    = `{"message":"Authentication service unavailable"}`
	Broken  = `{"message":"Internal server error"}`
)

// RedisTimeout is the default of REDIS_TIMEOUT. Bar limits the time of a response without Redis.
const (
	RedisTimeout = 300 * time.Millisecond
	Bar          = RedisTimeout + 50*time.Millisecond
)

// Production returns the settings of a service in production, and env.
func Production(env ...string) []string {
	return append([]string{
		"NODE_ENV=production", "JWT_SECRET=" + secret, "BCRYPT_COST=4", "SHUTDOWN_DELAY=0s", "LOGIN_LIMIT=off",
	}, env...)
}

// Start starts the service with the settings of Production.
func Start(t testing.TB, env ...string) *harness.Service {
	t.Helper()
	s := harness.StartService(t, Production(env...)...)
	s.URL = strings.Replace(s.URL, "localhost", "127.0.0.1", 1) // so that a thousand lookups of the name are not measured
	return s
}

// Answer is the response to a request.
type Answer struct {
	Status int
	Body   string
	Cookie string // the Set-Cookie header
	Took   time.Duration
}

func (a Answer) String() string {
	return fmt.Sprintf("%d %s, Set-Cookie %q", a.Status, a.Body, a.Cookie)
}

// Token returns the token that the response sets.
func (a Answer) Token() string {
	value, _, _ := strings.Cut(strings.TrimPrefix(a.Cookie, "token="), ";")
	return value
}

// Is reports whether the response has this status and body ("" for any), and does not change the cookie.
func (a Answer) Is(status int, body string) bool {
	return a.Status == status && (body == "" || a.Body == body) && a.Cookie == ""
}

// Refused reports whether the response says that the token is revoked, and clears the cookie.
func (a Answer) Refused() bool {
	return a.Status == http.StatusUnauthorized && a.Body == Expired &&
		strings.HasPrefix(a.Cookie, "token=;") && strings.Contains(a.Cookie, "Expires=Thu, 01 Jan 1970 00:00:00 GMT")
}

// Concurrent is how many connections to a service are kept open.
const Concurrent = 1000

var client = &http.Client{
	Timeout:   20 * time.Second,
	Transport: &http.Transport{MaxIdleConnsPerHost: Concurrent},
}

// CloseIdleConnections closes the connections on which no request is being answered.
func CloseIdleConnections() { client.CloseIdleConnections() }

// Try sends a request with the token in the cookie, unless it is empty.
func Try(s *harness.Service, method, path, token, body string) (Answer, error) {
	request, err := http.NewRequest(method, s.URL+path, strings.NewReader(body))
	if err != nil {
		return Answer{}, err
	}
	request.Header.Set("Content-Type", "application/json")
	if token != "" {
		request.Header.Set("Cookie", "token="+token)
	}
	started := time.Now()
	response, err := client.Do(request)
	if err != nil {
		return Answer{}, err
	}
	defer func() { _ = response.Body.Close() }() // the body was read
	text, err := io.ReadAll(response.Body)
	return Answer{response.StatusCode, string(text), response.Header.Get("Set-Cookie"), time.Since(started)}, err
}

// Send is Try, and ends the test if no response arrives.
func Send(t testing.TB, s *harness.Service, method, path, token, body string) Answer {
	t.Helper()
	got, err := Try(s, method, path, token, body)
	if err != nil {
		t.Fatal(err)
	}
	return got
}

// WantStatus ends the test unless the response has the status.
func WantStatus(t testing.TB, what string, got Answer, status int) {
	t.Helper()
	if got.Status != status {
		t.Fatalf("%s: got %s, want %d", what, got, status)
	}
}

// WantRefused ends the test unless the response says that the token is revoked.
func WantRefused(t testing.TB, what string, got Answer) {
	t.Helper()
	if !got.Refused() {
		t.Fatalf("%s: got %s, want 401 %s and the cookie cleared", what, got, Expired)
	}
}

// Login registers the user if they do not exist, and logs in.
func Login(t testing.TB, s *harness.Service, name string) (token string) {
	t.Helper()
	user := fmt.Sprintf(`{"username":%q,"email":"%s@example.com","password":"correct horse"}`, name, name)
	Send(t, s, "POST", "/api/auth/register", "", user)
	got := Send(t, s, "POST", "/api/auth/login", "", user)
	WantStatus(t, "login", got, 200)
	return got.Token()
}

// WantLogout logs out and checks that the token is revoked.
func WantLogout(t testing.TB, s *harness.Service, token string) {
	t.Helper()
	WantStatus(t, "logout", Send(t, s, "POST", Logout, token, ""), 200)
	WantRefused(t, "me after logout", Send(t, s, "GET", Me, token, ""))
}
