package faults

import (
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"gin-auth/e2e/internal/harness"
	"gin-auth/e2e/internal/requests"
)

// losses are the ways to lose a blacklist. Each starts a Redis, and returns its settings and a function that loses
// the blacklist.
var losses = map[string]func(t *testing.T) (env []string, lose func()){
	"FLUSHALL":                      flushed(byAddress),
	"restarted without persistence": restarted(byAddress),
	"empty replica promoted":        promoted,

	"FLUSHALL, Sentinel":                                        flushed(bySentinel),
	"restarted without persistence, Sentinel":                   restarted(bySentinel),
	"restarted without persistence before a failover, Sentinel": restartedBeforeFailover,
	"empty replica promoted, Sentinel":                          promotedBySentinels,
}

func flushed(find settings) func(t *testing.T) (env []string, lose func()) {
	return func(t *testing.T) (env []string, lose func()) {
		t.Helper()
		r := harness.StartRedis(t)
		c := r.Client(t)
		return find(t, r.Addr()), func() { harness.Command(t, c, "FLUSHALL") }
	}
}

func restarted(find settings) func(t *testing.T) (env []string, lose func()) {
	return func(t *testing.T) (env []string, lose func()) {
		t.Helper()
		r := harness.StartRedis(t)
		return find(t, r.Addr()), func() { r.Kill(); r.Start(t) }
	}
}

// restartedBeforeFailover restarts a master before the sentinels count it as down. Its replica copies the empty data.
func restartedBeforeFailover(t *testing.T) (env []string, lose func()) {
	t.Helper()
	master := harness.StartRedis(t, "--repl-diskless-sync-delay", "0")
	startReplica(t, master)
	return startSentinels(t, master, patient).env(), func() { master.Kill(); master.Start(t) }
}

func promoted(t *testing.T) (env []string, lose func()) {
	t.Helper()
	master := harness.StartRedis(t)
	// Its --replicaof names a port without a server, so it never gets a copy.
	replica := harness.StartRedis(t, "--replicaof", "127.0.0.1 "+strconv.Itoa(harness.FreePort(t)))
	c := replica.Client(t)
	p := startProxy(t, master.Addr())
	return []string{p.url()}, func() {
		master.Kill()
		harness.Command(t, c, "REPLICAOF", "NO", "ONE")
		p.moveTo(replica.Addr())
	}
}

// promotedBySentinels kills a master whose only replica has not got its copy yet, so the sentinels promote that one.
func promotedBySentinels(t *testing.T) (env []string, lose func()) {
	t.Helper()
	master := harness.StartRedis(t, "--repl-diskless-sync", "yes", "--repl-diskless-sync-delay", "3600")
	replica := harness.StartRedis(t, "--replicaof", "127.0.0.1", strconv.Itoa(master.Port))
	c, replicas := replica.Client(t), master.Client(t)
	harness.Eventually(t, "the master lists the replica", func() error {
		if info := harness.Command(t, replicas, "INFO", "replication").(string); !strings.Contains(info, "state=wait_bgsave") {
			return errors.New(info)
		}
		return nil
	})
	all := startSentinels(t, master)
	return all.env(), func() {
		if n := harness.Command(t, c, "DBSIZE"); n != int64(0) {
			t.Errorf("the replica has %v keys, want none", n)
		}
		master.Kill()
		all.wait(t, "name the promoted replica", func(s *sentinel) error { return s.names(replica.Addr()) })
	}
}

// TestLostBlacklist loses the blacklist. Logged-out tokens are rejected by each instance from its next request on.
func TestLostBlacklist(t *testing.T) {
	t.Parallel()
	for name, prepare := range losses {
		for n := 1; n <= 2; n++ {
			t.Run(fmt.Sprintf("%s, instances: %d", name, n), func(t *testing.T) {
				t.Parallel()
				env, lose := prepare(t)
				var all []*harness.Service
				for range n {
					all = append(all, requests.Start(t, env...))
				}
				loggedOut, kept := tokensBefore(t, all)
				lose()
				harness.Each(n, func(i int) { wantRevokedAtOnce(t, all[i], loggedOut) })
				for _, s := range all {
					for what, token := range kept {
						requests.WantRefused(t, what+" token from before", requests.Send(t, s, "GET", requests.Me, token, ""))
					}
				}
				wantFreshLogins(t, all)
				for _, s := range all {
					for _, token := range loggedOut {
						requests.WantRefused(t, "logged out before, after new logins", requests.Send(t, s, "GET", requests.Me, token, ""))
					}
				}
			})
		}
	}
}

