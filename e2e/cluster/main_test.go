// Package cluster runs the built service on a Redis Cluster whose masters are stopped, emptied and replaced, and whose
// slots move.
package cluster

import (
	"crypto/rand"
	"fmt"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"gin-auth/e2e/internal/harness"
	"gin-auth/e2e/internal/requests"
)

func TestMain(m *testing.M) { harness.Main(m) }

// cluster is a Redis Cluster. The first three nodes are masters at its start.
type cluster struct {
	nodes   []*harness.Redis
	clients []*redis.Client
}

func startCluster(t *testing.T, replicas int, args ...string) *cluster {
	t.Helper()
	c := &cluster{nodes: harness.StartCluster(t, replicas, args...)}
	for _, node := range c.nodes {
		c.clients = append(c.clients, node.Client(t))
	}
	return c
}

func (c *cluster) env() []string {
	return []string{"REDIS_CLUSTER_NODES=" + strings.Join(harness.Addrs(c.nodes), ",")}
}

func (c *cluster) id(t *testing.T, node int) string {
	t.Helper()
	return harness.Command(t, c.clients[node], "CLUSTER", "MYID").(string)
}

// startQuiet starts instances that log only errors. The log of many requests would slow a test down.
func (c *cluster) startQuiet(t *testing.T, instances int, env ...string) (all []*harness.Service) {
	t.Helper()
	env = append(append(c.env(), "LOG_LEVEL=error"), env...)
	for range instances {
		all = append(all, requests.Start(t, env...))
	}
	return all
}

// slotTable has for each slot the number of the node that holds it, -1 if none does.
type slotTable [harness.Slots]int

// slots returns the table that one of the nodes has.
func (c *cluster) slots(t *testing.T, at int) *slotTable {
	t.Helper()
	addrs := harness.Addrs(c.nodes)
	var table slotTable
	for slot := range table {
		table[slot] = -1
	}
	for _, one := range harness.Command(t, c.clients[at], "CLUSTER", "SLOTS").([]any) {
		part := one.([]any) // the first slot, the last one, the master, the replicas
		master := part[2].([]any)
		for slot := part[0].(int64); slot <= part[1].(int64); slot++ {
			table[slot] = slices.Index(addrs, fmt.Sprintf("%s:%d", master[0], master[1]))
		}
	}
	return &table
}

func (s *slotTable) owner(key string) int { return s[harness.Slot(key)] }

func entryKey(token string) string { return "blacklist:" + token }
func cutKey(id string) string      { return "auth:logout-all:" + id }

// at returns a function that reports whether a node holds a slot.
func (s *slotTable) at(node int) func(slot int) bool {
	return func(slot int) bool { return s[slot] == node }
}

func anySlot(int) bool { return true }

// userWith returns the id of a user whose cut has such a slot.
func userWith(cut func(slot int) bool) string {
	for {
		if id := "user " + rand.Text(); cut(harness.Slot(cutKey(id))) {
			return id
		}
	}
}

// tokenWith returns a new token of a user whose entry has such a slot. It is not in the list of sessions.
func tokenWith(id string, entry func(slot int) bool) string {
	for {
		if token := requests.OwnToken(id, time.Now()); entry(harness.Slot(entryKey(token))) {
			return token
		}
	}
}

// TestClusterLosesAMaster kills or stops one of three masters under load. Tokens whose keys are on other masters are
// answered as before, without delay. The other tokens are answered 503 until the replica has taken over. No revoked
// token is accepted, and no valid one is rejected. It measures times, so it does not run in parallel.
func TestClusterLosesAMaster(t *testing.T) {
	for name, take := range map[string]func(*testing.T, *harness.Redis){
		"killed": func(_ *testing.T, r *harness.Redis) { r.Kill() },
		"stopped": func(t *testing.T, r *harness.Redis) {
			t.Helper()
			r.Signal(t, syscall.SIGSTOP)
		},
	} {
		t.Run(name, func(t *testing.T) { losesAMaster(t, name, take) })
	}
}

