package attacks

import (
	"bytes"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"gin-auth/e2e/internal/harness"
)

// TestCrossSite sends the POST requests that a browser sends for pages of other origins.
func TestCrossSite(t *testing.T) {
	t.Parallel()
	redis := harness.StartRedis(t)
	s := startAttacked(t, append(redis.Env(), "CORS_ORIGINS=https://app.example.com")...)
	paths := []string{"login", "logout", "register", "logout-all"}
	tries := 0
	for name, test := range map[string]struct {
		header  string
		refused bool
	}{
		"no browser":            {"", false},
		"same origin":           {"Sec-Fetch-Site: same-origin\r\nOrigin: http://localhost\r\n", false},
		"by the user":           {"Sec-Fetch-Site: none\r\n", false},
		"old, same origin":      {"Origin: http://localhost\r\n", false},
		"trusted":               {"Sec-Fetch-Site: cross-site\r\nOrigin: https://app.example.com\r\n", false},
		"trusted, old":          {"Origin: https://app.example.com\r\n", false},
		"cross-site":            {"Sec-Fetch-Site: cross-site\r\nOrigin: https://evil.example\r\n", true},
		"cross-site, no origin": {"Sec-Fetch-Site: cross-site\r\n", true},
		"same site":             {"Sec-Fetch-Site: same-site\r\nOrigin: https://other.localhost\r\n", true},
		"old":                   {"Origin: https://evil.example\r\n", true},
		"null":                  {"Origin: null\r\n", true},
		"null, cross-site":      {"Sec-Fetch-Site: cross-site\r\nOrigin: null\r\n", true},
		"trusted, other scheme": {"Sec-Fetch-Site: cross-site\r\nOrigin: http://app.example.com\r\n", true},
		"trusted, other port":   {"Sec-Fetch-Site: cross-site\r\nOrigin: https://app.example.com:8443\r\n", true},
		"trusted, as a prefix":  {"Sec-Fetch-Site: cross-site\r\nOrigin: https://app.example.com.evil.example\r\n", true},
		"trusted, as a suffix":  {"Sec-Fetch-Site: cross-site\r\nOrigin: https://evil-app.example.com\r\n", true},
		"unknown word":          {"Sec-Fetch-Site: SAME-ORIGIN\r\nOrigin: https://evil.example\r\n", true},
	} {
		token := wireLogin(t, s.URL, "ada")
		for _, path := range paths {
			for _, kind := range []string{"application/json", "text/plain", "application/x-www-form-urlencoded"} {
				got := wireOne(t, s.URL, "POST", "/api/auth/"+path, test.header+"Content-Type: "+kind+"\r\nCookie: token="+token+"\r\n", "{}")
				if tries++; (got.status == 403) != test.refused {
					t.Errorf("%s: POST %s: got %d %s, want a 403: %v", name, path, got.status, got.body, test.refused)
				}
			}
		}
		if valid := wireStatus(t, s.URL, token) == 200; valid != test.refused {
			t.Errorf("%s: after the requests the session is valid: %v, want %v", name, valid, test.refused)
		}
	}
	t.Logf("%d requests", tries)
}

// smuggled is the second request that no ambiguous request may carry past a proxy. It would log the user out.
const smuggled = "GET /api/auth/logout HTTP/1.1\r\nHost: a\r\nCookie: token=%s\r\n\r\n"

