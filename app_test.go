package main

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"io"
	"log/slog"
	"maps"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/alicebob/miniredis/v2"

	"gin-auth/config"
)

const testSecret = "a secret of more than thirty-two bytes"

// service is the whole service behind a TLS server, on a miniredis.
type service struct {
	url   string
	redis *miniredis.Miniredis
	log   *syncBuffer
	app   *app
	tls   *httptest.Server
	// described is the content of /openapi.json. Every answer is checked against it.
	described *description
}

type syncBuffer struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (b *syncBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.Write(p)
}

func (b *syncBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.String()
}

// newService starts the service with the settings of production, changed by the given ones.
func newService(t testing.TB, settings ...string) *service {
	t.Helper()
	s := &service{redis: miniredis.RunT(t), log: &syncBuffer{}}
	cfg, err := config.Load("", append([]string{
		"NODE_ENV=production",
		"JWT_SECRET=" + testSecret,
		"REDIS_HOST=" + s.redis.Host(),
		"REDIS_PORT=" + s.redis.Port(),
		"BCRYPT_COST=4",
		"REDIS_TIMEOUT=10s", // a test's machine may be busy
	}, settings...))
	if err != nil {
		t.Fatal(err)
	}
	log := slog.New(slog.NewJSONHandler(s.log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	sessions, err := newSessions(cfg)
	if err != nil {
		t.Fatal(err)
	}
	store, err := openDB(cfg, sessions, true, log)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = store.Close() })
	if s.app, err = newApp(cfg, sessions, store, log); err != nil {
		t.Fatal(err)
	}
	s.described = describe(t, s.app.handler)
	s.tls = httptest.NewTLSServer(s.app.handler)
	t.Cleanup(s.tls.Close)
	s.url = s.tls.URL
	return s
}

// browser is a client with a cookie jar: it keeps, sends and drops cookies as a browser does.
func (s *service) browser(t *testing.T) *http.Client {
	t.Helper()
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	client := *s.tls.Client()
	client.Jar = jar
	return &client
}

func tokenIn(t *testing.T, client *http.Client, s *service) string {
	t.Helper()
	u, err := url.Parse(s.url)
	if err != nil {
		t.Fatal(err)
	}
	for _, cookie := range client.Jar.Cookies(u) {
		if cookie.Name == "token" {
			return cookie.Value
		}
	}
	return ""
}

type answer struct {
	status int
	header http.Header
	body   string
}

// send sends a request, with any body as JSON, and checks what every answer must have.
func (s *service) send(t *testing.T, client *http.Client, method, path, body string, header ...string) answer {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), method, s.url+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	if body != "" {
		request.Header.Set("Content-Type", "application/json")
	}
	for i := 0; i < len(header); i += 2 {
		request.Header.Set(header[i], header[i+1])
	}
	response, err := client.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	contentType := "application/json; charset=utf-8"
	route, _, _ := strings.Cut(path, "?")
	if (method == http.MethodGet || method == http.MethodHead) && strings.HasSuffix(route, "/verify") {
		contentType = "" // its answers have no body
		if len(text) > 0 {
			t.Errorf("%s %s has a body: %s", method, path, text)
		}
	}
	if got := response.Header.Get("Content-Type"); got != contentType {
		t.Errorf("%s %s: Content-Type is %q", method, path, got)
	}
	if got := response.Header.Get("Cache-Control"); got != "no-store" {
		t.Errorf("%s %s: Cache-Control is %q", method, path, got)
	}
	if got := response.Header.Get("X-Content-Type-Options"); got != "nosniff" {
		t.Errorf("%s %s: X-Content-Type-Options is %q", method, path, got)
	}
	if got := response.Header.Get("Strict-Transport-Security"); got != "max-age=31536000" { // production, all of them
		t.Errorf("%s %s: Strict-Transport-Security is %q", method, path, got)
	}
	if response.Header.Get("X-Request-Id") == "" {
		t.Errorf("%s %s: no X-Request-Id", method, path)
	}
	s.described.hold(t, request, response, text)
	return answer{response.StatusCode, response.Header, string(text)}
}

func (a answer) want(t *testing.T, what string, status int, body string) {
	t.Helper()
	if a.status != status || a.body != body {
		t.Errorf("%s: %d %s, want %d %s", what, a.status, a.body, status, body)
	}
}

const (
	ada        = `{"username":"ada","email":"ada@example.com","password":"correct horse"}`
	adaLogin   = `{"email":"ada@example.com","password":"correct horse"}`
	loggedOut  = `{"message":"logged out successfully"}`
	noSession  = `{"message":"Unauthorized"}`
	refused    = `{"message":"Unauthorized user"}`
	revoked    = `{"message":"Session expired. Please login again."}`
	noRedis    = `{"message":"Authentication service unavailable"}`
	internal   = `{"message":"Internal server error"}`
	badLogin   = `{"message":"Invalid credentials"}`
	clearedFor = "token=; Path=/; Expires=Thu, 01 Jan 1970 00:00:00 GMT; HttpOnly; Secure; SameSite=Strict"
)

