package db

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"
)

// observation is what one master of a Cluster replied when it was observed.
type observation struct {
	node                string
	sent, received, now time.Time
	answers             []epochAnswer
	err                 error
}

// errMoving is the error of a master that has none of the slots any more that it was asked about.
var errMoving = errors.New("its slots are moving to other nodes")

// observeMasters reads the clock and some epochs of each master of a Cluster, and so notices a lost blacklist. It
// returns the error of each master, by address, which is nil if the master answered.
func (d *DB) observeMasters(ctx context.Context) (masters map[string]error, err error) {
	clients, err := d.masters(ctx)
	if err != nil {
		return nil, err
	}
	nodes := make([]string, len(clients))
	for i, client := range clients {
		nodes[i] = client.Options().Addr
	}
	samples := d.epochs.samples(nodes, func(slot int) string { return d.owner(ctx, slot) })
	observations := make([]observation, len(clients))
	var all sync.WaitGroup
	for i, client := range clients {
		all.Go(func() { observations[i] = d.observeMaster(ctx, client, samples[nodes[i]]) })
	}
	all.Wait()
	masters = make(map[string]error, len(clients))
	var answers []epochAnswer
	for _, o := range observations {
		masters[o.node] = o.err
		answers = append(answers, o.answers...)
	}
	d.clock.recordNodes(observations)
	_, _, err = d.epochs.judge(ctx, answers...)
	return masters, err
}

// owner returns the address of the master that a slot is stored at, as far as is known, or "".
func (d *DB) owner(ctx context.Context, slot int) string {
	node, err := d.nodeOf(ctx, d.epochKeys[slot])
	if err != nil {
		return ""
	}
	return node.Options().Addr
}

// observeMaster reads the clock of a master and the epochs of slots.
func (d *DB) observeMaster(ctx context.Context, master *redis.Client, slots []int) (o observation) {
	o.node = master.Options().Addr
	o.sent = time.Now()
	o.answers, o.now, o.err = d.readEpochsAt(ctx, master, slots)
	o.received = time.Now()
	if o.err == nil && len(slots) > 0 && len(o.answers) == 0 {
		o.err = errMoving
	}
	return o
}

// readEpochsAt reads the epochs of slots at one node, and its clock, unless its breaker is open. It leaves out the
// slots for which the node redirects.
func (d *DB) readEpochsAt(
	ctx context.Context, node *redis.Client, slots []int,
) (answers []epochAnswer, now time.Time, err error) {
	b := d.batcherAt(node.Options().Addr, d.keyAt(ctx, node, slots))
	began, err := b.breaker.enter()
	if err != nil {
		return nil, time.Time{}, err
	}
	replies := make([]*redis.StringCmd, len(slots))
	var clock *redis.TimeCmd
	err = d.withTimeout(ctx, func(ctx context.Context) error {
		_, err := d.pipeline(ctx, node, func(p redis.Pipeliner) {
			for i, slot := range slots {
				replies[i] = p.Get(ctx, d.epochKeys[slot])
			}
			clock = p.Time(ctx)
		})
		return cmp.Or(err, clock.Err())
	})
	b.breaker.leave(ctx, began, err)
	if err != nil {
		return nil, time.Time{}, err
	}
	d.clock.observe(&b.highest, clock.Val())
	for i, slot := range slots {
		if isRedirection(replies[i].Err()) {
			continue
		}
		value, err := epochValue(replies[i])
		if err != nil {
			return nil, time.Time{}, err
		}
		answers = append(answers, epochAnswer{slot: slot, value: value, node: node.Options().Addr})
	}
	return answers, clock.Val(), nil
}

// keyAt returns the epoch's key of one of the slots, or if there is none, of any slot that is stored at the node.
func (d *DB) keyAt(ctx context.Context, node *redis.Client, slots []int) string {
	if len(slots) > 0 {
		return d.epochKeys[slots[0]]
	}
	for slot, key := range d.epochKeys {
		if d.owner(ctx, slot) == node.Options().Addr {
			return key
		}
	}
	return d.epochKeys[0]
}

// confirmTries limits how often the masters are observed again because slots are moving.
const confirmTries = 3

// confirm observes every master after answers that came from another node than before, and returns the cut that
// applies then. A slot has an error if the node that answered, or the one that answered before, cannot be observed.
func (d *DB) confirm(ctx context.Context, moved []epochAnswer) (cut int64, failed map[int]error) {
	failed = map[int]error{}
	for range confirmTries {
		masters, err := d.observeMasters(ctx)
		clear(failed)
		var confirmed []epochAnswer
		moving := false
		for _, a := range moved {
			err := cmp.Or(err, masters[a.node], masters[d.epochs.lastNode(a.slot)])
			if err == nil {
				confirmed = append(confirmed, a)
				continue
			}
			failed[a.slot] = fmt.Errorf("observing the nodes of a slot that has moved: %w", err)
			moving = moving || errors.Is(err, errMoving)
		}
		cut = d.epochs.setNodes(confirmed)
		if !moving {
			break
		}
	}
	return cut, failed
}
