// Package proxies runs nginx and Caddy with the files in deploy, in front of the service and of an application that
// has no session handling.
package proxies

import (
	"encoding/json"
	"strconv"
	"strings"
	"testing"

	"github.com/golang-jwt/jwt/v5"

	"gin-auth/e2e/internal/harness"
)

func TestMain(m *testing.M) { harness.Main(m) }

const (
	secret  = "a secret of more than thirty-two bytes"
	zoe     = `{"username":"Zoë 100%","email":"zoe@example.com","password":"correct horse"}`
	cleared = "token=; Path=/; Expires=Thu, 01 Jan 1970 00:00:00 GMT; HttpOnly; Secure; SameSite=Strict"
)

// proxy starts a program in front of two addresses, host:port.
type proxy struct {
	start func(t testing.TB, auth, app string, edits ...harness.Edit) *harness.Proxy
	// signedOut and unavailable are the bodies of the proxy's own responses.
	signedOut, unavailable string
}

var proxies = map[string]proxy{
	"nginx": {harness.StartNginx, `{"message":"Unauthorized"}`, `{"message":"Authentication service unavailable"}`},
	"caddy": {harness.StartCaddy, "", ""},
}

// TestProxies checks what a client receives and what the application receives. In every request the client tries to
// impersonate somebody else.
func TestProxies(t *testing.T) {
	t.Parallel()
	for name, p := range proxies {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := startSite(t, name)
			if c.proxy.PlainURL != "" {
				wantRedirected(t, c.proxy)
			}

			c.send(t, "POST", "/api/auth/register", "", zoe).want(t, "register", 201)
			login := c.send(t, "POST", "/api/auth/login", "", zoe)
			login.want(t, "login", 200)
			token, _, _ := strings.Cut(strings.TrimPrefix(login.header.Get("Set-Cookie"), "token="), ";")
			var user struct{ User struct{ ID string } }
			if err := json.Unmarshal([]byte(login.body), &user); err != nil {
				t.Fatal(err)
			}

			whole := map[string]string{
				"User": user.User.ID, "Email": "zoe@example.com", "Role": "user", "Preferred-Username": "Zo%C3%AB 100%25",
			}
			c.send(t, "GET", "/orders?x=1", token, "").wantSeen(t, "signed in", "GET /orders?x=1 ", whole)
			c.send(t, "POST", "/orders", token, "a body").wantSeen(t, "signed in, with a body", "POST /orders a body", whole)
			c.send(t, "GET", "/api/authors", token, "").wantSeen(t, "a path like the service's", "GET /api/authors ", whole)
			c.send(t, "GET", "/orders", sign(t, jwt.MapClaims{"sub": "7"}), "").
				wantSeen(t, "a token with an id alone", "GET /orders ", map[string]string{"User": "7"})
			long := strings.Repeat("é", 2500) // 5,000 bytes in the token, 15,000 in the header
			c.send(t, "GET", "/orders", sign(t, jwt.MapClaims{"sub": "7", "username": long}), "").
				wantSeen(t, "a long name", "GET /orders ", map[string]string{"User": "7", "Preferred-Username": strings.Repeat("%C3%A9", 2500)})

			for _, status := range []int{401, 403, 431, 500, 503} {
				teapot := c.send(t, "GET", "/teapot?status="+strconv.Itoa(status), token, "")
				teapot.want(t, "an error of the application", status)
				if !strings.Contains(teapot.body, "/teapot") {
					t.Errorf("the body of the application's %d was replaced: %s", status, teapot.body)
				}
			}

			c.send(t, "GET", "/orders", "", "").wantRefused(t, "signed out", 401, p.signedOut, "")
			c.send(t, "POST", "/orders", "", "a body").wantRefused(t, "signed out, with a body", 401, p.signedOut, "")
			c.send(t, "GET", "/orders", token+"x", "").wantRefused(t, "a forged token", 401, p.signedOut, "")
			c.send(t, "OPTIONS", "/orders", "", "").wantRefused(t, "a preflight", 401, p.signedOut, "")
			c.send(t, "GET", "/admin/orders", token, "").wantRefused(t, "another role", 403, `{"message":"Forbidden"}`, "")

			c.send(t, "POST", "/api/auth/logout", token, "").want(t, "logout", 200)
			c.send(t, "GET", "/orders", token, "").wantRefused(t, "revoked", 401, p.signedOut, cleared)
			for _, path := range []string{"/_verify/session", "/_verify/admin", "/_verify/"} {
				c.send(t, "GET", path, "", "").want(t, "the proxy's own path", map[string]int{"nginx": 404, "caddy": 401}[name])
			}

			login = c.send(t, "POST", "/api/auth/login", "", zoe)
			login.want(t, "login again", 200)
			token, _, _ = strings.Cut(strings.TrimPrefix(login.header.Get("Set-Cookie"), "token="), ";")
			c.redis.Kill()
			c.send(t, "GET", "/orders", token, "").wantRefused(t, "Redis is down", 503, p.unavailable, "")
			c.send(t, "GET", "/orders", "", "").wantRefused(t, "signed out, Redis is down", 401, p.signedOut, "")
			c.service.Stop(t)
			gone := c.send(t, "GET", "/orders", token, "")
			gone.want(t, "the service is stopped", map[string]int{"nginx": 503, "caddy": 502}[name])
		})
	}
}