// TestFlow is the purpose of the service: a user registers, logs in, is accepted, logs out and is rejected.
func TestFlow(t *testing.T) {
	t.Parallel()
	s := newService(t)
	browser := s.browser(t)

	s.send(t, browser, "GET", "/api/auth/me", "").want(t, "me before", 401, noSession)

	registered := s.send(t, browser, "POST", "/api/auth/register", ada)
	user := userIn(t, registered.body)
	registered.want(t, "register", 201, `{"message":"User registered successfully","user":`+user+`}`)
	first := tokenIn(t, browser, s)
	if me := s.send(t, browser, "GET", "/api/auth/me", ""); me.status != 200 {
		t.Errorf("after the registration, me is %d %s", me.status, me.body)
	}
	s.send(t, browser, "POST", "/api/auth/register", strings.Replace(ada, "ada@", "ADA@", 1)).
		want(t, "register again", 409, `{"message":"User already exists"}`)

	s.send(t, browser, "POST", "/api/auth/login", adaLogin).
		want(t, "login", 200, `{"message":"User logged in successfully","user":`+user+`}`)
	token := tokenIn(t, browser, s)
	if token == first {
		t.Error("the login gives the token of the registration")
	}

	me := s.send(t, browser, "GET", "/api/auth/me", "")
	if me.status != 200 || !strings.HasPrefix(me.body, `{"user":`+strings.TrimSuffix(user, "}")+`,"jti":"`) {
		t.Errorf("me: %d %s", me.status, me.body)
	}
	s.send(t, browser, "HEAD", "/api/auth/me", "").want(t, "HEAD me", 200, "")

	out := s.send(t, browser, "POST", "/api/auth/logout", "")
	out.want(t, "logout", 200, loggedOut)
	if got := out.header.Get("Set-Cookie"); got != clearedFor {
		t.Errorf("logout sets %q", got)
	}
	if got := tokenIn(t, browser, s); got != "" {
		t.Errorf("the browser keeps %q after logout", got)
	}
	if value, err := s.redis.Get("blacklist:" + token); value != "true" || err != nil {
		t.Errorf("the blacklist has %q, %v", value, err)
	}
	if ttl := s.redis.TTL("blacklist:" + token); ttl < 24*time.Hour || ttl > 24*time.Hour+time.Minute {
		t.Errorf("the entry expires in %s", ttl)
	}

	old := s.send(t, s.tls.Client(), "GET", "/api/auth/me", "", "Cookie", "token="+token)
	old.want(t, "me with the old token", 401, revoked)
	if got := old.header.Get("Set-Cookie"); got != clearedFor {
		t.Errorf("a revoked token is answered with Set-Cookie %q", got)
	}
	s.send(t, s.tls.Client(), "GET", "/api/auth/logout", "", "Cookie", "token="+token).want(t, "logout again", 200, loggedOut)
}

func userIn(t *testing.T, body string) string {
	t.Helper()
	var decoded struct {
		User struct {
			ID, Email, Username, Role string
		}
	}
	if err := json.Unmarshal([]byte(body), &decoded); err != nil {
		t.Fatal(err)
	}
	u := decoded.User
	return `{"id":"` + u.ID + `","email":"` + u.Email + `","username":"` + u.Username + `","role":"` + u.Role + `"}`
}

// login registers a user and logs them in.
func (s *service) login(t *testing.T, client *http.Client) string {
	t.Helper()
	s.send(t, client, "POST", "/api/auth/register", ada)
	if got := s.send(t, client, "POST", "/api/auth/login", adaLogin); got.status != 200 {
		t.Fatalf("login: %d %s", got.status, got.body)
	}
	return tokenIn(t, client, s)
}

