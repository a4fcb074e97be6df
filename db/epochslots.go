package db

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
)

// On a Cluster, a lookup reads the epoch of its key's slot, at the same node. The epoch shows that this slot's keys are
// complete as long as the slot stays at its node. While a slot moves, its keys are moved one by one. Then one of the
// two nodes may lose keys of the slot that the other node's epoch does not show. So if another node answers than
// before, the lookup counts only after confirm has read epochs at every master.

// result returns the cut, and the answers from another node than before.
func (e *epochs) result(answers []epochAnswer) (cut int64, moved []epochAnswer) {
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, a := range answers {
		if a.redirected || a.node != e.slots[a.slot].node {
			moved = append(moved, a)
		}
	}
	return e.cut, moved
}

// lastNode returns the node whose answer about a slot counted last, "" if there is none.
func (e *epochs) lastNode(slot int) string {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.slots[slot].node
}

// isOutdated reports whether the epoch of a slot, which is stored at the node, has to be read.
func (e *epochs) isOutdated(slot int, node string) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.slots[slot].read < e.wanted || e.slots[slot].node != node
}

// setNodes records that the nodes have these slots. Every master must have been observed since the answers. It returns
// the cut.
func (e *epochs) setNodes(moved []epochAnswer) (cut int64) {
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, a := range moved {
		if !a.redirected {
			e.slots[a.slot].node = a.node
		}
	}
	return e.cut
}

// logRead logs, once, that the epoch of every slot is known.
func (e *epochs) logRead() {
	e.mu.Lock()
	defer e.mu.Unlock()
	if !e.wasRead {
		e.wasRead, e.logged = true, e.cut
		e.log.Info("the epochs of the blacklist", "hash_slots", len(e.slots), "cut", e.cut)
	}
}

// maxSamples is how many epochs are read at a master to observe whether it has lost its keys. One is enough, unless
// its slot has left that master and come back since.
const maxSamples = 16

// samples returns, for each master, slots that it is responsible for and whose epochs are known. It prefers slots
// that did not come from another master: those about which this master's answers counted last, and those of a master
// that it has replaced. owner returns the master that is responsible for a slot, as far as is known.
func (e *epochs) samples(masters []string, owner func(slot int) string) map[string][]int {
	e.mu.Lock()
	defer e.mu.Unlock()
	found := make(map[string][]int, len(masters))
	isNew := false // whether a replica was promoted, or a node is new
	e.choose(found, masters, func(slot int) string {
		node, before := owner(slot), e.slots[slot].node
		switch {
		case e.slots[slot].value == "", before != node && slices.Contains(masters, before):
			return ""
		case before != node:
			isNew = true
		}
		return node
	})
	rest := slices.DeleteFunc(slices.Clone(masters), func(node string) bool { return len(found[node]) > 0 })
	if len(rest) > 0 {
		isNew = true
		e.choose(found, rest, func(slot int) string {
			if e.slots[slot].value == "" {
				return ""
			}
			return owner(slot)
		})
	}
	if isNew {
		e.requestReading()
	}
	return found
}

// slotStride is the distance between two slots that choose tries. It has no common divisor with the number of slots. A
// node usually has a range of slots, so that the next slot is at the same node.
const slotStride = 4099

// choose adds up to maxSamples slots of each node, beginning anywhere. at returns the node that a slot belongs to, ""
// for none. mu is locked.
func (e *epochs) choose(found map[string][]int, nodes []string, at func(slot int) string) {
	begin := rand.IntN(len(e.slots)) //nolint:gosec // not a secret
	missing := len(nodes) * maxSamples
	for i := range e.slots {
		slot := (begin + i*slotStride) % len(e.slots)
		node := at(slot)
		if len(found[node]) == maxSamples || !slices.Contains(nodes, node) {
			continue
		}
		found[node] = append(found[node], slot)
		if missing--; missing == 0 {
			return
		}
	}
}

// readAll makes readEpochs read the epoch of every slot. mu is locked.
func (e *epochs) readAll() {
	e.wanted++
	e.requestReading()
}

// beginReading is called before the epochs are read. end is called with the slots that were read.
func (e *epochs) beginReading() (end func(read []epochAnswer)) {
	e.mu.Lock()
	defer e.mu.Unlock()
	wanted := e.wanted
	return func(read []epochAnswer) {
		e.mu.Lock()
		defer e.mu.Unlock()
		e.done = wanted
		for _, a := range read {
			e.slots[a.slot].read = wanted
		}
	}
}

// isReading reports whether every epoch has to be read because the blacklist was lost. Until that is done, the cut may
// rise further.
func (e *epochs) isReading() bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.done < e.wanted
}

// requestReading lets the watch call readEpochs. mu is locked.
func (e *epochs) requestReading() {
	select {
	case e.requested <- struct{}{}:
	default:
	}
}

// raiseToCut raises the epoch of a slot to the cut, unless it has that already. Until the cut has passed, tokens are
// issued a second ahead of the clock. raiseCutScript must know that, from the epoch in the slot of the user's own cut.
func (d *DB) raiseToCut(ctx context.Context, slot int) error {
	for range maxEpochTries {
		seen, cut, below := d.epochs.isBelow(slot)
		if !below {
			return nil
		}
		change := epochChange{slot: slot, seen: seen, next: storedEpoch{cut, d.epochs.template}, exact: true}
		stored, err := d.replaceEpochs(ctx, []epochChange{change})
		if err != nil {
			return fmt.Errorf("raising an epoch: %w", err)
		}
		if _, _, err := d.epochs.judge(ctx, epochAnswer{slot: slot, value: stored[0]}); err != nil {
			return err
		}
	}
	return errors.New("raising an epoch: other instances keep changing it")
}

// isBelow returns the epoch of a slot, the cut, and whether the epoch is known and its own cut is below that.
func (e *epochs) isBelow(slot int) (seen string, cut int64, below bool) {
	e.mu.Lock()
	defer e.mu.Unlock()
	known := e.slots[slot]
	return known.value, e.cut, known.value != "" && known.cut < e.cut
}
