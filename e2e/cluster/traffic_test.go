package cluster

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"gin-auth/e2e/internal/harness"
	"gin-auth/e2e/internal/requests"
)

// The states of a subject.
const (
	isValid int32 = iota
	isChanging
	isRevoked
	mayEnd // the blacklist was lost after it was issued
)

// subject is a token that requests are sent with.
type subject struct {
	what  string
	token string
	state atomic.Int32
}

func (s *subject) String() string {
	return fmt.Sprintf("%s, state %d, user %s", s.what, s.state.Load(), userID(s.token))
}

// claim returns the claims of a token that the tests need.
func claim(token string) (claims struct{ ID, JTI string }) {
	parts := strings.Split(token, ".")
	if payload, err := base64.RawURLEncoding.DecodeString(parts[min(1, len(parts)-1)]); err == nil {
		_ = json.Unmarshal(payload, &claims)
	}
	return claims
}

// userID returns the user of a token.
func userID(token string) string { return claim(token).ID }

// traffic sends GET /me with the tokens of its subjects and checks the answers: 200 for a valid token, the rejection
// for a revoked one, and 503 at any time.
type traffic struct {
	services []*harness.Service
	pause    time.Duration                           // of each worker after a request
	observe  func(one *subject, got requests.Answer) // called with each answer, may be nil

	mu       sync.Mutex
	subjects []*subject

	asked, unavailable atomic.Int64
	wrong              atomic.Int64
}

func (l *traffic) add(what, token string, state int32) *subject {
	one := &subject{what: what, token: token}
	one.state.Store(state)
	l.mu.Lock()
	defer l.mu.Unlock()
	l.subjects = append(l.subjects, one)
	return one
}

func (l *traffic) all() []*subject {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.subjects[:len(l.subjects):len(l.subjects)] // add does not change these
}

// valid adds a token that every instance accepts.
func (l *traffic) valid(t *testing.T, what, token string) *subject {
	t.Helper()
	for _, s := range l.services {
		requests.WantStatus(t, what, requests.Send(t, s, "GET", requests.Me, token, ""), 200)
	}
	return l.add(what, token, isValid)
}

// loggedOut adds a token and logs it out.
func (l *traffic) loggedOut(t *testing.T, what, token string) *subject {
	t.Helper()
	one := l.valid(t, what, token)
	requests.WantStatus(t, "logout", requests.Send(t, l.services[0], "POST", requests.Logout, token, ""), 200)
	one.state.Store(isRevoked)
	l.ask(t, 0, one)
	return one
}

// endedByCut adds a token of a new user that only the user's cut revokes: it is not on the blacklist.
func (l *traffic) endedByCut(t *testing.T, what string, cut, entry func(slot int) bool) *subject {
	t.Helper()
	id := userWith(cut)
	one := l.valid(t, what+", ended by logout-all", tokenWith(id, entry))
	asks := tokenWith(id, anySlot)
	requests.WantStatus(t, "logout-all", requests.Send(t, l.services[0], "POST", "/api/auth/logout-all", asks, ""), 200)
	one.state.Store(isRevoked)
	l.ask(t, 0, one)
	return one
}

// ask sends a request with a token to a service and checks the answer.
func (l *traffic) ask(t *testing.T, service int, one *subject) requests.Answer {
	t.Helper()
	before := one.state.Load()
	got, err := requests.Try(l.services[service], "GET", requests.Me, one.token, "")
	after := one.state.Load()
	l.asked.Add(1)
	if l.observe != nil && err == nil {
		l.observe(one, got)
	}
	switch {
	case err == nil && got.Is(503, requests.Away):
		l.unavailable.Add(1)
	case err != nil, !got.Refused() && got.Status != 200,
		before == isRevoked && !got.Refused(), after == isValid && got.Status != 200:
		if l.wrong.Add(1) <= 10 { // one error is enough
			t.Errorf("instance %d, %s: got %s, %v", service, one, got, err)
		} else {
			t.Fail()
		}
	}
	return got
}

