package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/crypto/bcrypt"

	"gin-auth/config"
	"gin-auth/db"
	"gin-auth/user"
)

const (
	loginPath    = "/api/auth/login"
	passwordPath = "/api/auth/password"
	wrongLogin   = `{"email":"ada@example.com","password":"wrong horse"}`
	newLogin     = `{"email":"ada@example.com","password":"battery staple"}`
	newPassword  = `{"currentPassword":"correct horse","newPassword":"battery staple"}`
	limited      = `{"message":"Too many failed logins. Please try again later."}`
)

func loginAs(i int, password string) string {
	return fmt.Sprintf(`{"email":"user%d@example.com","password":%q}`, i, password)
}

// TestLoginLimit: known and unknown accounts are limited after the same number of failures, with the same message, and
// then even the right password is rejected.
func TestLoginLimit(t *testing.T) {
	t.Parallel()
	s := newService(t, "LOGIN_LIMIT=3/1m", "TRUSTED_PROXIES=127.0.0.0/8")
	client := s.tls.Client()
	s.send(t, client, "POST", "/api/auth/register", ada)
	from := func(address, body string) answer {
		return s.send(t, client, "POST", loginPath, body, "X-Forwarded-For", address)
	}
	for i, body := range []string{wrongLogin, loginAs(1, "wrong horse")} {
		address := fmt.Sprintf("192.0.2.%d", i)
		for range 3 {
			from(address, body).want(t, body, 401, badLogin)
		}
		got := from(address, body)
		got.want(t, body+" once more", 429, limited)
		if seconds, err := strconv.Atoi(got.header.Get("Retry-After")); err != nil || seconds < 1 || seconds > 60 {
			t.Errorf("Retry-After is %q", got.header.Get("Retry-After"))
		}
	}
	from("192.0.2.0", adaLogin).want(t, "the right password", 429, limited)
	if got := from("192.0.2.9", adaLogin); got.status != 200 {
		t.Errorf("from elsewhere: %d %s", got.status, got.body)
	}
	s.redis.FastForward(time.Minute)
	if got := from("192.0.2.0", adaLogin); got.status != 200 {
		t.Errorf("a minute later: %d %s", got.status, got.body)
	}
}

// counted returns the value of the only counter of a kind.
func (s *service) counted(kind string) string {
	for _, key := range s.redis.Keys() {
		if strings.HasPrefix(key, "auth:login-limit:"+kind+":") {
			value, _ := s.redis.Get(key)
			return value
		}
	}
	return ""
}

// TestNobodyClearsTheirAddress: a successful login to one's own account does not allow more guesses.
func TestNobodyClearsTheirAddress(t *testing.T) {
	t.Parallel()
	s := newService(t, "LOGIN_LIMIT=5/1m")
	client := s.tls.Client()
	s.send(t, client, "POST", "/api/auth/register", ada)
	guesses := 0
	for i := range 20 {
		s.send(t, client, "POST", loginPath, adaLogin)
		if got := s.send(t, client, "POST", loginPath, loginAs(i, "wrong horse")); got.status == 401 {
			guesses++
		}
	}
	if guesses != 5 {
		t.Errorf("%d guesses passed, want 5", guesses)
	}
}

// TestGoodLoginsAreNotLimited: only failures are limited.
func TestGoodLoginsAreNotLimited(t *testing.T) {
	t.Parallel()
	s := newService(t, "LOGIN_LIMIT=2/1m")
	client := s.tls.Client()
	s.send(t, client, "POST", "/api/auth/register", ada)
	for range 10 {
		s.send(t, client, "POST", loginPath, wrongLogin)
		if got := s.send(t, client, "POST", loginPath, adaLogin); got.status == 200 {
			continue
		} else if n := s.counted("address"); n != "2 0" { // the address's failures stay
			t.Fatalf("%d %s after %s failures", got.status, got.body, n)
		}
	}
	s.redis.FastForward(time.Minute)
	for i := range 20 {
		if got := s.send(t, client, "POST", loginPath, adaLogin); got.status != 200 {
			t.Fatalf("good login %d: %d %s", i, got.status, got.body)
		}
	}
}