func TestBadRequests(t *testing.T) {
	t.Parallel()
	s := newService(t, "LOGIN_LIMIT=off")
	s.login(t, s.browser(t))
	const (
		register = "/api/auth/register"
		login    = "/api/auth/login"
	)
	for _, test := range []struct {
		path, body, contentType string
		status                  int
		message                 string
	}{
		{login, adaLogin, "application/json", 200, ""},
		{login, adaLogin, "application/json; charset=UTF-8", 200, ""},
		{login, "\ufeff" + adaLogin, "application/json", 200, ""},
		{login, `{"email":" ADA@example.com ","password":"correct horse"}`, "application/json", 200, ""},
		{login, `{"password":"wrong","email":"ada@example.com","password":"correct horse"}`, "application/json", 200, ""},
		{login, `{"email":"ada@example.com","password":"correct hors"}`, "application/json", 401, "Invalid credentials"},
		{login, `{"email":"bob@example.com","password":"correct horse"}`, "application/json", 401, "Invalid credentials"},
		{login, `{"email":"not an email","password":"correct horse"}`, "application/json", 401, "Invalid credentials"},
		{login, `{"email":"ada@example.com"}`, "application/json", 400, "password is required"},
		{login, `{"email":"","password":"x"}`, "application/json", 400, "email or username is required"},
		{login, `{"EMAIL":"ada@example.com","password":"correct horse"}`, "application/json", 400, "email or username is required"},
		{login, `{"email":{"$gt":""},"password":"x"}`, "application/json", 400, "email must be a string"},
		{login, `{"email":"ada@example.com","password":["x"]}`, "application/json", 400, "password must be a string"},
		{login, `{"email":null,"password":null}`, "application/json", 400, "email or username is required"},
		{login, `{"n":1e999,` + adaLogin[1:], "application/json", 200, ""},
		{login, `{`, "application/json", 400, "the body is not a JSON object"},
		{login, `[]`, "application/json", 400, "the body is not a JSON object"},
		{login, `null`, "application/json", 400, "the body is not a JSON object"},
		{login, adaLogin, "text/plain", 400, "the body must be JSON, with Content-Type: application/json"},
		{login, "email=ada@example.com", "application/x-www-form-urlencoded", 400, "the body must be JSON, with Content-Type: application/json"},
		{login, adaLogin, "application/json; charset=utf-16", 415, "the body must be UTF-8"},
		{login, `{"x":"` + strings.Repeat("x", 100<<10) + `"}`, "application/json", 413, "Request body too large"},
		{register, `{"username":"b","email":"bob","password":"12345678"}`, "application/json", 400, "email must be a valid email address"},
		{register, `{"username":"b","email":"b@x.y","password":"1234567"}`, "application/json", 400, "password must have at least 8 characters and at most 72 bytes"},
		{register, `{"username":"b\u0000","email":"b@x.y","password":"12345678"}`, "application/json", 400, "username must have at most 64 characters and no control or invisible characters"},
		{register, `{"email":"b@x.y","password":"12345678"}`, "application/json", 400, "username is required"},
	} {
		got := s.send(t, s.tls.Client(), "POST", test.path, test.body, "Content-Type", test.contentType)
		if test.status == 200 {
			if got.status != 200 {
				t.Errorf("%s %.80s: %d %s", test.path, test.body, got.status, got.body)
			}
			continue
		}
		got.want(t, test.path+" "+test.body[:min(80, len(test.body))], test.status, `{"message":"`+test.message+`"}`)
		if got.header.Get("Set-Cookie") != "" {
			t.Errorf("%s %.80s sets a cookie", test.path, test.body)
		}
	}
	// Only Ada is stored, and her sessions.
	if keys := s.redis.Keys(); len(keys) != 5 || keys[3] != "auth:user:ada@example.com" || keys[4] != "auth:username:ada" {
		t.Errorf("Redis has %q", keys)
	}
	s.send(t, s.tls.Client(), "POST", login, adaLogin, "Content-Encoding", "gzip").
		want(t, "a compressed body", 415, `{"message":"the body must not be compressed"}`)
}

func TestRoutesAsTheyAre(t *testing.T) {
	t.Parallel()
	s := newService(t)
	const (
		notFound   = `{"message":"Not found"}`
		notAllowed = `{"message":"Method not allowed"}`
	)
	for _, test := range []struct {
		method, path string
		status       int
		body, allow  string
	}{
		{"GET", "/", 404, notFound, ""},
		{"GET", "/api/auth", 404, notFound, ""},
		{"GET", "/api/auth/me/", 404, notFound, ""},
		{"GET", "/API/auth/me", 404, notFound, ""},
		{"GET", "/api/auth/%6De", 404, notFound, ""},
		{"GET", "/api//auth/me", 404, notFound, ""},
		{"GET", "/api/auth/x/../me", 404, notFound, ""},
		{"POST", "/api/auth/me", 405, notAllowed, "GET, HEAD"},
		{"GET", "/api/auth/login", 405, notAllowed, "POST"},
		{"DELETE", "/api/auth/logout", 405, notAllowed, "GET, POST"},
		{"OPTIONS", "/api/auth/logout", 405, notAllowed, "GET, POST"},
		{"HEAD", "/api/auth/logout", 405, "", "GET, POST"},
		{"GET", "/healthz", 200, `{"message":"ok"}`, ""},
		{"HEAD", "/healthz", 200, "", ""},
		{"GET", "/readyz", 200, `{"message":"ok"}`, ""},
	} {
		got := s.sendRaw(t, test.method, test.path)
		got.want(t, test.method+" "+test.path, test.status, test.body)
		allow := strings.Split(got.header.Get("Allow"), ", ")
		slices.Sort(allow)
		if strings.Join(allow, ", ") != test.allow {
			t.Errorf("%s %s: Allow is %q", test.method, test.path, allow)
		}
	}
}

// sendRaw sends a request without a body and without the checks of send.
func (s *service) sendRaw(t *testing.T, method, path string) answer {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), method, s.url, http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	request.URL.Opaque = path
	response, err := s.tls.Client().Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return answer{response.StatusCode, response.Header, string(text)}
}

