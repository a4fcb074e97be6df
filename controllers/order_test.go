package controllers_test

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/crypto/bcrypt"

	"gin-auth/controllers"
	"gin-auth/user"
)

// The tests in this file stop a request before one of its commands to Redis, until something else is done. They do this
// for every command, so they depend neither on timing nor on the commands.

// What can happen to a user. Each action uses one instance.
const (
	login     = "a login"
	renewal   = "a login that renews the hash"
	change    = "a change of password"
	disabling = "disabling"
	newUser   = "a new user with the same email and password"
)

var actions = map[string]func(f *fixture, i *instance) answer{
	login: func(_ *fixture, i *instance) answer { return i.login(adaLogin) },
	renewal: func(_ *fixture, i *instance) answer {
		i.auth.Passwords = controllers.NewPasswords(user.Hasher{Cost: bcrypt.MinCost + 1, MinLength: 8})
		return i.login(adaLogin)
	},
	change: func(f *fixture, i *instance) answer { return i.post("/password", f.laptop, newPassword) },
	disabling: func(f *fixture, i *instance) answer {
		disable := func(user *user.User) error { user.Disabled = true; return nil }
		if _, _, err := i.store.UpdateUser(context.Background(), "ada@example.com", disable); err != nil {
			return answer{body: err.Error()}
		}
		return f.endSessions(i)
	},
	newUser: func(f *fixture, i *instance) answer {
		u, _, err := i.store.UserByEmail(context.Background(), "ada@example.com")
		if err == nil {
			_, err = i.store.DeleteUser(context.Background(), u)
		}
		if err != nil {
			return answer{body: err.Error()}
		}
		if got := f.endSessions(i); got.status != http.StatusOK {
			return got
		}
		return i.post("/register", "", ada)
	},
}

func (f *fixture) endSessions(i *instance) answer {
	if err := i.store.LogoutAll(context.Background(), f.id); err != nil {
		return answer{body: err.Error()}
	}
	return answer{status: http.StatusOK}
}

// accepted reports whether token is accepted as a token of the fixture's user.
func (f *fixture) accepted(token string) bool {
	if token == "" {
		return false
	}
	me := f.b.get("/me", token)
	var body struct{ User struct{ ID string } }
	return me.status == http.StatusOK && json.Unmarshal([]byte(me.body), &body) == nil && body.User.ID == f.id
}

// interrupt runs first and stops it before its nth command to Redis until second is done. If there is no such
// command, second runs after first.
func (f *fixture) interrupt(n int, first, second func(*fixture) answer) (one, two answer, stoppedBefore string) {
	done := false
	f.redis.pause("", n, func(command string) {
		two, stoppedBefore, done = second(f), command, true
	})
	one = first(f)
	f.redis.setBefore(nil)
	if !done {
		two = second(f)
	}
	return one, two, stoppedBefore
}

