package db

import (
	"cmp"
	"context"
	"errors"
	"maps"
	"slices"
	"time"
)

// The masters of a Cluster have a clock each. A token is issued by the clock of the node with its user's cut, and
// expires by the clock of the node with its entry on the blacklist. The cut after a lost blacklist has to be later than
// every token that was issued before, so it must consider the clock that is furthest ahead.

// clockDifference is how far a node's clock is ahead of this instance's.
type clockDifference struct {
	// The reply was sent between the request and its receipt, so the difference is at least and at most this.
	least, most time.Duration
}

// recordNodes records the clocks of the masters of a Cluster. The record of a master that did not answer is kept.
func (c *clock) recordNodes(observations []observation) {
	c.mu.Lock()
	differences := make(map[string]clockDifference, len(observations))
	var worst *observation
	for i, o := range observations {
		if before, ok := c.nodes[o.node]; ok {
			differences[o.node] = before
		}
		if o.now.IsZero() {
			continue
		}
		differences[o.node] = clockDifference{o.now.Sub(o.received), o.now.Sub(o.sent)}
		if worst == nil || worst.now.Sub(worst.sent).Abs() < o.now.Sub(o.sent).Abs() {
			worst = &observations[i]
		}
	}
	c.nodes = differences
	c.mu.Unlock()
	if worst != nil {
		c.recordSkew(worst.sent, worst.received, worst.now)
	}
}

// ahead returns how far the clock of another master may be ahead of that of the node, at most. It is 0 for a single
// Redis. For a node whose clock is not known, it is how far any two may differ.
func (c *clock) ahead(node string) time.Duration {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.nodes) < 2 {
		return 0
	}
	differences := slices.Collect(maps.Values(c.nodes))
	first := slices.MaxFunc(differences, func(a, b clockDifference) int { return cmp.Compare(a.most, b.most) })
	own, known := c.nodes[node]
	if !known {
		own = slices.MinFunc(differences, func(a, b clockDifference) int { return cmp.Compare(a.least, b.least) })
	}
	return max(0, first.most-own.least)
}

// measureClocks asks every master of a Cluster for its time.
func (d *DB) measureClocks(ctx context.Context) error {
	masters, err := d.observeMasters(ctx)
	return cmp.Or(err, errors.Join(slices.Collect(maps.Values(masters))...))
}