func TestRedisAway(t *testing.T) {
	t.Parallel()
	s := newService(t)
	browser := s.browser(t)
	token := s.login(t, browser)
	other := s.browser(t)
	s.redis.Close()

	s.send(t, browser, "GET", "/api/auth/me", "").want(t, "me", 503, noRedis)
	out := s.send(t, browser, "POST", "/api/auth/logout", "")
	out.want(t, "logout", 500, internal)
	if out.header.Get("Set-Cookie") != "" || tokenIn(t, browser, s) != token {
		t.Error("a logout that failed cleared the cookie")
	}
	s.send(t, other, "POST", "/api/auth/login", adaLogin).want(t, "login", 503, noRedis)
	s.send(t, other, "POST", "/api/auth/register", ada).want(t, "register", 503, noRedis)
	s.send(t, other, "GET", "/readyz", "").want(t, "readyz", 503, `{"message":"not ready"}`)

	// Requests that need no Redis are answered.
	s.send(t, other, "GET", "/healthz", "").want(t, "healthz", 200, `{"message":"ok"}`)
	s.send(t, other, "GET", "/api/auth/me", "").want(t, "me without a cookie", 401, noSession)
	s.send(t, other, "GET", "/api/auth/me", "", "Cookie", "token=a.b.c").want(t, "me with a forged token", 401, refused)
	s.send(t, other, "POST", "/api/auth/logout", "").want(t, "logout without a cookie", 200, loggedOut)
	s.send(t, other, "POST", "/api/auth/logout", "", "Cookie", "token=a.b.c").want(t, "logout with a forged token", 200, loggedOut)

	if err := s.redis.Restart(); err != nil {
		t.Fatal(err)
	}
	back := time.Now()
	for got := s.send(t, browser, "GET", "/api/auth/me", ""); got.status != 200; got = s.send(t, browser, "GET", "/api/auth/me", "") {
		if time.Since(back) > 20*time.Second {
			t.Fatalf("me when Redis is back: %d %s", got.status, got.body)
		}
		time.Sleep(time.Millisecond)
	}
	s.send(t, browser, "POST", "/api/auth/logout", "").want(t, "logout when Redis is back", 200, loggedOut)
	s.send(t, other, "GET", "/api/auth/me", "", "Cookie", "token="+token).want(t, "me with the old token", 401, revoked)
}

// TestVerify checks what a reverse proxy is told about tokens, of this service or another, and about requests without
// one.
func TestVerify(t *testing.T) {
	t.Parallel()
	s := newService(t)
	token := s.login(t, s.browser(t))
	me := s.send(t, s.tls.Client(), "GET", "/api/auth/me", "", "Cookie", "token="+token)
	var ours struct{ User struct{ ID string } }
	if err := json.Unmarshal([]byte(me.body), &ours); err != nil {
		t.Fatal(err)
	}
	revokedToken := hs256(t, `{"id":"2"}`)
	s.redis.Set("blacklist:"+revokedToken, "true")
	for name, test := range map[string]struct {
		cookie string
		status int
		told   string // user, email, role, username
		sets   string // Set-Cookie
	}{
		"ours":                  {"token=" + token, 200, ours.User.ID + "|ada@example.com|user|ada", ""},
		"no claims":             {"token=" + hs256(t, `{}`), 200, "<none>|<none>|<none>|<none>", ""},
		"numbers":               {"token=" + hs256(t, `{"userId":7,"role":1.50,"username":12345678901234567890}`), 200, "7|<none>|1.5|12345678901234567890", ""},
		"no texts":              {"token=" + hs256(t, `{"id":{},"sub":"s","email":["a"],"role":null,"username":true}`), 200, "s|<none>|<none>|<none>", ""},
		"empty":                 {"token=" + hs256(t, `{"id":"","role":""}`), 200, "<none>|<none>|<none>|<none>", ""},
		"what doesn't fit":      {"token=" + hs256(t, `{"id":"a%b","email":"zoë@例.example","role":"a\r\nX-Auth-Request-User: root\u0000\u007f","username":"  Ada, \"L\"  "}`), 200, `a%25b|zo%C3%AB@%E4%BE%8B.example|a%0D%0AX-Auth-Request-User: root%00%7F|%20 Ada, "L" %20`, ""},
		"one space":             {"token=" + hs256(t, `{"id":" "}`), 200, "%20|<none>|<none>|<none>", ""},
		"by HEAD":               {"token=" + token, 200, ours.User.ID + "|ada@example.com|user|ada", ""},
		"?role=user":            {"token=" + token, 200, ours.User.ID + "|ada@example.com|user|ada", ""},
		"?role=a&role=user":     {"token=" + token, 200, ours.User.ID + "|ada@example.com|user|ada", ""},
		"?role=admin":           {"token=" + token, 403, "", ""},
		"?role=":                {"token=" + token, 400, "", ""},
		"?roles=user":           {"token=" + token, 400, "", ""},
		"?role=1.5":             {"token=" + hs256(t, `{"userId":7,"role":1.50}`), 403, "", ""},
		"?role=admin&role=":     {"token=" + revokedToken, 400, "", ""},
		"?role=root":            {"token=" + revokedToken, 401, "", clearedFor},
		"?":                     {"", 401, "", ""},
		"no cookie":             {"", 401, "", ""},
		"an empty cookie":       {"token=", 401, "", ""},
		"a forged token":        {"token=" + token + "x", 401, "", ""},
		"an expired token":      {"token=" + hs256(t, `{"id":"1","exp":1}`), 401, "", ""},
		"revoked":               {"token=" + revokedToken, 401, "", clearedFor},
		"of a cut that is past": {"token=" + hs256(t, `{"id":"3","iat":1}`), 401, "", clearedFor},
	} {
		if name == "of a cut that is past" {
			s.redis.Set("auth:logout-all:3", "5")
		}
		method, query := "GET", ""
		switch {
		case name == "by HEAD":
			method = "HEAD"
		case strings.HasPrefix(name, "?"):
			query = name
		}
		got := s.send(t, s.tls.Client(), method, "/api/auth/verify"+query, "", "Cookie", test.cookie)
		got.want(t, name, test.status, "")
		var told []string
		for _, header := range []string{"User", "Email", "Role", "Preferred-Username"} {
			value := "<none>"
			if values, ok := got.header["X-Auth-Request-"+header]; ok {
				value = strings.Join(values, "<and>")
			}
			told = append(told, value)
		}
		if test.told == "" {
			test.told = "<none>|<none>|<none>|<none>"
		}
		if got := strings.Join(told, "|"); got != test.told {
			t.Errorf("%s: told %s, want %s", name, got, test.told)
		}
		if got := got.header.Get("Set-Cookie"); got != test.sets {
			t.Errorf("%s: Set-Cookie is %q, want %q", name, got, test.sets)
		}
	}
	s.send(t, s.tls.Client(), "POST", "/api/auth/verify", "").want(t, "POST", 405, `{"message":"Method not allowed"}`)
	for _, below := range []string{"/", "/?role=admin", "/x", "//"} {
		s.send(t, s.tls.Client(), "GET", "/api/auth/verify"+below, "", "Cookie", "token="+token).
			want(t, below, 404, `{"message":"Not found"}`)
	}
	s.redis.Close()
	down := s.send(t, s.tls.Client(), "GET", "/api/auth/verify", "", "Cookie", "token="+token)
	down.want(t, "without Redis", 503, "")
	if down.header.Get("Set-Cookie") != "" {
		t.Error("without Redis, the client loses its cookie")
	}
}

