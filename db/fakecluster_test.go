package db

import (
	"fmt"
	"log/slog"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/alicebob/miniredis/v2"
	"github.com/alicebob/miniredis/v2/server"
)

// fakeCluster is a Redis Cluster of miniredis nodes, with the redirections of a real one.
type fakeCluster struct {
	nodes []*miniredis.Miniredis
	addrs []string

	times   sync.Map // by node: its time, unless it is that of this machine
	greeted sync.Map // has the peer of each connection; the commands of a script have another one

	mu         sync.Mutex
	owner      [hashSlots]int // the node that has the slot
	target     map[int]int    // by slot: the node that it moves to
	asking     map[*server.Peer]bool
	redirected map[string]int // how often, by MOVED and ASK
	recording  bool
	received   []string // commands while recording, as "node NAME key"
}

// startFakeCluster starts a Cluster whose slots are distributed evenly.
func startFakeCluster(t *testing.T, nodes int) *fakeCluster {
	t.Helper()
	c := &fakeCluster{target: map[int]int{}, asking: map[*server.Peer]bool{}, redirected: map[string]int{}}
	for slot := range hashSlots {
		c.owner[slot] = slot * nodes / hashSlots
	}
	for i := range nodes {
		node := miniredis.RunT(t)
		c.nodes, c.addrs = append(c.nodes, node), append(c.addrs, node.Addr())
		node.Server().SetPreHook(func(peer *server.Peer, command string, args ...string) bool {
			return c.handle(i, peer, strings.ToUpper(command), args)
		})
	}
	return c
}

// open returns a DB on the Cluster.
func (c *fakeCluster) open(t *testing.T, change func(*Options)) (*DB, *lines) {
	t.Helper()
	log := &lines{}
	o := Options{
		Addrs: []string{c.addrs[0]}, Cluster: true, Timeout: 5 * time.Second, LoginLimit: tenAMinute,
		Log: slog.New(slog.NewTextHandler(log, nil)), RebuildToken: rebuildTest,
	}
	if change != nil {
		change(&o)
	}
	return openOptions(t, o), log
}

// openKnowing returns a DB that knows the epoch of every slot, as after readEpochs.
func (c *fakeCluster) openKnowing(t *testing.T, change func(*Options)) (*DB, *lines) {
	t.Helper()
	watch := false
	d, log := c.open(t, func(o *Options) {
		if change != nil {
			change(o)
		}
		watch, o.Watch = o.Watch, false
	})
	for slot, key := range clusterEpochKeys() {
		node := c.owner[slot]
		if err := c.nodes[node].Set(key, "first:0"); err != nil {
			t.Fatal(err)
		}
		d.epochs.slots[slot] = slotEpoch{value: "first:0", node: c.addrs[node]}
	}
	if watch {
		d.background.Go(func() { d.watch(d.life, watchEvery) })
	}
	return d, log
}

