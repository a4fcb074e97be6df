package db

import (
	"math/rand/v2"
	"testing"
)

// TestSlotOf has the example of the Redis Cluster specification for CRC16, and its rules for hash tags.
func TestSlotOf(t *testing.T) {
	t.Parallel()
	for key, slot := range map[string]int{
		"123456789": 0x31C3, "a{123456789}b": 0x31C3, "{123456789}{b}": 0x31C3, "": 0,
	} {
		if slotOf(key) != slot {
			t.Errorf("%q is in the slot %d, want %d", key, slotOf(key), slot)
		}
	}
	if slotOf("a{}{123456789}") == 0x31C3 || slotOf("a{b") == slotOf("b") {
		t.Error("an empty or open hash tag counts")
	}
	for slot, key := range clusterEpochKeys() {
		if slotOf(key) != slot {
			t.Fatalf("%s is in the slot %d, want %d", key, slotOf(key), slot)
		}
	}
}

// TestLossWhileASlotMoves: a slot moves from a to b, and one of the nodes loses keys of it that the slot's epoch does
// not show, because the other node has the epoch. The next lookup of a token whose entry was lost is rejected.
func TestLossWhileASlotMoves(t *testing.T) {
	t.Parallel()
	const slot, sibling = 3, 4 // of a and of b
	for name, run := range map[string]func(w *world, s *simSlot, token *simToken, epoch string){
		"the target loses the entry": func(w *world, s *simSlot, token *simToken, _ string) {
			s.moveKey(token.key)
			w.flush(s.target)
		},
		"and the move ends": func(w *world, s *simSlot, token *simToken, epoch string) {
			s.moveKey(token.key)
			w.flush(s.target)
			s.moveKey(epoch)
			s.owner, s.target = s.target, nil
		},
		"the source loses the entry": func(w *world, s *simSlot, _ *simToken, epoch string) {
			s.moveKey(epoch)
			w.flush(s.owner)
		},
		"and the move ends, after a lookup was redirected": func(w *world, s *simSlot, _ *simToken, epoch string) {
			s.moveKey(epoch)
			other := w.issue(slot, w.now, 0)
			if l := (&simLookup{instance: w.instances[0], token: other}); !w.finish(l) || other.iat <= l.cut {
				t.Errorf("a valid token is refused: %+v", l)
			}
			w.flush(s.owner)
			s.owner, s.target = s.target, nil
		},
		"a promoted target loses the entry": func(w *world, s *simSlot, token *simToken, _ string) {
			s.target.name = "promoted"
			s.moveKey(token.key)
			w.flush(s.target)
		},
		"another slot has left the target, and comes back after the loss": func(w *world, s *simSlot, token *simToken, _ string) {
			w.moveAll(sibling, s.owner)
			s.moveKey(token.key)
			w.flush(s.target)
			w.moveAll(sibling, s.target)
		},
		"a replica took the target's place, and another slot has left it, and comes back after the loss": func(
			w *world, s *simSlot, token *simToken, _ string,
		) {
			s.target.name = "promoted"
			if l := (&simLookup{instance: w.instances[0], token: w.issue(sibling, w.now, 0)}); !w.finish(l) {
				t.Error("a lookup at the promoted node fails")
			}
			w.moveAll(sibling, s.owner)
			s.moveKey(token.key)
			w.flush(s.target)
			w.moveAll(sibling, s.target)
		},
		"the slot has moved on": func(w *world, s *simSlot, _ *simToken, epoch string) {
			s.moveKey("t0")
			s.moveKey(epoch)
			s.owner, s.target = w.nodes[1], w.nodes[2]
			s.moveKey(epoch)
			w.flush(s.owner)
			s.owner, s.target = w.nodes[2], nil
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for seed := range uint64(20) {
				w := newWorld(t, rand.New(rand.NewPCG(seed, 0)), 3, 6)
				s := w.slots[slot]
				token := w.issue(slot, w.now, 0)
				w.revoke(token)
				s.target = w.nodes[1]
				run(w, s, token, w.nodes[0].db.epochKeys[slot])
				if l := (&simLookup{instance: w.instances[0], token: token}); !w.finish(l) || token.iat > l.cut {
					t.Errorf("seed %d: a revoked token is accepted: %+v", seed, l)
				}
				w.close()
			}
		})
	}
}

// TestCutOfAllSlots: the highest cut counts, whatever the order in which the epochs are read, and a new one is not below
// it.
func TestCutOfAllSlots(t *testing.T) {
	t.Parallel()
	w := newWorld(t, rand.New(rand.NewPCG(1, 1)), 3, 6)
	defer w.close()
	i := w.instances[0]
	if _, verdict := i.adopt(0, "a:9"); verdict != epochKnown || i.cut != 9 {
		t.Errorf("%v, cut %d", verdict, i.cut)
	}
	if _, verdict := i.adopt(1, "b:5"); verdict != epochKnown || i.cut != 9 {
		t.Errorf("%v, cut %d after that of another slot", verdict, i.cut)
	}
	if least, verdict := i.adopt(2, ""); verdict != epochLost || least != 9 {
		t.Errorf("%v, at least %d", verdict, least)
	}
	if least, verdict := i.adopt(0, "c:9"); verdict != epochLost || least != 10 {
		t.Errorf("%v, at least %d", verdict, least)
	}
}
