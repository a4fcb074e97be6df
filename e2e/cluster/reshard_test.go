package cluster

import (
	"fmt"
	"os/exec"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"gin-auth/e2e/internal/harness"
)

// TestClusterReshard moves slots from master to master while requests are sent. The keys of most tokens are in slots
// that move, so that the nodes redirect the lookups in the middle of a batch, with MOVED and with ASK. It is about
// answers, not about times, so the timeout is long.
func TestClusterReshard(t *testing.T) {
	t.Parallel()
	const (
		moving = 256 // redis-cli moves the lowest slots
		full   = 16  // of them have many keys, so that moving them takes a while
		keys   = 1000
		rounds = 6
	)
	requests := int64(20_000)
	if harness.Measuring {
		requests = 100_000
	}
	c := startCluster(t, 0)
	load := &traffic{services: c.startQuiet(t, 2, "REDIS_TIMEOUT=2s")}
	moves := func(slot int) bool { return slot < moving }
	places := map[string]func(int) bool{"any": anySlot, "moving": moves}
	for entryAt, entry := range places {
		for cutAt, cut := range places {
			for range 4 {
				what := fmt.Sprintf("entry in a slot: %s, cut in a slot: %s", entryAt, cutAt)
				load.valid(t, what, tokenWith(userWith(cut), entry))
				load.loggedOut(t, what, tokenWith(userWith(cut), entry))
				load.endedByCut(t, what, cut, entry)
			}
		}
	}
	filled := 0
	for i, one := range load.all() {
		slot := harness.Slot([]string{entryKey(one.token), cutKey(userID(one.token))}[i%2])
		if moves(slot) && filled < full {
			c.fill(t, slot, keys)
			filled++
		}
	}
	emails := c.usersThatMove(t, load.services[0], moves)
	before := c.redirections(t)
	stop := load.run(t, 32)
	count, stopChurn := load.churn(t, emails, 100*time.Millisecond)
	started := time.Now()
	moved := 0
	for ; (load.asked.Load() < requests || moved < rounds) && !t.Failed(); moved++ {
		from, to := moved%3, (moved+1)%3
		c.reshard(t, from, to, moving)
		time.Sleep(100 * time.Millisecond) // redis-cli uses much of the CPU
		if slots := c.slots(t, 2); slots[0] != to || slots[moving-1] != to {
			t.Fatalf("round %d: slots 0 and %d are at %d and %d, want %d", moved, moving-1, slots[0], slots[moving-1], to)
		}
	}
	took := time.Since(started)
	stopChurn()
	stop()
	after := c.redirections(t)
	t.Logf("%d requests in %s, %d answered 503; %d logins, %d logouts, %d failed; %d slots moved %d times, MOVED %d, ASK %d, TRYAGAIN %d",
		load.asked.Load(), took.Round(time.Millisecond), load.unavailable.Load(), count.logins.Load(), count.logouts.Load(),
		count.failed.Load(), moving, moved, after["MOVED"]-before["MOVED"], after["ASK"]-before["ASK"], after["TRYAGAIN"]-before["TRYAGAIN"])
	if n := after["MOVED"] - before["MOVED"]; n < 100 {
		t.Errorf("the nodes replied MOVED %d times, want more for this test", n)
	}
	if n := after["ASK"] - before["ASK"]; n < 20 {
		t.Errorf("the nodes replied ASK %d times, want more for this test", n)
	}
	if n := count.logouts.Load(); n < 50 {
		t.Errorf("%d logouts, want more for this test", n)
	}
	if n := load.unavailable.Load(); n > requests/10_000 {
		t.Errorf("%d of %d requests were answered 503", n, load.asked.Load())
	}
	if n := count.failed.Load(); n > (count.logins.Load()+count.logouts.Load())/100 {
		t.Errorf("%d logins and logouts failed, more than 1 %%", n)
	}
	load.askAll(t)
}

// fill stores keys in a slot.
func (c *cluster) fill(t *testing.T, slot, keys int) {
	t.Helper()
	tag := tagOf(slot)
	p := c.clients[c.slots(t, 0)[slot]].Pipeline()
	for i := range keys {
		p.Set(t.Context(), fmt.Sprintf("filler:{%s}:%d", tag, i), strings.Repeat("x", 64), 0)
	}
	if _, err := p.Exec(t.Context()); err != nil {
		t.Fatal(err)
	}
}

// tagOf returns a hash tag of a slot.
func tagOf(slot int) string {
	for i := 0; ; i++ {
		if tag := strconv.Itoa(i); harness.Slot(tag) == slot {
			return tag
		}
	}
}

// usersThatMove registers users and returns the emails of some: for each of their keys at least one has it in a slot
// that moves.
func (c *cluster) usersThatMove(t *testing.T, s *harness.Service, moves func(slot int) bool) (emails []string) {
	t.Helper()
	in := func(key string) bool { return moves(harness.Slot(key)) }
	var byEmail, byCut, bySessions int
	for i := 0; byEmail < 2 || byCut < 1 || bySessions < 1; i++ {
		email := fmt.Sprintf("user-%d@example.com", i)
		emailMoves := in("auth:user:" + email)
		if emailMoves && byEmail >= 2 {
			continue
		}
		id := register(t, s, email)
		switch {
		case emailMoves:
			byEmail++
		case in(cutKey(id)) && byCut < 1:
			byCut++
		case in("auth:sessions:"+id) && bySessions < 1:
			bySessions++
		default:
			continue
		}
		emails = append(emails, email)
	}
	return emails
}

// reshard moves the lowest slots of a master to another.
func (c *cluster) reshard(t *testing.T, from, to, slots int) {
	t.Helper()
	out, err := exec.Command(harness.Need(t, "redis-cli"), "--cluster", "reshard", c.nodes[from].Addr(),
		"--cluster-from", c.id(t, from), "--cluster-to", c.id(t, to), "--cluster-slots", strconv.Itoa(slots),
		"--cluster-yes", "--cluster-pipeline", "10").CombinedOutput()
	if err != nil {
		t.Fatalf("redis-cli --cluster reshard: %v\n%s", err, out)
	}
}

var errorStat = regexp.MustCompile(`errorstat_(\w+):count=(\d+)`)

// redirections returns how often the nodes have replied with each error.
func (c *cluster) redirections(t *testing.T) map[string]int {
	t.Helper()
	count := map[string]int{}
	for _, node := range c.clients {
		for _, match := range errorStat.FindAllStringSubmatch(harness.Command(t, node, "INFO", "errorstats").(string), -1) {
			n, _ := strconv.Atoi(match[2])
			count[match[1]] += n
		}
	}
	return count
}
