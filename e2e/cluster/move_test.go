package cluster

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"gin-auth/e2e/internal/harness"
	"gin-auth/e2e/internal/requests"
)

// slotMove moves a slot from one master to another, step by step.
type slotMove struct {
	c              *cluster
	slot, from, to int
}

// begin sets the states of the slot: from then on the source replies ASK for keys that it does not have.
func (m *slotMove) begin(t *testing.T) {
	t.Helper()
	harness.Command(t, m.c.clients[m.to], "CLUSTER", "SETSLOT", m.slot, "IMPORTING", m.c.id(t, m.from))
	harness.Command(t, m.c.clients[m.from], "CLUSTER", "SETSLOT", m.slot, "MIGRATING", m.c.id(t, m.to))
}

// move moves keys.
func (m *slotMove) move(t *testing.T, keys ...string) {
	t.Helper()
	if len(keys) == 0 {
		return
	}
	args := []any{"MIGRATE", "127.0.0.1", m.c.nodes[m.to].Port, "", 0, 5000, "KEYS"}
	for _, key := range keys {
		args = append(args, key)
	}
	if got := harness.Command(t, m.c.clients[m.from], args...); got != "OK" {
		t.Fatalf("MIGRATE %q: %v", keys, got)
	}
}

// finish moves the other keys and the slot.
func (m *slotMove) finish(t *testing.T) {
	t.Helper()
	m.move(t, m.c.keysIn(t, m.from, m.slot)...)
	for _, node := range []int{m.to, m.from, 3 - m.from - m.to} {
		harness.Command(t, m.c.clients[node], "CLUSTER", "SETSLOT", m.slot, "NODE", m.c.id(t, m.to))
	}
}

// epochKeys returns the epoch keys that a node has in a slot.
func (c *cluster) epochKeys(t *testing.T, node, slot int) (keys []string) {
	t.Helper()
	for _, key := range c.keysIn(t, node, slot) {
		if strings.HasPrefix(key, "auth:epoch") {
			keys = append(keys, key)
		}
	}
	return keys
}

// keysIn returns the keys that a node has in a slot.
func (c *cluster) keysIn(t *testing.T, node, slot int) []string {
	t.Helper()
	keys, err := c.clients[node].ClusterGetKeysInSlot(t.Context(), slot, 100_000).Result()
	if err != nil {
		t.Fatal(err)
	}
	return keys
}

// interrupted is a loss of the blacklist while a slot is being moved.
type interrupted struct {
	movedEntry, movedEpoch bool   // before the loss
	emptied                string // source, target
	asked                  bool   // requests are sent before the slot is finished
	lateLoss               bool   // the move begins after the loss
}

func (i interrupted) String() string {
	if i.lateLoss {
		return fmt.Sprintf("source emptied before the move, asked meanwhile: %t", i.asked)
	}
	return fmt.Sprintf("%s emptied, entry moved: %t, epoch moved: %t, asked meanwhile: %t",
		i.emptied, i.movedEntry, i.movedEpoch, i.asked)
}

func interruptions() (all []interrupted) {
	for bits := range 8 {
		for _, emptied := range []string{"source", "target"} {
			all = append(all, interrupted{bits&1 > 0, bits&2 > 0, emptied, bits&4 > 0, false})
		}
	}
	return append(all, interrupted{emptied: "source", lateLoss: true}, interrupted{emptied: "source", asked: true, lateLoss: true})
}

// TestClusterLosesAMovingSlot empties a master while slots move from it or to it. In every combination of what has
// moved before, no instance accepts a token that was revoked before. After each loss, the clock has to pass the cut. So
// that this takes less time, several Clusters are used.
func TestClusterLosesAMovingSlot(t *testing.T) {
	t.Parallel()
	const clusters = 3
	all := interruptions()
	harness.Each(clusters, func(first int) {
		c := startCluster(t, 0)
		services := []*harness.Service{requests.Start(t, c.env()...), requests.Start(t, c.env()...)}
		for i := first; i < len(all); i += clusters {
			t.Run(all[i].String(), func(t *testing.T) { all[i].run(t, c, services, i/clusters%3) })
		}
		wantNewLogins(t, services)
	})
}

func (i interrupted) run(t *testing.T, c *cluster, all []*harness.Service, from int) {
	t.Helper()
	load := &traffic{services: all}
	waitForValidTokens(t, all)
	slots := c.slots(t, 0)
	// The first request after the loss is the one that must notice it, so each instance is sent only one.
	byEntry := load.loggedOut(t, "entry in a moving slot", tokenWith(userWith(anySlot), slots.at(from)))
	byCut := load.endedByCut(t, "cut in a moving slot", slots.at(from), anySlot)
	kept := load.valid(t, "from before the loss", tokenWith(userWith(anySlot), anySlot))
	kept.state.Store(mayEnd)
	keys := []string{entryKey(byEntry.token), cutKey(userID(byCut.token))}
	var moves []*slotMove
	for _, key := range keys {
		m := &slotMove{c, harness.Slot(key), from, (from + 1) % 3}
		moves = append(moves, m)
		if n := len(c.epochKeys(t, from, m.slot)); n != 1 {
			t.Fatalf("slot %d has %d epoch keys, want 1; its keys are %q", m.slot, n, c.keysIn(t, from, m.slot))
		}
	}
	lose := func() {
		node := from
		if i.emptied == "target" {
			node = (from + 1) % 3
		}
		harness.Command(t, c.clients[node], "FLUSHALL")
	}
	if i.lateLoss {
		lose()
	}
	for n, m := range moves {
		m.begin(t)
		if i.movedEntry {
			m.move(t, keys[n])
		}
		if i.movedEpoch {
			m.move(t, c.epochKeys(t, from, m.slot)...)
		}
	}
	if !i.lateLoss {
		lose()
	}
	ask := func(when string) {
		harness.Each(2, func(n int) {
			one := []*subject{byEntry, byCut}[n]
			if got := load.askUntilAnswered(t, n, one); !got.Refused() {
				t.Errorf("%s: %s: %d", when, one, got.Status)
			}
		})
	}
	if i.asked {
		ask("before the slot is finished")
	}
	for _, m := range moves {
		m.finish(t)
	}
	ask("after the slot is finished")
	for service := range all {
		harness.Eventually(t, "the instance has noticed the loss", func() error {
			if got := load.ask(t, service, kept); !got.Refused() {
				return fmt.Errorf("%s", got)
			}
			return nil
		})
	}
	load.askAll(t)
}