// TestGoodLoginsAtOnce: of many people behind one address, nobody has to wait longer than a second before the next try.
func TestGoodLoginsAtOnce(t *testing.T) {
	t.Parallel()
	s := newService(t, "LOGIN_LIMIT=2/1m")
	client := s.tls.Client()
	s.send(t, client, "POST", "/api/auth/register", ada)
	var all sync.WaitGroup
	for range 30 {
		all.Go(func() {
			for range 1000 {
				got := s.send(t, client, "POST", loginPath, adaLogin)
				if got.status == 200 {
					return
				}
				if got.status != 503 || got.header.Get("Retry-After") != "1" {
					t.Errorf("%d %s, Retry-After %q", got.status, got.body, got.header.Get("Retry-After"))
				}
				time.Sleep(10 * time.Millisecond)
			}
			t.Error("never logged in")
		})
	}
	all.Wait()
	for _, key := range s.redis.Keys() {
		if strings.HasPrefix(key, "auth:login-limit:") && !strings.Contains(key, ":known:") && !strings.Contains(key, ":register:") {
			t.Errorf("%s is left", key)
		}
	}
}

// TestForgedAddress: an address in X-Forwarded-For is used only if a trusted proxy sent it: the last one that is not a
// trusted proxy's. X-Real-IP is never used.
func TestForgedAddress(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		trusted string
		header  func(i int) []string
		passed  int
	}{
		"nobody trusted":              {"", func(i int) []string { return []string{"X-Forwarded-For", fmt.Sprintf("192.0.2.%d", i)} }, 3},
		"somebody else trusted":       {"10.0.0.0/8", func(i int) []string { return []string{"X-Forwarded-For", fmt.Sprintf("192.0.2.%d", i)} }, 3},
		"X-Real-IP, nobody trusted":   {"", func(i int) []string { return []string{"X-Real-IP", fmt.Sprintf("192.0.2.%d", i)} }, 3},
		"X-Real-IP through a proxy":   {"127.0.0.1", func(i int) []string { return []string{"X-Real-IP", fmt.Sprintf("192.0.2.%d", i)} }, 3},
		"Forwarded through a proxy":   {"127.0.0.1", func(i int) []string { return []string{"Forwarded", fmt.Sprintf("for=192.0.2.%d", i)} }, 3},
		"through a proxy":             {"127.0.0.1", func(i int) []string { return []string{"X-Forwarded-For", fmt.Sprintf("192.0.2.%d", i)} }, 20},
		"forged, then from the proxy": {"127.0.0.1", func(i int) []string { return []string{"X-Forwarded-For", fmt.Sprintf("192.0.2.%d, 198.51.100.1", i)} }, 3},
		"two proxies": {"127.0.0.1,10.0.0.0/8", func(i int) []string {
			return []string{"X-Forwarded-For", fmt.Sprintf("192.0.2.%d, 198.51.100.1, 10.1.2.3", i)}
		}, 3},
		"two lines": {"127.0.0.1", func(i int) []string {
			return []string{"X-Forwarded-For", fmt.Sprintf("192.0.2.%d", i), "X-Forwarded-For", "198.51.100.1"}
		}, 3},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newService(t, "LOGIN_LIMIT=3/1m", "TRUSTED_PROXIES="+test.trusted)
			passed := 0
			for i := range 20 {
				request, err := http.NewRequestWithContext(t.Context(), "POST", s.url+loginPath, strings.NewReader(loginAs(i, "wrong horse")))
				if err != nil {
					t.Fatal(err)
				}
				request.Header.Set("Content-Type", "application/json")
				for header := range slices.Chunk(test.header(i), 2) {
					request.Header.Add(header[0], header[1])
				}
				response, err := s.tls.Client().Do(request)
				if err != nil {
					t.Fatal(err)
				}
				_ = response.Body.Close()
				if response.StatusCode == 401 {
					passed++
				}
			}
			if passed != test.passed {
				t.Errorf("%d guesses passed, want %d", passed, test.passed)
			}
		})
	}
}

