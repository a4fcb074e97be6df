package db

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/alicebob/miniredis/v2"
)

// world simulates several instances on one Redis, or on a Cluster of several masters with a few hash slots. The test
// decides the time, which keys are lost, and which slots move.
type world struct {
	t         *testing.T
	rng       *rand.Rand
	weights   []int // of the things that step does
	weight    int   // their sum
	now       int64
	losses    int // so far
	lossless  bool
	nodes     []*simNode
	slots     []*simSlot
	instances []*instance
	tokens    []*simToken
	lost      []*simToken  // whose keys were lost in the last loss
	lookups   []*simLookup // that have not been answered
	promoted  int
	cleared   int // epochs that were lost
	raised    int // epochs that were replaced
	accepted  int
	refused   int
}

// simNode is a master. It has another name after a replica was promoted in its place.
type simNode struct {
	name  string
	redis *miniredis.Miniredis
	db    *DB
	ahead int64 // how far its clock is ahead
}

// simSlot is where the keys of a hash slot are: at its owner, or, while it moves, at the target.
type simSlot struct {
	owner, target *simNode // target is nil unless the slot moves
}

// instance has its own knowledge of the epochs.
type instance struct {
	*epochs
	since int // the number of losses before it knew the epoch of every slot; -1 if it does not
}

type simToken struct {
	key       string
	slot      int // of its key
	iat, cut  int64
	isRevoked bool
	lostAt    int // the number of losses before its key was lost the last time
}

// simLookup is a lookup of a token at an instance, in the order in which it happens.
type simLookup struct {
	instance   *instance
	token      *simToken
	stage      int
	node       *simNode // that has answered
	redirected bool
	revoked    bool // the key was found
	wasLost    bool // the token was revoked, but the key was not found
	lostAt     int  // of the token, then
	answer     epochAnswer
	moved      []epochAnswer
	samples    []epochAnswer
	cut        int64
}

// TestNoRevokedTokenComesBack simulates logins, logouts, losses of a node's keys, slots whose keys are moved one by
// one, promotions of replicas, starts of instances and replies that come late, in any order. An instance that knew
// every epoch before a loss must not accept a token whose entry was lost in it, in any answer that it read after it.
// Without a loss, it must accept every token that was not revoked.
func TestNoRevokedTokenComesBack(t *testing.T) {
	t.Parallel()
	for name, size := range map[string]struct{ nodes, slots int }{"one Redis": {1, 1}, "a Cluster": {3, 6}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			seed := rand.Uint64()
			var accepted, refused, cleared, raised int
			for run := range uint64(simulatedRuns) {
				w := newWorld(t, rand.New(rand.NewPCG(seed, run)), size.nodes, size.slots)
				for range 400 {
					w.step()
				}
				w.close()
				cleared, raised = cleared+w.cleared, raised+w.raised
				accepted, refused = accepted+w.accepted, refused+w.refused
				if t.Failed() {
					t.Fatalf("seed %d, run %d", seed, run)
				}
			}
			if accepted < 500 || refused < 500 {
				t.Errorf("the simulation shows little: %d tokens accepted, %d refused", accepted, refused)
			}
			if raised > cleared+cleared/5 { // two losses in the same second may take one more
				t.Errorf("%d epochs were lost, but %d replaced", cleared, raised)
			}
			t.Logf("%d tokens accepted, %d refused; %d epochs lost, %d replaced", accepted, refused, cleared, raised)
		})
	}
}

const simulatedRuns = 150

func newWorld(t *testing.T, rng *rand.Rand, nodes, slots int) *world {
	t.Helper()
	w := &world{t: t, rng: rng, now: 1_800_000_000, lossless: rng.IntN(4) == 0}
	differences := map[string]clockDifference{}
	var keys []string
	for i := range slots {
		keys = append(keys, fmt.Sprint("auth:epoch:", i))
	}
	for i := range nodes {
		n := &simNode{name: fmt.Sprint("node ", i), redis: miniredis.NewMiniRedis()}
		if nodes > 1 {
			n.ahead = int64(rng.IntN(3))
		}
		if err := n.redis.Start(); err != nil {
			t.Fatal(err)
		}
		d, err := Open(Options{Addrs: []string{n.redis.Addr()}, Timeout: 5 * time.Second, Log: slog.New(slog.DiscardHandler)})
		if err != nil {
			t.Fatal(err)
		}
		d.epochKeys = keys
		ahead := time.Duration(n.ahead) * time.Second
		differences[n.name] = clockDifference{ahead, ahead}
		d.clock.nodes = differences
		n.db = d
		w.nodes = append(w.nodes, n)
	}
	for i := range slots {
		w.slots = append(w.slots, &simSlot{owner: w.nodes[i%nodes]})
	}
	w.setTime()
	for range 2 {
		w.start()
		w.read(w.instances[len(w.instances)-1])
	}
	return w
}