// waitForValidTokens waits until a token that is issued now is valid at every instance: Redis's clock has passed the
// cuts of previous losses.
func waitForValidTokens(t *testing.T, all []*harness.Service) {
	t.Helper()
	harness.Eventually(t, "new tokens are valid", func() error {
		token := requests.OwnToken("somebody", time.Now())
		for _, s := range all {
			if got := requests.Send(t, s, "GET", requests.Me, token, ""); got.Status != 200 {
				return fmt.Errorf("%s", got)
			}
		}
		return nil
	})
}

// TestClusterReshardsAnEmptiedMaster empties a master, whose slots redis-cli then moves at once, before any request.
func TestClusterReshardsAnEmptiedMaster(t *testing.T) {
	t.Parallel()
	for _, way := range []string{"FLUSHALL", "restarted without persistence"} {
		t.Run(way, func(t *testing.T) {
			t.Parallel()
			c := startCluster(t, 0)
			load := &traffic{services: []*harness.Service{requests.Start(t, c.env()...), requests.Start(t, c.env()...)}}
			const moving = 64
			moves := func(slot int) bool { return slot < moving } // redis-cli moves the lowest slots
			for range 4 {
				load.loggedOut(t, "entry in a moved slot", tokenWith(userWith(anySlot), moves))
				load.endedByCut(t, "cut in a moved slot", moves, anySlot)
			}
			if way == "FLUSHALL" {
				harness.Command(t, c.clients[0], "FLUSHALL")
			} else {
				restartMasters(t, c, []int{0})
			}
			since := time.Now()
			c.reshard(t, 0, 1, moving)
			t.Logf("%d slots were moved within %s", moving, time.Since(since).Round(time.Millisecond))
			load.askAll(t)
			wantNewLogins(t, load.services)
			load.askAll(t)
		})
	}
}

// TestClusterRevokesInAMovingSlot revokes tokens while the slot of their entry, or of their user's cut, is being moved,
// and after it was moved: the nodes redirect these writes.
func TestClusterRevokesInAMovingSlot(t *testing.T) {
	t.Parallel()
	c := startCluster(t, 0)
	load := &traffic{services: []*harness.Service{requests.Start(t, c.env()...), requests.Start(t, c.env()...)}}
	table := c.slots(t, 0)
	revoke := map[string]func(t *testing.T, token string) (requests.Answer, int){
		"logout": func(t *testing.T, token string) (requests.Answer, int) {
			t.Helper()
			return requests.Send(t, load.services[0], "POST", requests.Logout, token, ""), 200
		},
		"logout-all": func(t *testing.T, token string) (requests.Answer, int) {
			t.Helper()
			return requests.Send(t, load.services[0], "POST", "/api/auth/logout-all", token, ""), 200
		},
		"ending the session": func(t *testing.T, token string) (requests.Answer, int) {
			t.Helper()
			return requests.Send(t, load.services[0], "DELETE", "/api/auth/sessions/"+sessionID(token), token, ""), http.StatusNoContent
		},
	}
	at := map[string]struct {
		key   func(token string) string
		token func(slot func(int) bool) string
	}{
		"entry": {entryKey, func(slot func(int) bool) string { return tokenWith(userWith(anySlot), slot) }},
		"cut": {func(token string) string { return cutKey(userID(token)) },
			func(slot func(int) bool) string { return tokenWith(userWith(slot), anySlot) }},
	}
	for how, revoke := range revoke {
		for which, at := range at {
			one := load.valid(t, how, requests.Login(t, load.services[1], "ada-"+how[:6]))
			from := table.owner(at.key(one.token))
			m := &slotMove{c, harness.Slot(at.key(one.token)), from, (from + 1) % 3}
			check := func(state string) {
				if got, want := revoke(t, one.token); got.Status != want {
					t.Errorf("%s, the slot of the %s is %s: got %s, want %d", how, which, state, got, want)
					one.state.Store(isChanging) // a part of it may be stored
					return
				}
				one.state.Store(isRevoked)
				load.ask(t, 0, one)
				load.ask(t, 1, one)
			}
			m.begin(t)
			check("being moved")
			m.finish(t)
			if how != "ending the session" { // the next token is not in the list of sessions
				one = load.add(how, at.token(func(slot int) bool { return slot == m.slot }), isValid) // no request has learned of the move
				check("moved")
			}
			table = c.slots(t, 0)
		}
	}
	load.askAll(t)
}