func losesAMaster(t *testing.T, name string, take func(*testing.T, *harness.Redis)) {
	t.Helper()
	c := startCluster(t, 1, "--cluster-require-full-coverage", "no",
		"--cluster-node-timeout", "1000", "--repl-diskless-sync-delay", "0")
	load := &traffic{services: c.startQuiet(t, 2), pause: time.Millisecond}
	const victim = 0
	slots := c.slots(t, 1)
	for entry := range 3 {
		for cut := range 3 {
			for range 3 {
				what := fmt.Sprintf("entry at master %d, cut at master %d", entry, cut)
				load.valid(t, what, tokenWith(userWith(slots.at(cut)), slots.at(entry)))
				load.loggedOut(t, what, tokenWith(userWith(slots.at(cut)), slots.at(entry)))
				load.endedByCut(t, what, slots.at(cut), slots.at(entry))
			}
		}
	}
	c.waitForReplicas(t)

	var near, refused times
	var recovered lastTime
	load.observe = func(one *subject, got requests.Answer) {
		isLost := slots.owner(entryKey(one.token)) == victim || slots.owner(cutKey(userID(one.token))) == victim
		unavailable := got.Is(503, requests.Away)
		switch {
		case unavailable && !isLost:
			t.Errorf("%s: got %s although master %d is not needed", one, got, victim)
		case unavailable:
			refused.add(got.Took)
			recovered.set(time.Now())
		case !isLost:
			near.add(got.Took)
		}
	}
	stop := load.run(t, 8)
	time.Sleep(500 * time.Millisecond)
	if n := load.unavailable.Load(); n > 0 {
		t.Errorf("%d requests were answered 503 while all masters ran", n)
	}
	harness.LogTimes(t, "while all masters run", near.take(), 50*time.Millisecond)
	take(t, c.nodes[victim])
	taken := time.Now()
	c.waitUntilReplaced(t, victim)
	promoted := time.Now()
	meanwhile := near.take()
	for since := promoted; time.Since(since) < time.Second && time.Since(promoted) < 10*time.Second; {
		time.Sleep(100 * time.Millisecond)
		if last := recovered.get(); last.After(promoted) {
			since = last
		}
	}
	stop()
	t.Logf("%d requests, %d answered 503; a replica took over after %s",
		load.asked.Load(), load.unavailable.Load(), promoted.Sub(taken).Round(time.Millisecond))
	harness.LogTimes(t, "meanwhile, tokens with no key on the lost master", meanwhile, 50*time.Millisecond)
	if p99 := meanwhile[len(meanwhile)*99/100]; p99 > requests.RedisTimeout/2 {
		t.Errorf("1 %% of the tokens with no key on the lost master waited for %s or more", p99)
	}
	if load.unavailable.Load() == 0 {
		t.Fatal("no request was answered 503 after the master was lost")
	}
	harness.LogTimes(t, "503 for a key on the lost master", refused.take(), requests.Bar)
	harness.LogTime(t, "good answers after the promotion", max(0, recovered.get().Sub(promoted)), 2*time.Second)
	load.observe = nil
	load.askAll(t)
	if name == "stopped" {
		load.oldMasterReturns(t, c.nodes[victim], slots.at(victim))
	}
}

// oldMasterReturns lets a stopped master run again, which does not know yet that it was replaced.
func (l *traffic) oldMasterReturns(t *testing.T, master *harness.Redis, its func(slot int) bool) {
	t.Helper()
	for range 10 {
		l.loggedOut(t, "logged out after the promotion", tokenWith(userWith(its), its))
		l.endedByCut(t, "after the promotion", its, its)
	}
	stop := l.run(t, 8)
	master.Signal(t, syscall.SIGCONT)
	time.Sleep(time.Second)
	stop()
	l.askAll(t)
}

// waitForReplicas waits until the replicas have all data.
func (c *cluster) waitForReplicas(t *testing.T) {
	t.Helper()
	harness.Eventually(t, "the replicas have all data", func() error {
		for _, master := range c.clients[:3] {
			if n := harness.Command(t, master, "WAIT", 1, 100); n != int64(1) {
				return fmt.Errorf("%v replicas", n)
			}
		}
		return nil
	})
}

