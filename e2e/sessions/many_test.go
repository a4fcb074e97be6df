package sessions

import (
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
)

// maxSessions is the number of sessions that a user may have.
const maxSessions = 100

// accepted returns how many of the tokens the Node service and gin-auth accept. Any response except 200 and the one
// for a revoked token fails the test.
func (s site) accepted(t *testing.T, tokens []string) (node, auth int) {
	t.Helper()
	var mu sync.Mutex
	inParallel(t, len(tokens), func(i int) (err error) {
		for url, n := range map[string]*int{s.node: &node, s.auth: &auth} {
			got, failed := try("GET", url+"/me", tokens[i], nil)
			if failed == nil && got.status != 200 && got.body != expired {
				failed = errors.New(got.String())
			}
			mu.Lock()
			if got.status == 200 {
				*n++
			}
			mu.Unlock()
			err = errors.Join(err, failed)
		}
		return err
	})
	return node, auth
}

// TestManyLogins logs one user in 1,000 times, after which they have 100 sessions. Then it logs in 200 more times,
// many at once.
func TestManyLogins(t *testing.T) {
	t.Parallel()
	s := startSite(t)
	p, token := mustRegister(t, s.auth, "ada")
	tokens := []string{token}
	for len(tokens) < 1000 {
		tokens = append(tokens, p.mustLogin(t, s.auth))
	}
	oldest, newest := tokens[:len(tokens)-maxSessions], tokens[len(tokens)-maxSessions:]
	var want, got []string
	for _, token := range slices.Backward(newest) {
		want = append(want, claims(token).JTI)
	}
	sessions := list(t, s.auth, newest[0])
	for _, session := range sessions {
		got = append(got, session.ID)
	}
	if !slices.Equal(got, want) {
		t.Errorf("%d sessions are listed:\n%q\nwant the newest %d, the newest first:\n%q", len(got), got, maxSessions, want)
	}
	for i, session := range sessions {
		if session.Current != (i == len(sessions)-1) {
			t.Errorf("session %d of %d is marked as current: %v", i, len(sessions), session.Current)
		}
	}
	if node, auth := s.accepted(t, oldest); node != 0 || auth != 0 {
		t.Errorf("of the %d oldest tokens the Node service accepts %d and gin-auth %d, want none", len(oldest), node, auth)
	}
	if node, auth := s.accepted(t, newest); node != maxSessions || auth != maxSessions {
		t.Errorf("of the %d newest tokens the Node service accepts %d and gin-auth %d, want all", maxSessions, node, auth)
	}
	s.loginAtOnce(t, p, newest)
}

// loginAtOnce logs in a user from many clients at once. The user already has the maximum number of sessions.
func (s site) loginAtOnce(t *testing.T, p person, before []string) {
	t.Helper()
	var mu sync.Mutex
	var tokens []string
	inParallel(t, 2*maxSessions, func(int) error {
		token, err := p.login(s.auth)
		mu.Lock()
		defer mu.Unlock()
		tokens = append(tokens, token)
		return err
	})
	listed := map[string]bool{}
	last := p.mustLogin(t, s.auth)
	for _, session := range list(t, s.auth, last) {
		listed[session.ID] = true
	}
	if len(listed) != maxSessions {
		t.Errorf("%d sessions are listed after concurrent logins, want %d", len(listed), maxSessions)
	}
	tokens = append(tokens, last)
	ended := slices.DeleteFunc(slices.Concat(before, tokens), func(token string) bool { return listed[claims(token).JTI] })
	valid := slices.DeleteFunc(tokens, func(token string) bool { return !listed[claims(token).JTI] })
	if node, auth := s.accepted(t, ended); node != 0 || auth != 0 {
		t.Errorf("of %d tokens that are not listed the Node service accepts %d and gin-auth %d, want none", len(ended), node, auth)
	}
	node, auth := s.accepted(t, valid)
	what := fmt.Sprintf("of %d that are listed Node accepts %d and gin-auth %d", len(valid), node, auth)
	if t.Log(what); node != maxSessions || auth != maxSessions {
		t.Error(what)
	}
}