func TestForgedLogoutsStoreNothing(t *testing.T) {
	t.Parallel()
	s := newService(t)
	token := s.login(t, s.browser(t))
	before := s.redis.Keys()
	for _, forged := range []string{"x", "a.b.c", token + "=", token[:len(token)-1], token + "x", "j:[\"" + token + "\"]"} {
		out := s.send(t, s.tls.Client(), "POST", "/api/auth/logout", "", "Cookie", "token="+forged)
		out.want(t, "logout of "+forged, 200, loggedOut)
		if out.header.Get("Set-Cookie") != clearedFor {
			t.Errorf("logout of %s sets %q", forged, out.header.Get("Set-Cookie"))
		}
	}
	if after := s.redis.Keys(); !slices.Equal(before, after) {
		t.Errorf("Redis had %q, has %q", before, after)
	}
}

func TestSettings(t *testing.T) {
	t.Parallel()
	t.Run("prefix, cookie and lifetime", func(t *testing.T) {
		t.Parallel()
		s := newService(t, "ROUTE_PREFIX=/", "COOKIE_NAME=__Host-token", "COOKIE_SAMESITE=Lax", "JWT_EXPIRES_IN=90s")
		s.send(t, s.tls.Client(), "POST", "/register", ada)
		cookie := s.send(t, s.tls.Client(), "POST", "/login", adaLogin).header.Get("Set-Cookie")
		if !strings.HasPrefix(cookie, "__Host-token=ey") || !strings.Contains(cookie, "; Max-Age=90; ") || !strings.HasSuffix(cookie, "; HttpOnly; Secure; SameSite=Lax") {
			t.Errorf("Set-Cookie is %q", cookie)
		}
	})
	t.Run("another key of the blacklist", func(t *testing.T) {
		t.Parallel()
		s := newService(t, "BLACKLIST_KEY=bl_{token}")
		browser := s.browser(t)
		token := s.login(t, browser)
		s.send(t, browser, "POST", "/api/auth/logout", "").want(t, "logout", 200, loggedOut)
		if value, err := s.redis.Get("bl_" + token); value != "true" || err != nil || s.redis.Exists("blacklist:"+token) {
			t.Errorf("the entry is %q, %v, among %q", value, err, s.redis.Keys())
		}
		s.send(t, s.tls.Client(), "GET", "/api/auth/me", "", "Cookie", "token="+token).want(t, "me", 401, revoked)
	})
	t.Run("several cookies", func(t *testing.T) {
		t.Parallel()
		s := newService(t, "COOKIE_DOMAIN=example.com")
		s.send(t, s.tls.Client(), "POST", "/api/auth/register", ada)
		login := func() string { // no browser keeps a cookie of that domain
			cookie := s.send(t, s.tls.Client(), "POST", "/api/auth/login", adaLogin).header.Get("Set-Cookie")
			token, _, _ := strings.Cut(strings.TrimPrefix(cookie, "token="), ";")
			return token
		}
		one, two, three := login(), login(), login()
		out := s.send(t, s.tls.Client(), "POST", "/api/auth/logout", "", "Cookie", "token=; token="+one+"; token=x; token="+one+"; token="+two)
		out.want(t, "logout", 200, loggedOut)
		withDomain := strings.Replace(clearedFor, "; Expires", "; Domain=example.com; Expires", 1)
		if got := out.header["Set-Cookie"]; !slices.Equal(got, []string{withDomain, clearedFor}) {
			t.Errorf("logout sets %q", got)
		}
		for token, status := range map[string]int{one: 401, two: 401, three: 200} {
			if got := s.send(t, s.tls.Client(), "GET", "/api/auth/me", "", "Cookie", "token="+token); got.status != status {
				t.Errorf("me: %d %s, want %d", got.status, got.body, status)
			}
		}
	})
	t.Run("bearer tokens", func(t *testing.T) {
		t.Parallel()
		s := newService(t, "ACCEPT_BEARER=true")
		token, other := s.login(t, s.browser(t)), s.login(t, s.browser(t))
		me := func(header ...string) int {
			return s.send(t, s.tls.Client(), "GET", "/api/auth/me", "", header...).status
		}
		for _, scheme := range []string{"Bearer ", "bearer ", "BEARER  "} {
			if status := me("Authorization", scheme+token); status != 200 {
				t.Errorf("%q: %d", scheme, status)
			}
		}
		for _, value := range []string{"", "Bearer", "Bearer ", token, "Basic " + token, "Bearer" + token, "Bearer " + token + "=",
			"Bearer " + token + " x", `Bearer "` + token + `"`, "Bearer " + strings.ReplaceAll(token, ".", "%2e")} {
			if status := me("Authorization", value); status != 401 {
				t.Errorf("%q: %d", value, status)
			}
		}
		if me("Authorization", "Bearer "+token, "Cookie", "token=") != 200 || me("Authorization", "Bearer "+token, "Cookie", "token=x") != 401 {
			t.Error("the cookie does not come first")
		}
		s.send(t, s.tls.Client(), "POST", "/api/auth/logout", "", "Authorization", "Bearer "+other, "Cookie", "token="+token).
			want(t, "logout of the cookie", 200, loggedOut)
		if me("Authorization", "Bearer "+other) != 200 {
			t.Error("the bearer token is revoked instead of the cookie's")
		}
		s.send(t, s.tls.Client(), "POST", "/api/auth/logout", "", "Authorization", "Bearer "+other).want(t, "logout", 200, loggedOut)
		got := s.send(t, s.tls.Client(), "GET", "/api/auth/me", "", "Authorization", "Bearer "+other)
		got.want(t, "me", 401, revoked)
		if got.header.Get("Set-Cookie") != clearedFor {
			t.Errorf("a revoked bearer token is answered with Set-Cookie %q", got.header.Get("Set-Cookie"))
		}
	})
	t.Run("no bearer tokens", func(t *testing.T) {
		t.Parallel()
		s := newService(t)
		s.send(t, s.tls.Client(), "GET", "/api/auth/me", "", "Authorization", "Bearer "+s.login(t, s.browser(t))).
			want(t, "me", 401, noSession)
	})
	t.Run("roles and passwords", func(t *testing.T) {
		t.Parallel()
		s := newService(t, "REGISTRATION_ROLES=buyer,seller", "PASSWORD_MIN=6")
		register := func(name, more string) answer {
			return s.send(t, s.tls.Client(), "POST", "/api/auth/register",
				`{"username":"`+name+`","email":"`+name+`@example.com","password":"secret"`+more+`}`)
		}
		for more, want := range map[string]string{``: "buyer", `,"role":null`: "buyer", `,"role":"seller"`: "seller"} {
			if got := register("u"+strconv.Itoa(len(more)), more); got.status != 201 || !strings.Contains(got.body, `"role":"`+want+`"}}`) {
				t.Errorf("%s: %d %s", more, got.status, got.body)
			}
		}
		for more, want := range map[string]string{
			`,"role":"admin"`:     "role must be one of: buyer, seller",
			`,"role":""`:          "role must be one of: buyer, seller",
			`,"role":"Seller"`:    "role must be one of: buyer, seller",
			`,"role":["buyer"]`:   "role must be a string",
			`,"password":"12345"`: "password must have at least 6 characters and at most 72 bytes",
		} {
			register("new", more).want(t, more, 400, `{"message":"`+want+`"}`)
		}
	})
	t.Run("registration closed", func(t *testing.T) {
		t.Parallel()
		s := newService(t, "REGISTRATION=closed")
		s.send(t, s.tls.Client(), "POST", "/api/auth/register", ada).want(t, "register", 403, `{"message":"Registration is closed"}`)
	})
	t.Run("draining", func(t *testing.T) {
		t.Parallel()
		s := newService(t)
		s.app.health.Drain()
		s.send(t, s.tls.Client(), "GET", "/readyz", "").want(t, "readyz", 503, `{"message":"not ready"}`)
		s.send(t, s.tls.Client(), "GET", "/healthz", "").want(t, "healthz", 200, `{"message":"ok"}`)
	})
	t.Run("a disabled user", func(t *testing.T) {
		t.Parallel()
		s := newService(t)
		s.login(t, s.browser(t))
		record, err := s.redis.Get("auth:user:ada@example.com")
		if err != nil {
			t.Fatal(err)
		}
		if err := s.redis.Set("auth:user:ada@example.com", strings.Replace(record, `"created"`, `"disabled":true,"created"`, 1)); err != nil {
			t.Fatal(err)
		}
		s.send(t, s.tls.Client(), "POST", "/api/auth/login", adaLogin).want(t, "login", 401, badLogin)
	})
}

