package controllers_test

import (
	"context"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/crypto/bcrypt"

	"gin-auth/controllers"
	"gin-auth/user"
)

// TestSameWork checks that a failed login does the same work for every account: the same rounds of bcrypt and the
// same commands to Redis. The responses have the same bytes.
func TestSameWork(t *testing.T) {
	t.Parallel()
	const cost = bcrypt.MinCost + 3
	r := startRedis(t)
	i := r.start(t)
	i.limitLogins(t, 1000, time.Hour)
	hashes := map[string]string{
		"short@example.com":   "$2b$",
		"costly@example.com":  "$2b$31$XXQ7u9fpz3FaJUwVEMvBVe2.NG6IljAHf9Ud6tOYipBdARBp8kbVu", // would take hours
		"not-one@example.com": "plain",
		"broken@example.com":  fmt.Sprintf("$2b$%02d$%s", cost, strings.Repeat("!", 53)), // a salt that is no base64
	}
	for _, made := range []int{bcrypt.MinCost, cost - 1, cost} {
		hash, err := bcrypt.GenerateFromPassword([]byte("correct horse"), made)
		if err != nil {
			t.Fatal(err)
		}
		hashes[fmt.Sprintf("cost-%d@example.com", made)] = string(hash)
		hashes[fmt.Sprintf("disabled-%d@example.com", made)] = string(hash)
	}
	for email, hash := range hashes {
		user := user.User{ID: email, Email: email, PasswordHash: hash, Disabled: strings.HasPrefix(email, "disabled")}
		user.Username, _, _ = strings.Cut(email, "@")
		if err := i.store.CreateUser(t.Context(), user); err != nil {
			t.Fatal(err)
		}
	}
	i.auth.Passwords = controllers.NewPasswords(user.Hasher{Cost: cost, MinLength: 8})
	work := i.auth.Passwords.CountWork()
	field := "email"
	attempt := func(name, password string) string {
		r.sent()
		before := work.Load()
		got := i.login(fmt.Sprintf(`{%q:%q,"password":%q}`, field, name, password))
		got.header.Del("X-Request-Id")
		var commands []string
		for _, command := range r.sent() {
			name, _, _ := strings.Cut(command, " ")
			commands = append(commands, name)
		}
		slices.Sort(commands) // concurrent commands arrive in any order: see TestLoginRoundTrips
		return fmt.Sprintf("%d %s %v, %d rounds, %q", got.status, got.body, got.header, work.Load()-before, commands)
	}
	for password, forms := range map[string]int{"wrong horse": 1, "wröng horse": 2, "wro\u0308ng horse": 2, "correct horse": 1} {
		like := password
		if password == "correct horse" {
			like = "wrong horse"
		}
		want := attempt(fmt.Sprintf("cost-%d@example.com", cost), like)
		rounds := fmt.Sprintf(" %d rounds", forms<<cost)
		if !strings.HasPrefix(want, "401 ") || !strings.Contains(want, rounds) {
			t.Errorf("%s: %s, want 401 after%s", password, want, rounds)
		}
		for _, email := range append(slices.Sorted(maps.Keys(hashes)), "unknown@example.com") {
			if password == "correct horse" && strings.HasPrefix(email, "cost") {
				continue // a successful login
			}
			if got := attempt(email, password); got != want {
				t.Errorf("%s, %s:\n%s, want\n%s", email, password, got, want)
			}
		}
	}
	field = "username"
	// Names that nobody has now: their users were deleted, renamed, or replaced by another user with the same email.
	right := fmt.Sprintf("cost-%d@example.com", cost)
	r.setClaim("gone", "7", "gone@example.com")
	r.setClaim("renamed", right, right)
	replaced, _, _ := strings.Cut(right, "@")
	r.setClaim(replaced, "7", right)
	want := attempt("unknown", "wrong horse")
	for _, name := range []string{"gone", "renamed", replaced} {
		for _, password := range []string{"wrong horse", "correct horse"} {
			i.log.Reset()
			if got := attempt(name, password); got != want || strings.Contains(i.log.String(), "@example.com") {
				t.Errorf("%s, %s:\n%s, want\n%s\nlogged:\n%s", name, password, got, want, i.log)
			}
		}
	}
	for email := range hashes {
		name, _, _ := strings.Cut(email, "@")
		if got := attempt(name, "wrong horse"); got != want || !strings.HasPrefix(got, "401 ") {
			t.Errorf("%s:\n%s, want\n%s", name, got, want)
		}
	}
	if got := attempt("\ufdd0", "wrong horse"); got != want { // nobody can have this name
		t.Errorf("an impossible name:\n%s, want\n%s", got, want)
	}
}

