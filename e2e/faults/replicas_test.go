package faults

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"gin-auth/e2e/internal/harness"
	"gin-auth/e2e/internal/requests"
)

// startReplica starts a replica and waits until it has the copy and the master lists it as online.
func startReplica(t *testing.T, master *harness.Redis) *harness.Redis {
	t.Helper()
	replica := harness.StartRedis(t, "--replicaof", "127.0.0.1 "+strconv.Itoa(master.Port), "--repl-diskless-sync-delay", "0")
	c := master.Client(t)
	waitForReplica(t, c)
	return replica
}

func waitForReplica(t *testing.T, master *redis.Client) {
	t.Helper()
	harness.Eventually(t, "the replica follows", func() error {
		info := harness.Command(t, master, "INFO", "replication").(string)
		if n := harness.Command(t, master, "WAIT", 1, 100); n != int64(1) || !strings.Contains(info, "state=online") {
			return fmt.Errorf("%v, %s", n, info)
		}
		return nil
	})
}

// firstLogout logs a user out and retries until the replica confirms in time. It may be slow after its start.
func firstLogout(t *testing.T, s *harness.Service) {
	t.Helper()
	token := requests.OwnToken("first", time.Now())
	harness.Eventually(t, "a first logout reaches the replica", func() error {
		if got := requests.Send(t, s, "POST", requests.Logout, token, ""); got.Status != 200 {
			return fmt.Errorf("%s", got)
		}
		return nil
	})
	requests.WantRefused(t, "me after logout", requests.Send(t, s, "GET", requests.Me, token, ""))
}

// TestRevocationsReachTheReplica checks that a logout is answered 200 if the replica has the entry, and 500 if it
// does not confirm.
func TestRevocationsReachTheReplica(t *testing.T) {
	t.Parallel()
	for name, find := range topologies {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			master := harness.StartRedis(t, "--repl-diskless-sync-delay", "0")
			replica := startReplica(t, master)
			ofMaster, ofReplica := master.Client(t), replica.Client(t)
			s := requests.Start(t, append(find(t, master.Addr()), "REDIS_WAIT_REPLICAS=1")...)

			firstLogout(t, s)
			const times = 200
			var took []time.Duration
			for i := range times {
				token := requests.OwnToken(fmt.Sprint("user ", i), time.Now())
				got := requests.Send(t, s, "POST", requests.Logout, token, "")
				n, err := ofReplica.Exists(context.Background(), "blacklist:"+token).Result()
				if got.Status != 200 || n != 1 || err != nil {
					t.Fatalf("logout %d: got %s; the replica has %d entries, %v: want 200 and 1", i, got, n, err)
				}
				took = append(took, got.Took)
			}
			harness.LogTimes(t, "logout with a replica", took, requests.RedisTimeout)

			for fault, take := range map[string]func() (back func()){
				"stopped": func() func() {
					replica.Signal(t, syscall.SIGSTOP)
					return func() { replica.Signal(t, syscall.SIGCONT) }
				},
				"killed": func() func() { replica.Kill(); return func() { replica.Start(t) } },
			} {
				back := take()
				took = nil
				for i := range 5 {
					token := requests.OwnToken(fmt.Sprint(fault, " user ", i), time.Now())
					got := requests.Send(t, s, "POST", requests.Logout, token, "")
					if !got.Is(500, requests.Broken) {
						t.Errorf("logout with the replica %s: got %s, want 500 and the cookie kept", fault, got)
					}
					took = append(took, got.Took)
				}
				live := requests.Send(t, s, "GET", requests.Me, requests.OwnToken("somebody", time.Now()), "")
				requests.WantStatus(t, "the guard with the replica "+fault, live, 200)
				harness.LogTimes(t, "logout with the replica "+fault, took, requests.Bar)
				back()
				waitForReplica(t, ofMaster)
				since := time.Now()
				harness.Eventually(t, "logout works again", func() error {
					if got := requests.Send(t, s, "POST", requests.Logout, requests.OwnToken(fault+" and back", time.Now()), ""); got.Status != 200 {
						return fmt.Errorf("%s", got)
					}
					return nil
				})
				harness.LogTime(t, "logout again after the replica was "+fault, time.Since(since), time.Second)
			}
		})
	}
}