// TestLogoutAll ends every session of a user and of nobody else. The user can log in again at once.
func TestLogoutAll(t *testing.T) {
	t.Parallel()
	s := newService(t)
	laptop, phone, other := s.browser(t), s.browser(t), s.browser(t)
	s.send(t, other, "POST", "/api/auth/register", strings.ReplaceAll(ada, "ada", "bob"))
	s.send(t, other, "POST", "/api/auth/login", strings.ReplaceAll(adaLogin, "ada", "bob"))
	old := s.login(t, laptop)
	s.login(t, phone)

	for range 3 { // all in one second: each ends what was issued before it
		out := s.send(t, laptop, "POST", "/api/auth/logout-all", "")
		out.want(t, "logout-all", 200, `{"message":"logged out everywhere successfully"}`)
		if got := out.header.Get("Set-Cookie"); got != clearedFor {
			t.Errorf("logout-all sets %q", got)
		}
		if !s.redis.Exists("blacklist:" + old) {
			t.Error("a Node service accepts the session after logout-all")
		}
		s.send(t, phone, "GET", "/api/auth/me", "").want(t, "me at the phone", 401, revoked)
		s.send(t, s.tls.Client(), "GET", "/api/auth/me", "", "Cookie", "token="+old).want(t, "me with the old token", 401, revoked)
		old = s.login(t, laptop)
		s.login(t, phone)
		if got := s.send(t, phone, "GET", "/api/auth/me", ""); got.status != 200 {
			t.Errorf("me after a login in the same second: %d %s", got.status, got.body)
		}
	}
	if got := s.send(t, other, "GET", "/api/auth/me", ""); got.status != 200 {
		t.Errorf("me of another user: %d %s", got.status, got.body)
	}

	nobody := hs256(t, `{"role":"user"}`)
	s.send(t, s.tls.Client(), "POST", "/api/auth/logout-all", "", "Cookie", "token="+nobody).
		want(t, "logout-all of nobody", 400, `{"message":"the token names no user"}`)
	s.send(t, s.tls.Client(), "POST", "/api/auth/logout-all", "").want(t, "logout-all without a cookie", 401, noSession)

	// Tokens of the Node service, whose clock may be a minute ahead, and one without a time of issue.
	now := time.Now().Unix()
	if err := s.redis.Set("auth:logout-all:n", strconv.FormatInt(now, 10)); err != nil {
		t.Fatal(err)
	}
	for claims, status := range map[string]int{
		`{"id":"n","iat":` + strconv.FormatInt(now+60, 10) + `}`: 401,
		`{"id":"n","iat":` + strconv.FormatInt(now+61, 10) + `}`: 200,
		`{"id":"n","iat":"soon"}`:                                401,
		`{"id":"n"}`:                                             401,
		`{"id":"m"}`:                                             200,
	} {
		got := s.send(t, s.tls.Client(), "GET", "/api/auth/me", "", "Cookie", "token="+hs256(t, claims))
		if got.status != status || status == 401 && got.body != revoked {
			t.Errorf("me of Node's %s: %d %s, want %d", claims, got.status, got.body, status)
		}
	}
}