// TestNames checks the ways to name the user who logs in.
func TestNames(t *testing.T) {
	t.Parallel()
	i := startRedis(t).start(t)
	i.post("/register", "", ada)
	mailer := `{"username":"bob@example.com","email":"bob@example.com","password":"correct horse"}`
	if got := i.post("/register", "", mailer); got.status != http.StatusCreated {
		t.Fatalf("register: %d %s", got.status, got.body)
	}
	const right = `,"password":"correct horse"}`
	for body, want := range map[string]struct {
		status int
		text   string
	}{
		`{"username":"ada"` + right:                                  {200, `"email":"ada@example.com"`},
		`{"username":" ADA "` + right:                                {200, `"email":"ada@example.com"`},
		`{"username":"ａｄａ"` + right:                                  {200, `"email":"ada@example.com"`},
		`{"username":"ada","email":""` + right:                       {200, `"email":"ada@example.com"`},
		`{"username":"ada","email":null` + right:                     {200, `"email":"ada@example.com"`},
		`{"username":"Ada@example.com"` + right:                      {200, `"email":"ada@example.com"`},
		`{"username":"bob@example.com"` + right:                      {200, `"email":"bob@example.com"`},
		`{"username":"bob＠example.com"` + right:                      {401, "Invalid credentials"},
		`{"username":"nobody","email":"ada@example.com"` + right:     {200, `"email":"ada@example.com"`},
		`{"username":"ada","email":"nobody@example.com"` + right:     {401, "Invalid credentials"},
		`{"username":"ada","password":"wrong horse"}`:                {401, "Invalid credentials"},
		`{"username":"bob"` + right:                                  {401, "Invalid credentials"},
		`{"username":"","email":" "` + right:                         {400, "email or username is required"},
		`{"password":"correct horse"}`:                               {400, "email or username is required"},
		`{"username":7` + right:                                      {400, "username must be a string"},
		`{"username":{"$ne":null},"email":"ada@example.com"` + right: {400, "username must be a string"},
		`{"username":"ada"}`:                                         {400, "password is required"},
	} {
		if got := i.login(body); got.status != want.status || !strings.Contains(got.body, want.text) {
			t.Errorf("%s: %d %s, want %d %s", body, got.status, got.body, want.status, want.text)
		}
	}
}

// TestFullNames checks which full names a registration may send, and that responses have them.
func TestFullNames(t *testing.T) {
	t.Parallel()
	i := startRedis(t).start(t)
	n := 0
	for sent, want := range map[string]string{
		`{"firstName":"Ada","lastName":"Lovelace"}`:      `{"firstName":"Ada","lastName":"Lovelace"}`,
		`{"lastName":" L  M ","firstName":"","title":7}`: `{"lastName":"L M"}`,
		`"Ada Lovelace"`:            `"Ada Lovelace"`,
		`"Ada <&> Lovelace"`:        `"Ada <&> Lovelace"`,
		`null`:                      ``,
		`""`:                        ``,
		`{}`:                        ``,
		`7`:                         `!fullName must be {firstName,lastName}, each a string, or a string`,
		`{"firstName":["Ada"]}`:     `!fullName must be {firstName,lastName}, each a string, or a string`,
		`{"firstName":"A\u202eda"}`: `!fullName must have at most 200 characters and no control or invisible characters`,
		`{"firstName":"` + strings.Repeat("x", 200) + `","lastName":"y"}`: `!fullName must have at most 200 characters and no control or invisible characters`,
	} {
		n++
		name := fmt.Sprintf("user%d", n)
		got := i.post("/register", "", fmt.Sprintf(`{"username":%q,"email":"%[1]s@example.com","password":"correct horse","fullName":%[2]s}`, name, sent))
		if text, rejected := strings.CutPrefix(want, "!"); rejected {
			if got.status != http.StatusBadRequest || !strings.Contains(got.body, text) {
				t.Errorf("%s: %d %s", sent, got.status, got.body)
			}
			continue
		}
		end := `"role":"user"}}`
		if want != "" {
			end = `"role":"user","fullName":` + want + `}}`
		}
		again := i.login(fmt.Sprintf(`{"username":%q,"password":"correct horse"}`, name))
		if got.status != http.StatusCreated || !strings.HasSuffix(got.body, end) || !strings.HasSuffix(again.body, end) {
			t.Errorf("%s: %d %s, then %s", sent, got.status, got.body, again.body)
		}
	}
}

