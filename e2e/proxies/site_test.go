package proxies

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/golang-jwt/jwt/v5"
	"golang.org/x/net/websocket"

	"gin-auth/e2e/internal/harness"
)

// site is a proxy in front of the service and of an application.
type site struct {
	*client
	redis   *harness.Redis
	service *harness.Service
	proxy   *harness.Proxy
	// reached counts the requests that reached the application.
	reached *atomic.Int64
}

// startSite starts a proxy, after some edits to its file in deploy/, and the services that it forwards to.
func startSite(t *testing.T, name string, edits ...harness.Edit) *site {
	t.Helper()
	harness.Need(t, name)
	s := &site{redis: harness.StartRedis(t), reached: new(atomic.Int64)}
	s.service = harness.StartService(t, settings(s.redis)...)
	auth := strings.TrimPrefix(s.service.URL, "http://")
	s.proxy = proxies[name].start(t, auth, startApp(t, s.reached), edits...)
	s.client = &client{s.proxy.Client, s.proxy.URL}
	return s
}

func settings(redis *harness.Redis) []string {
	return append(redis.Env(), "NODE_ENV=production", "JWT_SECRET="+secret, "BCRYPT_COST=4", "SHUTDOWN_DELAY=0s",
		"ACCEPT_BEARER=true", "REDIS_TIMEOUT=2s") // a busy machine must not fail the test
}

// startApp starts the application and returns its host:port.
func startApp(t *testing.T, reached *atomic.Int64) string {
	t.Helper()
	echo := websocket.Handler(func(c *websocket.Conn) { _, _ = io.Copy(c, c) })
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		reached.Add(1)
		if r.URL.Path == "/socket" && r.Header.Get("Upgrade") != "" {
			echo.ServeHTTP(w, r)
			return
		}
		tell(w, r)
	}))
	t.Cleanup(server.Close)
	return strings.TrimPrefix(server.URL, "http://")
}

// tell answers with the request and its headers. The status is that of the query.
func tell(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	status, _ := strconv.Atoi(r.URL.Query().Get("status"))
	w.Header().Set("X-Method", r.Method)
	w.Header().Set("X-Connection", r.RemoteAddr)
	w.WriteHeader(max(status, http.StatusOK))
	_ = json.NewEncoder(w).Encode(seen{r.Method + " " + r.RequestURI + " " + string(body), r.Header})
}

type seen struct {
	Request string
	Header  http.Header
}

// sign returns a token as another service with the secret would issue it.
func sign(t *testing.T, claims jwt.MapClaims) string {
	t.Helper()
	token, err := jwt.NewWithClaims(jwt.SigningMethodHS256, claims).SignedString([]byte(secret))
	if err != nil {
		t.Fatal(err)
	}
	return token
}

type client struct {
	*http.Client
	url string
}

type answer struct {
	status int
	header http.Header
	body   string
}

// send sends a request with every header by which a client may try to impersonate somebody else.
func (c *client) send(t *testing.T, method, path, token, body string) answer {
	t.Helper()
	header := http.Header{
		"Content-Type":                      {"application/json"},
		"X-Auth-Request-User":               {"root"},
		"X-Auth-Request-Email":              {"root@example.com"},
		"X-Auth-Request-Role":               {"admin", "root"},
		"X-Auth-Request-Preferred-Username": {"root"},
		"X-Auth-Request-Groups":             {"admin"},
		"X-Auth-Request-Access-Token":       {"root"},
		"x-auth-request-role":               {"admin"},
		"X_Auth_Request_Role":               {"admin"},
		"X-Auth_Request-User":               {"root"},
		"X-Forwarded-For":                   {"203.0.113.7"},
		"X-Forwarded-Host":                  {"root.example.com"},
		"X-Real-Ip":                         {"203.0.113.7"},
		"Forwarded":                         {"for=203.0.113.7"},
	}
	if token != "" {
		header.Set("Cookie", "token="+token)
	}
	return c.do(t, method, c.url+path, header, body)
}

// do sends a request with only these headers.
func (c *client) do(t *testing.T, method, url string, header http.Header, body string) answer {
	t.Helper()
	response, text := harness.Send(t, c.Client, method, url, header, body)
	return answer{response.StatusCode, response.Header, text}
}

func (a answer) want(t *testing.T, what string, status int) {
	t.Helper()
	if a.status != status {
		t.Errorf("%s: got %d %s, want %d", what, a.status, a.body, status)
	}
}
