package faults

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"gin-auth/e2e/internal/harness"
)

// TestSentinelFailover kills the master while users log out. Every token whose logout was answered 200 is rejected
// by the new master. Only one replica can be promoted, so REDIS_WAIT_REPLICAS=1 guarantees that it has the logout.
func TestSentinelFailover(t *testing.T) {
	master := harness.StartRedis(t, "--repl-diskless-sync-delay", "0")
	replica := startReplica(t, master)
	s := start(t, append(startSentinels(t, master).env(), "REDIS_WAIT_REPLICAS=1")...)
	firstLogout(t, s)

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

// askers send requests with a valid token and with tokens that are logged out later, without a pause, until end is
// called. Every response is 503 or as the test expects.
type askers struct {
	loggedOut, ending atomic.Bool
	good, unavailable atomic.Int64
	all               sync.WaitGroup
}

func startAskers(t *testing.T, s *harness.Service, live string, tokens []string) *askers {
	t.Helper()
	a := &askers{}
	for worker := range 4 {
		a.all.Go(func() {
			for i := worker; !a.ending.Load(); i++ {
				token, out := live, false
				if i%2 == 0 {
					token, out = tokens[i%len(tokens)], a.loggedOut.Load()
				}
				got, err := try(s, "GET", me, token, "")
				switch {
				case err == nil && got.is(503, away):
					a.unavailable.Add(1)
				case err == nil && (out && got.refused() || !out && got.status == 200):
					a.good.Add(1)
				case token == live || out || err != nil || !got.refused(): // without out, it may have been logged out meanwhile
					t.Errorf("logged out: %v: %s, %v", out, got, err)
					return
				}
				time.Sleep(2 * time.Millisecond)
			}
		})
	}
	return a
}

func (a *askers) end() {
	a.ending.Store(true)
	a.all.Wait()
}

// wantRefusedSoon waits until the service rejects a revoked token. Until then, it answers 503. since is when a
// rejection became possible.
func wantRefusedSoon(t *testing.T, s *harness.Service, token string, since time.Time) {
	t.Helper()
	harness.Eventually(t, "the service rejects a revoked token", func() error {
		got := send(t, s, "GET", me, token, "")
		if !got.refused() && !got.is(503, away) {
			t.Fatalf("a revoked token: got %s, want 401 or 503", got)
		}
		if !got.refused() {
			return fmt.Errorf("%s", got)
		}
		return nil
	})
	logTime(t, "rejects revoked tokens", time.Since(since), 2*time.Second)
}

// TestPlannedFailover orders a failover under load. The old master stays up. For about ten seconds it is still a
// master, and the connections to it could stay open. From the time when the sentinels name the new one, no token that
// is logged out there is accepted.
func TestPlannedFailover(t *testing.T) {
	t.Parallel()
	first := harness.StartRedis(t, "--repl-diskless-sync-delay", "0")
	second := startReplica(t, first)
	all := startSentinels(t, first)
	stays := start(t, all.env()...)
	live := login(t, stays, "ada")
	var tokens []string
	for range 5 {
		tokens = append(tokens, login(t, stays, "ada"))
	}
	waitForReplica(t, connect(t, first, ""))
	asking := startAskers(t, stays, live, tokens)
	defer asking.end()

	if err := all[0].Failover(context.Background(), "mymaster").Err(); err != nil {
		t.Fatal(err)
	}
	all.wait(t, "name the new master", func(s *sentinel) error { return s.names(second.Addr()) })
	since := time.Now()
	moved := start(t, all.env()...)
	for _, token := range tokens {
		wantStatus(t, "logout at the new master", send(t, moved, "POST", logout, token, ""), 200)
		if n := command(t, connect(t, second, ""), "EXISTS", "blacklist:"+token); n != int64(1) {
			t.Fatal("the new instance does not use the new master")
		}
	}
	asking.loggedOut.Store(true)
	wantRefusedSoon(t, stays, tokens[0], since)
	old := connect(t, first, "")
	harness.Eventually(t, "the sentinels make the old master a replica", func() error {
		if info := command(t, old, "INFO", "replication").(string); !strings.Contains(info, "master_link_status:up") {
			return fmt.Errorf("%s", info)
		}
		return nil
	})
	time.Sleep(time.Second)
	asking.end()
	t.Logf("%d answers as expected, %d times 503", asking.good.Load(), asking.unavailable.Load())
	wantLogout(t, stays, live)
}

// TestStaleSentinel demotes the master while one of three sentinels, the one that the service asks, does not learn of
// it and names the old master. The service then asks the others.
func TestStaleSentinel(t *testing.T) {
	t.Parallel()
	// Without a right to channels, the sentinel does not hear of the others, and they do not hear of it.
	args := append(strings.Fields("--user stale on >stale ~* resetchannels +@all"), "--repl-diskless-sync-delay", "0")
	first := harness.StartRedis(t, args...)
	second := harness.StartRedis(t, append(args, "--replicaof", "127.0.0.1", fmt.Sprint(first.Port))...)
	a, b := connect(t, first, ""), connect(t, second, "")
	waitForReplica(t, a)
	stale := startSentinel(t, first.Addr(), 1, patient, "sentinel auth-user mymaster stale", "sentinel auth-pass mymaster stale")
	others := sentinels{startSentinel(t, first.Addr(), 2), startSentinel(t, first.Addr(), 2)}
	others.wait(t, "know each other and the replica", func(s *sentinel) error { return s.isReady(1) })
	for _, s := range others {
		signal(t, s.Process, syscall.SIGSTOP) // so that the service asks the stale one
	}
	metrics := fmt.Sprint("127.0.0.1:", harness.FreePort(t))
	stays := start(t, append(append(others, stale).env(), "METRICS_ADDR="+metrics)...)
	for _, s := range others {
		signal(t, s.Process, syscall.SIGCONT)
	}
	var tokens []string
	for range 5 {
		tokens = append(tokens, login(t, stays, "ada"))
	}
	waitForReplica(t, a)

	demote(t, a, b, second.Port)
	for _, s := range others {
		s.monitor(t, second.Addr(), 2)
	}
	since := time.Now()
	moved := start(t, others.env()...)
	for _, token := range tokens {
		wantStatus(t, "logout at the new master", send(t, moved, "POST", logout, token, ""), 200)
	}
	if err := stale.names(first.Addr()); err != nil {
		t.Error(err)
	}
	wantNever(t, "the instance with the stale sentinel", stays, tokens...)
	wantRefusedSoon(t, stays, tokens[0], since)
	wantLogout(t, stays, login(t, stays, "ada"))
	if n := metric(t, metrics, `gin_auth_redis_outages_total{reason="not_master"}`); n < 1 {
		t.Errorf("gin_auth_redis_outages_total counts %v outages for not_master, want at least 1", n)
	}
}

// absences are the ways in which all sentinels can be unavailable. The log and check give the reason.
var absences = map[string]struct {
	reason     string
	take, back func(t *testing.T, s *sentinel)
}{
	"killed": {
		"no sentinel answers (REDIS_SENTINELS): dial tcp ",
		func(_ *testing.T, s *sentinel) { s.Kill() },
		func(t *testing.T, s *sentinel) { t.Helper(); s.start(t) },
	},
	"hung": {
		"no sentinel", // "answers" or "answered within 1s": both waits may end first
		func(t *testing.T, s *sentinel) { t.Helper(); signal(t, s.Process, syscall.SIGSTOP) },
		func(t *testing.T, s *sentinel) { t.Helper(); signal(t, s.Process, syscall.SIGCONT) },
	},
}

// TestNoSentinel makes all sentinels unavailable. The service continues on its connections. When these are too old,
// it cannot make new ones until a sentinel answers: the old master may have been replaced.
func TestNoSentinel(t *testing.T) {
	t.Parallel()
	for name, absence := range absences {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := harness.StartRedis(t)
			c := connect(t, r, "")
			all := sentinels{startSentinel(t, r.Addr(), 2, patient), startSentinel(t, r.Addr(), 2, patient)}
			s := start(t, all.env()...)
			token, out := login(t, s, "ada"), login(t, s, "ada")
			for _, one := range all {
				absence.take(t, one)
			}
			for range 100 {
				wantStatus(t, "me", send(t, s, "GET", me, token, ""), 200)
			}
			wantLogout(t, s, out)

			command(t, c, "CLIENT", "KILL", "TYPE", "normal") // as if all connections had reached their age
			for range 20 {
				if got := send(t, s, "GET", me, token, ""); !got.is(503, away) {
					t.Errorf("me without a connection: got %s, want 503 and the cookie kept", got)
				}
			}
			if got := send(t, s, "POST", logout, token, ""); !got.is(500, broken) {
				t.Errorf("logout without a connection: got %s, want 500 and the cookie kept", got)
			}
			wantStatus(t, "readyz", send(t, s, "GET", "/readyz", "", ""), 503)
			env := append(all.env(), "REDIS_TIMEOUT=1s")
			start(t, env...).WaitFor(t, absence.reason)
			check := harness.Start(t, t.TempDir(), production(env...), s.Path, "check")
			if status := check.Exit(t); status != 1 || !strings.Contains(check.Output(), absence.reason) {
				t.Errorf("check: exit status %d, want 1 and %q:\n%s", status, absence.reason, check.Output())
			}

			for _, one := range all {
				absence.back(t, one)
			}
			since := time.Now()
			harness.Eventually(t, "the service answers again", func() error {
				if got := send(t, s, "GET", me, token, ""); got.status != 200 {
					return fmt.Errorf("%s", got)
				}
				return nil
			})
			logTime(t, "recovered", time.Since(since), 2*time.Second)
			// A connection that has waited for a sentinel may fail even now, and cause another 503.
			wantRefusedSoon(t, s, out, since)
			check = harness.Start(t, t.TempDir(), production(all.env()...), s.Path, "check")
			if check.Exit(t); !strings.Contains(check.Output(), "  "+r.Addr()+", version ") {
				t.Errorf("check does not name the master:\n%s", check.Output())
			}
		})
	}
}