// TestLimitComesFirst checks that a login over the limit is rejected before a password is hashed, and that of several
// concurrent logins at most as many as the limit are hashed.
func TestLimitComesFirst(t *testing.T) {
	t.Parallel()
	r := startRedis(t)
	i := r.start(t)
	i.post("/register", "", ada)
	i.login(adaLogin) // reads the epoch
	i.limitLogins(t, 3, time.Minute)
	work := i.auth.Passwords.CountWork()
	looksUp := func(commands []string) int {
		n := 0
		for _, command := range commands {
			if strings.HasPrefix(command, readUser[1:]) {
				n++
			}
		}
		return n
	}

	// Each login is stopped before it ends its attempt, until the next one is done.
	const endLogin = `(?s)^EVAL .*failed, trying = failed \+`
	r.sent()
	var got []answer
	var next func(n int)
	next = func(n int) {
		if n < 4 {
			r.pause(endLogin, 0, func(string) { next(n + 1) })
			got = append(got, i.login(wrongLogin))
		}
	}
	next(0)
	r.setBefore(nil)
	var statuses []int
	for _, answer := range got {
		statuses = append(statuses, answer.status)
	}
	if want := []int{503, 401, 401, 401}; !slices.Equal(statuses, want) { // in reverse order
		t.Errorf("concurrent logins are answered %d, want %d", statuses, want)
	}
	if got[0].header.Get("Retry-After") != "1" {
		t.Errorf("Retry-After is %q", got[0].header.Get("Retry-After"))
	}
	if n, rounds := looksUp(r.sent()), work.Load(); n != 4 || rounds != 3<<bcrypt.MinCost {
		t.Errorf("%d users were looked up, %d rounds done; want 4, %d", n, rounds, 3<<bcrypt.MinCost)
	}

	if got := i.login(adaLogin); got.status != http.StatusTooManyRequests || got.header.Get("Retry-After") != "60" {
		t.Errorf("over the limit: %d %s, Retry-After %q", got.status, got.body, got.header.Get("Retry-After"))
	}
	if n, rounds := looksUp(r.sent()), work.Load(); n != 1 || rounds != 3<<bcrypt.MinCost {
		t.Errorf("over the limit %d users were looked up, %d rounds done", n, rounds-3<<bcrypt.MinCost)
	}
}

// TestCountedTogether checks that ten failures from ten addresses reach the limit of an account, however it is named,
// and that no other name gets around the limit. The same holds if the record of an imported user has capital letters.
func TestCountedTogether(t *testing.T) {
	t.Parallel()
	named := func(field, name string) string { return fmt.Sprintf(`{%q:%q,"password":"wrong horse"}`, field, name) }
	bodies := []string{
		named("email", "ada@example.com"), named("email", " ADA@Example.COM"), named("username", "ada"),
		named("username", " ＡＤＡ"), named("username", "Ada@example.com"), named("username", "former"),
	}
	for _, stored := range []string{"ada@example.com", "Ada@Example.Com"} {
		for first := range bodies {
			t.Run(fmt.Sprint(stored, first), func(t *testing.T) {
				t.Parallel()
				f := newFixture(t)
				for _, key := range []string{"auth:user:ada@example.com", "auth:username:ada"} {
					record, _ := f.redis.Get(key)
					f.redis.Set(key, strings.ReplaceAll(record, "ada@example.com", stored))
				}
				f.redis.setClaim("former", f.id, stored)
				f.a.limitLogins(t, 1, time.Hour) // ten for an account
				address := 0
				attempt := func(body string) answer {
					address++
					request := newRequest(context.Background(), http.MethodPost, "/login", "", body)
					request.RemoteAddr = fmt.Sprintf("198.51.100.%d:1234", address)
					return f.a.send(request)
				}
				for i := range 10 {
					if got := attempt(bodies[(first+i)%len(bodies)]); got.status != http.StatusUnauthorized {
						t.Errorf("failure %d: %d %s", i, got.status, got.body)
					}
				}
				for _, body := range bodies {
					if got := attempt(body); got.status != http.StatusTooManyRequests {
						t.Errorf("%s after ten failures: %d %s", body, got.status, got.body)
					}
				}
			})
		}
	}
}

