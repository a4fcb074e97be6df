package faults

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"gin-auth/e2e/internal/harness"
)

// owner returns the address of the master that holds a key, or "" if no master does.
func owner(t *testing.T, c *redis.Client, key string) string {
	t.Helper()
	slot, err := c.ClusterKeySlot(context.Background(), key).Result()
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(command(t, c, "CLUSTER", "NODES").(string)) {
		fields := strings.Fields(line) // id, address@bus, flags, …; the slots begin at the ninth field
		if !strings.Contains(fields[2], "master") || strings.Contains(fields[2], "fail") {
			continue
		}
		for _, slots := range fields[8:] {
			var first, last int64
			if n, _ := fmt.Sscanf(slots, "%d-%d", &first, &last); n == 1 {
				last = first
			}
			if first <= slot && slot <= last {
				address, _, _ := strings.Cut(fields[1], "@")
				return address
			}
		}
	}
	return ""
}

// TestClusterLosesAMaster kills one of three masters under load. Tokens whose keys are on other masters are
// answered as before. The other tokens are answered 503 until the replica has taken over. No revoked token is
// accepted.
func TestClusterLosesAMaster(t *testing.T) {
	nodes := harness.StartCluster(t, 1, "--cluster-require-full-coverage", "no",
		"--cluster-node-timeout", "1000", "--repl-diskless-sync-delay", "0")
	c := connect(t, nodes[0], "")
	s := start(t, "REDIS_CLUSTER_NODES="+nodes[1].Addr()+","+nodes[2].Addr())
	victim := nodes[0]

	type subject struct {
		token         string
		revoked, lost bool // revoked: on the blacklist; lost: a key is on the killed master
	}
	var subjects []subject
	for i := range 60 {
		id := fmt.Sprint("user ", i)
		one := subject{token: ownToken(id, time.Now()), revoked: i%3 == 0}
		one.lost = owner(t, c, "blacklist:"+one.token) == victim.Addr() || owner(t, c, "auth:logout-all:"+id) == victim.Addr()
		if one.revoked {
			wantLogout(t, s, one.token)
		} else {
			wantStatus(t, "me", send(t, s, "GET", me, one.token, ""), 200)
		}
		subjects = append(subjects, one)
	}
	harness.Eventually(t, "the replicas have all data", func() error {
		for _, node := range nodes[:3] {
			if n := command(t, connect(t, node, ""), "WAIT", 1, 100); n != int64(1) {
				return fmt.Errorf("%v replicas", n)
			}
		}
		return nil
	})

	var ending atomic.Bool
	var asked, refused atomic.Int64
	var mu sync.Mutex
	var recovered time.Time // the time of the last 503
	var load sync.WaitGroup
	for worker := range 8 {
		load.Go(func() {
			for i := worker; !ending.Load(); i += 7 {
				one := subjects[i%len(subjects)]
				got, err := try(s, "GET", me, one.token, "")
				asked.Add(1)
				switch {
				case err != nil:
					t.Error(err)
				case one.lost && got.is(503, away):
					refused.Add(1)
					mu.Lock()
					recovered = time.Now()
					mu.Unlock()
				case one.revoked && !got.refused(), !one.revoked && got.status != 200:
					t.Errorf("a token with a key on the lost master: %v, revoked: %v: %s", one.lost, one.revoked, got)
				}
				time.Sleep(time.Millisecond)
			}
		})
	}
	time.Sleep(500 * time.Millisecond)
	if refused.Load() > 0 {
		t.Error("a request was answered 503 before the master was killed")
	}
	victim.Kill()
	killed := time.Now()
	survivor := connect(t, nodes[1], "")
	harness.Eventually(t, "a replica has taken over", func() error {
		for _, one := range subjects {
			if now := owner(t, survivor, "blacklist:"+one.token); now == "" || now == victim.Addr() {
				return errors.New("not yet")
			}
		}
		return nil
	})
	promoted := time.Now()
	time.Sleep(2500 * time.Millisecond)
	ending.Store(true)
	load.Wait()
	if refused.Load() == 0 {
		t.Error("no request was answered 503 after the master was killed")
	}
	t.Logf("%d requests, %d answered 503; a replica took over after %s", asked.Load(), refused.Load(), promoted.Sub(killed).Round(time.Millisecond))
	logTime(t, "good answers after the promotion", max(0, recovered.Sub(promoted)), 2*time.Second)
	for _, one := range subjects {
		got := send(t, s, "GET", me, one.token, "")
		if one.revoked && !got.refused() || !one.revoked && got.status != 200 {
			t.Errorf("after the promotion: revoked: %v: %s", one.revoked, got)
		}
	}
}