func TestChangePassword(t *testing.T) {
	t.Parallel()
	s := newService(t)
	laptop, phone := s.browser(t), s.browser(t)
	before := s.login(t, laptop)
	onPhone := s.login(t, phone)

	for body, message := range map[string]string{
		`{"currentPassword":"correct horse"}`:                                     "newPassword is required",
		`{"newPassword":"battery staple"}`:                                        "currentPassword is required",
		`{"currentPassword":"correct horse","newPassword":1}`:                     "newPassword must be a string",
		`{"currentPassword":"correct horse","newPassword":"short"}`:               "newPassword must have at least 8 characters and at most 72 bytes",
		`{"currentPassword":"x","newPassword":"` + strings.Repeat("x", 73) + `"}`: "newPassword must have at least 8 characters and at most 72 bytes",
		`{"currentPassword":"correct horse","newPassword":"battery staple"`:       "the body is not a JSON object",
	} {
		s.send(t, laptop, "POST", passwordPath, body).want(t, body, 400, `{"message":"`+message+`"}`)
	}
	s.send(t, s.tls.Client(), "POST", passwordPath, newPassword).want(t, "without a session", 401, noSession)
	s.send(t, laptop, "POST", passwordPath, `{"currentPassword":"wrong horse","newPassword":"battery staple"}`).
		want(t, "a wrong password", 401, badLogin)
	if got := s.send(t, phone, "GET", "/api/auth/me", ""); got.status != 200 {
		t.Fatalf("the phone before: %d %s", got.status, got.body)
	}

	got := s.send(t, laptop, "POST", passwordPath, newPassword)
	got.want(t, "the change", 200, `{"message":"Password changed successfully","user":`+userIn(t, got.body)+`}`)
	after := tokenIn(t, laptop, s)
	if after == "" || after == before {
		t.Error("no new cookie")
	}
	if got := s.send(t, laptop, "GET", "/api/auth/me", ""); got.status != 200 {
		t.Errorf("the new session: %d %s", got.status, got.body)
	}
	for name, token := range map[string]string{"the session before": before, "the phone's": onPhone} {
		s.send(t, s.tls.Client(), "GET", "/api/auth/me", "", "Cookie", "token="+token).want(t, name, 401, revoked)
	}
	if !s.redis.Exists("blacklist:" + before) {
		t.Error("a Node service still accepts the session before")
	}
	s.send(t, phone, "POST", loginPath, adaLogin).want(t, "the old password", 401, badLogin)
	if got := s.send(t, phone, "POST", loginPath, newLogin); got.status != 200 {
		t.Errorf("the new password: %d %s", got.status, got.body)
	}
}

// TestChangePasswordOfOthers: a token whose user is not stored, or that only has the email of a stored user, is
// answered like a wrong password.
func TestChangePasswordOfOthers(t *testing.T) {
	t.Parallel()
	s := newService(t)
	s.send(t, s.tls.Client(), "POST", "/api/auth/register", ada)
	for _, claims := range []string{
		`{"id":"7"}`, `{"id":"7","email":"bob@example.com"}`, `{"id":"7","email":"ada@example.com"}`, `{"email":"ada@example.com"}`,
	} {
		s.send(t, s.tls.Client(), "POST", passwordPath, newPassword, "Cookie", "token="+hs256(t, claims)).
			want(t, claims, 401, badLogin)
	}
}

// TestChangePasswordIsLimited: guesses with a stolen session are limited as well.
func TestChangePasswordIsLimited(t *testing.T) {
	t.Parallel()
	s := newService(t, "LOGIN_LIMIT=3/1m")
	browser := s.browser(t)
	s.login(t, browser)
	for range 3 {
		s.send(t, browser, "POST", passwordPath, `{"currentPassword":"wrong horse","newPassword":"battery staple"}`).want(t, "a guess", 401, badLogin)
	}
	s.send(t, browser, "POST", passwordPath, newPassword).want(t, "one too many", 429, limited)
	if got := s.send(t, browser, "POST", loginPath, adaLogin); got.status != 200 {
		t.Errorf("a login: %d %s", got.status, got.body)
	}
	s.send(t, browser, "POST", passwordPath, newPassword).want(t, "one too many in a new session", 429, limited)
}

// store returns another DB on the service's Redis.
func (s *service) store(t *testing.T) *db.DB {
	t.Helper()
	cfg, err := config.Load("", []string{"JWT_SECRET=x", "REDIS_HOST=" + s.redis.Host(), "REDIS_PORT=" + s.redis.Port(), "REDIS_TIMEOUT=2s"})
	if err != nil {
		t.Fatal(err)
	}
	sessions, err := newSessions(cfg)
	if err != nil {
		t.Fatal(err)
	}
	store, err := openDB(cfg, sessions, false, newLog(cfg, s.log))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = store.Close() })
	return store
}