// waitUntilReplaced waits until the other masters have a replica in the place of a node.
func (c *cluster) waitUntilReplaced(t *testing.T, node int) {
	t.Helper()
	for at := range 3 {
		if at == node {
			continue
		}
		harness.Eventually(t, "a replica has taken over", func() error {
			if slices.Contains(c.slots(t, at)[:], node) {
				return fmt.Errorf("node %d still has slots", node)
			}
			return nil
		})
	}
}

// TestClusterFailover hands each master's slots over to its replica, while requests are sent. That is not a loss: no
// token is rejected, and no revoked one is accepted.
func TestClusterFailover(t *testing.T) {
	t.Parallel()
	c := startCluster(t, 1, "--cluster-node-timeout", "2000", "--repl-diskless-sync-delay", "0")
	load := &traffic{services: c.startQuiet(t, 2), pause: time.Millisecond}
	slots := c.slots(t, 0)
	for node := range 3 {
		what := fmt.Sprintf("keys at master %d", node)
		for range 5 {
			load.valid(t, what, tokenWith(userWith(slots.at(node)), slots.at(node)))
			load.loggedOut(t, what, tokenWith(userWith(anySlot), slots.at(node)))
			load.endedByCut(t, what, slots.at(node), anySlot)
		}
	}
	var emails []string
	for i := range 3 {
		email := fmt.Sprintf("user-%d@example.com", i)
		register(t, load.services[0], email)
		emails = append(emails, email)
	}
	c.waitForReplicas(t)
	stop := load.run(t, 6)
	count, stopChurn := load.churn(t, emails, 30*time.Millisecond)
	time.Sleep(300 * time.Millisecond)
	for master := range 3 {
		replica := c.replicaOf(t, master)
		before := load.unavailable.Load()
		since := time.Now()
		harness.Command(t, c.clients[replica], "CLUSTER", "FAILOVER")
		c.waitUntilReplaced(t, master)
		t.Logf("node %d took over from %d after %s", replica, master, time.Since(since).Round(time.Millisecond))
		time.Sleep(700 * time.Millisecond)
		t.Logf("%d requests were answered 503", load.unavailable.Load()-before)
	}
	stopChurn()
	stop()
	t.Logf("%d requests, %d answered 503; %d logins, %d logouts, %d failed", load.asked.Load(), load.unavailable.Load(),
		count.logins.Load(), count.logouts.Load(), count.failed.Load())
	load.askAll(t)
	wantNewLogins(t, load.services)
}

// replicaOf returns the number of the replica of a master.
func (c *cluster) replicaOf(t *testing.T, master int) int {
	t.Helper()
	id := c.id(t, master)
	for line := range strings.Lines(harness.Command(t, c.clients[master], "CLUSTER", "NODES").(string)) {
		fields := strings.Fields(line) // id, address@bus, flags, master, …
		if address, _, _ := strings.Cut(fields[1], "@"); fields[3] == id {
			return slices.Index(harness.Addrs(c.nodes), address)
		}
	}
	t.Fatalf("node %d has no replica", master)
	return -1
}

// newLogin registers a new user and logs them in. A user from before a loss may have lost a part of their record.
func newLogin(t *testing.T, s *harness.Service) (token string) {
	t.Helper()
	email := "user-" + strings.ToLower(rand.Text()) + "@example.com"
	register(t, s, email)
	got := requests.Send(t, s, "POST", "/api/auth/login", "", credentials(email))
	requests.WantStatus(t, "login", got, 200)
	return got.Token()
}

// wantNewLogins logs new users in at every instance. Their tokens are valid at all instances until they are logged
// out.
func wantNewLogins(t *testing.T, all []*harness.Service) {
	t.Helper()
	for i, s := range all {
		token := newLogin(t, s)
		for _, other := range all {
			requests.WantStatus(t, "a token from after the loss", requests.Send(t, other, "GET", requests.Me, token, ""), 200)
		}
		requests.WantLogout(t, all[(i+1)%len(all)], token)
		requests.WantRefused(t, "logged out after the loss", requests.Send(t, s, "GET", requests.Me, token, ""))
	}
}