func (w *world) close() {
	for _, n := range w.nodes {
		_ = n.db.Close()
		n.redis.Close()
	}
}

func (w *world) setTime() {
	for _, n := range w.nodes {
		n.redis.SetTime(time.Unix(w.now+n.ahead, 0))
	}
}

// step does one of the things that can happen. How likely each one is differs from run to run.
func (w *world) step() {
	things := []func(){
		w.pass, w.login, w.logout, w.lose, w.start, w.promote, w.move,
		func() { w.read(w.someInstance()) }, func() { w.observe(w.someInstance()) }, w.ask, w.proceed,
	}
	if w.weights == nil {
		for _, usual := range []int{8, 8, 10, 1, 1, 1, 12, 2, 2, 16, 39} {
			w.weights = append(w.weights, usual<<w.rng.IntN(3))
			w.weight += w.weights[len(w.weights)-1]
		}
	}
	n := w.rng.IntN(w.weight)
	for i, do := range things {
		if n -= w.weights[i]; n < 0 {
			do()
			return
		}
	}
}

// pass lets some time pass.
func (w *world) pass() {
	w.now += int64(w.rng.IntN(3))
	w.setTime()
}

func (w *world) someNode() *simNode { return w.nodes[w.rng.IntN(len(w.nodes))] }

func (w *world) someInstance() *instance { return w.instances[w.rng.IntN(len(w.instances))] }

// lose deletes everything at one node, unless this run has no losses.
func (w *world) lose() {
	if w.lossless {
		return
	}
	w.flush(w.someNode())
}

func (w *world) flush(n *simNode) {
	w.lost = nil
	for _, token := range w.tokens {
		if n.redis.Exists(token.key) {
			token.lostAt = w.losses
			w.lost = append(w.lost, token)
		}
	}
	for _, key := range w.nodes[0].db.epochKeys {
		if n.redis.Exists(key) {
			w.cleared++
		}
	}
	n.redis.FlushAll()
	w.losses++
}

// promote gives a node another name: a replica that has all of its keys takes its place.
func (w *world) promote() {
	if len(w.nodes) > 1 {
		w.promoted++
		w.someNode().name = fmt.Sprint("promoted ", w.promoted)
	}
}

// move does one step of the move of a slot: it begins, or one key is moved, or it ends. The first slot of each node
// stays, so that each node has at least one.
func (w *world) move() {
	if len(w.slots) <= len(w.nodes) {
		return
	}
	s := w.slots[len(w.nodes)+w.rng.IntN(len(w.slots)-len(w.nodes))]
	if s.target == nil {
		if target := w.someNode(); target != s.owner && !w.hasJustLeft(s, target) {
			s.target = target
		}
		return
	}
	for _, key := range s.owner.redis.Keys() {
		if w.slots[w.slotOf(key)] == s {
			s.moveKey(key)
			return
		}
	}
	s.owner, s.target = s.target, nil
}

// hasJustLeft reports whether a slot has left a node within the last second, as far as an instance can tell: it cannot
// read the slot's epoch elsewhere yet, or a lookup is under way that the node has answered. Otherwise each instance has
// done that: see "What this can't know" in docs/revocation.md.
func (w *world) hasJustLeft(s *simSlot, n *simNode) bool {
	slot := slices.Index(w.slots, s)
	for _, i := range w.instances {
		if i.slots[slot].node == n.name {
			w.read(i)
		}
		if i.slots[slot].node == n.name {
			return true
		}
	}
	return slices.ContainsFunc(w.lookups, func(l *simLookup) bool { return l.token.slot == slot && l.node == n })
}

func (s *simSlot) moveKey(key string) {
	value, _ := s.owner.redis.Get(key)
	_ = s.target.redis.Set(key, value)
	s.owner.redis.Del(key)
}

// moveAll moves a slot that has no key but its epoch.
func (w *world) moveAll(slot int, target *simNode) {
	s := w.slots[slot]
	s.target = target
	s.moveKey(w.nodes[0].db.epochKeys[slot])
	s.owner, s.target = target, nil
}