// TestLoginsDuringAChange stops the first of two actions before each of its commands to Redis, or after the last,
// until the second is done. No session survives that was started with the old password, or whose user was disabled or
// replaced. It is rejected here and by a Node service, which asks only the blacklist. Only the session that a
// password change starts survives.
func TestLoginsDuringAChange(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		first, second string
		survives      string   // the action whose session survives
		outcomes      []string // the statuses of the two: each pair must occur
	}{
		{login, change, change, []string{"200 200", "401 200"}},
		{change, login, change, []string{"200 200", "200 401"}},
		{login, disabling, "", []string{"200 200", "401 200"}},
		{disabling, login, "", []string{"200 200", "200 401"}},
		{login, newUser, "", []string{"200 201", "401 201"}},
		{newUser, login, "", []string{"201 200", "201 401"}},
		{change, disabling, "", []string{"200 200", "401 200"}},
		{disabling, change, "", []string{"200 200", "200 401"}},
		{renewal, change, change, []string{"200 200", "401 200"}},
		{renewal, disabling, "", []string{"200 200", "401 200"}},
	} {
		t.Run(test.first+" and "+test.second, func(t *testing.T) {
			t.Parallel()
			var mu sync.Mutex
			outcomes := map[string]bool{}
			first := func(f *fixture) answer {
				f.a.limitLogins(t, 1000, time.Hour)
				return actions[test.first](f, f.a)
			}
			second := func(f *fixture) answer { return actions[test.second](f, f.b) }
			inEach(fixtures(t, "", first), func(n int, f *fixture) {
				one, two, command := f.interrupt(n, first, second)
				where := fmt.Sprintf("stopped before command %d (%.40s), answered %d, the other %d",
					n, command, one.status, two.status)
				mu.Lock()
				outcomes[fmt.Sprintf("%d %d", one.status, two.status)] = true
				mu.Unlock()

				for of, token := range map[string]string{
					"the laptop": f.laptop, "the phone": f.phone, test.first: one.token, test.second: two.token,
				} {
					if accepted := f.accepted(token); accepted != (of == test.survives) {
						t.Errorf("%s: the session of %s is accepted: %v", where, of, accepted)
					}
					f.checkNode(t, where+", "+of, token)
				}
				if again := f.b.login(adaLogin); f.accepted(again.token) {
					t.Errorf("%s: the user logs in with the old password afterwards", where)
				}
				if again := f.b.login(newLogin); f.accepted(again.token) != (test.survives == change) {
					t.Errorf("%s: a login with the new password afterwards is answered %d", where, again.status)
				}
			})
			if got := slices.Sorted(maps.Keys(outcomes)); !slices.Equal(got, test.outcomes) {
				t.Errorf("the outcomes are %q, want %q", got, test.outcomes)
			}
		})
	}
}

// checkNode fails the test if a token is valid here but not for a Node service, or the reverse. A Node service asks
// only the blacklist.
func (f *fixture) checkNode(t *testing.T, where, token string) {
	t.Helper()
	here, atNode := f.b.accepts(token), !f.redis.Exists("blacklist:"+token)
	if token != "" && here != atNode {
		t.Errorf("%s: the session is valid here: %v, at a Node service: %v", where, here, atNode)
	}
}

// TestLoginDuringLogoutAll stops a login before each of its commands until the user is logged out everywhere, and the
// reverse. The login succeeds. Its session is valid both here and for a Node service, or for neither.
func TestLoginDuringLogoutAll(t *testing.T) {
	t.Parallel()
	logoutAll := func(f *fixture) answer { return f.endSessions(f.a) }
	logIn := func(f *fixture) answer {
		f.b.limitLogins(t, 1000, time.Hour)
		return actions[login](f, f.b)
	}
	for name, test := range map[string][2]func(*fixture) answer{
		"a login first": {logIn, logoutAll}, "a logout first": {logoutAll, logIn},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var valid atomic.Int32
			inEach(fixtures(t, "", test[0]), func(n int, f *fixture) {
				one, two, command := f.interrupt(n, test[0], test[1])
				where := fmt.Sprintf("stopped before command %d (%.40s)", n, command)
				token := one.token + two.token
				if one.status != http.StatusOK || two.status != http.StatusOK || token == "" {
					t.Errorf("%s: %d and %d", where, one.status, two.status)
				}
				for _, token := range []string{f.laptop, f.phone, token} {
					f.checkNode(t, where, token)
				}
				if f.accepted(token) {
					valid.Add(1)
				}
			})
			if valid.Load() == 0 {
				t.Error("no session of a login is valid")
			}
		})
	}
}

