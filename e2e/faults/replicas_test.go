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
)

// startReplica starts a replica and waits until it has the copy and the master lists it as online.
func startReplica(t *testing.T, master *harness.Redis) *harness.Redis {
	t.Helper()
	replica := harness.StartRedis(t, "--replicaof", "127.0.0.1 "+strconv.Itoa(master.Port), "--repl-diskless-sync-delay", "0")
	c := connect(t, master, "")
	waitForReplica(t, c)
	return replica
}

func waitForReplica(t *testing.T, master *redis.Client) {
	t.Helper()
	harness.Eventually(t, "the replica follows", func() error {
		info := command(t, master, "INFO", "replication").(string)
		if n := command(t, master, "WAIT", 1, 100); n != int64(1) || !strings.Contains(info, "state=online") {
			return fmt.Errorf("%v, %s", n, info)
		}
		return nil
	})
}

// firstLogout logs a user out and retries until the replica confirms in time. It may be slow after its start.
func firstLogout(t *testing.T, s *harness.Service) {
	t.Helper()
	token := ownToken("first", time.Now())
	harness.Eventually(t, "a first logout reaches the replica", func() error {
		if got := send(t, s, "POST", logout, token, ""); got.status != 200 {
			return fmt.Errorf("%s", got)
		}
		return nil
	})
	wantRefused(t, "me after logout", send(t, s, "GET", me, token, ""))
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
			ofMaster, ofReplica := connect(t, master, ""), connect(t, replica, "")
			s := start(t, append(find(t, master.Addr()), "REDIS_WAIT_REPLICAS=1")...)

			firstLogout(t, s)
			const times = 200
			var took []time.Duration
			for i := range times {
				token := ownToken(fmt.Sprint("user ", i), time.Now())
				got := send(t, s, "POST", logout, token, "")
				n, err := ofReplica.Exists(context.Background(), "blacklist:"+token).Result()
				if got.status != 200 || n != 1 || err != nil {
					t.Fatalf("logout %d: got %s; the replica has %d entries, %v: want 200 and 1", i, got, n, err)
				}
				took = append(took, got.took)
			}
			logTimes(t, "logout with a replica", took, timeout)

			for fault, take := range map[string]func() (back func()){
				"stopped": func() func() {
					signal(t, replica.Process, syscall.SIGSTOP)
					return func() { signal(t, replica.Process, syscall.SIGCONT) }
				},
				"killed": func() func() { replica.Kill(); return func() { replica.Start(t) } },
			} {
				back := take()
				took = nil
				for i := range 5 {
					token := ownToken(fmt.Sprint(fault, " user ", i), time.Now())
					got := send(t, s, "POST", logout, token, "")
					if !got.is(500, broken) {
						t.Errorf("logout with the replica %s: got %s, want 500 and the cookie kept", fault, got)
					}
					took = append(took, got.took)
				}
				live := send(t, s, "GET", me, ownToken("somebody", time.Now()), "")
				wantStatus(t, "the guard with the replica "+fault, live, 200)
				logTimes(t, "logout with the replica "+fault, took, bar)
				back()
				waitForReplica(t, ofMaster)
				since := time.Now()
				harness.Eventually(t, "logout works again", func() error {
					if got := send(t, s, "POST", logout, ownToken(fault+" and back", time.Now()), ""); got.status != 200 {
						return fmt.Errorf("%s", got)
					}
					return nil
				})
				logTime(t, "logout again after the replica was "+fault, time.Since(since), time.Second)
			}
		})
	}
}