func (w *world) slotOf(key string) int {
	for slot := range w.slots {
		if key == w.nodes[0].db.epochKeys[slot] {
			return slot
		}
	}
	for _, token := range w.tokens {
		if token.key == key {
			return token.slot
		}
	}
	return 0
}

// find returns the node that is responsible for a key, and whether the owner of its slot redirects to it.
func (w *world) find(slot int, key string) (n *simNode, redirected bool) {
	s := w.slots[slot]
	if s.target == nil || s.owner.redis.Exists(key) {
		return s.owner, false
	}
	return s.target, true
}

func (w *world) readEpoch(slot int) (value string, n *simNode, redirected bool) {
	key := w.nodes[0].db.epochKeys[slot]
	n, redirected = w.find(slot, key)
	value, err := n.redis.Get(key)
	if err != nil && !errors.Is(err, miniredis.ErrKeyNotFound) {
		w.t.Error(err)
	}
	return value, n, redirected
}

func (w *world) start() {
	e := &epochs{
		log: slog.New(slog.DiscardHandler), slots: make([]slotEpoch, len(w.slots)), storeFirst: w.storeFirst, replace: w.replace,
	}
	w.instances = append(w.instances, &instance{epochs: e, since: -1})
}

func (w *world) storeFirst(ctx context.Context, slots []int) (stored []string, err error) {
	for _, slot := range slots {
		n, _ := w.find(slot, w.nodes[0].db.epochKeys[slot])
		one, err := n.db.storeFirstEpochs(ctx, []int{slot})
		if err != nil {
			return nil, err
		}
		stored = append(stored, one...)
	}
	return stored, nil
}

func (w *world) replace(ctx context.Context, changes []epochChange) (stored []string, err error) {
	for _, change := range changes {
		n, _ := w.find(change.slot, w.nodes[0].db.epochKeys[change.slot])
		changed := []epochChange{change}
		one, err := n.db.replaceEpochs(ctx, changed)
		if err != nil {
			return nil, err
		}
		stored = append(stored, one...)
		if changed[0].isStoredAs(one[0]) {
			w.raised++
		}
	}
	return stored, nil
}

func (w *world) judge(i *instance, answers ...epochAnswer) (cut int64, moved []epochAnswer) {
	cut, moved, err := i.judge(w.t.Context(), answers...)
	if err != nil {
		w.t.Error(err)
	}
	return cut, moved
}

// readAt reads the epochs of slots at one node. It leaves out those that the node redirects.
func (w *world) readAt(n *simNode, slots []int) (answers []epochAnswer) {
	for _, slot := range slots {
		if value, at, redirected := w.readEpoch(slot); at == n && !redirected {
			answers = append(answers, epochAnswer{slot: slot, value: value, node: n.name})
		}
	}
	return answers
}

// readSamples reads what observeMasters reads. It returns false if a master has none of its slots any more.
func (w *world) readSamples(i *instance) (answers []epochAnswer, ok bool) {
	var names []string
	for _, n := range w.nodes {
		names = append(names, n.name)
	}
	chosen := i.samples(names, func(slot int) string { return w.slots[slot].owner.name })
	ok = true
	for _, n := range w.nodes {
		read := w.readAt(n, chosen[n.name])
		answers, ok = append(answers, read...), ok && (len(read) > 0 || len(chosen[n.name]) == 0)
	}
	return answers, ok
}

// observe reads some epochs of each master, as an instance does once a second.
func (w *world) observe(i *instance) {
	answers, _ := w.readSamples(i)
	w.judge(i, answers...)
}

// read reads every epoch that has to be read.
func (w *world) read(i *instance) {
	var all []epochAnswer
	complete := true
	for slot, s := range w.slots {
		if !i.isOutdated(slot, s.owner.name) {
			continue
		}
		answers := w.readAt(s.owner, []int{slot})
		all, complete = append(all, answers...), complete && len(answers) == 1
	}
	w.judge(i, all...)
	if len(w.slots) > 1 {
		answers, ok := w.readSamples(i)
		if !ok {
			return
		}
		w.judge(i, answers...)
		i.setNodes(all)
	}
	if complete && i.since < 0 {
		i.since = w.losses
	}
}

// login issues a token unless its time is too far ahead, in which case IssueTime would wait.
func (w *world) login() {
	i := w.someInstance()
	slot := w.rng.IntN(len(w.slots))
	value, n, redirected := w.readEpoch(slot)
	l := &simLookup{instance: i, stage: judgeAnswer}
	l.answer = epochAnswer{slot: slot, value: value, node: n.name, redirected: redirected}
	if !w.finish(l) {
		return
	}
	iat := max(w.now+n.ahead, l.cut+1)
	if time.Duration(iat-w.now-n.ahead)*time.Second <= maxAhead {
		w.issue(w.rng.IntN(len(w.slots)), iat, l.cut)
	}
}

