package sessions

import (
	"encoding/json"
	"errors"
	"fmt"
	"os/exec"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"gin-auth/e2e/internal/harness"
)

// person is a user of gin-auth.
type person struct{ email, id string }

// register registers a user and returns the token of their first session. If too many register at once, it retries,
// as the response asks.
func register(url, name string) (person, string, error) {
	email := name + "@example.com"
	body := map[string]string{"email": email, "username": name, "password": password}
	got, err := try("POST", url+"/register", "", body)
	for deadline := time.Now().Add(time.Minute); err == nil && got.status == 503 && time.Now().Before(deadline); {
		time.Sleep(50 * time.Millisecond)
		got, err = try("POST", url+"/register", "", body)
	}
	if err == nil {
		err = got.is("POST "+url+"/register", 201)
	}
	return person{email, claims(got.token()).ID}, got.token(), err
}

func (p person) login(url string, header ...string) (token string, err error) {
	got, err := tryFor(200, "POST", url+"/login", "", map[string]string{"email": p.email, "password": password}, header...)
	return got.token(), err
}

// mustRegister is register that fails the test.
func mustRegister(t *testing.T, url, name string) (person, string) {
	t.Helper()
	p, token, err := register(url, name)
	if err != nil {
		t.Fatal(err)
	}
	return p, token
}

// mustLogin is login that fails the test.
func (p person) mustLogin(t *testing.T, url string, header ...string) (token string) {
	t.Helper()
	token, err := p.login(url, header...)
	if err != nil {
		t.Fatal(err)
	}
	return token
}

// listed is a session in the list of gin-auth.
type listed struct {
	ID, CreatedAt, ExpiresAt, Address, UserAgent string
	Current                                      bool
}

// tryList returns the sessions that gin-auth lists for a token.
func tryList(url, token string) ([]listed, error) {
	var answer struct{ Sessions []listed }
	got, err := tryFor(200, "GET", url+"/sessions", token, nil)
	if err == nil {
		err = json.Unmarshal([]byte(got.body), &answer)
	}
	return answer.Sessions, err
}

// list is tryList that fails the test.
func list(t *testing.T, url, token string) []listed {
	t.Helper()
	sessions, err := tryList(url, token)
	if err != nil {
		t.Fatal(err)
	}
	return sessions
}

// accept returns an error unless both services accept all tokens.
func (s site) accept(tokens ...string) error {
	for _, token := range tokens {
		for _, url := range []string{s.node, s.auth} {
			if _, err := tryFor(200, "GET", url+"/me", token, nil); err != nil {
				return err
			}
		}
	}
	return nil
}

// reject returns an error unless both services say that all tokens are revoked. The first request after the
// revocation goes to the Node service.
func (s site) reject(tokens ...string) (err error) {
	for _, token := range tokens {
		for _, url := range []string{s.node, s.auth} {
			got, failed := try("GET", url+"/me", token, nil)
			if failed != nil || got.status != 401 || got.body != expired {
				err = errors.Join(err, failed, fmt.Errorf("GET %s/me: got %s, want 401", url, got))
			}
		}
	}
	return err
}

// inParallel calls run for each round, atOnce at a time. It fails the test with the first errors.
func inParallel(t *testing.T, rounds int, run func(round int) error) {
	t.Helper()
	next := make(chan int)
	var workers sync.WaitGroup
	var failed atomic.Int64
	for range atOnce {
		workers.Go(func() {
			for round := range next {
				if err := run(round); err != nil && failed.Add(1) <= 5 {
					t.Errorf("round %d: %v", round, err)
				}
			}
		})
	}
	for round := range rounds {
		next <- round
	}
	close(next)
	workers.Wait()
	if n := failed.Load(); n > 5 {
		t.Errorf("%d of %d rounds failed", n, rounds)
	}
}

// command runs a command of the built binary and returns an error unless it succeeds.
func command(t *testing.T, env []string, stdin string, args ...string) error {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), harness.Binary(t), args...)
	cmd.Env, cmd.Stdin = env, strings.NewReader(stdin)
	cmd.Dir = t.TempDir()
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("%q: %w: %s", args, err, out)
	}
	return nil
}