// askUntilAnswered sends requests with a token to a service until the answer is not 503.
func (l *traffic) askUntilAnswered(t *testing.T, service int, one *subject) requests.Answer {
	t.Helper()
	for deadline := time.Now().Add(5 * time.Second); ; time.Sleep(5 * time.Millisecond) {
		got := l.ask(t, service, one)
		if !got.Is(503, requests.Away) {
			return got
		}
		if time.Now().After(deadline) {
			t.Errorf("instance %d, %s: still %s", service, one, got)
			return got
		}
	}
}

// askAll sends requests with each token to each service.
func (l *traffic) askAll(t *testing.T) {
	t.Helper()
	unavailable := l.unavailable.Load()
	for _, one := range l.all() {
		for service := range l.services {
			l.askUntilAnswered(t, service, one)
		}
	}
	if n := l.unavailable.Load() - unavailable; n > 0 {
		t.Logf("%d requests were answered 503 and repeated", n)
	}
}

// run sends requests from a number of connections until stop is called, or the test ends.
func (l *traffic) run(t *testing.T, connections int) (stop func()) {
	t.Helper()
	var ending atomic.Bool
	var workers sync.WaitGroup
	for worker := range connections {
		workers.Go(func() {
			for i := worker; !ending.Load(); i += 7 {
				all := l.all()
				l.ask(t, worker%len(l.services), all[i%len(all)])
				time.Sleep(l.pause)
			}
		})
	}
	stop = func() {
		ending.Store(true)
		workers.Wait()
	}
	t.Cleanup(stop)
	return stop
}

// churned counts the answers to logins and logouts.
type churned struct{ logins, logouts, failed atomic.Int64 }

// churn logs users in and out until stop is called, or the test ends. Their tokens are added to the subjects. A login
// or a logout may be answered 503 or 500, which is counted.
func (l *traffic) churn(t *testing.T, emails []string, pause time.Duration) (count *churned, stop func()) {
	t.Helper()
	count = &churned{}
	var ending atomic.Bool
	var workers sync.WaitGroup
	for worker, email := range emails {
		workers.Go(func() {
			var open []*subject
			for i := worker; !ending.Load(); i++ {
				s := l.services[i%len(l.services)]
				got, err := requests.Try(s, "POST", "/api/auth/login", "", credentials(email))
				switch {
				case err == nil && got.Status == 200:
					open = append(open, l.add("login of "+email, got.Token(), isValid))
					count.logins.Add(1)
				case err == nil && got.Is(503, requests.Away):
					count.failed.Add(1)
				default:
					t.Errorf("login of %s: %s, %v", email, got, err)
				}
				if len(open) > 3 {
					one := open[0]
					open = open[1:]
					one.state.Store(isChanging)
					got, err := requests.Try(l.services[(i+1)%len(l.services)], "POST", requests.Logout, one.token, "")
					switch {
					case err == nil && got.Status == 200:
						one.state.Store(isRevoked)
						count.logouts.Add(1)
					case err == nil && got.Is(500, requests.Broken):
						count.failed.Add(1)
					default:
						t.Errorf("logout of %s: %s, %v", email, got, err)
					}
				}
				time.Sleep(pause)
			}
		})
	}
	stop = func() {
		ending.Store(true)
		workers.Wait()
	}
	t.Cleanup(stop)
	return count, stop
}

func credentials(email string) string {
	name, _, _ := strings.Cut(email, "@")
	return fmt.Sprintf(`{"username":%q,"email":%q,"password":"correct horse"}`, name, email)
}

// register registers a new user and returns their id.
func register(t *testing.T, s *harness.Service, email string) (id string) {
	t.Helper()
	got := requests.Send(t, s, "POST", "/api/auth/register", "", credentials(email))
	requests.WantStatus(t, "register", got, 201)
	return userID(got.Token())
}

// times collects durations.
type times struct {
	mu  sync.Mutex
	all []time.Duration
}

func (m *times) add(took time.Duration) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.all = append(m.all, took)
}

// take returns the durations since the last call.
func (m *times) take() (all []time.Duration) {
	m.mu.Lock()
	defer m.mu.Unlock()
	all, m.all = m.all, nil
	return all
}

// lastTime keeps the last time that was set.
type lastTime struct{ at atomic.Int64 }

func (l *lastTime) set(at time.Time) { l.at.Store(at.UnixNano()) }

func (l *lastTime) get() time.Time { return time.Unix(0, l.at.Load()) }
