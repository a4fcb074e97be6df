package db

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/alicebob/miniredis/v2/server"
)

// subjectAt returns a token and a user whose keys are both stored at the node.
func (c *fakeCluster) subjectAt(node int) (token, userID string) {
	on := func(key string) bool { return c.owner[slotOf(key)] == node }
	for i := 0; token == "" || userID == ""; i++ {
		if name := fmt.Sprint("token ", i); on("blacklist:" + name) {
			token = name
		}
		if name := fmt.Sprint("user ", i); on(logoutAllKey(name)) {
			userID = name
		}
	}
	return token, userID
}

// wantRevoked asks about a token that was issued at the given time.
func wantRevoked(t *testing.T, d *DB, want bool, token, userID string, issued int64) {
	t.Helper()
	revoked, _, err := d.Revoked(t.Context(), token, userID, at(issued))
	if err != nil || revoked != want {
		t.Errorf("%s of %s, issued at %d, is revoked: %v, %v; want %v", token, userID, issued, revoked, err, want)
	}
}

// TestEpochsOfACluster: an instance stores an epoch in every slot. When a node loses its keys, an instance that was
// running rejects every token that was issued until then, and all its lost slots get the same cut.
func TestEpochsOfACluster(t *testing.T) {
	c := startFakeCluster(t, 3)
	d, log := c.open(t, func(o *Options) { o.Watch = true })
	other, _ := c.open(t, nil)
	eventually(t, "the epochs are known", func() bool { return log.count("the epochs of the blacklist") > 0 })
	for slot, key := range clusterEpochKeys() {
		if value, err := c.nodes[c.owner[slot]].Get(key); err != nil || !strings.HasSuffix(value, ":0") {
			t.Fatalf("the epoch of slot %d is %q, %v", slot, value, err)
		}
	}
	if !other.readEpochs(t.Context()) {
		t.Error("another instance cannot read every epoch")
	}
	issued := time.Now().Unix()
	for node := range c.nodes {
		token, userID := c.subjectAt(node)
		wantRevoked(t, d, false, token, userID, issued)
		wantRevoked(t, other, false, token, userID, issued)
	}
	c.nodes[1].FlushAll()
	token, userID := c.subjectAt(1)
	wantRevoked(t, other, true, token, userID, issued)
	wantRevoked(t, d, true, token, userID, issued)
	eventually(t, "every lost slot has a new epoch", func() bool {
		for slot, key := range clusterEpochKeys() {
			if c.owner[slot] == 1 && !c.nodes[1].Exists(key) {
				return false
			}
		}
		return true
	})
	away, _ := c.subjectAt(0)
	wantRevoked(t, d, true, away, "", issued)
	if log.count("the blacklist was lost") == 0 {
		t.Error("the log does not have the loss")
	}
	at, err := d.IssueTime(t.Context(), userID)
	if err != nil {
		t.Fatal(err)
	}
	wantRevoked(t, d, false, token, userID, at.Unix())
	wantRevoked(t, other, false, token, userID, at.Unix())
}

// TestIdleInstance: an instance that nobody asks notices a loss by itself.
func TestIdleInstance(t *testing.T) {
	t.Parallel()
	c := startFakeCluster(t, 3)
	_, log := c.openKnowing(t, func(o *Options) { o.Watch = true })
	eventually(t, "the epochs are known", func() bool { return log.count("the epochs of the blacklist") > 0 })
	c.nodes[2].FlushAll()
	eventually(t, "it logs the loss", func() bool { return log.count("the blacklist was lost") > 0 })
}

// TestLossThenMove: a node loses its keys, and a slot moves to another node before anybody has asked.
func TestLossThenMove(t *testing.T) {
	t.Parallel()
	for name, run := range map[string]func(c *fakeCluster, slot int, entry string){
		"after the loss": func(c *fakeCluster, slot int, _ string) {
			c.nodes[0].FlushAll()
			c.move(slot, 1)
		},
		"with the epoch at the target": func(c *fakeCluster, slot int, _ string) {
			c.beginMove(slot, 1)
			c.moveKeys(slot, clusterEpochKeys()[slot])
			c.nodes[0].FlushAll()
		},
		"with the entry at the target, which loses it": func(c *fakeCluster, slot int, entry string) {
			c.beginMove(slot, 1)
			c.moveKeys(slot, entry)
			c.nodes[1].FlushAll()
			c.moveKeys(slot)
			c.endMove(slot)
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := startFakeCluster(t, 3)
			d, _ := c.openKnowing(t, nil)
			token, _ := c.subjectAt(0)
			entry, issued := "blacklist:"+token, time.Now().Unix()
			if err := d.Revoke(t.Context(), token, time.Now().Add(time.Hour)); err != nil {
				t.Fatal(err)
			}
			wantRevoked(t, d, true, token, "", issued)
			run(c, slotOf(entry), entry)
			wantRevoked(t, d, true, token, "", issued)
		})
	}
}