// tokensBefore returns tokens that were logged out, and valid tokens, both of every origin.
func tokensBefore(t *testing.T, all []*harness.Service) (loggedOut []string, kept map[string]string) {
	t.Helper()
	kept = map[string]string{"Node's": requests.NodeToken("kept", time.Now()), "signed": requests.OwnToken("kept too", time.Now())}
	loggedOut = []string{requests.NodeToken("loggedOut", time.Now())}
	for i, s := range all {
		kept[fmt.Sprintf("instance %d's", i)] = requests.Login(t, s, "ada")
		loggedOut = append(loggedOut, requests.Login(t, s, "ada"))
	}
	for i, token := range loggedOut {
		requests.WantLogout(t, all[i%len(all)], token)
	}
	for _, s := range all {
		for what, token := range kept {
			requests.WantStatus(t, what+" token", requests.Send(t, s, "GET", requests.Me, token, ""), 200)
		}
	}
	return loggedOut, kept
}

// wantRevokedAtOnce sends requests until Redis answers again. The first response that is not 503 must be the
// rejection.
func wantRevokedAtOnce(t *testing.T, s *harness.Service, loggedOut []string) {
	t.Helper()
	for i, token := range loggedOut {
		for deadline := time.Now().Add(10 * time.Second); ; {
			got, err := requests.Try(s, "GET", requests.Me, token, "")
			if err == nil && got.Refused() {
				break
			}
			if err != nil || !got.Is(503, requests.Away) || time.Now().After(deadline) {
				t.Errorf("token %d, logged out before the loss: %s, %v", i, got, err)
				return
			}
		}
	}
}

// wantFreshLogins logs in at every instance in the second of the loss. The tokens are valid at all instances until
// they are logged out.
func wantFreshLogins(t *testing.T, all []*harness.Service) {
	t.Helper()
	for i, s := range all {
		token := requests.Login(t, s, "ada")
		for _, other := range all {
			requests.WantStatus(t, "a token from after the loss", requests.Send(t, other, "GET", requests.Me, token, ""), 200)
		}
		requests.WantLogout(t, all[(i+1)%len(all)], token)
		requests.WantRefused(t, "logged out after the loss", requests.Send(t, s, "GET", requests.Me, token, ""))
	}
}

// TestFlushedUnderLoad runs FLUSHALL while clients send revoked tokens to both instances without a pause.
func TestFlushedUnderLoad(t *testing.T) {
	t.Parallel()
	r := harness.StartRedis(t)
	c := r.Client(t)
	all := []*harness.Service{requests.Start(t, r.Env()...), requests.Start(t, r.Env()...)}
	loggedOut, _ := tokensBefore(t, all)
	var done atomic.Bool
	var asked atomic.Int64
	var askers sync.WaitGroup
	for i := range 8 {
		askers.Go(func() {
			for n := 0; !done.Load(); n++ {
				got, err := requests.Try(all[i%2], "GET", requests.Me, loggedOut[n%len(loggedOut)], "")
				if err != nil || !got.Refused() && !got.Is(503, requests.Away) {
					t.Errorf("instance %d: %s, %v", i%2, got, err)
					return
				}
				asked.Add(1)
			}
		})
	}
	const flushes = 8 // each raises the cut by at least a second
	for range flushes {
		harness.Command(t, c, "FLUSHALL")
		before := asked.Load()
		harness.Eventually(t, "some requests were sent", func() error {
			if t.Failed() || asked.Load() > before+16 {
				return nil
			}
			return fmt.Errorf("%d", asked.Load()-before)
		})
	}
	done.Store(true)
	askers.Wait()
	t.Logf("%d requests with revoked tokens during %d FLUSHALLs", asked.Load(), flushes)
	time.Sleep(flushes * time.Second) // Redis's clock has to pass the last cut
	wantFreshLogins(t, all)
}

