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
)

// demote makes a replica the master and the master its replica, as Sentinel and managed services do.
func demote(t *testing.T, master, replica *redis.Client, port int) {
	t.Helper()
	command(t, replica, "REPLICAOF", "NO", "ONE")
	command(t, master, "REPLICAOF", "127.0.0.1", strconv.Itoa(port))
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
			a, b := connect(t, first, ""), connect(t, second, "")
			harness.Eventually(t, "the replica follows", func() error {
				if info := command(t, a, "INFO", "replication").(string); !strings.Contains(info, "state=online") {
					return errors.New(info)
				}
				return nil
			})
			host := startProxy(t, first.Addr())
			metrics := fmt.Sprint("127.0.0.1:", harness.FreePort(t))
			stays := start(t, host.url(), "METRICS_ADDR="+metrics)
			var tokens []string
			for range 5 {
				tokens = append(tokens, login(t, stays, "ada"))
			}
			each(32, func(i int) { _, _ = try(stays, "GET", me, tokens[i%5], "") }) // opens connections
			harness.Eventually(t, "the replica has all data", func() error {
				if n, err := b.Exists(context.Background(), "auth:user:ada@example.com").Result(); n != 1 {
					return fmt.Errorf("%d %w", n, err)
				}
				return nil
			})

			demote(t, a, b, second.Port)
			host.rename(second.Addr())
			moved := start(t, host.url())
			for _, token := range tokens {
				wantStatus(t, "logout at the instance that uses the new master", send(t, moved, "POST", logout, token, ""), 200)
			}
			since := time.Now()
			if got := send(t, stays, "GET", me, tokens[0], ""); !got.is(503, away) && !got.refused() {
				t.Errorf("the first request after the demotion: got %s, want 503 or 401", got)
			}
			wantNever(t, "the instance with open connections to the old master", stays, tokens...)
			harness.Eventually(t, "the service is connected to the new master", func() error {
				if got := send(t, stays, "GET", me, tokens[0], ""); !got.refused() {
					return fmt.Errorf("%s", got)
				}
				return nil
			})
			logTime(t, "recovered after the host name moved", time.Since(since), 2*time.Second)
			wantLogout(t, stays, login(t, stays, "ada"))
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
			c := connect(t, r, "")
			s := start(t, find(t, r.Addr())...)
			token, out := login(t, s, "ada"), login(t, s, "ada")
			wantLogout(t, s, out)
			command(t, c, "REPLICAOF", "127.0.0.1", strconv.Itoa(harness.FreePort(t)))
			first := send(t, s, "GET", me, token, "")
			if !first.is(503, away) {
				t.Errorf("the first request after the demotion: got %s, want 503 and the cookie kept", first)
			}
			for range 200 {
				for path, want := range map[string]int{me: 503, "/readyz": 503, "/healthz": 200} {
					wantStatus(t, path, send(t, s, "GET", path, token, ""), want)
				}
			}
			if got := send(t, s, "POST", logout, token, ""); !got.is(500, broken) {
				t.Errorf("logout: got %s, want 500 and the cookie kept", got)
			}
			wantStatus(t, "login", send(t, s, "POST", "/api/auth/login", "", `{"email":"ada@example.com","password":"correct horse"}`), 503)
			s.WaitFor(t, "this Redis is a replica, which cannot know the newest logouts")
			command(t, c, "REPLICAOF", "NO", "ONE")
			since := time.Now()
			harness.Eventually(t, "the service accepts the master again", func() error {
				if got := send(t, s, "GET", me, token, ""); got.status != 200 {
					return fmt.Errorf("%s", got)
				}
				return nil
			})
			logTime(t, "recovered", time.Since(since), 2*time.Second)
			wantRefused(t, "logged out before", send(t, s, "GET", me, out, ""))
		})
	}
}