// TestSlotComesBack: an instance learns where slots are without being asked about them. So it does not take a slot that
// comes back, of which the other node has lost a key, for one that has never left.
func TestSlotComesBack(t *testing.T) {
	t.Parallel()
	c := startFakeCluster(t, 3)
	d, log := c.openKnowing(t, func(o *Options) { o.Watch = true })
	eventually(t, "every epoch was read", func() bool { return log.count("the epochs of the blacklist") > 0 })
	token, _ := c.subjectAt(0)
	entry, issued := "blacklist:"+token, time.Now().Unix()
	slot := slotOf(entry)
	c.move(slot, 1)
	eventually(t, "the instance knows where the slot is", func() bool { return d.epochs.lastNode(slot) == c.addrs[1] })
	if err := c.nodes[1].Set(entry, "true"); err != nil {
		t.Fatal(err)
	}
	c.beginMove(slot, 0)
	c.moveKeys(slot, clusterEpochKeys()[slot])
	c.nodes[1].FlushAll()
	c.endMove(slot)
	wantRevoked(t, d, true, token, "", issued)
}

// TestIssueWaitsForEpochs: a login that waits for Redis's clock also waits for the epochs, if a loss is noticed meanwhile.
func TestIssueWaitsForEpochs(t *testing.T) {
	t.Parallel()
	c := startFakeCluster(t, 3)
	d, _ := c.openKnowing(t, nil)
	_, userID := c.subjectAt(0)
	time.Sleep(time.Until(time.Now().Add(400 * time.Millisecond).Truncate(time.Second).Add(600 * time.Millisecond)))
	if err := c.nodes[0].Set(logoutAllKey(userID), strconv.FormatInt(time.Now().Unix()+1, 10)); err != nil {
		t.Fatal(err)
	}
	var done atomic.Bool
	time.AfterFunc(100*time.Millisecond, func() {
		d.epochs.mu.Lock()
		d.epochs.wanted++
		d.epochs.mu.Unlock()
	})
	time.AfterFunc(700*time.Millisecond, func() {
		done.Store(true)
		d.epochs.beginReading()(nil)
	})
	at, err := d.IssueTime(t.Context(), userID)
	if err != nil || !done.Load() {
		t.Errorf("the time %s, %v; the epochs were read: %t, want true", at, err, done.Load())
	}
}

// moveOn moves a slot to the next node, unless it is moving.
func (c *fakeCluster) moveOn(slot int) {
	c.mu.Lock()
	_, moving := c.target[slot]
	if !moving {
		c.target[slot] = (c.owner[slot] + 1) % len(c.nodes)
	}
	c.mu.Unlock()
	if !moving {
		time.Sleep(rand.N(5 * time.Millisecond))
		c.moveKeys(slot)
		time.Sleep(rand.N(5 * time.Millisecond))
		c.endMove(slot)
	}
}

// TestMovingSlots: while slots move, no revoked token is accepted, no valid token is rejected, and no logout fails, with
// and without replicas to wait for.
func TestMovingSlots(t *testing.T) {
	t.Parallel()
	for _, replicas := range []int{0, 1} {
		t.Run(fmt.Sprint(replicas, " replicas"), func(t *testing.T) {
			t.Parallel()
			c := startFakeCluster(t, 3)
			d, log := c.openKnowing(t, func(o *Options) { o.WaitReplicas = replicas })
			var all sync.WaitGroup
			for first := range 8 {
				all.Go(func() {
					issued := time.Now().Unix()
					for n := range 40 {
						token, userID := fmt.Sprintf("token %d %d", first, n%10), fmt.Sprint("user ", n%10)
						var move sync.WaitGroup
						move.Go(func() { c.moveOn(slotOf("blacklist:" + token)) })
						wantRevoked(t, d, n >= 10, token, userID, issued)
						if n < 10 {
							if err := d.Revoke(t.Context(), token, time.Now().Add(time.Hour)); err != nil {
								t.Error(err)
							}
						}
						wantRevoked(t, d, true, token, userID, issued)
						move.Wait()
					}
				})
			}
			all.Wait()
			if c.redirected["MOVED"] == 0 || c.redirected["ASK"] == 0 {
				t.Errorf("redirections: %v", c.redirected)
			}
			if cut, _, _ := d.epochs.current(); cut != 0 || log.count("was lost") > 0 {
				t.Errorf("the cut is %d without a loss", cut)
			}
		})
	}
}