// TestDemotedWithoutASentinel demotes the master while no sentinel runs.
func TestDemotedWithoutASentinel(t *testing.T) {
	t.Parallel()
	first := harness.StartRedis(t, "--repl-diskless-sync-delay", "0")
	second := startReplica(t, first)
	a, b := connect(t, first, ""), connect(t, second, "")
	only := startSentinel(t, first.Addr(), 1, patient)
	stays := start(t, sentinels{only}.env()...)
	tokens := []string{login(t, stays, "ada"), login(t, stays, "ada")}
	waitForReplica(t, a)
	only.Kill()

	demote(t, a, b, second.Port)
	moved := start(t, second.Env()...)
	for _, token := range tokens {
		wantStatus(t, "logout at the new master", send(t, moved, "POST", logout, token, ""), 200)
	}
	for range 20 {
		if got := send(t, stays, "GET", me, tokens[0], ""); !got.is(503, away) {
			t.Errorf("without a sentinel: got %s, want 503", got)
		}
	}
	only.start(t) // and names the old master
	wantNever(t, "the instance whose sentinel names a replica", stays, tokens...)
	if got := send(t, stays, "GET", me, tokens[0], ""); !got.is(503, away) {
		t.Errorf("with a sentinel that names a replica: got %s, want 503", got)
	}
	only.monitor(t, second.Addr(), 1)
	wantRefusedSoon(t, stays, tokens[0], time.Now())
	wantLogout(t, stays, login(t, stays, "ada"))
}

