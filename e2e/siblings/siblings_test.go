// Package siblings runs three Express services that verify tokens themselves and never query Redis, as most of
// these services do. Behind nginx with deploy/nginx.conf they reject a logged-out token without any change to their
// code.
package siblings

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"

	"gin-auth/e2e/internal/harness"
)

func TestMain(m *testing.M) { harness.Main(m) }

// ways are ways to send a token that the sibling services read. cookie-parser decodes a value after "j:" as JSON.
// If the cookie is empty, the services use the second word of Authorization, whatever the first word is.
var ways = map[string]func(token string) http.Header{
	"cookie":                 func(token string) http.Header { return http.Header{"Cookie": {"token=" + token}} },
	"Bearer":                 bearer,
	"a JSON cookie":          func(token string) http.Header { return http.Header{"Cookie": {`token=j:"` + token + `"`}} },
	"Bearer, empty cookie":   withEmptyCookie,
	"another authentication": func(token string) http.Header { return http.Header{"Authorization": {"Basic " + token}} },
}

func bearer(token string) http.Header { return http.Header{"Authorization": {"Bearer " + token}} }

func withEmptyCookie(token string) http.Header {
	header := bearer(token)
	header.Set("Cookie", "token=")
	return header
}

// TestLoggedOut counts the services that accept a token after its logout, when called directly and behind the
// proxy.
func TestLoggedOut(t *testing.T) {
	t.Parallel()
	s := startShop(t)
	user, _ := s.register(t, "ada", "user")
	for _, at := range []where{s.direct, s.proxied} {
		for _, way := range []string{"cookie", "Bearer"} {
			if n := at.admits(t, ways[way](user)); n != 3 {
				t.Errorf("%s, %s: %d of 3 services accept a valid token, want 3", at.name, way, n)
			}
		}
	}
	s.send(t, "POST", s.proxied.urls["cart"]+"/api/cart", bearer(user), `{"product":"tea"}`).want(t, "cart", 201, `{"items":["tea"]}`)
	const order = `{"order":{"items":["tea"]}}`
	for _, at := range []where{s.direct, s.proxied} {
		at.order(t, user).want(t, at.name+": the order service asks the cart service", 201, order)
	}

	s.send(t, "POST", s.proxied.urls["auth"]+"/api/auth/logout", bearer(user), "").
		want(t, "logout", 200, `{"message":"logged out successfully"}`)
	for way, header := range ways {
		before, after := s.direct.admits(t, header(user)), s.proxied.admits(t, header(user))
		t.Logf("a logged-out token as %s: accepted by %d of 3 directly, by %d of 3 behind the proxy", way, before, after)
		if before != 3 || after != 0 {
			t.Errorf("%s: the token is accepted by %d of 3 directly and by %d of 3 behind the proxy, want 3 and 0", way, before, after)
		}
	}
	s.direct.order(t, user).want(t, "a logged-out token between the services directly", 201, order)
	s.proxied.order(t, user).want(t, "a logged-out token at the order service", 401, `{"message":"Unauthorized"}`)
	// The request goes directly to the order service that calls the cart service through the proxy. This is what
	// happens if the logout comes between the two requests.
	inside := s.proxied
	inside.urls = map[string]string{"orders": s.inside}
	inside.order(t, user).want(t, "a logged-out token between the services through the proxy", 502,
		`{"message":"The cart service answered 401"}`)
}

// TestRoles compares the responses of the services when called directly and behind the proxy.
func TestRoles(t *testing.T) {
	t.Parallel()
	s := startShop(t)
	user, _ := s.register(t, "ada", "user")
	seller, sellerID := s.register(t, "bob", "seller")
	for _, test := range []struct {
		method, path, token string
		status              int
		body                string
	}{
		{"GET", "/api/cart", user, 200, `{"items":[]}`},
		{"GET", "/api/cart", seller, 403, `{"message":"Not for the role seller"}`},
		{"GET", "/api/orders", seller, 403, `{"message":"Not for the role seller"}`},
		{"POST", "/api/orders", seller, 403, `{"message":"Not for the role seller"}`},
		{"POST", "/api/orders", user, 201, `{"order":{"items":[]}}`},
		{"POST", "/api/products", user, 403, `{"message":"Not for the role user"}`},
		{"POST", "/api/products", seller, 201, `{"product":{"name":"tea","seller":"` + sellerID + `"}}`},
		{"GET", "/api/products", "", 401, ""},
		{"GET", "/api/products", user + "x", 401, ""},
	} {
		for _, at := range []where{s.direct, s.proxied} {
			for _, way := range []string{"cookie", "Bearer"} {
				service := strings.TrimPrefix(test.path, "/api/")
				header := http.Header{}
				if test.token != "" {
					header = ways[way](test.token)
				}
				s.send(t, test.method, at.urls[service]+test.path, header, `{"name":"tea"}`).
					want(t, at.name+", "+way+": "+test.method+" "+test.path, test.status, test.body)
			}
		}
	}
}

// admits returns how many of the three services answer 200.
func (at where) admits(t *testing.T, header http.Header) (n int) {
	t.Helper()
	for _, service := range services {
		switch got := at.send(t, "GET", at.urls[service]+"/api/"+service, header, ""); got.status {
		case http.StatusOK:
			n++
		case http.StatusUnauthorized:
		default:
			t.Errorf("%s, %s: got %d %s, want 200 or 401", at.name, service, got.status, got.body)
		}
	}
	return n
}

func (at where) order(t *testing.T, token string) answer {
	t.Helper()
	return at.send(t, "POST", at.urls["orders"]+"/api/orders", bearer(token), "{}")
}

type answer struct {
	status int
	body   string
	header http.Header
}

// want checks the status and, unless it is "", the body.
func (a answer) want(t *testing.T, what string, status int, body string) {
	t.Helper()
	if a.status != status || body != "" && a.body != body {
		t.Errorf("%s: got %d %s, want %d %s", what, a.status, a.body, status, body)
	}
}

type client struct{ *http.Client }

func (c client) send(t *testing.T, method, url string, header http.Header, body string) answer {
	t.Helper()
	header = header.Clone()
	header.Set("Content-Type", "application/json")
	response, text := harness.Send(t, c.Client, method, url, header, body)
	return answer{response.StatusCode, text, response.Header}
}

// register registers a user at gin-auth. It returns the token in the cookie and the user's id.
func (s *shop) register(t *testing.T, name, role string) (token, id string) {
	t.Helper()
	body := `{"username":"` + name + `","email":"` + name + `@example.com","password":"correct horse","role":"` + role + `"}`
	got := s.send(t, "POST", s.proxied.urls["auth"]+"/api/auth/register", http.Header{}, body)
	got.want(t, "register", 201, "")
	var user struct{ User struct{ ID string } }
	if err := json.Unmarshal([]byte(got.body), &user); err != nil {
		t.Fatal(err)
	}
	token, _, _ = strings.Cut(strings.TrimPrefix(got.header.Get("Set-Cookie"), "token="), ";")
	return token, user.User.ID
}