// TestRightsAreRevoked removes permissions while the service runs. Everything that does not need them still works.
func TestRightsAreRevoked(t *testing.T) {
	t.Parallel()
	r := harness.StartRedis(t)
	c := connect(t, r, "")
	const rights = "on >hush ~* -@all +exists +get +set +eval +time +info +wait +pttl +del"
	grant := func(rights string) {
		t.Helper()
		args := []any{"ACL", "SETUSER", "auth", "reset"}
		for _, right := range strings.Fields(rights) {
			args = append(args, right)
		}
		command(t, c, args...)
	}
	grant(rights)
	s := start(t, append(r.Env(), "REDIS_USERNAME=auth", "REDIS_PASSWORD=hush")...)
	token, out := login(t, s, "ada"), login(t, s, "ada")
	wantLogout(t, s, out)
	for _, revoked := range []string{"+wait", "+wait +info", "+info", "+eval"} {
		now := rights
		for _, right := range strings.Fields(revoked) {
			now = strings.Replace(now, " "+right, "", 1)
		}
		grant(now)
		for range 50 {
			wantStatus(t, "me without "+revoked, send(t, s, "GET", me, token, ""), 200)
			wantRefused(t, "logged out before, without "+revoked, send(t, s, "GET", me, out, ""))
		}
		wantLogout(t, s, ownToken("without "+revoked, time.Now()))
	}
	grant(strings.Replace(rights, " +eval", "", 1))
	command(t, c, "FLUSHALL") // without EVAL the cut cannot be raised
	wantNever(t, "a lost blacklist without EVAL", s, out)
	grant(rights)
	harness.Eventually(t, "the cut is raised", func() error {
		if got := send(t, s, "GET", me, token, ""); !got.refused() {
			return fmt.Errorf("%s", got)
		}
		return nil
	})
	wantRefused(t, "logged out before the loss", send(t, s, "GET", me, out, ""))
}

// TestFirstStartWithoutWrites checks that the epoch, which makes a lost blacklist detectable, is stored as soon as
// Redis accepts writes.
func TestFirstStartWithoutWrites(t *testing.T) {
	t.Parallel()
	r := harness.StartRedis(t, "--maxmemory", "1")
	c := connect(t, r, "")
	metrics := fmt.Sprint("127.0.0.1:", harness.FreePort(t))
	s := start(t, append(r.Env(), "METRICS_ADDR="+metrics)...)
	token := ownToken("ada", time.Now())
	wantStatus(t, "me", send(t, s, "GET", me, token, ""), 200)
	s.WaitFor(t, "a lost blacklist would go unnoticed: its mark (auth:epoch) could not be stored")
	if n := metric(t, metrics, "gin_auth_epoch_unprotected"); n != 1 {
		t.Errorf("gin_auth_epoch_unprotected is %v, want 1", n)
	}
	command(t, c, "CONFIG", "SET", "maxmemory", "0")
	harness.Eventually(t, "the epoch is stored", func() error { return c.Get(context.Background(), "auth:epoch").Err() })
	wantLogout(t, s, token)
	command(t, c, "FLUSHALL")
	wantNever(t, "after a loss", s, token)
}

// TestConnectionsAreYoung checks that no connection to Redis is older than a minute, even after a burst has opened
// many.
func TestConnectionsAreYoung(t *testing.T) {
	t.Parallel()
	r := harness.StartRedis(t)
	c := connect(t, r, "")
	s := start(t, r.Env()...)
	token := login(t, s, "ada")
	each(200, func(i int) {
		_, _ = try(s, "POST", logout, ownToken(fmt.Sprint("user ", i), time.Now()), "")
	})
	oldest, most := 0, 0
	for deadline := time.Now().Add(75 * time.Second); time.Now().Before(deadline); time.Sleep(time.Second) {
		clients := 0
		for line := range strings.Lines(command(t, c, "CLIENT", "LIST").(string)) {
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
		wantStatus(t, "me", send(t, s, "GET", me, token, ""), 200)
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
