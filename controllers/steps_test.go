package controllers_test

import (
	"context"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"gin-auth/controllers"
	"gin-auth/user"
)

// steps are the parts of a login that run at the same time as another part. Each function gets its part the first
// time that it runs, and must call it.
type steps struct {
	begin, end, read, time func(do func())
}

type steppedLimiter struct {
	controllers.Limiter
	steps steps
}

func (l steppedLimiter) BeginLogin(ctx context.Context, account, address string, ownAddress bool) (
	func(ctx context.Context, checked, right bool) error, error,
) {
	var end func(ctx context.Context, checked, right bool) error
	var err error
	l.steps.begin(func() { end, err = l.Limiter.BeginLogin(ctx, account, address, ownAddress) })
	return func(ctx context.Context, checked, right bool) (err error) {
		l.steps.end(func() { err = end(ctx, checked, right) })
		return err
	}, err
}

type steppedUsers struct {
	controllers.Users
	steps steps
}

func (u steppedUsers) UserByEmail(ctx context.Context, email string) (found user.User, ok bool, err error) {
	u.steps.read(func() { found, ok, err = u.Users.UserByEmail(ctx, email) })
	return found, ok, err
}

type steppedClock struct {
	controllers.Clock
	steps steps
}

func (c steppedClock) IssueTime(ctx context.Context, userID string) (at time.Time, err error) {
	c.steps.time(func() { at, err = c.Clock.IssueTime(ctx, userID) })
	return at, err
}

// TestAtTheSameTime makes concurrent parts of a login run one after the other, in both orders, with something else in
// between. The response comes after both.
func TestAtTheSameTime(t *testing.T) {
	t.Parallel()
	pairs := map[string]func(first, last func(func())) steps{
		"the user is read, then the login counted":  func(f, l func(func())) steps { return steps{read: f, begin: l} },
		"the login is counted, then the user read":  func(f, l func(func())) steps { return steps{begin: f, read: l} },
		"the time is taken, then the attempt ended": func(f, l func(func())) steps { return steps{time: f, end: l} },
		"the attempt is ended, then the time taken": func(f, l func(func())) steps { return steps{end: f, time: l} },
	}
	const nothing, logoutAll, givingUp = "nothing", "a logout of all", "giving up"
	status := map[string]int{nothing: 200, logoutAll: 200, givingUp: 503, disabling: 401, change: 401}
	for name, pair := range pairs {
		for between, want := range status {
			t.Run(name+", between them "+between, func(t *testing.T) {
				t.Parallel()
				f := newFixture(t)
				f.a.limitLogins(t, 10, time.Minute)
				ctx, giveUp := context.WithCancel(context.Background())
				defer giveUp()
				done := make(chan struct{})
				ended := false
				s := pair(func(do func()) {
					do()
					switch between {
					case nothing:
					case givingUp:
						giveUp()
					case logoutAll:
						f.endSessions(f.b)
					default:
						actions[between](f, f.b)
					}
					close(done)
				}, func(do func()) {
					select {
					case <-done:
					case <-time.After(20 * time.Second):
						t.Error("the other part does not run at the same time")
					}
					do()
					ended = true
				})
				f.a.step(s)
				got := f.a.send(newRequest(ctx, http.MethodPost, "/login", "", adaLogin))
				if !ended || got.status != want || f.accepted(got.token) != (want == http.StatusOK) {
					t.Errorf("answered %d %s; both were done: %v\n%s", got.status, got.body, ended, f.a.log)
				}
				f.checkNode(t, between, got.token)
				for _, count := range f.counts() {
					if !strings.HasSuffix(count, " 0") {
						t.Errorf("counted %q", count)
					}
				}
			})
		}
	}
}

// step makes the instance run the given steps, each once.
func (i *instance) step(s steps) {
	for _, step := range []*func(func()){&s.begin, &s.end, &s.read, &s.time} {
		given := *step
		var called atomic.Bool
		*step = func(do func()) {
			if given == nil || called.Swap(true) {
				do()
			} else {
				given(do)
			}
		}
	}
	i.auth.Limiter = steppedLimiter{i.auth.Limiter, s}
	i.auth.Users = steppedUsers{i.auth.Users, s}
	i.auth.Clock = steppedClock{i.auth.Clock, s}
}

// TestLogoutAllDuringHash checks that the time is taken after the hashing, so that a logout of all sessions during it
// does not make the login start again.
func TestLogoutAllDuringHash(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.a.auth.Passwords.BeforeCompare(func() { f.endSessions(f.b) })
	f.redis.sent()
	got := f.a.login(adaLogin)
	stored := 0
	for _, command := range f.redis.sent() {
		if strings.Contains(command, `"record":`) {
			stored++
		}
	}
	if got.status != http.StatusOK || !f.accepted(got.token) || stored != 1 {
		t.Errorf("answered %d %s; %d sessions were stored", got.status, got.body, stored)
	}
}
