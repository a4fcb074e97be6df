package faults

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"gin-auth/e2e/internal/harness"
)

// startSentinels starts three sentinels that watch a master, and returns their addresses.
func startSentinels(t *testing.T, master *harness.Redis) string {
	t.Helper()
	var addrs []string
	for range 3 {
		port, dir := harness.FreePort(t), t.TempDir()
		conf := fmt.Sprintf(`port %d
bind 127.0.0.1
sentinel monitor mymaster 127.0.0.1 %d 2
sentinel down-after-milliseconds mymaster 1000
sentinel failover-timeout mymaster 5000
`, port, master.Port)
		if err := os.WriteFile(filepath.Join(dir, "sentinel.conf"), []byte(conf), 0o600); err != nil {
			t.Fatal(err)
		}
		sentinel := harness.Start(t, dir, nil, harness.Need(t, "redis-server"), "sentinel.conf", "--sentinel")
		sentinel.WaitFor(t, "+monitor master")
		addrs = append(addrs, fmt.Sprint("127.0.0.1:", port))
	}
	return strings.Join(addrs, ",")
}

// TestSentinelFailover kills the master while users log out. Every token whose logout was answered 200 is rejected
// by the new master. Only one replica can be promoted, so REDIS_WAIT_REPLICAS=1 guarantees that it has the logout.
func TestSentinelFailover(t *testing.T) {
	master := harness.StartRedis(t, "--repl-diskless-sync-delay", "0")
	replica := startReplica(t, master)
	sentinels := startSentinels(t, master)
	s := start(t, "REDIS_SENTINELS="+sentinels, "REDIS_SENTINEL_MASTER=mymaster", "REDIS_WAIT_REPLICAS=1")
	firstLogout(t, s)
	time.Sleep(3 * time.Second) // the sentinels query the master for its replicas, every ten seconds, the first time sooner

	var ending atomic.Bool
	var failed atomic.Int64
	var mu sync.Mutex
	var out []string // tokens whose logout was answered 200
	var last time.Time
	var load sync.WaitGroup
	for worker := range 8 {
		load.Go(func() {
			for i := 0; !ending.Load(); i++ {
				token := ownToken(fmt.Sprintf("user %d of %d", i, worker), time.Now())
				got, err := try(s, "POST", logout, token, "")
				switch {
				case err != nil:
					t.Error(err)
				case got.status == 200:
					mu.Lock()
					out, last = append(out, token), time.Now()
					mu.Unlock()
				case got.is(500, broken):
					failed.Add(1)
				default:
					t.Errorf("logout: got %s, want 200, or 500 and the cookie kept", got)
				}
				time.Sleep(2 * time.Millisecond)
			}
		})
	}
	time.Sleep(500 * time.Millisecond)
	master.Kill()
	killed := time.Now()
	c := connect(t, replica, "")
	harness.Eventually(t, "the replica is the master", func() error {
		if info := command(t, c, "INFO", "replication").(string); !strings.Contains(info, "role:master") {
			return fmt.Errorf("%s", info)
		}
		return nil
	})
	promoted := time.Now()
	master.Start(t) // the sentinels make it a replica, so logouts are stored twice again
	harness.Eventually(t, "logouts are stored again", func() error {
		mu.Lock()
		defer mu.Unlock()
		if last.Before(promoted) {
			return fmt.Errorf("%d failed", failed.Load())
		}
		return nil
	})
	ending.Store(true)
	load.Wait()
	if failed.Load() == 0 {
		t.Error("no logout failed, want some failures during a failover")
	}
	lost := 0
	for _, token := range out {
		if got := send(t, s, "GET", me, token, ""); !got.refused() {
			lost++
			t.Errorf("a token that was logged out: got %s, want 401", got)
		}
	}
	t.Logf("promoted after %s; %d logouts answered 200, of which %d were lost; %d answered 500",
		promoted.Sub(killed).Round(time.Millisecond), len(out), lost, failed.Load())
}