// TestNodeAway: while one node is away, tokens whose keys are at the others are judged, and the service is ready.
func TestNodeAway(t *testing.T) {
	t.Parallel()
	c := startFakeCluster(t, 3)
	d, _ := c.openKnowing(t, nil)
	c.nodes[1].Close()
	for _, node := range []int{0, 2} {
		token, userID := c.subjectAt(node)
		wantRevoked(t, d, false, token, userID, time.Now().Unix())
	}
	token, _ := c.subjectAt(1)
	if _, _, err := d.Revoked(t.Context(), token, "", at(1)); err == nil {
		t.Error("a token was judged whose node is away")
	}
	if err := d.Ready(t.Context()); err != nil {
		t.Errorf("not ready: %v", err)
	}
	c.nodes[0].Close()
	c.nodes[2].Close()
	if err := d.Ready(t.Context()); err == nil {
		t.Error("ready without any node")
	}
}

// TestMoveWithoutEvidence: if a slot has moved, and the node that had it cannot be asked whether it has lost its keys,
// a token in that slot is not judged. Other tokens are.
func TestMoveWithoutEvidence(t *testing.T) {
	t.Parallel()
	c := startFakeCluster(t, 3)
	d, _ := c.openKnowing(t, nil)
	token, _ := c.subjectAt(1)
	c.move(slotOf("blacklist:"+token), 2)
	c.nodes[1].Close()
	if _, _, err := d.Revoked(t.Context(), token, "", at(1)); err == nil || !strings.Contains(err.Error(), "moved") {
		t.Errorf("a moved token was judged: %v", err)
	}
	near, userID := c.subjectAt(2)
	wantRevoked(t, d, false, near, userID, time.Now().Unix())
	if err := c.nodes[1].Restart(); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the node can be asked", func() bool {
		_, _, err := d.Revoked(t.Context(), token, "", at(1))
		return err == nil
	})
}

// TestRevokeAllOfACluster: every slot is raised, so every instance rejects every token from the next lookup on.
func TestRevokeAllOfACluster(t *testing.T) {
	c := startFakeCluster(t, 3)
	d, _ := c.openKnowing(t, nil)
	command, _ := c.open(t, nil)
	began := time.Now().Unix()
	cut, err := command.RevokeAll(t.Context())
	if err != nil || cut <= began {
		t.Fatal(cut, err)
	}
	for slot, key := range clusterEpochKeys() {
		value, _ := c.nodes[c.owner[slot]].Get(key)
		if stored, err := parseEpoch(value); err != nil || stored.cut != cut {
			t.Fatalf("the epoch of slot %d is %q, %v; the cut is %d", slot, value, err, cut)
		}
	}
	token, userID := c.subjectAt(2)
	wantRevoked(t, d, true, token, userID, cut-1)
	c.nodes[1].Close()
	if _, err := command.RevokeAll(t.Context()); err == nil {
		t.Error("revoke-all succeeds although a node is away")
	}
}

// TestClocksOfACluster: the cut after a lost blacklist is later than every token that the node with the fastest clock
// has issued. Logins use the clock of the user's node, and wait for it.
func TestClocksOfACluster(t *testing.T) {
	t.Parallel()
	c := startFakeCluster(t, 3)
	const noon = 1_800_000_000
	// These clocks do not advance, so the time between two measurements makes the difference look smaller.
	furthest := time.Unix(noon+2, 5e8)
	c.setTime(0, time.Unix(noon, 0))
	c.setTime(1, furthest)
	c.setTime(2, time.Unix(noon-1, 0))
	d, _ := c.openKnowing(t, nil)
	began := time.Now()
	if err := d.Ready(t.Context()); err != nil {
		t.Fatal(err)
	}
	if skew, known := d.Skew(); !known || skew < began.Sub(furthest) || skew > time.Since(furthest) {
		t.Errorf("the skew is %s, %v", skew, known)
	}
	_, fast := c.subjectAt(1)
	if at, err := d.IssueTime(t.Context(), fast); err != nil || at.Unix() != noon+2 {
		t.Errorf("a token is issued at %s, %v", at, err)
	}
	c.nodes[2].FlushAll()
	token, _ := c.subjectAt(2)
	wantRevoked(t, d, true, token, "", noon+3)
	if cut, _, _ := d.epochs.current(); cut < noon+3 || cut > noon+4 {
		t.Errorf("the cut is %d after noon, want 3", cut-noon)
	}
	command, _ := c.open(t, nil)
	if cut, err := command.RevokeAll(t.Context()); err != nil || cut < noon+3 || cut > noon+5 {
		t.Errorf("revoke-all: the cut is %d after noon, %v", cut-noon, err)
	}
	another := "another token"
	for c.owner[slotOf("blacklist:"+another)] != 0 {
		another += "!"
	}
	young, _ := c.open(t, nil) // knows only the epoch of this slot
	wantRevoked(t, young, true, another, "", noon+3)
}

