package controllers_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"gin-auth/session"
)

// TestRequests checks the response to each kind of request, valid or not.
func TestRequests(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	node := sign(`{"userId":7,"email":"eve@example.com"}`)
	const (
		login, register = "/login", "/register"
		password, out   = "/password", "/logout"
		tooShort        = `{"currentPassword":"correct horse","newPassword":"1234567"}`
		wrongChange     = `{"currentPassword":"wrong horse","newPassword":"battery staple"}`

		notJSON     = "the body must be JSON, with Content-Type: application/json"
		notAnObject = "the body is not a JSON object"
		badName     = "username must have at most 64 characters and no control or invisible characters"
		noAddress   = "username must not contain an @, unless it is your own email"
		badPassword = "assword must have at least 8 characters and at most 72 bytes"
		badLogin    = "Invalid credentials"
		loggedIn    = "User logged in successfully"
		loggedOut   = "logged out successfully"
	)
	large := `{"x":"` + strings.Repeat("x", 100<<10) + `"}`
	registering := func(old, new string) string { return strings.Replace(ada, old, new, 1) }
	for name, test := range map[string]struct {
		path, token, body string
		status            int
		message           string
	}{
		"a login":                    {login, "", adaLogin, 200, loggedIn},
		"a byte order mark":          {login, "", "\ufeff" + adaLogin, 200, loggedIn},
		"a number beyond a double":   {login, "", `{"n":1e999,` + adaLogin[1:], 200, loggedIn},
		"another spelling":           {login, "", `{"email":" ADA@example.com ","password":"correct horse"}`, 200, loggedIn},
		"no body":                    {login, "", "", 400, notJSON},
		"half a body":                {login, "", adaLogin[1:], 400, notAnObject},
		"null":                       {login, "", "null", 400, notAnObject},
		"a body too large":           {login, "", large, 413, "Request body too large"},
		"no password":                {login, "", `{"email":"ada@example.com"}`, 400, "password is required"},
		"a number":                   {login, "", `{"email":"x","password":1}`, 400, "password must be a string"},
		"space":                      {login, "", `{"email":" ","password":"x"}`, 400, "email or username is required"},
		"a known email":              {register, "", ada, 409, "User already exists"},
		"a known username":           {register, "", registering("ada@", "eve@"), 409, "User already exists"},
		"an invisible username":      {register, "", registering(`"ada"`, `"a\u202eb"`), 400, badName},
		"an address for a username":  {register, "", registering(`"ada"`, `"eve@example.com"`), 400, noAddress},
		"a bad username":             {register, "", registering(`"ada"`, `"a\nb"`), 400, badName},
		"a bad email":                {register, "", registering("ada@", "@"), 400, "email must be a valid email address"},
		"a bad password":             {register, "", registering("correct horse", "1234567"), 400, "p" + badPassword},
		"no email":                   {register, "", `{"username":"ada","password":"x"}`, 400, "email is required"},
		"a bad new password":         {password, f.laptop, tooShort, 400, "newP" + badPassword},
		"no new password":            {password, f.laptop, `{"currentPassword":"x"}`, 400, "newPassword is required"},
		"a wrong current password":   {password, f.laptop, wrongChange, 401, badLogin},
		"a user of a Node service":   {password, node, newPassword, 401, badLogin},
		"a change without a session": {password, "", newPassword, 401, "Unauthorized"},
		"a logout without a session": {out, "", "", 200, loggedOut},
		"a logout of a forged token": {out, f.laptop + "x", "", 200, loggedOut},
		"a logout-all of no user":    {"/logout-all", sign(`{}`), "", 400, "the token names no user"},
	} {
		f.a.post(test.path, test.token, test.body).check(t, name, test.status, test.message)
	}
	for _, test := range []struct {
		contentType, encoding string
		status                int
		message               string
	}{
		{"application/json; charset=UTF-8", "", 200, loggedIn},
		{"application/json", "Identity", 200, loggedIn},
		{"application/json", "gzip", 415, "the body must not be compressed"},
		{"application/json; charset=utf-16", "", 415, "the body must be UTF-8"},
		{"text/plain", "", 400, notJSON},
	} {
		request := newRequest(context.Background(), http.MethodPost, login, "", adaLogin)
		request.Header.Set("Content-Type", test.contentType)
		request.Header.Set("Content-Encoding", test.encoding)
		f.a.send(request).check(t, test.contentType+" "+test.encoding, test.status, test.message)
	}
	bob := strings.ReplaceAll(ada, "ada", "bob")
	closed := f.redis.start(t)
	closed.auth.RegistrationClosed = true
	closed.post(register, "", bob).check(t, "closed", 403, "Registration is closed")
	end := f.redis.refuse("^SET auth:user:", 0, everyTime)
	f.a.post(register, "", bob).check(t, "not stored", 503, "Authentication service unavailable")
	end()
	if !f.accepted(f.laptop) || !f.accepted(f.phone) {
		t.Error("a session has ended")
	}
}

