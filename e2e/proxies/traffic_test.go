package proxies

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"golang.org/x/net/websocket"

	"gin-auth/e2e/internal/harness"
)

// shortDefaults shortens the nginx timeouts that the file does not set. A test then need not wait for the default
// of 60 s.
var shortDefaults = map[string][]harness.Edit{"nginx": {
	insert("map $http_upgrade $upgrade_header {\n", "proxy_read_timeout 1s;\nproxy_send_timeout 1s;\n"),
}}

// TestWebSocket opens a WebSocket, leaves it idle, and uses it.
func TestWebSocket(t *testing.T) {
	t.Parallel()
	for name := range proxies {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := startSite(t, name, shortDefaults[name]...)
			if _, err := s.dial(t, "/socket", "x"); err == nil {
				t.Error("a WebSocket without a session was accepted")
			}
			if _, err := s.dial(t, "/admin/socket", sign(t, jwt.MapClaims{"id": "7", "role": "user"})); err == nil {
				t.Error("a WebSocket with the wrong role was accepted")
			}
			if got := s.reached.Load(); got != 0 {
				t.Errorf("%d rejected requests reached the application", got)
			}
			conn, err := s.dial(t, "/socket", sign(t, jwt.MapClaims{"id": "7"}))
			if err != nil {
				t.Fatal(err)
			}
			for _, message := range []string{"one", strings.Repeat("two", 50_000), "three"} {
				if _, err := conn.Write([]byte(message)); err != nil {
					t.Fatal(err)
				}
				var got string
				for len(got) < len(message) {
					var part string
					if err := websocket.Message.Receive(conn, &part); err != nil {
						t.Fatalf("after %d of %d bytes: %v", len(got), len(message), err)
					}
					got += part
				}
				if got != message {
					t.Errorf("sent %d bytes, got %d different ones back", len(message), len(got))
				}
				time.Sleep(1500 * time.Millisecond) // longer than the default timeouts of this test
			}
		})
	}
}

func (s *site) dial(t *testing.T, path, token string) (*websocket.Conn, error) {
	t.Helper()
	config, err := websocket.NewConfig("ws"+strings.TrimPrefix(s.url, "http")+path, s.url)
	if err != nil {
		t.Fatal(err)
	}
	config.Header.Set("Cookie", "token="+token)
	if transport, ok := s.Transport.(*http.Transport); ok {
		config.TlsConfig = transport.TLSClientConfig.Clone()
		config.TlsConfig.NextProtos = nil
	}
	conn, err := config.DialContext(t.Context())
	if err == nil {
		t.Cleanup(func() { _ = conn.Close() })
	}
	return conn, err
}

// TestOtherProtocols checks that only WebSocket upgrades reach the application. If it could upgrade a connection to
// HTTP/2, requests on that connection would bypass the proxy's checks.
func TestOtherProtocols(t *testing.T) {
	t.Parallel()
	for name := range proxies {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := startSite(t, name)
			got := s.do(t, "GET", s.url+"/orders", http.Header{
				"Cookie":         {"token=" + sign(t, jwt.MapClaims{"id": "7"})},
				"Connection":     {"Upgrade, HTTP2-Settings"},
				"Upgrade":        {"h2c"},
				"Http2-Settings": {"AAMAAABkAAQCAAAAAAIAAAAA"},
			}, "")
			got.want(t, "h2c", 200)
			if upgrade := got.seen(t).Header["Upgrade"]; upgrade != nil {
				t.Errorf("the application received the upgrade %q, want only websocket", upgrade)
			}
		})
	}
}

