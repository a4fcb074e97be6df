package faults

import (
	"fmt"
	"math/rand/v2"
	"sync/atomic"
	"testing"
	"time"

	"gin-auth/e2e/internal/harness"
	"gin-auth/e2e/internal/requests"
)

// TestKilledDuringLogouts kills an instance at random moments during logouts. Every token whose logout was answered
// 200 is rejected by another instance.
func TestKilledDuringLogouts(t *testing.T) {
	t.Parallel()
	for name, find := range topologies {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			kills := 200
			if name != oneRedis {
				kills = 20
			}
			const atOne = 8
			env := find(t, harness.StartRedis(t).Addr())
			witness := requests.Start(t, env...)
			var answered, unanswered, stored atomic.Int64
			for kill := range kills {
				victim := requests.Start(t, env...)
				time.AfterFunc(time.Duration(rand.Int64N(int64(30*time.Millisecond))), func() { _ = victim.Process.Process.Kill() })
				harness.Each(atOne, func(i int) {
					for n := 0; ; n++ {
						token := requests.OwnToken(fmt.Sprintf("kill %d, %d, %d", kill, i, n), time.Now())
						got, err := requests.Try(victim, "POST", requests.Logout, token, "")
						after, errAfter := requests.Try(witness, "GET", requests.Me, token, "")
						switch {
						case errAfter != nil:
							t.Error(errAfter)
						case err != nil && after.Refused():
							stored.Add(1) // only the response was lost
						case err == nil && got.Status == 200 && !after.Refused():
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
			if answered.Load() < int64(kills) || unanswered.Load() < int64(kills) {
				t.Errorf("too few logouts were answered or interrupted for this test: want at least %d of each", kills)
			}
		})
	}
}
