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
	"gin-auth/e2e/internal/requests"
)

// TestSentinelFailover kills the master while users log out. Every token whose logout was answered 200 is rejected
// by the new master. Only one replica can be promoted, so REDIS_WAIT_REPLICAS=1 guarantees that it has the logout.
func TestSentinelFailover(t *testing.T) {
	master := harness.StartRedis(t, "--repl-diskless-sync-delay", "0")
	replica := startReplica(t, master)
	s := requests.Start(t, append(startSentinels(t, master).env(), "REDIS_WAIT_REPLICAS=1")...)
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
				token := requests.OwnToken(fmt.Sprintf("user %d of %d", i, worker), time.Now())
				got, err := requests.Try(s, "POST", requests.Logout, token, "")
				switch {
				case err != nil:
					t.Error(err)
				case got.Status == 200:
					mu.Lock()
					out, last = append(out, token), time.Now()
					mu.Unlock()
				case got.Is(500, requests.Broken):
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
	c := replica.Client(t)
	harness.Eventually(t, "the replica is the master", func() error {
		if info := harness.Command(t, c, "INFO", "replication").(string); !strings.Contains(info, "role:master") {
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
		if got := requests.Send(t, s, "GET", requests.Me, token, ""); !got.Refused() {
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
				got, err := requests.Try(s, "GET", requests.Me, token, "")
				switch {
				case err == nil && got.Is(503, requests.Away):
					a.unavailable.Add(1)
				case err == nil && (out && got.Refused() || !out && got.Status == 200):
					a.good.Add(1)
				case token == live || out || err != nil || !got.Refused(): // without out, it may have been logged out meanwhile
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
		got := requests.Send(t, s, "GET", requests.Me, token, "")
		if !got.Refused() && !got.Is(503, requests.Away) {
			t.Fatalf("a revoked token: got %s, want 401 or 503", got)
		}
		if !got.Refused() {
			return fmt.Errorf("%s", got)
		}
		return nil
	})
	harness.LogTime(t, "rejects revoked tokens", time.Since(since), 2*time.Second)
}

// TestPlannedFailover orders a failover under load. The old master stays up. For about ten seconds it is still a
// master, and the connections to it could stay open. From the time when the sentinels name the new one, no token that
// is logged out there is accepted.
func TestPlannedFailover(t *testing.T) {
	t.Parallel()
	first := harness.StartRedis(t, "--repl-diskless-sync-delay", "0")
	second := startReplica(t, first)
	all := startSentinels(t, first)
	stays := requests.Start(t, all.env()...)
	live := requests.Login(t, stays, "ada")
	var tokens []string
	for range 5 {
		tokens = append(tokens, requests.Login(t, stays, "ada"))
	}
	waitForReplica(t, first.Client(t))
	asking := startAskers(t, stays, live, tokens)
	defer asking.end()

	if err := all[0].Failover(context.Background(), "mymaster").Err(); err != nil {
		t.Fatal(err)
	}
	all.wait(t, "name the new master", func(s *sentinel) error { return s.names(second.Addr()) })
	since := time.Now()
	moved := requests.Start(t, all.env()...)
	for _, token := range tokens {
		requests.WantStatus(t, "logout at the new master", requests.Send(t, moved, "POST", requests.Logout, token, ""), 200)
		if n := harness.Command(t, second.Client(t), "EXISTS", "blacklist:"+token); n != int64(1) {
			t.Fatal("the new instance does not use the new master")
		}
	}
	asking.loggedOut.Store(true)
	wantRefusedSoon(t, stays, tokens[0], since)
	old := first.Client(t)
	harness.Eventually(t, "the sentinels make the old master a replica", func() error {
		if info := harness.Command(t, old, "INFO", "replication").(string); !strings.Contains(info, "master_link_status:up") {
			return fmt.Errorf("%s", info)
		}
		return nil
	})
	time.Sleep(time.Second)
	asking.end()
	t.Logf("%d answers as expected, %d times 503", asking.good.Load(), asking.unavailable.Load())
	requests.WantLogout(t, stays, live)
}

// TestStaleSentinel demotes the master while one of three sentinels, the one that the service asks, does not learn of
// it and names the old master. The service then asks the others.
func TestStaleSentinel(t *testing.T) {
	t.Parallel()
	// Without a right to channels, the sentinel does not hear of the others, and they do not hear of it.
	args := append(strings.Fields("--user stale on >stale ~* resetchannels +@all"), "--repl-diskless-sync-delay", "0")
	first := harness.StartRedis(t, args...)
	second := harness.StartRedis(t, append(args, "--replicaof", "127.0.0.1", fmt.Sprint(first.Port))...)
	a, b := first.Client(t), second.Client(t)
	waitForReplica(t, a)
	stale := startSentinel(t, first.Addr(), 1, patient, "sentinel auth-user mymaster stale", "sentinel auth-pass mymaster stale")
	others := sentinels{startSentinel(t, first.Addr(), 2), startSentinel(t, first.Addr(), 2)}
	others.wait(t, "know each other and the replica", func(s *sentinel) error { return s.isReady(1) })
	for _, s := range others {
		s.Signal(t, syscall.SIGSTOP) // so that the service asks the stale one
	}
	metrics := fmt.Sprint("127.0.0.1:", harness.FreePort(t))
	stays := requests.Start(t, append(append(others, stale).env(), "METRICS_ADDR="+metrics)...)
	for _, s := range others {
		s.Signal(t, syscall.SIGCONT)
	}
	var tokens []string
	for range 5 {
		tokens = append(tokens, requests.Login(t, stays, "ada"))
	}
	waitForReplica(t, a)

	demote(t, a, b, second.Port)
	for _, s := range others {
		s.monitor(t, second.Addr(), 2)
	}
	since := time.Now()
	moved := requests.Start(t, others.env()...)
	for _, token := range tokens {
		requests.WantStatus(t, "logout at the new master", requests.Send(t, moved, "POST", requests.Logout, token, ""), 200)
	}
	if err := stale.names(first.Addr()); err != nil {
		t.Error(err)
	}
	wantNever(t, "the instance with the stale sentinel", stays, tokens...)
	wantRefusedSoon(t, stays, tokens[0], since)
	requests.WantLogout(t, stays, requests.Login(t, stays, "ada"))
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
		func(t *testing.T, s *sentinel) { t.Helper(); s.Signal(t, syscall.SIGSTOP) },
		func(t *testing.T, s *sentinel) { t.Helper(); s.Signal(t, syscall.SIGCONT) },
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
			c := r.Client(t)
			all := sentinels{startSentinel(t, r.Addr(), 2, patient), startSentinel(t, r.Addr(), 2, patient)}
			s := requests.Start(t, all.env()...)
			token, out := requests.Login(t, s, "ada"), requests.Login(t, s, "ada")
			for _, one := range all {
				absence.take(t, one)
			}
			for range 100 {
				requests.WantStatus(t, "me", requests.Send(t, s, "GET", requests.Me, token, ""), 200)
			}
			requests.WantLogout(t, s, out)

			harness.Command(t, c, "CLIENT", "KILL", "TYPE", "normal") // as if all connections had reached their age
			for range 20 {
				if got := requests.Send(t, s, "GET", requests.Me, token, ""); !got.Is(503, requests.Away) {
					t.Errorf("me without a connection: got %s, want 503 and the cookie kept", got)
				}
			}
			if got := requests.Send(t, s, "POST", requests.Logout, token, ""); !got.Is(500, requests.Broken) {
				t.Errorf("logout without a connection: got %s, want 500 and the cookie kept", got)
			}
			requests.WantStatus(t, "readyz", requests.Send(t, s, "GET", "/readyz", "", ""), 503)
			env := append(all.env(), "REDIS_TIMEOUT=1s")
			requests.Start(t, env...).WaitFor(t, absence.reason)
			check := harness.Start(t, t.TempDir(), requests.Production(env...), s.Path, "check")
			if status := check.Exit(t); status != 1 || !strings.Contains(check.Output(), absence.reason) {
				t.Errorf("check: exit status %d, want 1 and %q:\n%s", status, absence.reason, check.Output())
			}

			for _, one := range all {
				absence.back(t, one)
			}
			since := time.Now()
			harness.Eventually(t, "the service answers again", func() error {
				if got := requests.Send(t, s, "GET", requests.Me, token, ""); got.Status != 200 {
					return fmt.Errorf("%s", got)
				}
				return nil
			})
			harness.LogTime(t, "recovered", time.Since(since), 2*time.Second)
			// A connection that has waited for a sentinel may fail even now, and cause another 503.
			wantRefusedSoon(t, s, out, since)
			check = harness.Start(t, t.TempDir(), requests.Production(all.env()...), s.Path, "check")
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
	a, b := first.Client(t), second.Client(t)
	only := startSentinel(t, first.Addr(), 1, patient)
	stays := requests.Start(t, sentinels{only}.env()...)
	tokens := []string{requests.Login(t, stays, "ada"), requests.Login(t, stays, "ada")}
	waitForReplica(t, a)
	only.Kill()

	demote(t, a, b, second.Port)
	moved := requests.Start(t, second.Env()...)
	for _, token := range tokens {
		requests.WantStatus(t, "logout at the new master", requests.Send(t, moved, "POST", requests.Logout, token, ""), 200)
	}
	for range 20 {
		if got := requests.Send(t, stays, "GET", requests.Me, tokens[0], ""); !got.Is(503, requests.Away) {
			t.Errorf("without a sentinel: got %s, want 503", got)
		}
	}
	only.start(t) // and names the old master
	wantNever(t, "the instance whose sentinel names a replica", stays, tokens...)
	if got := requests.Send(t, stays, "GET", requests.Me, tokens[0], ""); !got.Is(503, requests.Away) {
		t.Errorf("with a sentinel that names a replica: got %s, want 503", got)
	}
	only.monitor(t, second.Addr(), 1)
	wantRefusedSoon(t, stays, tokens[0], time.Now())
	requests.WantLogout(t, stays, requests.Login(t, stays, "ada"))
}

// TestMasterWithoutAName removes the master's name from the sentinel, as if REDIS_SENTINEL_MASTER were wrong. The
// sentinel then answers that there is none, which must not be taken for an answer of Redis.
func TestMasterWithoutAName(t *testing.T) {
	t.Parallel()
	r := harness.StartRedis(t)
	c := r.Client(t)
	only := startSentinel(t, r.Addr(), 1, patient)
	s := requests.Start(t, sentinels{only}.env()...)
	token, out := requests.Login(t, s, "ada"), requests.Login(t, s, "ada")
	requests.WantLogout(t, s, out)
	if err := only.Remove(context.Background(), "mymaster").Err(); err != nil {
		t.Fatal(err)
	}
	harness.Command(t, c, "CLIENT", "KILL", "TYPE", "normal")
	fresh := requests.Start(t, sentinels{only}.env()...)
	for _, s := range []*harness.Service{s, fresh} {
		for range 20 {
			if got := requests.Send(t, s, "GET", requests.Me, out, ""); !got.Is(503, requests.Away) {
				t.Errorf("me: got %s, want 503 and the cookie kept", got)
			}
			if got := requests.Send(t, s, "POST", requests.Logout, token, ""); !got.Is(500, requests.Broken) {
				t.Errorf("logout: got %s, want 500 and the cookie kept", got)
			}
		}
	}
	fresh.WaitFor(t, `no master is named \"mymaster\" there: see REDIS_SENTINEL_MASTER`)
	only.monitor(t, r.Addr(), 1)
	since := time.Now()
	harness.Eventually(t, "the service answers again", func() error {
		if got := requests.Send(t, s, "GET", requests.Me, token, ""); got.Status != 200 {
			return fmt.Errorf("%s", got)
		}
		return nil
	})
	harness.LogTime(t, "recovered", time.Since(since), 2*time.Second)
	requests.WantRefused(t, "logged out before", requests.Send(t, s, "GET", requests.Me, out, ""))
	requests.WantLogout(t, s, token)
}