func (w *world) issue(slot int, iat, cut int64) *simToken {
	token := &simToken{key: fmt.Sprint("t", len(w.tokens)), slot: slot, iat: iat, cut: cut, lostAt: -1}
	w.tokens = append(w.tokens, token)
	return token
}

// finish does the remaining steps of a lookup. It returns false if the lookup fails.
func (w *world) finish(l *simLookup) (ok bool) {
	for l.stage != done {
		if !w.next(l) {
			return false
		}
	}
	return true
}

func (w *world) logout() {
	if len(w.tokens) == 0 {
		return
	}
	tokens := w.tokens[max(0, len(w.tokens)-16):]
	w.revoke(tokens[w.rng.IntN(len(tokens))])
}

func (w *world) revoke(token *simToken) {
	n, _ := w.find(token.slot, token.key)
	if err := n.redis.Set(token.key, "true"); err != nil {
		w.t.Error(err)
	}
	token.isRevoked = true
}

// ask begins a lookup.
func (w *world) ask() {
	if len(w.tokens) == 0 {
		return
	}
	tokens := w.tokens[max(0, len(w.tokens)-8):]
	if len(w.lost) > 0 && w.rng.IntN(2) == 0 {
		tokens = w.lost
	}
	l := &simLookup{instance: w.someInstance(), token: tokens[w.rng.IntN(len(tokens))]}
	w.next(l)
	w.lookups = append(w.lookups, l)
}

// proceed does the next step of a lookup. If it was the last one, it checks that the instance does not accept a token
// that it must reject.
func (w *world) proceed() {
	if len(w.lookups) == 0 {
		return
	}
	n := w.rng.IntN(len(w.lookups))
	l := w.lookups[n]
	ok := w.next(l)
	if ok && l.stage != done {
		return
	}
	w.lookups = slices.Delete(w.lookups, n, n+1)
	if ok {
		w.check(l)
	}
}

// The next step of a lookup.
const (
	readEntry = iota
	readEpoch
	judgeAnswer
	readSamples
	judgeSamples
	done
)

// next does the next step of a lookup. It returns false if the lookup fails.
func (w *world) next(l *simLookup) (ok bool) {
	switch l.stage {
	case readEntry:
		var redirected bool
		l.node, redirected = w.find(l.token.slot, l.token.key)
		l.redirected = l.redirected || redirected
		l.revoked = l.node.redis.Exists(l.token.key)
		l.wasLost, l.lostAt = l.token.isRevoked && !l.revoked, l.token.lostAt
		l.stage = readEpoch
	case readEpoch:
		value, n, redirected := w.readEpoch(l.token.slot)
		if !l.redirected && (redirected || n != l.node) { // the node redirects: both are asked again
			l.redirected, l.stage = true, readEntry
			return true
		}
		l.answer = epochAnswer{slot: l.token.slot, value: value, node: n.name, redirected: l.redirected}
		l.stage = judgeAnswer
	case judgeAnswer:
		if l.cut, l.moved = w.judge(l.instance, l.answer); len(w.nodes) == 1 || len(l.moved) == 0 {
			l.stage = done
		} else {
			l.stage = readSamples
		}
	case readSamples:
		if l.samples, ok = w.readSamples(l.instance); !ok {
			return false
		}
		l.stage = judgeSamples
	case judgeSamples:
		w.judge(l.instance, l.samples...)
		l.cut = l.instance.setNodes(l.moved)
		l.stage = done
	}
	return true
}

func (w *world) check(l *simLookup) {
	token := l.token
	if l.revoked || token.iat <= l.cut {
		w.refused++
		if !l.revoked && (w.losses == 0 || l.cut == token.cut) && !token.isRevoked {
			w.t.Errorf("%s, issued at %d over the cut %d, is refused by the cut %d after %d losses",
				token.key, token.iat, token.cut, l.cut, w.losses)
		}
		return
	}
	w.accepted++
	if since := l.instance.since; l.wasLost && since >= 0 && since <= l.lostAt {
		w.t.Errorf("%s, revoked and lost in loss %d, is accepted by an instance that knew every epoch since loss %d",
			token.key, l.lostAt, since)
	}
}