// hs256 signs claims as jsonwebtoken does.
func hs256(t *testing.T, claims string) string {
	t.Helper()
	b64 := base64.RawURLEncoding.EncodeToString
	signed := b64([]byte(`{"alg":"HS256","typ":"JWT"}`)) + "." + b64([]byte(claims))
	mac := hmac.New(sha256.New, []byte(testSecret))
	mac.Write([]byte(signed))
	return signed + "." + b64(mac.Sum(nil))
}

// TestLostBlacklist empties Redis under a running service.
func TestLostBlacklist(t *testing.T) {
	t.Parallel()
	s := newService(t)
	browser := s.browser(t)
	loggedOut, kept := s.login(t, browser), s.login(t, s.browser(t))
	s.send(t, browser, "POST", "/api/auth/logout", "", "Cookie", "token="+loggedOut).want(t, "logout", 200, `{"message":"logged out successfully"}`)
	for range 3 {
		s.redis.FlushAll()
		for _, token := range []string{loggedOut, kept} {
			s.send(t, s.tls.Client(), "GET", "/api/auth/me", "", "Cookie", "token="+token).want(t, "me with a token from before", 401, revoked)
		}
		kept = s.login(t, browser)
		if got := s.send(t, browser, "GET", "/api/auth/me", ""); got.status != 200 {
			t.Errorf("me with a token from after: %d %s", got.status, got.body)
		}
	}
	if n := strings.Count(s.log.String(), "the blacklist was lost"); n != 3 {
		t.Errorf("the log says %d times that the blacklist was lost, want 3", n)
	}
}