// TestStoppedHalfway interrupts each request that ends sessions at each of its commands: Redis rejects a write, or
// every further command, or the client disconnects. A 200 means that everything is stored. After any other response,
// the client keeps its cookie. If a login with the new password succeeds, the old sessions are revoked. If the client
// disconnects, the request is either completed or not begun.
func TestStoppedHalfway(t *testing.T) {
	t.Parallel()
	for _, test := range []struct{ path, body string }{
		{"/logout", ""}, {"/logout-all", ""}, {"/password", newPassword},
	} {
		post := func(ctx context.Context, f *fixture) answer {
			return f.a.send(newRequest(ctx, http.MethodPost, test.path, f.laptop, test.body))
		}
		for stop, expression := range map[string]string{"a write refused": write, "all refused": "", "given up": ""} {
			t.Run(test.path+" "+stop, func(t *testing.T) {
				t.Parallel()
				undisturbed := func(f *fixture) answer { return post(context.Background(), f) }
				inEach(fixtures(t, expression, undisturbed), func(n int, f *fixture) {
					ctx, giveUp := context.WithCancel(context.Background())
					defer giveUp()
					end := func() int { f.redis.setBefore(nil); return 0 }
					switch stop {
					case "a write refused":
						end = f.redis.refuse(expression, n, 1)
					case "all refused":
						end = f.redis.refuse(expression, n, everyTime)
					default:
						f.redis.pause(expression, n, func(string) { giveUp() })
					}
					got := post(ctx, f)
					where := fmt.Sprintf("%s at command %d, answered %d", stop, n, got.status)
					// A revoked session may remain in the list of the user's sessions. This is logged.
					if end() > 0 && got.status == http.StatusOK && !strings.Contains(f.a.log.String(), "from the session list") {
						t.Error(where)
					}
					f.checkStopped(t, test.path, where, stop == "given up", got)
				})
			})
		}
	}
}

// checkStopped checks the state after a request that was interrupted and got this response.
func (f *fixture) checkStopped(t *testing.T, path, where string, wholly bool, got answer) {
	t.Helper()
	laptop, phone := f.accepted(f.laptop), f.accepted(f.phone)
	listed := f.redis.Exists("blacklist:" + f.laptop)
	old := f.b.login(adaLogin).status == http.StatusOK
	renewed := f.b.login(newLogin).status == http.StatusOK
	done := got.status == http.StatusOK
	ended := listed && !laptop && (path == "/logout" || !phone)
	begun := listed || !laptop || !phone || !old
	for wrong, is := range map[string]bool{
		"a cookie is set or cleared":                   !done && got.header.Get("Set-Cookie") != "",
		"the cookie is kept":                           done && got.header.Get("Set-Cookie") == "",
		"a session has not ended":                      done && !ended,
		"the new session is not accepted":              done && path == "/password" && !f.accepted(got.token),
		"the password was not changed":                 done && path == "/password" && !renewed,
		"the password was changed":                     renewed && path != "/password",
		"both passwords are right, or neither":         old == renewed,
		"the new password is valid and an old session": renewed && !ended,
		"it was begun and not done":                    wholly && begun && (!ended || path == "/password" && !renewed),
	} {
		if is {
			t.Errorf("%s: %s", where, wrong)
		}
	}
}

// TestTwoChangesAtOnce stops a password change before each of its commands until another one is done. Exactly one of
// them succeeds. After the first has ended the sessions, it does not end the session that the second starts.
func TestTwoChangesAtOnce(t *testing.T) {
	t.Parallel()
	const otherLogin = `{"email":"ada@example.com","password":"another staple"}`
	first := func(f *fixture) answer { return actions[change](f, f.a) }
	second := func(f *fixture) answer {
		got := f.b.login(adaLogin) // the first change may have ended the earlier sessions
		if got.token == "" {
			return got
		}
		return f.b.post("/password", got.token, `{"currentPassword":"correct horse","newPassword":"another staple"}`)
	}
	var lost atomic.Int32
	inEach(fixtures(t, "", first), func(n int, f *fixture) {
		one, two, _ := f.interrupt(n, first, second)
		if one.status == http.StatusUnauthorized {
			lost.Add(1)
		}
		where := fmt.Sprintf("stopped before command %d: %d and %d", n, one.status, two.status)
		if one.status+two.status != http.StatusOK+http.StatusUnauthorized {
			t.Errorf("%s, want 200 and 401", where)
		}
		for body, right := range map[string]bool{
			adaLogin: false, newLogin: one.status == http.StatusOK, otherLogin: two.status == http.StatusOK,
		} {
			if got := f.b.login(body); (got.status == http.StatusOK) != right {
				t.Errorf("%s; a login with %s is answered %d", where, body, got.status)
			}
		}
	})
	if lost.Load() == 0 {
		t.Error("the first change never fails")
	}
	// The commands of ReplaceHash, which runs after the sessions are ended.
	for command, n := range map[string]int{readUser: 1, "(?s)^EVAL .* auth:user:": 0} {
		f := newFixture(t)
		var two answer
		f.redis.pause(command, n, func(string) { two = second(f) })
		one := first(f)
		if one.status != http.StatusUnauthorized || !f.accepted(two.token) {
			t.Errorf("stopped before %s, answered %d, the other %d: the other's session has ended",
				command, one.status, two.status)
		}
	}
}

