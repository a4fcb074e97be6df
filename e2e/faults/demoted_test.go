package faults

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"gin-auth/e2e/internal/harness"
	"gin-auth/e2e/internal/requests"
)

// demote makes a replica the master and the master its replica, as Sentinel and managed services do.
func demote(t *testing.T, master, replica *redis.Client, port int) {
	t.Helper()
	harness.Command(t, replica, "REPLICAOF", "NO", "ONE")
	harness.Command(t, master, "REPLICAOF", "127.0.0.1", strconv.Itoa(port))
}

// TestDemotedMaster promotes the replica and moves the host name to it, while an instance's connections to the old
// master stay open. A token that is logged out at another instance is never accepted.
func TestDemotedMaster(t *testing.T) {
	t.Parallel()
	for name, proof := range map[string]string{
		"WAIT": "",
		"ROLE": " -wait +role",
	} {
		t.Run("recognized by "+name, func(t *testing.T) {
			t.Parallel()
			args := []string{"--repl-diskless-sync-delay", "0"}
			if proof != "" {
				args = append(args, strings.Fields("--user default on nopass ~* &* +@all"+proof)...)
			}
			first := harness.StartRedis(t, args...)
			second := harness.StartRedis(t, append(args, "--replicaof", "127.0.0.1", strconv.Itoa(first.Port))...)
			a, b := first.Client(t), second.Client(t)
			harness.Eventually(t, "the replica follows", func() error {
				if info := harness.Command(t, a, "INFO", "replication").(string); !strings.Contains(info, "state=online") {
					return errors.New(info)
				}
				return nil
			})
			host := startProxy(t, first.Addr())
			metrics := fmt.Sprint("127.0.0.1:", harness.FreePort(t))
			stays := requests.Start(t, host.url(), "METRICS_ADDR="+metrics)
			var tokens []string
			for range 5 {
				tokens = append(tokens, requests.Login(t, stays, "ada"))
			}
			harness.Each(32, func(i int) { _, _ = requests.Try(stays, "GET", requests.Me, tokens[i%5], "") }) // opens connections
			harness.Eventually(t, "the replica has all data", func() error {
				if n, err := b.Exists(context.Background(), "auth:user:ada@example.com").Result(); n != 1 {
					return fmt.Errorf("%d %w", n, err)
				}
				return nil
			})

			demote(t, a, b, second.Port)
			host.rename(second.Addr())
			moved := requests.Start(t, host.url())
			for _, token := range tokens {
				requests.WantStatus(t, "logout at the instance that uses the new master", requests.Send(t, moved, "POST", requests.Logout, token, ""), 200)
			}
			since := time.Now()
			if got := requests.Send(t, stays, "GET", requests.Me, tokens[0], ""); !got.Is(503, requests.Away) && !got.Refused() {
				t.Errorf("the first request after the demotion: got %s, want 503 or 401", got)
			}
			wantNever(t, "the instance with open connections to the old master", stays, tokens...)
			harness.Eventually(t, "the service is connected to the new master", func() error {
				if got := requests.Send(t, stays, "GET", requests.Me, tokens[0], ""); !got.Refused() {
					return fmt.Errorf("%s", got)
				}
				return nil
			})
			harness.LogTime(t, "recovered after the host name moved", time.Since(since), 2*time.Second)
			requests.WantLogout(t, stays, requests.Login(t, stays, "ada"))
			if n := metric(t, metrics, `gin_auth_redis_outages_total{reason="not_master"}`); n < 1 {
				t.Errorf("gin_auth_redis_outages_total counts %v outages for not_master, want at least 1", n)
			}
		})
	}
}

// TestDemotedWithoutANewMaster demotes the only master, so the host name leads to a replica. Every request that
// needs Redis fails until it is a master again.
func TestDemotedWithoutANewMaster(t *testing.T) {
	t.Parallel()
	for name, find := range topologies {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := harness.StartRedis(t)
			c := r.Client(t)
			s := requests.Start(t, find(t, r.Addr())...)
			token, out := requests.Login(t, s, "ada"), requests.Login(t, s, "ada")
			requests.WantLogout(t, s, out)
			harness.Command(t, c, "REPLICAOF", "127.0.0.1", strconv.Itoa(harness.FreePort(t)))
			first := requests.Send(t, s, "GET", requests.Me, token, "")
			if !first.Is(503, requests.Away) {
				t.Errorf("the first request after the demotion: got %s, want 503 and the cookie kept", first)
			}
			for range 200 {
				for path, want := range map[string]int{requests.Me: 503, "/readyz": 503, "/healthz": 200} {
					requests.WantStatus(t, path, requests.Send(t, s, "GET", path, token, ""), want)
				}
			}
			if got := requests.Send(t, s, "POST", requests.Logout, token, ""); !got.Is(500, requests.Broken) {
				t.Errorf("logout: got %s, want 500 and the cookie kept", got)
			}
			requests.WantStatus(t, "login", requests.Send(t, s, "POST", "/api/auth/login", "", `{"email":"ada@example.com","password":"correct horse"}`), 503)
			s.WaitFor(t, "this Redis is a replica, which cannot know the newest logouts")
			harness.Command(t, c, "REPLICAOF", "NO", "ONE")
			since := time.Now()
			harness.Eventually(t, "the service accepts the master again", func() error {
				if got := requests.Send(t, s, "GET", requests.Me, token, ""); got.Status != 200 {
					return fmt.Errorf("%s", got)
				}
				return nil
			})
			harness.LogTime(t, "recovered", time.Since(since), 2*time.Second)
			requests.WantRefused(t, "logged out before", requests.Send(t, s, "GET", requests.Me, out, ""))
		})
	}
}