// TestLimitBesidesUser checks that a reached limit is the answer, whether or not the user is found. If the user
// cannot be read, the attempt counts neither as failed nor as in progress.
func TestLimitBesidesUser(t *testing.T) {
	t.Parallel()
	nameLogin := `{"username":"nobody","password":"wrong horse"}`
	bob := strings.ReplaceAll(wrongLogin, "ada", "bob")
	for name, body := range map[string]string{"a user": wrongLogin, "an unknown user": bob, "an unknown name": nameLogin} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newFixture(t)
			f.a.limitLogins(t, 2, time.Minute)
			broken := func() int {
				done := f.redis.refuse(readUser, 0, everyTime)
				got := f.a.login(body)
				if n := done(); n != 1 {
					t.Errorf("the user was looked up %d times", n)
				}
				return got.status
			}
			for range 4 {
				if status := broken(); status != http.StatusServiceUnavailable || len(f.counts()) > 0 {
					t.Errorf("no user can be read: %d, counted %q", status, f.counts())
				}
			}
			for range 2 {
				if got := f.a.login(body); got.status != http.StatusUnauthorized {
					t.Errorf("a wrong password: %d %s", got.status, got.body)
				}
			}
			if got := f.a.login(body); got.status != http.StatusTooManyRequests {
				t.Errorf("over the limit: %d %s", got.status, got.body)
			}
			if status := broken(); status != http.StatusTooManyRequests {
				t.Errorf("over the limit, and no user can be read: %d", status)
			}
			done := f.redis.refuse("^EVAL ", 0, everyTime)
			if got := f.a.login(body); got.status != http.StatusServiceUnavailable || done() == 0 {
				t.Errorf("the limit cannot be read: %d %s", got.status, got.body)
			}
		})
	}
}

// TestWhatCountsAsAFailure sets the limit to two failures and makes two attempts. A third is rejected only if they
// count as failures. Logins and password changes are counted separately.
func TestWhatCountsAsAFailure(t *testing.T) {
	t.Parallel()
	const (
		logins, changes, none = "logins", "changes", "" // what the two attempts block
		wrongChange           = `{"currentPassword":"wrong horse","newPassword":"battery staple"}`
		samePassword          = `{"currentPassword":"correct horse","newPassword":"correct horse"}`
	)
	bob := strings.ReplaceAll(adaLogin, "ada", "bob")
	spelled := strings.Replace(wrongLogin, "ada", " ADA", 1)
	disable := func(f *fixture, disabled bool) {
		set := func(user *user.User) error { user.Disabled = disabled; return nil }
		_, _, _ = f.a.store.UpdateUser(context.Background(), "ada@example.com", set)
	}
	for name, test := range map[string]struct {
		attempt func(f *fixture) answer
		status  int
		blocks  string
	}{
		"a wrong password":   {func(f *fixture) answer { return f.a.login(wrongLogin) }, 401, logins},
		"another spelling":   {func(f *fixture) answer { return f.a.login(spelled) }, 401, logins},
		"a username":         {func(f *fixture) answer { return f.a.login(`{"username":"Ada","password":"wrong horse"}`) }, 401, logins},
		"an unknown user":    {func(f *fixture) answer { return f.a.login(bob) }, 401, logins},
		"the right password": {func(f *fixture) answer { return f.a.login(adaLogin) }, 200, none},
		"a disabled user": {func(f *fixture) answer {
			disable(f, true)
			defer disable(f, false)
			return f.a.login(adaLogin)
		}, 401, logins},
		"no answer from Redis": {func(f *fixture) answer {
			defer f.redis.refuse(readUser, 0, everyTime)()
			return f.a.login(adaLogin)
		}, 503, none},
		"too many passwords to hash": {func(f *fixture) answer {
			defer f.a.auth.Passwords.Occupy()()
			return f.a.login(wrongLogin)
		}, 503, none},
		"a change with a wrong password": {func(f *fixture) answer {
			return f.a.post("/password", f.laptop, wrongChange)
		}, 401, changes},
		"a change by a session of another user": {func(f *fixture) answer {
			return f.a.post("/password", sign(`{"id":"7","email":"ada@example.com"}`), newPassword)
		}, 401, "changes of the other user"},
		"a change": {func(f *fixture) answer {
			return f.a.post("/password", f.a.login(adaLogin).token, samePassword)
		}, 200, none},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newFixture(t)
			f.a.limitLogins(t, 2, time.Minute)
			for range 2 {
				if got := test.attempt(f); got.status != test.status {
					t.Errorf("answered %d %s, want %d", got.status, got.body, test.status)
				}
			}
			third := test.status
			if test.blocks != none {
				third = http.StatusTooManyRequests
			}
			if got := test.attempt(f); got.status != third {
				t.Errorf("a third is answered %d %s, want %d", got.status, got.body, third)
			}
			want := map[bool]int{true: http.StatusTooManyRequests, false: http.StatusOK}
			if got := f.a.login(adaLogin); got.status != want[test.blocks == logins] {
				t.Errorf("a login is answered %d %s", got.status, got.body)
			}
			elsewhere := newRequest(context.Background(), http.MethodPost, "/login", "", adaLogin)
			elsewhere.RemoteAddr = "198.51.100.7:1234"
			got := f.a.send(elsewhere)
			if got.status != http.StatusOK {
				t.Errorf("from another address: %d %s", got.status, got.body)
			}
			if got := f.a.post("/password", got.token, samePassword); got.status != want[test.blocks == changes] {
				t.Errorf("a change is answered %d %s", got.status, got.body)
			}
		})
	}
}

