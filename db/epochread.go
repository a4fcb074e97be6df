package db

import (
	"context"
	"slices"
	"sync"

	"github.com/redis/go-redis/v9"
)

// readEpochs reads the epochs of a Cluster that have to be read: all of them at first and after a lost blacklist, and
// those whose slots have moved. It reports whether none is left.
func (d *DB) readEpochs(ctx context.Context) (complete bool) {
	end := d.epochs.beginReading()
	byNode := map[*redis.Client][]int{}
	for slot, key := range d.epochKeys {
		node, err := d.nodeOf(ctx, key)
		if err != nil {
			end(nil)
			return false
		}
		if d.epochs.isOutdated(slot, node.Options().Addr) {
			byNode[node] = append(byNode[node], slot)
		}
	}
	var mu sync.Mutex
	var read []epochAnswer
	complete = true
	var all sync.WaitGroup
	for node, slots := range byNode {
		all.Go(func() {
			answers, err := d.readSlots(ctx, node, slots)
			mu.Lock()
			defer mu.Unlock()
			read, complete = append(read, answers...), complete && err == nil && len(answers) == len(slots)
		})
	}
	all.Wait()
	if len(read) > 0 {
		_, failed := d.confirm(ctx, read)
		complete = complete && len(failed) == 0
	}
	end(read)
	if complete {
		d.epochs.logRead()
	}
	return complete
}

// readSlots reads the epochs of slots at one node, and judges them.
func (d *DB) readSlots(ctx context.Context, node *redis.Client, slots []int) (read []epochAnswer, err error) {
	for part := range slices.Chunk(slots, epochsPerExchange) {
		answers, _, err := d.readEpochsAt(ctx, node, part)
		if err == nil {
			_, _, err = d.epochs.judge(ctx, answers...)
		}
		if err != nil {
			return read, err
		}
		read = append(read, answers...)
	}
	return read, nil
}