// TestSmuggling sends requests whose body or header could end at different places for two readers. It sends them to
// the service itself and through haproxy and nginx, which reject some of them and correct others.
func TestSmuggling(t *testing.T) {
	t.Parallel()
	haproxy, nginx := harness.Need(t, "haproxy"), harness.Need(t, "nginx")
	redis := harness.StartRedis(t)
	s := startAttacked(t, redis.Env()...)
	const head = "POST /api/auth/login HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\n"
	cases := map[string]string{
		"CL and TE":                    head + "Content-Length: %[2]d\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
		"TE and CL":                    head + "Transfer-Encoding: chunked\r\nContent-Length: %[2]d\r\n\r\n0\r\n\r\n",
		"TE twice":                     head + "Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\nContent-Length: %[2]d\r\n\r\n0\r\n\r\n",
		"TE of an unknown kind":        head + "Transfer-Encoding: xchunked\r\nContent-Length: %[2]d\r\n\r\n0\r\n\r\n",
		"TE with a tab":                head + "Transfer-Encoding:\tchunked\r\nContent-Length: %[2]d\r\n\r\n0\r\n\r\n",
		"TE with a vertical tab":       head + "Transfer-Encoding: \x0bchunked\r\nContent-Length: %[2]d\r\n\r\n0\r\n\r\n",
		"TE, a space before the colon": head + "Transfer-Encoding : chunked\r\nContent-Length: %[2]d\r\n\r\n0\r\n\r\n",
		"TE, quoted":                   head + "Transfer-Encoding: \"chunked\"\r\nContent-Length: %[2]d\r\n\r\n0\r\n\r\n",
		"TE, folded":                   head + "Transfer-Encoding:\r\n chunked\r\nContent-Length: %[2]d\r\n\r\n0\r\n\r\n",
		"TE, a list":                   head + "Transfer-Encoding: identity, chunked\r\nContent-Length: %[2]d\r\n\r\n0\r\n\r\n",
		"TE in HTTP/1.0":               "POST /api/auth/login HTTP/1.0\r\nHost: a\r\nConnection: keep-alive\r\nTransfer-Encoding: chunked\r\nContent-Length: %[2]d\r\n\r\n0\r\n\r\n",
		"CL twice":                     head + "Content-Length: 0\r\nContent-Length: %[2]d\r\n\r\n",
		"CL twice, the other way":      head + "Content-Length: %[2]d\r\nContent-Length: 0\r\n\r\n",
		"CL, a list":                   head + "Content-Length: 0, %[2]d\r\n\r\n",
		"CL with a sign":               head + "Content-Length: +0\r\n\r\n",
		"CL below zero":                head + "Content-Length: -1\r\n\r\n",
		"CL in hex":                    head + "Content-Length: 0x0\r\n\r\n",
		"CL, a space before the colon": head + "Content-Length : %[2]d\r\n\r\n",
		"CL too large":                 head + "Content-Length: 18446744073709551616\r\n\r\n",
		"a bare LF in a chunk's size":  head + "Transfer-Encoding: chunked\r\n\r\n0;x\n\r\n",
		"a bare CR in a chunk's ext.":  head + "Transfer-Encoding: chunked\r\n\r\n0;a\rb\r\n\r\n",
		"a bare LF ends the chunk":     head + "Transfer-Encoding: chunked\r\n\r\n2\r\n{}\n0\r\n\r\n",
		"a chunk too long":             head + "Transfer-Encoding: chunked\r\n\r\n2\r\n{}xx\r\n0\r\n\r\n",
		"a chunk size with a sign":     head + "Transfer-Encoding: chunked\r\n\r\n-0\r\n\r\n",
		"a chunk size in 0x":           head + "Transfer-Encoding: chunked\r\n\r\n0x0\r\n\r\n",
		"a chunk size too large":       head + "Transfer-Encoding: chunked\r\n\r\n10000000000000000\r\n\r\n",
		"a folded header":              head + "X-A: b\r\n Content-Length: 0\r\nContent-Length: %[2]d\r\n\r\n",
		"a header without a colon":     head + "Content-Length\r\nContent-Length: 0\r\n\r\n",
		"a bare CR in a header":        head + "X-A: b\rContent-Length: 0\r\n\r\n",
		"NUL in a header":              head + "X-A: b\x00c\r\nContent-Length: 0\r\n\r\n",
		"NUL in a path":                "GET /api/auth/me\x00 HTTP/1.1\r\nHost: a\r\n\r\n",
		"a space in front of a header": "POST /api/auth/login HTTP/1.1\r\n Host: a\r\nHost: b\r\nContent-Length: 0\r\n\r\n",
		"Host twice":                   "GET /api/auth/me HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
		"no Host":                      "GET /api/auth/me HTTP/1.1\r\n\r\n",
		"a Host with a path":           "GET /api/auth/me HTTP/1.1\r\nHost: a/api/auth/logout\r\n\r\n",
		"a version of its own":         "GET /api/auth/me HTTP/1.1.1\r\nHost: a\r\n\r\n",
		"HTTP/2 without a connection":  "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
		"a body that no one declared":  "GET /api/auth/me HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked, identity\r\n\r\n",
	}
	direct := wireAddr(s.URL)
	for name, addr := range map[string]string{"the service": direct, "haproxy": smugglingHaproxy(t, haproxy, direct), "nginx": smugglingNginx(t, nginx, direct)} {
		token := wireLogin(t, s.URL, "ada")
		second := fmt.Sprintf(smuggled, token)
		refused, through := 0, 0
		for what, text := range cases {
			if strings.Contains(text, "%[2]d") {
				text = strings.ReplaceAll(text, "%[2]d", fmt.Sprint(len(second)))
			}
			answers := smuggle(t, addr, text+second)
			if strings.HasPrefix(answers, "HTTP/1.1 4") || strings.HasPrefix(answers, "HTTP/1.1 5") || strings.HasPrefix(answers, "HTTP/1.0 4") || answers == "" {
				refused++
			}
			if addr != direct && strings.HasPrefix(what, "a bare LF") {
				// Here the proxies themselves find the end of the body and a second request, and forward both requests.
				if wireStatus(t, s.URL, token) != 200 {
					token = wireLogin(t, s.URL, "ada")
					second = fmt.Sprintf(smuggled, token)
				}
				continue
			}
			if wireStatus(t, s.URL, token) != 200 {
				through++
				t.Errorf("%s: the second request of %q was executed, want it rejected: %q", name, what, answers)
				token = wireLogin(t, s.URL, "ada")
				second = fmt.Sprintf(smuggled, token)
			}
		}
		t.Logf("%s: %d ambiguous requests, %d of them answered 4xx or 5xx or not at all, %d second requests executed", name, len(cases), refused, through)
	}
}