// TestManyHeaders sends 25 KB of headers, more than gin-auth accepts.
func TestManyHeaders(t *testing.T) {
	t.Parallel()
	for name := range proxies {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := startSite(t, name)
			token := sign(t, jwt.MapClaims{"id": "7", "role": "admin"})
			for what, big := range map[string]http.Header{
				"3 of 8 KB":    many(3, 8100),
				"100 of 240 B": many(100, 240),
			} {
				big.Set("Cookie", "token="+token)
				for _, path := range []string{"/orders", "/admin/orders"} {
					got := s.do(t, "POST", s.url+path, big, "a body")
					got.want(t, what+" "+path, 200)
					if seen := got.seen(t); seen.Request != "POST "+path+" a body" || len(seen.Header) < len(big) {
						t.Errorf("%s: the application received the request %s with %d headers", what, seen.Request, len(seen.Header))
					}
				}
				bearer := big.Clone()
				bearer.Del("Cookie")
				bearer.Set("Authorization", "Bearer "+token)
				s.do(t, "GET", s.url+"/orders", bearer, "").want(t, what+" with Bearer", 200)
				big.Del("Cookie")
				s.do(t, "GET", s.url+"/orders", big, "").want(t, what+" signed out", 401)
				s.do(t, "GET", s.url+"/api/auth/me", big, "").want(t, what+" to gin-auth", 431)
			}
			before := s.reached.Load()
			cookies := strings.Repeat("c", 8000)
			lines := http.Header{"Cookie": {"token=" + token, "a=" + cookies, "b=" + cookies, "c=" + cookies}}
			s.do(t, "GET", s.url+"/orders", lines, "").want(t, "24 KB of cookies", 431)
			if s.reached.Load() != before {
				t.Error("a request with 24 KB of cookies reached the application")
			}
		})
	}
}

// many returns count headers of size bytes. Their values do not begin like those of cookies or Bearer tokens.
func many(count, size int) http.Header {
	header := http.Header{"Foo": {strings.Repeat("f", 400)}}
	for i := range count {
		header.Set(fmt.Sprintf("X-Header-%d", i), strings.Repeat(string(rune('a'+i%26)), size))
	}
	return header
}

// TestMethods checks that requests reach the application with their method, on IPv4 and IPv6, and with one request
// id that is not the client's.
func TestMethods(t *testing.T) {
	t.Parallel()
	for name := range proxies {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := startSite(t, name)
			urls := []string{s.url}
			if s.proxy.URL6 == "" {
				t.Log("no IPv6 on this machine")
			} else {
				urls = append(urls, s.proxy.URL6)
			}
			header := http.Header{"Cookie": {"token=" + sign(t, jwt.MapClaims{"id": "7"})}, "X-Request-Id": {"forged"}}
			for _, url := range urls {
				for _, method := range []string{"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"} {
					got := s.do(t, method, url+"/orders", header, strings.Repeat("x", 100_000))
					got.want(t, method+" "+url, 200)
					if got.header.Get("X-Method") != method {
						t.Errorf("%s %s: the application received %s", method, url, got.header.Get("X-Method"))
					}
				}
				got := s.do(t, "POST", url+"/orders", header, "a body").seen(t)
				id := got.Header.Get("X-Request-Id")
				if got.Request != "POST /orders a body" || id == "" || id == "forged" {
					t.Errorf("%s: the application received %s with the id %q", url, got.Request, id)
				}
				harness.Eventually(t, "gin-auth logs the request", func() error { // it logs after its response
					if !strings.Contains(s.service.Output(), id) {
						return errors.New(id)
					}
					return nil
				})
				me := s.do(t, "GET", url+"/api/auth/me", header, "")
				me.want(t, "me", 200)
				if id := me.header.Get("X-Request-Id"); id == "" || id == "forged" {
					t.Errorf("%s: gin-auth answered with the id %q", url, id)
				}
			}
		})
	}
}

// seen returns what the application received.
func (a answer) seen(t *testing.T) seen {
	t.Helper()
	var got seen
	if err := json.Unmarshal([]byte(a.body), &got); err != nil {
		t.Fatalf("%v: %d %.300s", err, a.status, a.body)
	}
	return got
}