// wantRedirected checks that plain HTTP redirects to HTTPS.
func wantRedirected(t *testing.T, p *harness.Proxy) {
	t.Helper()
	response, err := p.Client.Get(p.PlainURL + "/orders?x=1")
	if err != nil {
		t.Fatal(err)
	}
	_ = response.Body.Close()
	if got := response.Header.Get("Location"); response.StatusCode != 308 || got != "https://127.0.0.1/orders?x=1" {
		t.Errorf("plain HTTP: got %d and the location %q", response.StatusCode, got)
	}
}

// wantRefused checks that the response is the proxy's own and contains nothing about the user.
func (a answer) wantRefused(t *testing.T, what string, status int, body, cookie string) {
	t.Helper()
	a.want(t, what, status)
	if a.body != body {
		t.Errorf("%s: %s, want %s", what, a.body, body)
	}
	if got := strings.Join(a.header["Set-Cookie"], "; and "); got != cookie {
		t.Errorf("%s: Set-Cookie is %q, want %q", what, got, cookie)
	}
	if got := a.header.Get("Cache-Control"); got != "no-store" {
		t.Errorf("%s: Cache-Control is %q, want no-store", what, got)
	}
	if a.header.Get("Location") != "" {
		t.Errorf("%s: got a redirect, want none", what)
	}
}

// wantSeen checks that the application received this user, and no identity header that the client sent.
func (a answer) wantSeen(t *testing.T, what, request string, user map[string]string) {
	t.Helper()
	a.want(t, what, 200)
	var got seen
	if err := json.Unmarshal([]byte(a.body), &got); err != nil {
		t.Errorf("%s: %v: %s", what, err, a.body)
		return
	}
	if got.Request != request {
		t.Errorf("%s: the application received %q, want %q", what, got.Request, request)
	}
	for name, values := range got.Header {
		plain := strings.ReplaceAll(strings.ToLower(name), "_", "-")
		if !strings.HasPrefix(plain, "x-auth-request-") {
			continue
		}
		short := strings.TrimPrefix(name, "X-Auth-Request-")
		if value := strings.Join(values, ", "); value != user[short] {
			t.Errorf("%s: %s is %.200q, want %.200q", what, name, value, user[short])
		}
	}
	for name, value := range user {
		if got.Header.Get("X-Auth-Request-"+name) != value {
			t.Errorf("%s: the application did not receive X-Auth-Request-%s: %.200q", what, name, value)
		}
	}
	if values := got.Header["X-Forwarded-For"]; len(values) != 1 || values[0] != "127.0.0.1" {
		t.Errorf("%s: X-Forwarded-For is %q, want 127.0.0.1", what, values)
	}
	for _, values := range got.Header {
		if text := strings.Join(values, ", "); strings.Contains(text, "203.0.113.7") || strings.Contains(text, "root.example.com") {
			t.Errorf("%s: the application received %q, which the client forged", what, text)
		}
	}
}