// TestPaths checks that each path has only one spelling, even if a proxy treats another spelling as the same path.
func TestPaths(t *testing.T) {
	t.Parallel()
	redis := harness.StartRedis(t)
	s := startAttacked(t, redis.Env()...)
	token := wireLogin(t, s.URL, "ada")
	for _, path := range []string{
		"//api/auth/me", "/api//auth/me", "/api/auth//me", "/api/auth/me/", "/api/auth/./me", "/api/auth/x/../me", "/api/auth/%2e/me", "/api/auth/x/%2e%2e/me",
		"/api/auth%2fme", "/api%2Fauth/me", "/api/auth/%6de", "/api/auth/me%00", "/api/auth/me%20", "/api/auth/me;x", "/api/auth/ME", "/API/auth/me", `/api\auth\me`,
		"/api/auth/me%2f", "/api/auth/me%3f", "/healthz/../api/auth/me", "/healthz/%2e%2e/api/auth/me", "/%61pi/auth/me", "/api/auth/me%0d%0aX:y", "*", "api/auth/me",
	} {
		if got := wireOne(t, s.URL, "GET", path, "Cookie: token="+token+"\r\n", ""); got.status != 404 && got.status != 400 {
			t.Errorf("%s: got %d %s, want 404", path, got.status, got.body)
		}
	}
	// RFC 9112, section 3.2.2: a server must accept the absolute form.
	for path, status := range map[string]int{"http://other/api/auth/me": 200, "http://other/x": 404, "/api/auth/me?x=/../": 200} {
		if got := wireOne(t, s.URL, "GET", path, "Cookie: token="+token+"\r\n", ""); got.status != status {
			t.Errorf("%s: got %d, want %d", path, got.status, status)
		}
	}
}

// smuggle sends bytes and returns everything received until the server closes the connection or sends nothing more.
func smuggle(t *testing.T, addr, text string) string {
	t.Helper()
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	_, _ = io.WriteString(conn, text)
	var answers bytes.Buffer
	_ = conn.SetDeadline(time.Now().Add(300 * time.Millisecond))
	_, _ = io.Copy(&answers, conn)
	return answers.String()
}

func smugglingHaproxy(t *testing.T, program, backend string) string {
	t.Helper()
	addr := fmt.Sprintf("127.0.0.1:%d", harness.FreePort(t))
	startSmugglingProxy(t, program, addr, fmt.Sprintf(`defaults
  mode http
  timeout connect 2s
  timeout client 5s
  timeout server 5s
listen web
  bind %s
  http-reuse always
  server auth %s
`, addr, backend), "-db", "-f")
	return addr
}

func smugglingNginx(t *testing.T, program, backend string) string {
	t.Helper()
	addr := fmt.Sprintf("127.0.0.1:%d", harness.FreePort(t))
	startSmugglingProxy(t, program, addr, fmt.Sprintf(`daemon off;
pid nginx.pid;
error_log stderr;
events {}
http {
access_log off;
client_body_temp_path .; proxy_temp_path .; fastcgi_temp_path .; uwsgi_temp_path .; scgi_temp_path .;
upstream auth { server %s; keepalive 4; }
server { listen %s; location / { proxy_pass http://auth; proxy_http_version 1.1; proxy_set_header Connection ""; } }
}
`, backend, addr), "-p", ".", "-c")
	return addr
}

func startSmugglingProxy(t *testing.T, program, addr, config string, args ...string) {
	t.Helper()
	dir := t.TempDir()
	path := filepath.Join(dir, "proxy.conf")
	if err := os.WriteFile(path, []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	p := harness.Start(t, dir, nil, program, append(slices.Clone(args), path)...)
	harness.Eventually(t, filepath.Base(program)+" listens", func() error {
		conn, err := net.Dial("tcp", addr)
		if err != nil {
			return fmt.Errorf("%w: %s", err, p.Output())
		}
		return conn.Close()
	})
	// nginx's workers end only if the master is asked to end. If the master is killed, they keep running.
	t.Cleanup(func() { p.Stop(t) })
}