// TestLogoutAllAfterALoss: in the second after a loss, tokens are issued a second ahead of the clock. A logout-all at
// another instance, which does not know of the loss, ends them as well.
func TestLogoutAllAfterALoss(t *testing.T) {
	t.Parallel()
	c := startFakeCluster(t, 3)
	const noon = 1_800_000_000
	for node := range c.nodes {
		c.setTime(node, time.Unix(noon, 0))
	}
	d, _ := c.openKnowing(t, nil)
	other, _ := c.openKnowing(t, nil)
	c.nodes[0].FlushAll()
	lost, _ := c.subjectAt(0)
	wantRevoked(t, d, true, lost, "", noon)
	for node := range c.nodes {
		c.setTime(node, time.Unix(noon+1, 0)) // that of the cut
	}
	token, userID := c.subjectAt(1)
	at, err := d.IssueTime(t.Context(), userID)
	if err != nil || at.Unix() != noon+2 {
		t.Fatalf("a token is issued at %s, %v", at, err)
	}
	wantRevoked(t, d, false, token, userID, at.Unix())
	if err := other.LogoutAll(t.Context(), userID); err != nil {
		t.Fatal(err)
	}
	wantRevoked(t, other, true, token, userID, at.Unix())
	wantRevoked(t, d, true, token, userID, at.Unix())
}

// TestLookupOrder: the epoch is asked for after the key, at the same node.
func TestLookupOrder(t *testing.T) {
	t.Parallel()
	c := startFakeCluster(t, 3)
	d, _ := c.openKnowing(t, nil)
	token, _ := c.subjectAt(1)
	c.recording = true
	wantRevoked(t, d, false, token, "", 1)
	want := []string{"1 EXISTS blacklist:" + token, "1 GET " + clusterEpochKeys()[slotOf("blacklist:"+token)]}
	if i := slices.Index(c.received, want[0]); i < 0 || !slices.Equal(c.received[i:min(i+2, len(c.received))], want) {
		t.Errorf("the commands of a lookup: %v", c.received)
	}
}

// TestConfirmDoesNotDelayOthers: a lookup in a slot that has moved waits for the node that had it, which hangs. Another
// lookup in the same batch does not.
func TestConfirmDoesNotDelayOthers(t *testing.T) {
	t.Parallel()
	c := startFakeCluster(t, 3)
	d, _ := c.openKnowing(t, func(o *Options) { o.Timeout = 2 * time.Second })
	wantRevoked(t, d, false, "token", "", 1) // connects, and reads the record of the clock
	moved, _ := c.subjectAt(1)
	c.move(slotOf("blacklist:"+moved), 2)
	near, _ := c.subjectAt(2)
	hang := make(chan struct{})
	c.nodes[1].Server().SetPreHook(func(*server.Peer, string, ...string) bool { <-hang; return false })
	defer close(hang)
	b := d.batcherAt(c.addrs[2], "blacklist:"+near)
	batch := []*lookup{{entry: "blacklist:" + near}, {entry: "blacklist:" + moved}}
	for _, q := range batch {
		q.done = make(chan struct{})
	}
	began := time.Now()
	go b.flush(batch)
	<-batch[0].done
	if took := time.Since(began); batch[0].err != nil || took > time.Second {
		t.Errorf("the other lookup took %s, %v", took, batch[0].err)
	}
	if <-batch[1].done; batch[1].err == nil {
		t.Error("a moved token was judged without the node that had it")
	}
}

