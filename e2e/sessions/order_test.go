package sessions

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"gin-auth/db"
	"gin-auth/e2e/internal/harness"
	"gin-auth/session"
	"gin-auth/user"
)

// repeats is how often each order of a login and a logout-all runs.
const repeats = 50

// race is a login and a logout-all of one user. The login has its issue time and has not stored its session yet.
type race struct {
	redis         *redis.Client
	login, logout *db.DB
	issued        *session.Session
	stored        user.Session
}

func newRace(t *testing.T, c *redis.Client, login, logout *db.DB, userID string) *race {
	t.Helper()
	at, err := login.IssueTime(t.Context(), userID)
	if err != nil {
		t.Fatal(err)
	}
	sessions := newSessions(t)
	s, err := sessions.Issue(session.User{ID: userID, Email: userID + "@example.com"}, at)
	if err != nil {
		t.Fatal(err)
	}
	return &race{c, login, logout, s, user.Session{
		ID: s.ID(), Record: sessions.Record(s), IssuedAt: time.Unix(s.IssuedAt(), 0), ExpiresAt: s.ExpiresAt(),
	}}
}

// added is the result of AddSession.
type added struct {
	valid bool
	err   error
}

// startLogin stores the session.
func (r *race) startLogin() <-chan added {
	done := make(chan added, 1)
	go func() {
		valid, _, err := r.login.AddSession(context.Background(), r.issued.UserID(), r.stored)
		done <- added{valid, err}
	}()
	return done
}

// startLogout logs the user out everywhere.
func (r *race) startLogout() <-chan error {
	done := make(chan error, 1)
	go func() { done <- r.logout.LogoutAll(context.Background(), r.issued.UserID()) }()
	return done
}

// judge fails the test if the login is valid after the logout-all and its token is not on the blacklist.
func (r *race) judge(t *testing.T, what string, login added, logout error) (revoked bool) {
	t.Helper()
	n, err := r.redis.Exists(t.Context(), "blacklist:"+r.issued.Token).Result()
	if err := errors.Join(login.err, logout, err); err != nil {
		t.Fatalf("%s: %v", what, err)
	}
	if login.valid && n == 0 {
		t.Fatalf("%s: the login is valid after the logout-all, and its token is not on the blacklist", what)
	}
	return n > 0
}

// pause makes Redis delay all write commands until resume is called. Redis then executes them in the order in which
// they arrived. waiting waits until n clients are delayed.
func pause(t *testing.T, c *redis.Client) (waiting func(n int), resume func()) {
	t.Helper()
	harness.Command(t, c, "CLIENT", "PAUSE", 60_000, "WRITE")
	return func(n int) {
		t.Helper()
		harness.Eventually(t, fmt.Sprintf("%d clients wait", n), func() error {
			info, err := c.Info(t.Context(), "clients").Result()
			if err == nil && !strings.Contains(info, fmt.Sprintf("blocked_clients:%d\r\n", n)) {
				err = errors.New(info)
			}
			return err
		})
	}, func() { t.Helper(); harness.Command(t, c, "CLIENT", "UNPAUSE") }
}

// TestPaused delays write commands, sends a login and a logout-all in both orders, and lets Redis execute them.
// Both begin with a write command.
func TestPaused(t *testing.T) {
	t.Parallel()
	server := harness.StartRedis(t)
	c, login, logout := server.Client(t), openDB(t, server.Addr()), openDB(t, server.Addr())
	for i := range repeats {
		r := newRace(t, c, login, logout, fmt.Sprint("logout-first-", i))
		waiting, resume := pause(t, c)
		logoutDone := r.startLogout()
		waiting(1)
		loginDone := r.startLogin()
		waiting(2)
		resume()
		got := <-loginDone
		r.judge(t, "the logout first", got, <-logoutDone)
		if got.valid {
			t.Fatal("a login that stored its session after the logout-all is valid, want it rejected")
		}

		r = newRace(t, c, login, logout, fmt.Sprint("login-first-", i))
		waiting, resume = pause(t, c)
		loginDone = r.startLogin()
		waiting(1)
		logoutDone = r.startLogout()
		waiting(2)
		resume()
		if got = <-loginDone; !got.valid {
			t.Fatal("a login before the logout-all is not valid")
		}
		if !r.judge(t, "the login first", got, <-logoutDone) {
			t.Fatal("the logout-all did not revoke the login before it")
		}
	}
}

// holdEach runs held several times. In the first run its first round trip is delayed until other has ended, in the
// second run its second round trip, and so on. It returns the number of round trips of held. prepare returns the
// functions for a run; judge is called last.
func holdEach(spy *harness.Spy, prepare func(trip int) (held, other, judge func())) (trips int) {
	for trip := 1; ; trip++ {
		held, other, judge := prepare(trip)
		left := trip
		arrived, release := spy.Hold(func(harness.RoundTrip) bool {
			left--
			return left == 0
		})
		done := make(chan struct{})
		go func() {
			held()
			close(done)
		}()
		select {
		case <-arrived:
			other()
			release()
			<-done
			judge()
		case <-done:
			release()
			return trip - 1
		}
	}
}

// TestHeld delays a login or a logout-all before each of its round trips while the other one runs completely.
func TestHeld(t *testing.T) {
	t.Parallel()
	server := harness.StartRedis(t)
	spy := harness.StartSpy(t, server.Addr())
	c, direct, held := server.Client(t), openDB(t, server.Addr()), openDB(t, spy.Addr())
	ofLogin, ofLogout := 0, 0
	for i := range repeats {
		var got added
		var err error
		ofLogin = holdEach(spy, func(trip int) (_, _, judge func()) {
			what := fmt.Sprintf("login %d held before its round trip %d", i, trip)
			r := newRace(t, c, held, direct, what)
			return func() { got = <-r.startLogin() }, func() { err = <-r.startLogout() }, func() { r.judge(t, what, got, err) }
		})
		ofLogout = holdEach(spy, func(trip int) (_, _, judge func()) {
			what := fmt.Sprintf("logout %d held before its round trip %d", i, trip)
			if first := <-newRace(t, c, direct, held, what).startLogin(); !first.valid { // so that there is a session to end
				t.Fatal("the first login", first.err)
			}
			r := newRace(t, c, direct, held, what)
			return func() { err = <-r.startLogout() }, func() { got = <-r.startLogin() }, func() { r.judge(t, what, got, err) }
		})
	}
	t.Logf("%d times: a login has %d round trips, a logout-all %d", repeats, ofLogin, ofLogout)
	if ofLogin == 0 || ofLogout < 4 {
		t.Errorf("too few round trips were delayed: a login has %d, want 1 or more, and a logout-all %d, want 4 or more", ofLogin, ofLogout)
	}
}