// TestRightsAreRevoked removes permissions while the service runs. Everything that does not need them still works.
func TestRightsAreRevoked(t *testing.T) {
	t.Parallel()
	r := harness.StartRedis(t)
	c := r.Client(t)
	const rights = "on >hush ~* -@all +exists +get +set +eval +time +info +wait +pttl +del"
	grant := func(rights string) {
		t.Helper()
		args := []any{"ACL", "SETUSER", "auth", "reset"}
		for _, right := range strings.Fields(rights) {
			args = append(args, right)
		}
		harness.Command(t, c, args...)
	}
	grant(rights)
	s := requests.Start(t, append(r.Env(), "REDIS_USERNAME=auth", "REDIS_PASSWORD=hush")...)
	token, out := requests.Login(t, s, "ada"), requests.Login(t, s, "ada")
	requests.WantLogout(t, s, out)
	for _, revoked := range []string{"+wait", "+wait +info", "+info", "+eval"} {
		now := rights
		for _, right := range strings.Fields(revoked) {
			now = strings.Replace(now, " "+right, "", 1)
		}
		grant(now)
		for range 50 {
			requests.WantStatus(t, "me without "+revoked, requests.Send(t, s, "GET", requests.Me, token, ""), 200)
			requests.WantRefused(t, "logged out before, without "+revoked, requests.Send(t, s, "GET", requests.Me, out, ""))
		}
		requests.WantLogout(t, s, requests.OwnToken("without "+revoked, time.Now()))
	}
	grant(strings.Replace(rights, " +eval", "", 1))
	harness.Command(t, c, "FLUSHALL") // without EVAL the cut cannot be raised
	wantNever(t, "a lost blacklist without EVAL", s, out)
	grant(rights)
	harness.Eventually(t, "the cut is raised", func() error {
		if got := requests.Send(t, s, "GET", requests.Me, token, ""); !got.Refused() {
			return fmt.Errorf("%s", got)
		}
		return nil
	})
	requests.WantRefused(t, "logged out before the loss", requests.Send(t, s, "GET", requests.Me, out, ""))
}

// TestFirstStartWithoutWrites checks that the epoch, which makes a lost blacklist detectable, is stored as soon as
// Redis accepts writes.
func TestFirstStartWithoutWrites(t *testing.T) {
	t.Parallel()
	r := harness.StartRedis(t, "--maxmemory", "1")
	c := r.Client(t)
	metrics := fmt.Sprint("127.0.0.1:", harness.FreePort(t))
	s := requests.Start(t, append(r.Env(), "METRICS_ADDR="+metrics)...)
	token := requests.OwnToken("ada", time.Now())
	requests.WantStatus(t, "me", requests.Send(t, s, "GET", requests.Me, token, ""), 200)
	s.WaitFor(t, "a lost blacklist would go unnoticed: its mark (auth:epoch) could not be stored")
	if n := metric(t, metrics, "gin_auth_epoch_unprotected"); n != 1 {
		t.Errorf("gin_auth_epoch_unprotected is %v, want 1", n)
	}
	harness.Command(t, c, "CONFIG", "SET", "maxmemory", "0")
	harness.Eventually(t, "the epoch is stored", func() error { return c.Get(context.Background(), "auth:epoch").Err() })
	requests.WantLogout(t, s, token)
	harness.Command(t, c, "FLUSHALL")
	wantNever(t, "after a loss", s, token)
}

// TestConnectionsAreYoung checks that no connection to Redis is older than a minute, even after a burst has opened
// many.
func TestConnectionsAreYoung(t *testing.T) {
	t.Parallel()
	r := harness.StartRedis(t)
	c := r.Client(t)
	s := requests.Start(t, r.Env()...)
	token := requests.Login(t, s, "ada")
	harness.Each(200, func(i int) {
		_, _ = requests.Try(s, "POST", requests.Logout, requests.OwnToken(fmt.Sprint("user ", i), time.Now()), "")
	})
	oldest, most := 0, 0
	for deadline := time.Now().Add(75 * time.Second); time.Now().Before(deadline); time.Sleep(time.Second) {
		clients := 0
		for line := range strings.Lines(harness.Command(t, c, "CLIENT", "LIST").(string)) {
			age, _, _ := strings.Cut(after(line, " age="), " ")
			if strings.Contains(line, "cmd=client") {
				continue // the test's own connection
			}
			n, err := strconv.Atoi(age)
			if err != nil {
				t.Fatal(err)
			}
			clients++
			oldest = max(oldest, n)
		}
		most = max(most, clients)
		requests.WantStatus(t, "me", requests.Send(t, s, "GET", requests.Me, token, ""), 200)
	}
	t.Logf("%d connections at most, the oldest of %d s", most, oldest)
	if oldest > 60 || most < 10 {
		t.Errorf("%d connections, the oldest of %d s; want 10 or more, and 60 s at most", most, oldest)
	}
}

func after(s, separator string) string {
	_, rest, _ := strings.Cut(s, separator)
	return rest
}