// TestCrossOrigin: a page of another origin cannot change anything, unless the origin is trusted.
func TestCrossOrigin(t *testing.T) {
	t.Parallel()
	s := newService(t, "CORS_ORIGINS=https://app.example.com")
	token := s.login(t, s.browser(t))
	const forged = `{"message":"Cross-origin request refused"}`
	cookie := []string{"Cookie", "token=" + token}
	for _, test := range []struct {
		name, method, path string
		header             []string
		status             int
		allowed            string // Access-Control-Allow-Origin
	}{
		{"another site's POST", "POST", "/api/auth/logout", []string{"Sec-Fetch-Site", "cross-site", "Origin", "https://evil.example"}, 403, ""},
		{"of an old browser", "POST", "/api/auth/login", []string{"Origin", "https://evil.example"}, 403, ""},
		{"from a sandbox", "POST", "/api/auth/login", []string{"Origin", "null"}, 403, ""},
		{"another site's GET", "GET", "/api/auth/me", []string{"Sec-Fetch-Site", "cross-site", "Origin", "https://evil.example"}, 200, ""},
		{"the service's own page", "POST", "/api/auth/register", []string{"Sec-Fetch-Site", "same-origin"}, 409, ""},
		{"of an old browser, its own page", "POST", "/api/auth/register", []string{"Origin", s.url}, 409, ""},
		{"no browser", "POST", "/api/auth/register", nil, 409, ""},
		{"a trusted site", "POST", "/api/auth/register", []string{"Sec-Fetch-Site", "cross-site", "Origin", "https://app.example.com"}, 409, "https://app.example.com"},
		{"a trusted site's GET", "GET", "/api/auth/me", []string{"Sec-Fetch-Site", "cross-site", "Origin", "https://app.example.com"}, 200, "https://app.example.com"},
		{"a site that looks like it", "POST", "/api/auth/login", []string{"Origin", "https://app.example.com.evil.example"}, 403, ""},
	} {
		body := ""
		if test.path == "/api/auth/register" {
			body = ada
		}
		got := s.send(t, s.tls.Client(), test.method, test.path, body, append(test.header, cookie...)...)
		if got.status != test.status || test.status == 403 && got.body != forged {
			t.Errorf("%s: %d %s, want %d", test.name, got.status, got.body, test.status)
		}
		if allowed := got.header.Get("Access-Control-Allow-Origin"); allowed != test.allowed {
			t.Errorf("%s: Access-Control-Allow-Origin is %q", test.name, allowed)
		}
		if credentials := got.header.Get("Access-Control-Allow-Credentials"); (credentials == "true") != (test.allowed != "") {
			t.Errorf("%s: Access-Control-Allow-Credentials is %q", test.name, credentials)
		}
	}
	for _, test := range []struct {
		path, origin string
		status       int
	}{
		{"/api/auth/login", "https://app.example.com", 204},
		{"/api/auth/login", "https://evil.example", 405},
		{"/api/auth/verify", "https://app.example.com", 405},
	} {
		status, origin := test.status, test.origin
		request, err := http.NewRequestWithContext(t.Context(), "OPTIONS", s.url+test.path, http.NoBody)
		if err != nil {
			t.Fatal(err)
		}
		request.Header.Set("Origin", origin)
		request.Header.Set("Access-Control-Request-Method", "POST")
		response, err := s.tls.Client().Do(request)
		if err != nil {
			t.Fatal(err)
		}
		_ = response.Body.Close()
		if allowed := response.Header.Get("Access-Control-Allow-Origin"); response.StatusCode != status || (allowed == origin) != (status == 204) {
			t.Errorf("preflight of %s for %s: %d, Access-Control-Allow-Origin %q", test.path, origin, response.StatusCode, allowed)
		}
	}
	if s.redis.Exists("blacklist:" + token) {
		t.Error("another site has logged the user out")
	}
}

// TestTheLogHasNoSecrets uses every route, with valid and invalid requests, and checks that no secret is in the log.
func TestTheLogHasNoSecrets(t *testing.T) {
	t.Parallel()
	s := newService(t)
	browser := s.browser(t)
	token := s.login(t, browser)
	s.send(t, browser, "GET", "/api/auth/me?token="+token, "")
	s.send(t, browser, "GET", "/"+token, "", "X-Request-Id", token)
	s.send(t, browser, "POST", "/api/auth/login", `{"email":"ada@example.com","password":"a wrong horse"}`)
	s.send(t, browser, "POST", "/api/auth/logout", "")
	s.send(t, s.tls.Client(), "GET", "/api/auth/me", "", "Cookie", "token="+token)

	log := s.log.String()
	for name, secret := range map[string]string{
		"the token": token, "its signature": token[strings.LastIndexByte(token, '.')+1:],
		"the password": "correct horse", "a wrong password": "a wrong horse", "JWT_SECRET": testSecret,
	} {
		if strings.Contains(log, secret) {
			t.Errorf("%s is in the log:\n%s", name, log)
		}
	}
	paths := map[string]int{}
	for line := range strings.Lines(log) {
		var entry struct {
			Msg, Path string
		}
		if err := json.Unmarshal([]byte(line), &entry); err != nil {
			t.Errorf("%v in %s", err, line)
		}
		if entry.Msg == "request" {
			paths[entry.Path]++
		}
	}
	want := map[string]int{"/api/auth/register": 1, "/openapi.json": 1, "/api/auth/login": 2, "/api/auth/me": 2, "/api/auth/logout": 1, "/(token)": 1}
	if !maps.Equal(paths, want) {
		t.Errorf("the log has requests %v, want %v", paths, want)
	}
}

// TestIdleTimeout: a load balancer that keeps an idle connection for 600 seconds does not lose it.
func TestIdleTimeout(t *testing.T) {
	t.Parallel()
	if timeout := newServer(nil, slog.New(slog.DiscardHandler)).IdleTimeout; timeout <= 610*time.Second {
		t.Errorf("idle connections are closed after %s", timeout)
	}
}