// check checks the status and the message of a response, and that exactly the responses with 200 have a cookie.
func (a answer) check(t *testing.T, of string, status int, message string) {
	t.Helper()
	var body struct{ Message string }
	err := json.Unmarshal([]byte(a.body), &body)
	if err != nil || a.status != status || body.Message != message {
		t.Errorf("%s: %d %s, want %d %s", of, a.status, a.body, status, message)
	}
	if cookie := a.header.Get("Set-Cookie"); (cookie != "") != (status == http.StatusOK) {
		t.Errorf("%s: Set-Cookie is %q", of, cookie)
	}
}

// TestVerify checks what a reverse proxy learns about a session, and that /me returns the claims.
func TestVerify(t *testing.T) {
	t.Parallel()
	i := startRedis(t).start(t)
	for claims, want := range map[string][4]string{
		`{"id":"7","email":"ada@example.com","role":"admin","username":"Ada L"}`: {"7", "ada@example.com", "admin", "Ada L"},
		`{}`:                         {},
		`{"sub":7,"username":" a "}`: {"7", "", "", "%20a%20"},
		`{"id":" ","role":"  "}`:     {"%20", "", "%20%20"},
		`{"id":"a%b","role":"a\u001f\u0020\u007e\u007f"}`: {"a%25b", "", "a%1F ~%7F"},
		`{"id":"é","role":"a\r\nX: y"}`:                   {"%C3%A9", "", "a%0D%0AX: y"},
	} {
		got := i.get("/verify", sign(claims))
		for n, name := range []string{"User", "Email", "Role", "Preferred-Username"} {
			if value := got.header.Get("X-Auth-Request-" + name); value != want[n] {
				t.Errorf("%s: %s is %q, want %q", claims, name, value, want[n])
			}
		}
		if got.status != http.StatusOK || got.body != "" {
			t.Errorf("%s: %d %s", claims, got.status, got.body)
		}
		if got := i.get("/me", sign(claims)); got.status != http.StatusOK || !strings.HasPrefix(got.body, `{"user":{`) {
			t.Errorf("%s: me is %d %s", claims, got.status, got.body)
		}
	}
	if got := i.get("/verify", ""); got.status != http.StatusUnauthorized || len(got.header["X-Auth-Request-User"]) > 0 {
		t.Errorf("without a session: %d %v", got.status, got.header)
	}
}

// TestRevocations checks what a logout, of one or all sessions, stores for each kind of token.
func TestRevocations(t *testing.T) {
	t.Parallel()
	now := time.Now().Unix()
	for _, path := range []string{"/logout", "/logout-all"} {
		for claims, lifetime := range map[string]time.Duration{ // 0: forever
			fmt.Sprintf(`{"id":"7","iat":%d,"exp":%d}`, now, now+3600): time.Hour + time.Minute,
			// Tokens of a service whose clock is ahead: LogoutAll alone does not revoke them.
			fmt.Sprintf(`{"id":"7","iat":%d,"exp":%d}`, now+3000, now+3600): time.Hour + time.Minute,
			fmt.Sprintf(`{"id":"7","iat":%d}`, now+3000):                    0,
		} {
			r := startRedis(t)
			i := r.start(t)
			token, other := sign(claims), sign(`{"id":"7","iat":1}`)
			got := i.post(path, token, "")
			if got.status != http.StatusOK || got.token != "" || got.header.Get("Set-Cookie") == "" {
				t.Errorf("%s %s: %d %s, %v", path, claims, got.status, got.body, got.header)
			}
			listed, ttl := r.Exists("blacklist:"+token), r.TTL("blacklist:"+token)
			if !listed || ttl > lifetime || ttl < lifetime-10*time.Second {
				t.Errorf("%s %s: on the blacklist: %v, for %s", path, claims, listed, ttl)
			}
			if i.accepts(token) {
				t.Errorf("%s %s: the token is accepted", path, claims)
			}
			if accepts := i.accepts(other); accepts != (path == "/logout") {
				t.Errorf("%s %s: another token of the user is accepted: %v", path, claims, accepts)
			}
			if again := i.get("/logout", token); again.status != http.StatusOK {
				t.Errorf("%s %s: logged out again: %d %s", path, claims, again.status, again.body)
			}
		}
	}
}