// handle does what the Cluster protocol adds to a command. It returns true if it has replied.
func (c *fakeCluster) handle(node int, peer *server.Peer, command string, args []string) bool {
	key := keyOf(command, args)
	if key == "" {
		c.greeted.Store(peer, true)
	}
	if _, greeted := c.greeted.Load(peer); !greeted {
		return false
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	switch command {
	case "ASKING":
		c.asking[peer] = true
		peer.WriteOK()
		return true
	case "WAIT":
		peer.WriteInt(1)
		return true
	case "CLUSTER":
		c.writeSlots(peer)
		return true
	}
	if key == "" {
		return false
	}
	if c.recording {
		c.received = append(c.received, fmt.Sprintf("%d %s %s", node, command, key))
	}
	asking := c.asking[peer]
	delete(c.asking, peer)
	slot := slotOf(key)
	target, moving := c.target[slot]
	switch {
	case c.owner[slot] == node && moving && !c.nodes[node].Exists(key):
		c.redirect(peer, "ASK", slot, target)
		return true
	case c.owner[slot] == node, moving && target == node && asking:
		return c.run(node, peer, command, args)
	default:
		c.redirect(peer, "MOVED", slot, c.owner[slot])
		return true
	}
}

// run runs the commands of lookups and logouts at once, so that their keys do not move meanwhile. It returns false for
// other commands, which the node runs.
func (c *fakeCluster) run(n int, peer *server.Peer, command string, args []string) bool {
	node := c.nodes[n]
	exists := node.Exists(keyOf(command, args))
	switch {
	case command == "EXISTS" && exists:
		peer.WriteInt(1)
	case command == "EXISTS":
		peer.WriteInt(0)
	case command == "GET" && exists:
		value, _ := node.Get(args[0])
		peer.WriteBulk(value)
	case command == "GET", command == "SET" && exists && slices.Contains(args, "NX"):
		peer.WriteNull()
	case command == "SET":
		_ = node.Set(args[0], args[1])
		peer.WriteOK()
	case command == "EVAL" && args[0] == replaceEpochScript:
		peer.WriteBulk(replaceEpoch(node, c.now(n), args[2:]))
	default:
		return false
	}
	return true
}

func (c *fakeCluster) now(node int) time.Time {
	if now, ok := c.times.Load(node); ok {
		return now.(time.Time)
	}
	return time.Now()
}

func (c *fakeCluster) setTime(node int, now time.Time) {
	c.times.Store(node, now)
	c.nodes[node].SetTime(now)
}

// replaceEpoch does what replaceEpochScript does, which miniredis runs too slowly for every slot. args are its key and
// its arguments.
func replaceEpoch(node *miniredis.Miniredis, now time.Time, args []string) string {
	stored, _ := node.Get(args[0])
	if stored != args[1] {
		return stored
	}
	cut, _ := strconv.ParseInt(args[3], 10, 64)
	if args[5] != "" {
		ahead, _ := strconv.ParseInt(args[5], 10, 64)
		cut = max(cut, now.Add(time.Duration(ahead)*time.Microsecond).Unix()+1)
	}
	stored = fmt.Sprintf("%s:%d%s", args[2], cut, args[4])
	_ = node.Set(args[0], stored)
	return stored
}

// keyOf returns the key of a command, "" if it has none.
func keyOf(command string, args []string) string {
	switch command {
	case "GET", "SET", "EXISTS", "DEL", "PTTL":
		return args[0]
	case "EVAL":
		return args[2]
	default:
		return ""
	}
}

func (c *fakeCluster) redirect(peer *server.Peer, kind string, slot, node int) {
	c.redirected[kind]++
	peer.WriteError(fmt.Sprintf("%s %d %s", kind, slot, c.addrs[node]))
}

// writeSlots writes the reply to CLUSTER SLOTS.
func (c *fakeCluster) writeSlots(peer *server.Peer) {
	var ranges [][2]int
	for slot := range hashSlots {
		if n := len(ranges); n > 0 && c.owner[slot] == c.owner[slot-1] {
			ranges[n-1][1] = slot
		} else {
			ranges = append(ranges, [2]int{slot, slot})
		}
	}
	peer.WriteLen(len(ranges))
	for _, r := range ranges {
		host, port, _ := strings.Cut(c.addrs[c.owner[r[0]]], ":")
		number, _ := strconv.Atoi(port)
		peer.WriteLen(3)
		peer.WriteInt(r[0])
		peer.WriteInt(r[1])
		peer.WriteLen(3)
		peer.WriteBulk(host)
		peer.WriteInt(number)
		peer.WriteBulk(fmt.Sprintf("%040d", c.owner[r[0]]))
	}
}

// beginMove begins to move a slot to another node.
func (c *fakeCluster) beginMove(slot, target int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.target[slot] = target
}

// moveKeys moves the keys of a slot, as MIGRATE does: all of them, or only the given ones.
func (c *fakeCluster) moveKeys(slot int, only ...string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	from, to := c.nodes[c.owner[slot]], c.nodes[c.target[slot]]
	keys := only
	if len(only) == 0 {
		keys = from.Keys()
	}
	for _, key := range keys {
		if slotOf(key) != slot || !from.Exists(key) {
			continue
		}
		value, _ := from.Get(key)
		_ = to.Set(key, value)
		from.Del(key)
	}
}

func (c *fakeCluster) endMove(slot int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.owner[slot] = c.target[slot]
	delete(c.target, slot)
}

// move moves a slot with all of its keys.
func (c *fakeCluster) move(slot, target int) {
	c.beginMove(slot, target)
	c.moveKeys(slot)
	c.endMove(slot)
}