// TestRedirectedToNowhere: a node redirects to one that is away. That is no answer, and no loss.
func TestRedirectedToNowhere(t *testing.T) {
	t.Parallel()
	c := startFakeCluster(t, 3)
	d, _ := c.openKnowing(t, nil)
	wantRevoked(t, d, false, "token", "", 1)
	moved, _ := c.subjectAt(1)
	c.move(slotOf("blacklist:"+moved), 2)
	c.nodes[2].Close()
	if _, _, err := d.Revoked(t.Context(), moved, "", at(1)); err == nil {
		t.Error("a token was judged although its node is away")
	}
	if cut, _, _ := d.epochs.current(); cut != 0 {
		t.Errorf("the cut is %d without a loss", cut)
	}
}

// TestBlacklistKeyOfACluster: an instance with another BLACKLIST_KEY revokes every token, and those with the old one
// answer no longer.
func TestBlacklistKeyOfACluster(t *testing.T) {
	c := startFakeCluster(t, 3)
	d, _ := c.openKnowing(t, nil)
	wantRevoked(t, d, false, "token", "user", time.Now().Unix())
	other, log := c.open(t, func(o *Options) { o.BlacklistKey = "bl_{token}" })
	if !other.readEpochs(t.Context()) {
		t.Fatal("not every epoch was read")
	}
	wantRevoked(t, other, true, "token", "user", time.Now().Unix())
	if n := log.count("BLACKLIST_KEY has changed"); n != 1 {
		t.Errorf("%d lines say so", n)
	}
	if _, _, err := d.Revoked(t.Context(), "token", "user", at(1)); err == nil || !strings.Contains(err.Error(), "another BLACKLIST_KEY") {
		t.Errorf("the instance with the old one answers: %v", err)
	}
	if template, err := d.BlacklistKey(t.Context()); err != nil || template != "bl_{token}" {
		t.Errorf("%q is stored, %v", template, err)
	}
}

// TestExpectedEpochsOfACluster: with REVOCATION_EPOCH=expect, an empty Cluster has lost its blacklist.
func TestExpectedEpochsOfACluster(t *testing.T) {
	t.Parallel()
	c := startFakeCluster(t, 3)
	d, _ := c.open(t, func(o *Options) { o.ExpectEpoch = true })
	wantRevoked(t, d, true, "token", "user", time.Now().Unix())
}

// TestTwoLossesInOneSecond: all slots of the second node get a new epoch too, although its cut is not a new one.
func TestTwoLossesInOneSecond(t *testing.T) {
	c := startFakeCluster(t, 3)
	for node := range c.nodes {
		c.setTime(node, time.Unix(1_800_000_000, 0))
	}
	d, log := c.openKnowing(t, func(o *Options) { o.Watch = true })
	eventually(t, "the epochs are known", func() bool { return log.count("the epochs of the blacklist") > 0 })
	for node := 1; node <= 2; node++ {
		c.nodes[node].FlushAll()
		token, _ := c.subjectAt(node)
		wantRevoked(t, d, true, token, "", 1_800_000_000)
		eventually(t, "every lost slot has a new epoch", func() bool {
			for slot, key := range clusterEpochKeys() {
				if c.owner[slot] == node && !c.nodes[node].Exists(key) {
					return false
				}
			}
			return true
		})
	}
}

// TestLogoutWhileASlotMoves: a logout for which a replica has to be waited is stored at the node that a redirection
// names, whether the slot moves or has moved.
func TestLogoutWhileASlotMoves(t *testing.T) {
	t.Parallel()
	c := startFakeCluster(t, 3)
	d, _ := c.openKnowing(t, func(o *Options) { o.WaitReplicas = 1 })
	wantRevoked(t, d, false, "token", "", 1) // reads which node has which slot
	token, userID := c.subjectAt(1)
	slot := slotOf("blacklist:" + token)
	c.beginMove(slot, 2)
	if err := d.Revoke(t.Context(), token, time.Now().Add(time.Hour)); err != nil || !c.nodes[2].Exists("blacklist:"+token) {
		t.Errorf("while the slot moves: %v", err)
	}
	c.endMove(slot)
	c.nodes[2].Del("blacklist:" + token)
	if err := d.Revoke(t.Context(), token, time.Now().Add(time.Hour)); err != nil || !c.nodes[2].Exists("blacklist:"+token) {
		t.Errorf("after the slot has moved: %v", err)
	}
	c.move(slotOf(logoutAllKey(userID)), 0)
	if err := d.LogoutAll(t.Context(), userID); err != nil || !c.nodes[0].Exists(logoutAllKey(userID)) {
		t.Errorf("a logout-all after the slot has moved: %v", err)
	}
}
