package sessions

import (
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"gin-auth/e2e/internal/harness"
)

// history records the logins and the logout-alls of one user.
type history struct {
	mu      sync.Mutex
	tokens  []string // tokens of logins that no logout-all has revoked yet
	began   int      // number of logout-alls that have begun
	ended   int
	overlap int // number of logins during a logout-all
	alone   int // number of other logins
}

// begin returns how many logout-alls have begun, and whether one is running.
func (h *history) begin() (began int, running bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.began, h.began > h.ended
}

// login logs in and sends the token to gin-auth. It must be accepted unless a logout-all ran meanwhile.
func (h *history) login(s site, p person) error {
	before, running := h.begin()
	token, err := p.login(s.auth)
	if err != nil {
		return err
	}
	h.mu.Lock()
	h.tokens = append(h.tokens, token)
	h.mu.Unlock()
	got, err := try("GET", s.auth+"/me", token, nil)
	if err != nil {
		return err
	}
	after, _ := h.begin()
	h.mu.Lock()
	defer h.mu.Unlock()
	if running || after > before {
		h.overlap++
		return nil
	}
	h.alone++
	return got.is("the token of a login", 200)
}

// logoutAll ends all sessions and sends every token that was issued before to the Node service.
func (h *history) logoutAll(s site, token string) error {
	h.mu.Lock()
	tokens := h.tokens
	h.tokens = nil
	h.began++
	h.mu.Unlock()
	_, err := tryFor(200, "POST", s.auth+"/logout-all", token, nil)
	h.mu.Lock()
	h.ended++
	h.mu.Unlock()
	for _, token := range tokens {
		got, failed := try("GET", s.node+"/me", token, nil)
		if failed == nil && got.body != expired {
			failed = fmt.Errorf("the Node service, after a logout-all: got %s, want the token rejected", got)
		}
		err = errors.Join(err, failed)
	}
	return err
}

// next waits until more logout-alls than after have begun or, with toEnd, have ended.
func (h *history) next(after int, toEnd bool, ending *atomic.Bool) {
	for !ending.Load() {
		h.mu.Lock()
		count := h.began
		if toEnd {
			count = h.ended
		}
		h.mu.Unlock()
		if count > after {
			return
		}
		time.Sleep(time.Millisecond)
	}
}

// TestProgram logs one user in 64 at a time while they are logged out everywhere repeatedly. Half of the logins
// begin when a logout-all begins, the others when it has ended. Each worker logs in once for each logout-all, so
// that the user never has too many sessions.
func TestProgram(t *testing.T) {
	t.Parallel()
	s := startSite(t)
	p, _ := mustRegister(t, s.auth, "ada")
	const logouts = 8
	var h history
	var ending atomic.Bool
	var logins sync.WaitGroup
	stop := func() {
		ending.Store(true)
		logins.Wait()
	}
	defer stop() // also if the test fails
	for worker := range atOnce {
		logins.Go(func() {
			for !ending.Load() {
				if err := h.login(s, p); err != nil {
					t.Error(err)
					return
				}
				began, _ := h.begin()
				h.next(began, worker%2 == 0, &ending)
			}
		})
	}
	ended := 0
	for range logouts {
		token := p.mustLogin(t, s.auth)
		time.Sleep(300 * time.Millisecond)
		h.mu.Lock()
		ended += len(h.tokens)
		h.mu.Unlock()
		if err := h.logoutAll(s, token); err != nil {
			t.Error(err)
		}
	}
	stop()
	t.Logf("%d logout-alls ended %d sessions; %d logins ran during a logout-all, %d did not", logouts, ended, h.overlap, h.alone)
	if ended < logouts || h.overlap == 0 || h.alone == 0 {
		t.Error("too few logins ran during a logout-all, or too few outside one")
	}
}

// TestOvertaken delays a login before it reads its issue time, and before it stores its session, while the user is
// logged out everywhere. The login returns a session that is valid after the logout-all.
func TestOvertaken(t *testing.T) {
	t.Parallel()
	s := startSite(t)
	spy := harness.StartSpy(t, s.redis.Addr())
	held := startAuth(t, settings(secret, spy.Env()...))
	for round := range 4 {
		p, first := mustRegister(t, s.auth, fmt.Sprint("user-", round))
		for _, command := range []string{"GET auth:logout-all:", "EVAL auth:sessions:"} {
			arrived, release := spy.Hold(func(trip harness.RoundTrip) bool { return trip[0] == command+p.id })
			token := make(chan string, 1)
			go func() {
				answer, err := p.login(held)
				if err != nil {
					t.Error(err)
				}
				token <- answer
			}()
			select {
			case <-arrived:
			case <-token:
				t.Fatalf("a login sent no %s", command)
			}
			send(t, 200, "POST", s.auth+"/logout-all", first, nil)
			release()
			second := <-token
			if err := errors.Join(s.reject(first), s.accept(second)); err != nil {
				t.Errorf("round %d, %s: %v", round, command, err)
			}
			wantListed(t, s.auth, second, second)
			first = second
		}
	}
}
