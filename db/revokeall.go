package db

import (
	"context"
	"errors"
	"slices"

	"github.com/redis/go-redis/v9"
)

// epochsPerExchange is how many epochs are read or changed in one round trip.
const epochsPerExchange = 512

// RevokeAll revokes every token issued until now, at every instance, and returns the cut. It does not change the
// template that the instances use. On a Cluster, an error means that tokens with keys at some of the nodes may still be
// valid.
func (d *DB) RevokeAll(ctx context.Context) (cut int64, err error) {
	if d.cluster() {
		if err := d.measureClocks(ctx); err != nil {
			return 0, err
		}
	}
	slots := make([]int, len(d.epochKeys))
	for i := range slots {
		slots[i] = i
	}
	var raised []epochChange
	for part := range slices.Chunk(slots, epochsPerExchange) {
		more, err := d.revokeAllIn(ctx, part, cut)
		if err != nil {
			return 0, err
		}
		for _, change := range more {
			cut = max(cut, change.next.cut)
		}
		raised = append(raised, more...)
	}
	return cut, d.raiseAllTo(ctx, raised, cut)
}

// revokeAllIn raises the epochs of the slots, to the given cut or a later one. It returns the stored epochs, as changes
// of them.
func (d *DB) revokeAllIn(ctx context.Context, slots []int, least int64) (raised []epochChange, err error) {
	err = d.call(ctx, "revoking all tokens", func(ctx context.Context) error {
		for range maxEpochTries {
			changes, err := d.readForRevocation(ctx, slots, least)
			if err != nil {
				return err
			}
			stored, err := d.replaceEpochs(ctx, changes)
			if err != nil {
				return err
			}
			slots = nil
			for i, change := range changes {
				after, err := parseEpoch(stored[i])
				if err != nil || !change.isStoredAs(stored[i]) {
					slots = append(slots, change.slot) // somebody else has changed it
					continue
				}
				raised = append(raised, epochChange{slot: change.slot, seen: stored[i], next: after, exact: true})
			}
			if len(slots) == 0 {
				return nil
			}
		}
		return errors.New("other instances keep changing the epoch")
	})
	return raised, err
}

// readForRevocation reads the epochs of the slots, and returns the changes that revoke every token.
func (d *DB) readForRevocation(ctx context.Context, slots []int, least int64) ([]epochChange, error) {
	replies := make([]*redis.StringCmd, len(slots))
	if err := d.pipelineAll(ctx, d.client, func(p redis.Pipeliner) {
		for i, slot := range slots {
			replies[i] = p.Get(ctx, d.epochKeys[slot])
		}
	}); err != nil {
		return nil, err
	}
	changes := make([]epochChange, len(slots))
	for i, slot := range slots {
		before, err := parseEpoch(replies[i].Val())
		if err != nil {
			before.template = d.blacklist
		}
		next := storedEpoch{max(before.cut+1, least), before.template}
		changes[i] = epochChange{slot: slot, seen: replies[i].Val(), next: next}
	}
	return changes, nil
}

// raiseAllTo gives epochs that are still as they were raised a common cut. If a second has ended meanwhile, it is later
// than that of the first ones, and an instance that has read only these would issue tokens that others reject.
func (d *DB) raiseAllTo(ctx context.Context, raised []epochChange, cut int64) error {
	below := slices.DeleteFunc(raised, func(change epochChange) bool { return change.next.cut >= cut })
	for i := range below {
		below[i].next.cut = cut
	}
	for part := range slices.Chunk(below, epochsPerExchange) {
		if err := d.call(ctx, "revoking all tokens", func(ctx context.Context) error {
			_, err := d.replaceEpochs(ctx, part)
			return err
		}); err != nil {
			return err
		}
	}
	return nil
}