// TestProbes checks that a service is ready if Redis answers and it is not shutting down, and that it is always alive.
func TestProbes(t *testing.T) {
	t.Parallel()
	r := startRedis(t)
	i := r.start(t)
	probe := func(when string, ready int) {
		t.Helper()
		if got := i.get("/readyz", ""); got.status != ready {
			t.Errorf("%s: readyz is %d %s, want %d", when, got.status, got.body, ready)
		}
		if got := i.get("/healthz", ""); got.status != http.StatusOK || got.body != `{"message":"ok"}` {
			t.Errorf("%s: healthz is %d %s", when, got.status, got.body)
		}
	}
	probe("at first", http.StatusOK)
	done := r.refuse("", 0, everyTime)
	probe("Redis returns errors", http.StatusServiceUnavailable)
	done()
	probe("Redis answers again", http.StatusOK)
	i.health.Drain()
	probe("shutting down", http.StatusServiceUnavailable)
}

// TestReuse checks that each request with a revoked token writes an audit line, and that no other request does.
func TestReuse(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	if got := f.a.post("/logout", f.laptop, ""); got.status != http.StatusOK {
		t.Fatal(got.status, got.body)
	}
	for _, test := range []struct {
		path, token string
		lines       int
	}{
		{"/me", f.laptop, 1},
		{"/verify", f.laptop, 1},
		{"/me", f.phone, 0},
		{"/me", f.laptop + "x", 0},
		{"/me", "", 0},
	} {
		f.b.log.Reset()
		request := newRequest(t.Context(), http.MethodGet, test.path, test.token, "")
		request.Header.Set("X-Request-Id", "abc-1")
		f.b.send(request)
		line := fmt.Sprintf("level=WARN msg=audit event=authn_token_reuse request_id=abc-1 client_address=192.0.2.1 user_id=%s token=%s\n",
			f.id, session.ShortHash(test.token))
		log := f.b.log.String()
		if n := strings.Count(log, line); n != test.lines || strings.Count(log, "audit") != n {
			t.Errorf("%s %q: the log is\n%s", test.path, test.token, log)
		}
	}
}

// TestForeignRecords checks that a record at one of our keys that is not a user of this service is logged as an error
// and answered with 503, and that the keys of other applications have no effect.
func TestForeignRecords(t *testing.T) {
	t.Parallel()
	const unavailable = "Authentication service unavailable"
	for _, record := range []string{
		"null", "{}", "[]", "plain", `{"name":"Ada","email":"ada@example.com"}`,
		`{"id":"1","email":"ada@example.com"}`, `{"id":"1","email":"eve@example.com","passwordHash":"` + correctHorse + `"}`,
	} {
		r := startRedis(t)
		i := r.start(t)
		for key, value := range map[string]string{"auth:user:ada@example.com": record, "user:eve@example.com": record} {
			if err := r.Set(key, value); err != nil {
				t.Fatal(err)
			}
		}
		i.login(adaLogin).check(t, record+": login", 503, unavailable)
		i.post("/register", "", ada).check(t, record+": register", 503, unavailable)
		if log := i.log.String(); strings.Count(log, "the record of a user is broken: ") != 2 || strings.Contains(log, "ada@") {
			t.Errorf("%s: the log is\n%s", record, log)
		}
		eve := strings.ReplaceAll(ada, "ada", "eve")
		if got := i.post("/register", "", eve); got.status != http.StatusCreated {
			t.Errorf("%s: another application's key: register is %d %s", record, got.status, got.body)
		}
		i.login(strings.ReplaceAll(adaLogin, "ada", "eve")).check(t, record+": another application's key", 200, "User logged in successfully")
	}
}