// TestHashIsRenewed: a hash is renewed only at a successful login, and only with a higher cost.
func TestHashIsRenewed(t *testing.T) {
	t.Parallel()
	s := newService(t, "BCRYPT_COST=5")
	store := s.store(t)
	for made, want := range map[int]int{4: 5, 5: 5, 6: 6} {
		hash, err := bcrypt.GenerateFromPassword([]byte("short"), made) // only an import can store such a hash
		if err != nil {
			t.Fatal(err)
		}
		email := fmt.Sprintf("user%d@example.com", made)
		if err := store.CreateUser(t.Context(), user.User{ID: email, Email: email, PasswordHash: string(hash)}); err != nil {
			t.Fatal(err)
		}
		cost := func() int {
			user, _, err := store.UserByEmail(t.Context(), email)
			if err != nil {
				t.Fatal(err)
			}
			cost, _ := bcrypt.Cost([]byte(user.PasswordHash))
			return cost
		}
		s.send(t, s.tls.Client(), "POST", loginPath, loginAs(made, "wrong")).want(t, email, 401, badLogin)
		if got := cost(); got != made {
			t.Errorf("%d: after a bad login %d", made, got)
		}
		for range 2 {
			if got := s.send(t, s.tls.Client(), "POST", loginPath, loginAs(made, "short")); got.status != 200 || cost() != want {
				t.Errorf("%d: %d %s, cost %d, want %d", made, got.status, got.body, cost(), want)
			}
		}
	}
}

// TestAudit: the log has one line for each event, without tokens, passwords or cookies.
func TestAudit(t *testing.T) {
	t.Parallel()
	s := newService(t, "LOGIN_LIMIT=2/1m")
	browser := s.browser(t)
	client := s.tls.Client()
	var tokens []string
	step := func(path, body string) {
		s.send(t, browser, "POST", "/api/auth"+path, body, "X-Request-Id", fmt.Sprintf("step-%d", len(tokens)))
		tokens = append(tokens, tokenIn(t, browser, s))
	}
	step("/register", ada)
	step("/login", adaLogin)
	step("/password", newPassword)
	s.send(t, client, "GET", "/api/auth/me", "", "Cookie", "token="+tokens[1], "X-Request-Id", "step-3")
	step("/logout", "")
	step("/login", newLogin)
	step("/password", newPassword) // whose current password is the old one
	step("/logout-all", "")
	step("/login", wrongLogin)
	step("/login", wrongLogin)
	step("/login", `{"email":"Nobody@example.com","password":"wrong horse"}`)

	type line struct {
		Level, Msg, Event, Token, Account string
		Request                           string `json:"request_id"`
		Client                            string `json:"client_address"`
		User                              string `json:"user_id"`
	}
	var got []string
	for text := range strings.Lines(s.log.String()) {
		var l line
		if err := json.Unmarshal([]byte(text), &l); err != nil {
			t.Fatal(err)
		}
		if l.Msg != "audit" {
			continue
		}
		if l.Request == "" || l.Client != "127.0.0.1" || l.User == "" && l.Account == "" {
			t.Errorf("incomplete: %s", text)
		}
		got = append(got, l.Level+" "+l.Event)
	}
	want := []string{
		"INFO user_created", "INFO authn_login_success", "INFO authn_password_change", "WARN authn_token_reuse",
		"INFO authn_token_revoked", "INFO authn_login_success", "WARN authn_password_change_fail", "INFO authn_token_revoked",
		"WARN authn_login_fail", "WARN authn_login_fail", "WARN authn_login_fail_max",
	}
	if !slices.Equal(got, want) {
		t.Errorf("audit lines are\n%q, want\n%q", got, want)
	}
	for _, secret := range append(tokens, "horse", "staple", "ada@", "nobody@", testSecret) {
		if secret != "" && strings.Contains(strings.ToLower(s.log.String()), strings.ToLower(secret)) {
			t.Errorf("the log has %q", secret)
		}
	}
}

func TestLoginCountingNeedsRedis(t *testing.T) {
	t.Parallel()
	s := newService(t)
	s.send(t, s.tls.Client(), "POST", "/api/auth/register", ada)
	s.redis.SetError("ERR no")
	s.send(t, s.tls.Client(), "POST", loginPath, adaLogin).want(t, "a login", 503, noRedis)
}