// TestRenewedBesides stops a login that renews the hash before each of its commands until another login has renewed
// it. Both succeed.
func TestRenewedBesides(t *testing.T) {
	t.Parallel()
	first := func(f *fixture) answer { return actions[renewal](f, f.a) }
	second := func(f *fixture) answer { return actions[renewal](f, f.b) }
	inEach(fixtures(t, "", first), func(n int, f *fixture) {
		one, two, _ := f.interrupt(n, first, second)
		if !f.accepted(one.token) || !f.accepted(two.token) {
			t.Errorf("stopped before command %d: answered %d, then %d", n, one.status, two.status)
		}
		user, _, err := f.a.store.UserByEmail(context.Background(), "ada@example.com")
		if cost, _ := bcrypt.Cost([]byte(user.PasswordHash)); cost != bcrypt.MinCost+1 {
			t.Errorf("stopped before command %d: the hash has the cost %d, %v", n, cost, err)
		}
	})
}

// TestLoginNeedsRedis makes Redis reject all commands of a login, beginning with each of them.
func TestLoginNeedsRedis(t *testing.T) {
	t.Parallel()
	attempt := func(f *fixture) answer {
		f.a.limitLogins(t, 10, time.Minute)
		return f.a.login(adaLogin)
	}
	inEach(fixtures(t, "", attempt), func(n int, f *fixture) {
		done := f.redis.refuse("", n, everyTime)
		got := attempt(f)
		want := http.StatusServiceUnavailable
		if done() == 0 {
			want = http.StatusOK
		}
		if got.status != want || (got.header.Get("Set-Cookie") != "") != (want == http.StatusOK) {
			t.Errorf("refused from command %d on: %d %s, %v", n, got.status, got.body, got.header)
		}
	})
	// Each of the concurrent commands is required.
	for _, needed := range []struct {
		command string
		n       int
	}{
		{readUser, 0}, {"^EVAL ", 0}, {"^GET auth:logout-all:", 0}, // the user, the limit, the time
		{readUser, 1}, {"^GET auth:logout-all:", 1}, // the user again, whether the session is valid
	} {
		f := newFixture(t)
		done := f.redis.refuse(needed.command, needed.n, 1)
		got := attempt(f)
		if n := done(); n != 1 || got.status != http.StatusServiceUnavailable || got.token != "" {
			t.Errorf("%q refused after %d: %d refused, answered %d %s", needed.command, needed.n, n, got.status, got.body)
		}
	}
}

// TestLoginGivenUp lets the client of a login disconnect before each of its commands. No attempt still counts as in
// progress after that.
func TestLoginGivenUp(t *testing.T) {
	t.Parallel()
	for body, failures := range map[string]int{adaLogin: 0, wrongLogin: 1} {
		attempt := func(ctx context.Context, f *fixture) answer {
			f.a.limitLogins(t, 10, time.Minute)
			return f.a.send(newRequest(ctx, http.MethodPost, "/login", "", body))
		}
		undisturbed := func(f *fixture) answer { return attempt(context.Background(), f) }
		inEach(fixtures(t, "", undisturbed), func(n int, f *fixture) {
			ctx, giveUp := context.WithCancel(context.Background())
			defer giveUp()
			f.redis.pause("", n, func(string) { giveUp() })
			got := attempt(ctx, f)
			for _, count := range f.counts() {
				if count != fmt.Sprint(failures, " 0") {
					t.Errorf("%s, given up before command %d: answered %d, counted %q", body, n, got.status, count)
				}
			}
		})
	}
}
