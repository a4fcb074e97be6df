package cluster

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"gin-auth/e2e/internal/harness"
	"gin-auth/e2e/internal/requests"
)

// TestClusterIdle empties a master while no request is sent. Every instance notices by itself.
func TestClusterIdle(t *testing.T) {
	t.Parallel()
	c := startCluster(t, 0)
	load := &traffic{services: []*harness.Service{requests.Start(t, c.env()...), requests.Start(t, c.env()...)}}
	slots := c.slots(t, 0)
	for node := range 3 {
		load.valid(t, "from before", tokenWith(userWith(slots.at(node)), slots.at(node)))
		load.loggedOut(t, "logged out before", tokenWith(userWith(slots.at(node)), slots.at(node)))
	}
	harness.Command(t, c.clients[2], "FLUSHALL")
	lost := time.Now()
	for i, s := range load.services {
		s.WaitFor(t, noticed)
		harness.LogTime(t, fmt.Sprintf("idle instance %d noticed after", i), time.Since(lost), 2*time.Second)
	}
	for _, one := range load.all() {
		one.state.Store(isRevoked)
	}
	load.askAll(t)
	wantNewLogins(t, load.services)
}

// TestClusterStartsJustAfterTheLoss starts an instance after a master was emptied, beside an instance that ran before.
func TestClusterStartsJustAfterTheLoss(t *testing.T) {
	t.Parallel()
	c := startCluster(t, 0)
	old := requests.Start(t, c.env()...)
	for round := range 3 {
		load := &traffic{services: []*harness.Service{old}}
		slots := c.slots(t, 0)
		one := load.loggedOut(t, "logged out before", tokenWith(userWith(anySlot), slots.at(round)))
		load.endedByCut(t, "before", slots.at(round), anySlot)
		harness.Command(t, c.clients[round], "FLUSHALL")
		lost := time.Now()
		young := requests.Start(t, c.env()...)
		asked := 0
		harness.Eventually(t, "the new instance rejects a logged-out token", func() error {
			asked++
			if got := requests.Send(t, young, "GET", requests.Me, one.token, ""); !got.Refused() {
				return fmt.Errorf("%s", got)
			}
			return nil
		})
		harness.LogTime(t, fmt.Sprintf("refused at the new instance, at request %d, after", asked), time.Since(lost), time.Second)
		load.services = append(load.services, young)
		load.askAll(t)
		wantNewLogins(t, load.services)
		for _, s := range load.services {
			fresh := newLogin(t, s)
			time.Sleep(1100 * time.Millisecond) // each instance has checked the epochs again
			load.valid(t, "a login after the loss", fresh)
		}
		young.Kill()
	}
}

// TestClusterFirstStart starts instances at the same time on a Cluster without epochs. That is not a loss: tokens from
// before are valid at every instance.
func TestClusterFirstStart(t *testing.T) {
	t.Parallel()
	c := startCluster(t, 0)
	load := &traffic{services: make([]*harness.Service, 3)}
	slots := c.slots(t, 0)
	for node := range 3 {
		load.add("from before the first start", tokenWith(userWith(slots.at(node)), slots.at(node)), isValid)
		load.add("Node's", requests.NodeToken("node", time.Now()), isValid)
	}
	harness.Each(len(load.services), func(i int) { load.services[i] = requests.Start(t, c.env()...) })
	load.askAll(t)
	time.Sleep(1500 * time.Millisecond) // each instance has checked the epochs again
	load.services = append(load.services, requests.Start(t, c.env()...))
	load.askAll(t)
	for i, s := range load.services {
		if strings.Contains(s.Output(), noticed) {
			t.Errorf("instance %d has logged a loss", i)
		}
	}
}

// TestClusterNobodyLeft empties a master of a Cluster, or all, while no instance runs. REVOCATION_EPOCH=expect says that
// there was a blacklist.
func TestClusterNobodyLeft(t *testing.T) {
	t.Parallel()
	c := startCluster(t, 0)
	for _, nodes := range [][]int{{1}, {0, 1, 2}} {
		before := requests.Start(t, c.env()...)
		load := &traffic{services: []*harness.Service{before}}
		waitForValidTokens(t, load.services)
		at := c.slots(t, 0).at(1)
		load.loggedOut(t, "logged out before", tokenWith(userWith(anySlot), at))
		load.endedByCut(t, "before", at, anySlot)
		before.Kill()
		flushMasters(t, c, nodes)
		env := append(c.env(), "REVOCATION_EPOCH=expect")
		load.services = []*harness.Service{requests.Start(t, env...), requests.Start(t, env...)}
		load.askAll(t)
		wantNewLogins(t, load.services)
		for _, s := range load.services {
			s.Kill()
		}
	}
}

// TestClusterRevokeAll runs gin-auth revoke-all on a Cluster. From its end on, every instance rejects every token that
// was issued before, and logins work.
func TestClusterRevokeAll(t *testing.T) {
	t.Parallel()
	c := startCluster(t, 0)
	all := c.startQuiet(t, 3)
	slots := c.slots(t, 0)
	for round := range 2 {
		load := &traffic{services: all, pause: 5 * time.Millisecond}
		for entry := range 3 {
			for cut := range 3 {
				one := load.valid(t, "from before revoke-all", tokenWith(userWith(slots.at(cut)), slots.at(entry)))
				one.state.Store(mayEnd)
				load.loggedOut(t, "logged out before", tokenWith(userWith(slots.at(cut)), slots.at(entry)))
			}
		}
		for _, s := range all {
			load.valid(t, "a login before revoke-all", newLogin(t, s)).state.Store(mayEnd)
		}
		stop := func() {}
		if round > 0 { // in the first round, the instances are idle
			stop = load.run(t, 3)
		}
		before := time.Now()
		revokeAll := harness.Start(t, t.TempDir(), requests.Production(c.env()...), harness.Binary(t), "revoke-all")
		if status := revokeAll.Exit(t); status != 0 {
			t.Fatalf("revoke-all: exit status %d\n%s", status, revokeAll.Output())
		}
		harness.LogTime(t, "revoke-all", time.Since(before), time.Second)
		for _, one := range load.all() {
			one.state.Store(isRevoked)
		}
		harness.Each(len(all), func(service int) {
			for _, one := range load.all() {
				load.askUntilAnswered(t, service, one)
			}
		})
		stop()
		since := time.Now()
		wantNewLogins(t, all)
		harness.LogTime(t, "three logins", time.Since(since), 2*time.Second)
		for _, s := range all {
			load.valid(t, "a login after revoke-all", newLogin(t, s))
		}
		time.Sleep(1500 * time.Millisecond) // each instance has checked the epochs again
		load.askAll(t)
	}
}
