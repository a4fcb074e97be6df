package parity

import (
	"errors"
	"net/http"
	"slices"
	"testing"
	"time"

	"gin-auth/e2e/internal/harness"
)

const fleetAbout = "both on one Redis: a token issued by either (or made), logged out at either, asked at either"

// fleetRow is a token that both sides of a mixed fleet come across.
type fleetRow struct {
	name string
	// issuer is who logs in for it, "original" or "ours"; if empty it is made.
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
	rowSize   = 4 // cases of a row: logged out at either, asked at either
	twoLogins = "two logins in one second"
)

// fleet logs each token out at either side and asks either for it.
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

// fleetCase wants a token that was logged out at one side to be over at another.
func (l *pair) fleetCase(t *testing.T, row fleetRow, out, asked string) {
	t.Helper()
	defer clean(t, l.redis)
	c := l.combination.adapt(testCase{name: t.Name(), token: row.token, request: askMe, before: []string{putOut}})
	if row.issuer != "" {
		c.token = token{text: logInAt(t, l.side(row.issuer))}
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
			t.Errorf("the original answers %s after the logout, and %s before", o.ours, before)
		}
		return
	}
	all(says(http.StatusUnauthorized, expired), clears)(t, o)
}

// seenFrom returns the combination with the cookie that a side sends.
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

// wantWelcome wants both sides to answer alike for a token that is good.
func (l *pair) wantWelcome(t *testing.T, c testCase) {
	t.Helper()
	r := c.prepare(time.Now())
	a := exchange(address(l.original), r.request, answersWithin)
	b := exchange(address(l.ours), r.request, answersWithin)
	judge(t, l.express, outcome{r, a, b, l.combination})
	if a.status != http.StatusOK {
		t.Errorf("before the logout the answer is %v", a)
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

// twoLogins is the divergence jti as it hurts: two logins within a second are one session at the
// original.
func (l *pair) twoLogins(t *testing.T) {
	t.Helper()
	l.cases++
	l.differ++
	same := func(side *harness.Service) bool {
		first, second := logInAt(t, side), logInAt(t, side)
		return first == second
	}
	harness.Eventually(t, "the original gives two logins the same token", func() error {
		if !same(l.original) {
			return errors.New("two tokens") // a second began between them
		}
		return nil
	})
	for range 3 {
		if same(l.ours) {
			t.Error("we give two logins the same token")
		}
	}
}
