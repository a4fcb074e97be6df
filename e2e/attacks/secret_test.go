package attacks

import (
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"gin-auth/e2e/internal/harness"
)

// TestRotationUnderLoad follows the steps of docs/security.md: it restarts two instances in turn while clients use
// their sessions. Every instance can verify every token that it receives, and no session is lost. Without
// JWT_SECRET_PREVIOUS the old sessions are rejected.
func TestRotationUnderLoad(t *testing.T) {
	t.Parallel()
	redis := harness.StartRedis(t)
	const newSecret = "the new secret, it too of more than thirty-two bytes"
	before := []string{"JWT_SECRET=" + wireSecret}
	learns := []string{"JWT_SECRET=" + wireSecret, "JWT_SECRET_PREVIOUS=" + newSecret}
	signs := []string{"JWT_SECRET=" + newSecret, "JWT_SECRET_PREVIOUS=" + wireSecret}
	after := []string{"JWT_SECRET=" + newSecret}
	start := func(settings []string) *harness.Service { return startAttacked(t, append(redis.Env(), settings...)...) }

	var mu sync.RWMutex // requests hold the read lock, so an instance stops only when no request is running
	all := []*harness.Service{start(before), start(before)}
	old := wireLogin(t, all[0].URL, "ada")
	tokens := []string{old}
	var asked atomic.Int64
	var ending atomic.Bool
	var load sync.WaitGroup
	for worker := range 4 {
		load.Go(func() {
			for i := worker; !ending.Load(); i++ {
				mu.RLock()
				url, token := all[i%2].URL, tokens[i%len(tokens)]
				_, err := wirePipeline(wireAddr(url), 0, 1, func(int) []byte { return wireMe("token=" + token) }, func(_ int, a wireAnswer) {
					if asked.Add(1); a.status != 200 {
						t.Errorf("a session was lost during the rotation: got %d %s, want 200", a.status, a.body)
					}
				})
				mu.RUnlock()
				if err != nil {
					t.Error(err)
				}
			}
		})
	}
	replace := func(i int, settings []string) {
		next := start(settings)
		mu.Lock()
		last := all[i]
		all[i] = next
		mu.Unlock()
		last.Stop(t)
		token := wireLogin(t, next.URL, fmt.Sprintf("user%d", len(tokens)))
		mu.Lock()
		tokens = append(slices.Clone(tokens), token)
		mu.Unlock()
		time.Sleep(100 * time.Millisecond)
	}
	for _, settings := range [][]string{learns, signs} {
		replace(0, settings)
		replace(1, settings)
	}
	ending.Store(true)
	load.Wait()
	t.Logf("%d requests with %d sessions during the rotation: 0 lost", asked.Load(), len(tokens))

	replace(0, after)
	for i, token := range tokens {
		want := 401
		if i > 2 { // issued by the instances that sign with the new secret
			want = 200
		}
		if got := wireStatus(t, all[0].URL, token); got != want {
			t.Errorf("session %d, with the new secret alone: got %d, want %d", i, got, want)
		}
	}
	if got := wireStatus(t, all[0].URL, old); got != 401 {
		t.Errorf("a token signed with the removed secret: got %d, want 401", got)
	}
}