// TestMasterWithoutAName removes the master's name from the sentinel, as if REDIS_SENTINEL_MASTER were wrong. The
// sentinel then answers that there is none, which must not be taken for an answer of Redis.
func TestMasterWithoutAName(t *testing.T) {
	t.Parallel()
	r := harness.StartRedis(t)
	c := connect(t, r, "")
	only := startSentinel(t, r.Addr(), 1, patient)
	s := start(t, sentinels{only}.env()...)
	token, out := login(t, s, "ada"), login(t, s, "ada")
	wantLogout(t, s, out)
	if err := only.Remove(context.Background(), "mymaster").Err(); err != nil {
		t.Fatal(err)
	}
	command(t, c, "CLIENT", "KILL", "TYPE", "normal")
	fresh := start(t, sentinels{only}.env()...)
	for _, s := range []*harness.Service{s, fresh} {
		for range 20 {
			if got := send(t, s, "GET", me, out, ""); !got.is(503, away) {
				t.Errorf("me: got %s, want 503 and the cookie kept", got)
			}
			if got := send(t, s, "POST", logout, token, ""); !got.is(500, broken) {
				t.Errorf("logout: got %s, want 500 and the cookie kept", got)
			}
		}
	}
	fresh.WaitFor(t, `no master is named \"mymaster\" there: see REDIS_SENTINEL_MASTER`)
	only.monitor(t, r.Addr(), 1)
	since := time.Now()
	harness.Eventually(t, "the service answers again", func() error {
		if got := send(t, s, "GET", me, token, ""); got.status != 200 {
			return fmt.Errorf("%s", got)
		}
		return nil
	})
	logTime(t, "recovered", time.Since(since), 2*time.Second)
	wantRefused(t, "logged out before", send(t, s, "GET", me, out, ""))
	wantLogout(t, s, token)
}
