package faults

import (
	"fmt"
	"math/rand/v2"
	"sync/atomic"
	"testing"
	"time"

	"gin-auth/e2e/internal/harness"
)

// TestKilledDuringLogouts kills an instance at random moments during logouts. Every token whose logout was answered
// 200 is rejected by another instance.
func TestKilledDuringLogouts(t *testing.T) {
	t.Parallel()
	r := harness.StartRedis(t)
	witness := start(t, r.Env()...)
	const (
		kills = 200
		atOne = 8
	)
	var answered, unanswered, stored atomic.Int64
	for kill := range kills {
		victim := start(t, r.Env()...)
		time.AfterFunc(time.Duration(rand.Int64N(int64(30*time.Millisecond))), func() { _ = victim.Process.Process.Kill() })
		each(atOne, func(i int) {
			for n := 0; ; n++ {
				token := ownToken(fmt.Sprintf("kill %d, %d, %d", kill, i, n), time.Now())
				got, err := try(victim, "POST", logout, token, "")
				after, errAfter := try(witness, "GET", me, token, "")
				switch {
				case errAfter != nil:
					t.Error(errAfter)
				case err != nil && after.refused():
					stored.Add(1) // only the response was lost
				case err == nil && got.status == 200 && !after.refused():
					t.Errorf("kill %d: logout answered %s, but then the token was answered %s, want 401", kill, got, after)
				}
				if err != nil {
					unanswered.Add(1)
					return
				}
				answered.Add(1)
			}
		})
		victim.Kill()
	}
	t.Logf("%d kills: %d logouts answered, %d not, of which %d were stored", kills, answered.Load(), unanswered.Load(), stored.Load())
	if answered.Load() < kills || unanswered.Load() < kills {
		t.Errorf("too few logouts were answered or interrupted for this test: want at least %d of each", kills)
	}
}
