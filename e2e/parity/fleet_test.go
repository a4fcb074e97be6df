package parity

import (
	"errors"
	"net/http"
	"slices"
	"testing"
	"time"

	"gin-auth/e2e/internal/harness"
)

const fleetAbout = "both services on one Redis: a token issued by either (or by the test), logged out at either, sent to either"

// fleetRow is a token in a mixed fleet, which runs the original and this service.
type fleetRow struct {
	name string
	// issuer is the side that issues the token, "original" or "ours". If it is empty, the test creates the token.
	issuer string
	token  token
}

var fleetRows = []fleetRow{
	{"issued by the original", "original", token{}},
	{"issued by us", "ours", token{}},
	{"without exp", "", token{payload: `{"id":"CASE"}`}},
	{"for a week", "", only(`"exp":NOW+604800`)},
	{"for a minute", "", only(`"exp":NOW+60`)},
	{"HS512", "", token{header: `{"alg":"HS512"}`}},
	{"not yet valid", "", with(`"nbf":NOW+3600`)},
	{"just expired", "", only(`"exp":NOW-1`)},
	{"crit, which we refuse", "", token{header: `{"alg":"HS256","crit":["x"]}`}},
	{"an array, which we refuse", "", token{payload: `["CASE"]`}},
	{"no JSON, which we refuse", "", untyped(`CASE`)},
}

const (
	rowSize   = 4 // cases per row: logged out at either side, sent to either side
	twoLogins = "two logins in one second"
)

// fleet logs each token out at either side and then sends it to either side.
func (l *pair) fleet(t *testing.T) {
	t.Helper()
	t.Run(twoLogins, l.twoLogins)
	for _, row := range fleetRows {
		for _, out := range []string{"original", "ours"} {
			for _, asked := range []string{"original", "ours"} {
				t.Run(row.name+", logged out at "+out+", asked at "+asked, func(t *testing.T) { l.fleetCase(t, row, out, asked) })
			}
		}
	}
}

// fleetCase checks that a token that was logged out at one side is rejected by the other.
func (l *pair) fleetCase(t *testing.T, row fleetRow, out, asked string) {
	t.Helper()
	defer clean(t, l.redis)
	c := l.combination.adapt(testCase{name: t.Name(), token: row.token, request: askMe, before: []string{postLogout}})
	if row.issuer != "" {
		c.token = token{issued: logInAt(t, l.side(row.issuer))}
		l.wantWelcome(t, c)
	}
	l.cases++
	o := outcome{ready: c.prepare(time.Now()), combination: l.seenFrom(out)}
	before := exchange(address(l.original), o.request, answersWithin)
	o.ours = exchange(address(l.side(out)), o.before[0], answersWithin)
	all(says(http.StatusOK, loggedOut), clears)(t, o)
	o.combination = l.seenFrom(asked)
	o.ours = exchange(address(l.side(asked)), o.request, answersWithin)
	if asked == "original" && !l.combination.checksBlacklist() {
		l.differ++
		if len(differences(before, o.ours)) > 0 {
			t.Errorf("the original answers %s after the logout but %s before it, want equal responses", o.ours, before)
		}
		return
	}
	all(says(http.StatusUnauthorized, expired), clears)(t, o)
}

// seenFrom returns the combination with the cookie of a side.
func (l *pair) seenFrom(side string) combination {
	c := l.combination
	if side == "original" {
		c.ours = append(slices.Clone(c.original), c.ours...)
	}
	return c
}

func (l *pair) side(name string) *harness.Service {
	if name == "original" {
		return l.original
	}
	return l.ours
}

// wantWelcome checks that both sides accept a valid token with equal responses.
func (l *pair) wantWelcome(t *testing.T, c testCase) {
	t.Helper()
	r := c.prepare(time.Now())
	a := exchange(address(l.original), r.request, answersWithin)
	b := exchange(address(l.ours), r.request, answersWithin)
	judge(t, l.express, outcome{r, a, b, l.combination})
	if a.status != http.StatusOK {
		t.Errorf("before the logout: got %v, want 200", a)
	}
}

// logInAt returns a token issued by a side.
func logInAt(t *testing.T, side *harness.Service) string {
	t.Helper()
	a := exchange(address(side), postJSON(login, adaLogin), answersWithin)
	token := sessionOf(a)
	if token == "" {
		t.Fatalf("login: %v", a)
	}
	return token
}

// twoLogins shows why tokens have a jti: at the original, two logins within a second return the same token, which
// is one session.
func (l *pair) twoLogins(t *testing.T) {
	t.Helper()
	l.cases++
	l.differ++
	same := func(side *harness.Service) bool {
		first, second := logInAt(t, side), logInAt(t, side)
		return first == second
	}
	harness.Eventually(t, "the original returns the same token for two logins", func() error {
		if !same(l.original) {
			return errors.New("two tokens") // the logins were not in the same second
		}
		return nil
	})
	for range 3 {
		if same(l.ours) {
			t.Error("this service returned the same token for two logins")
		}
	}
}