// TestWhatCountsAsARegistration checks that a registration counts only if its password is hashed.
func TestWhatCountsAsARegistration(t *testing.T) {
	t.Parallel()
	bob := strings.ReplaceAll(ada, "ada", "bob")
	eve := strings.ReplaceAll(ada, "ada", "eve")
	for name, test := range map[string]struct {
		attempt func(f *fixture) answer
		status  int
		counts  bool
	}{
		"a new user":   {func(f *fixture) answer { return f.a.post("/register", "", bob) }, 201, true},
		"a known user": {func(f *fixture) answer { return f.a.post("/register", "", ada) }, 409, true},
		"one that cannot be stored": {func(f *fixture) answer {
			defer f.redis.refuse("auth:user:", 0, everyTime)()
			return f.a.post("/register", "", bob)
		}, 503, true},
		"a short password": {func(f *fixture) answer {
			return f.a.post("/register", "", strings.Replace(bob, "correct horse", "short", 1))
		}, 400, false},
		"a role that nobody may choose": {func(f *fixture) answer {
			return f.a.post("/register", "", strings.Replace(bob, "{", `{"role":"admin",`, 1))
		}, 400, false},
		"too many passwords to hash": {func(f *fixture) answer {
			defer f.a.auth.Passwords.Occupy()()
			return f.a.post("/register", "", bob)
		}, 503, false},
		"a login": {func(f *fixture) answer { return f.a.login(adaLogin) }, 200, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newFixture(t)
			f.a.limitLogins(t, 2, time.Minute)
			for i := range 2 {
				if got := test.attempt(f); got.status != test.status && (i == 0 || got.status != http.StatusConflict) {
					t.Errorf("answered %d %s, want %d", got.status, got.body, test.status)
				}
			}
			want := map[bool]int{true: http.StatusTooManyRequests, false: http.StatusCreated}[test.counts]
			if got := f.a.post("/register", "", eve); got.status != want {
				t.Errorf("a third is answered %d %s, want %d", got.status, got.body, want)
			}
			elsewhere := newRequest(context.Background(), http.MethodPost, "/register", "", strings.ReplaceAll(eve, "eve", "mia"))
			elsewhere.RemoteAddr = "198.51.100.7:1234"
			if got := f.a.send(elsewhere); got.status != http.StatusCreated {
				t.Errorf("from another address: %d %s", got.status, got.body)
			}
		})
	}
}

// TestRefusedWrites makes Redis reject one write of a login. A login that cannot be counted is not tried. If a write
// fails that the session does not need, the login still succeeds and the failure is logged.
func TestRefusedWrites(t *testing.T) {
	t.Parallel()
	counted := func(f *fixture) { f.a.limitLogins(t, 10, time.Minute) }
	renewed := func(f *fixture) {
		f.a.auth.Passwords = controllers.NewPasswords(user.Hasher{Cost: bcrypt.MinCost + 1, MinLength: 8})
	}
	for name, test := range map[string]struct {
		arrange func(f *fixture)
		n       int // the write that is refused
		status  int
		message string
	}{
		"first write of BeginLogin":  {counted, 0, 503, "users and sessions are unavailable"},
		"second write of BeginLogin": {counted, 1, 503, "users and sessions are unavailable"},
		"last write of BeginLogin":   {counted, 2, 503, "users and sessions are unavailable"},
		"first write of its end":     {counted, 3, 200, "a login still counts as in progress"},
		"last write of its end":      {counted, 6, 200, "a login still counts as in progress"},
		"write of a renewal":         {renewed, 1, 200, "a password hash was not renewed"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newFixture(t)
			test.arrange(f)
			done := f.redis.refuse(write, test.n, 1)
			got := f.a.login(adaLogin)
			accepted := f.accepted(got.token)
			if n := done(); n != 1 || got.status != test.status || accepted != (test.status == http.StatusOK) {
				t.Errorf("%d writes were refused; answered %d %s", n, got.status, got.body)
			}
			if n := strings.Count(f.a.log.String(), test.message); n != 1 {
				t.Errorf("the log says %d times that %s:\n%s", n, test.message, f.a.log)
			}
		})
	}
}