// TestStartsJustAfterTheLoss starts an instance after the loss. It takes the empty blacklist for a new one until an
// older instance has detected the loss.
func TestStartsJustAfterTheLoss(t *testing.T) {
	t.Parallel()
	r := harness.StartRedis(t)
	c := r.Client(t)
	old := requests.Start(t, r.Env()...)
	for range 3 {
		loggedOut := []string{requests.Login(t, old, "ada"), requests.NodeToken("loggedOut", time.Now())}
		for _, token := range loggedOut {
			requests.WantLogout(t, old, token)
		}
		harness.Command(t, c, "FLUSHALL")
		lost := time.Now()
		young := requests.Start(t, r.Env()...)
		asked := 0
		harness.Eventually(t, "the new instance rejects a logged-out token", func() error {
			asked++
			if got := requests.Send(t, young, "GET", requests.Me, loggedOut[0], ""); !got.Refused() {
				return fmt.Errorf("%s", got)
			}
			return nil
		})
		harness.LogTime(t, fmt.Sprintf("refused at the new instance, at request %d, after", asked), time.Since(lost), time.Second)
		for _, s := range []*harness.Service{young, old} {
			for _, token := range loggedOut {
				requests.WantRefused(t, "logged out before the loss", requests.Send(t, s, "GET", requests.Me, token, ""))
			}
		}
		wantFreshLogins(t, []*harness.Service{young, old})
		young.Kill()
	}
}

// TestNobodyLeft loses the blacklist while no instance runs. REVOCATION_EPOCH=expect says that there was one.
func TestNobodyLeft(t *testing.T) {
	t.Parallel()
	r := harness.StartRedis(t)
	c := r.Client(t)
	env := append(r.Env(), "REVOCATION_EPOCH=expect")
	s := requests.Start(t, r.Env()...)
	loggedOut, kept := tokensBefore(t, []*harness.Service{s})
	s.Kill()
	harness.Command(t, c, "FLUSHALL")

	all := []*harness.Service{requests.Start(t, env...), requests.Start(t, env...)}
	for _, s := range all {
		requests.WantRefused(t, "logged out before", requests.Send(t, s, "GET", requests.Me, loggedOut[1], ""))
		requests.WantRefused(t, "Node's, logged out before", requests.Send(t, s, "GET", requests.Me, loggedOut[0], ""))
		for what, token := range kept {
			requests.WantRefused(t, what+" token from before", requests.Send(t, s, "GET", requests.Me, token, ""))
		}
	}
	wantFreshLogins(t, all)
	kept["new"] = requests.Login(t, all[0], "ada")
	all[0].Kill()
	again := requests.Start(t, env...)
	requests.WantStatus(t, "a restart with an existing epoch", requests.Send(t, again, "GET", requests.Me, kept["new"], ""), 200)
}

// TestEpochKey checks the format of the epoch key, which other tools read, before and after a loss.
func TestEpochKey(t *testing.T) {
	t.Parallel()
	r := harness.StartRedis(t)
	c := r.Client(t)
	s := requests.Start(t, r.Env()...)
	requests.Login(t, s, "ada")
	form := regexp.MustCompile(`^[^:]+:\d+$`)
	first := harness.Command(t, c, "GET", "auth:epoch").(string)
	if !form.MatchString(first) || !strings.HasSuffix(first, ":0") {
		t.Errorf("the first epoch is %q, want an id and :0", first)
	}
	harness.Command(t, c, "FLUSHALL")
	now := time.Now().Unix()
	requests.Login(t, s, "ada")
	second := harness.Command(t, c, "GET", "auth:epoch").(string)
	id, digits, _ := strings.Cut(second, ":")
	cut, err := strconv.ParseInt(digits, 10, 64)
	if !form.MatchString(second) || strings.HasPrefix(first, id+":") || err != nil || cut < now || cut > now+5 {
		t.Errorf("at %d, after the epoch %q, the new epoch is %q, %v: want another id and the time of the loss", now, first, second, err)
	}
	if ttl := harness.Command(t, c, "TTL", "auth:epoch"); ttl != int64(-1) {
		t.Errorf("the epoch has a TTL of %v s, want none", ttl)
	}
}
