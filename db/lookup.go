package db

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/redis/go-redis/v9"
)

// ask asks for the keys of one token, in the next round trip of a batcher.
func (d *DB) ask(
	ctx context.Context, b *batcher, entry, userCut string,
) (revoked bool, cut int64, now time.Time, err error) {
	q := &lookup{entry: entry, userCut: userCut}
	if err := b.do(ctx, q); err != nil {
		return false, 0, time.Time{}, err
	}
	return q.revoked, q.cut, q.now, nil
}

// send asks whether any key of a batch exists. Usually none does, and every token in the batch is valid. If one does,
// the batch is sent again with one command per key, because EXISTS returns only a count. The epoch is again read
// last.
func (d *DB) send(ctx context.Context, batch []*lookup) error {
	if d.cluster() { // on a Cluster, the keys of a command must be in one slot
		return d.sendToNode(ctx, batch)
	}
	if d.isFar() { // a second round trip would take too long
		return d.sendOneByOne(ctx, batch)
	}
	keys := make([]string, 0, 2*len(batch))
	for _, q := range batch {
		if keys = append(keys, q.entry); q.userCut != "" {
			keys = append(keys, q.userCut)
		}
	}
	var existing *redis.IntCmd
	var epoch *redis.StringCmd
	var clock *redis.TimeCmd
	if _, err := d.pipeline(ctx, d.client, func(p redis.Pipeliner) {
		existing, epoch, clock = p.Exists(ctx, keys...), p.Get(ctx, d.epochKeys[0]), p.Time(ctx)
	}); err != nil {
		return err
	}
	if existing.Err() != nil || existing.Val() > 0 {
		return d.sendOneByOne(ctx, batch)
	}
	return d.setShared(ctx, batch, epoch, clock)
}

// sendOneByOne makes one round trip with one command per key. A command that Redis refuses, such as the GET of a user's
// cut that is not a string, fails only its own lookup. Any other error fails all of them.
func (d *DB) sendOneByOne(ctx context.Context, batch []*lookup) error {
	var replies []keyReplies
	var epoch *redis.StringCmd
	var clock *redis.TimeCmd
	if _, err := d.pipeline(ctx, d.client, func(p redis.Pipeliner) {
		replies = addLookups(ctx, p, batch)
		epoch, clock = p.Get(ctx, d.epochKeys[0]), p.Time(ctx)
	}); err != nil {
		return err
	}
	if err := d.setShared(ctx, batch, epoch, clock); err != nil {
		return err
	}
	for i, q := range batch {
		replies[i].setAnswer(q)
	}
	return nil
}

// setShared sets what all lookups of a batch share: the cut of the epoch, and the time.
func (d *DB) setShared(ctx context.Context, batch []*lookup, epoch *redis.StringCmd, clock *redis.TimeCmd) error {
	now, err := clock.Result()
	if err != nil {
		return fmt.Errorf("reading Redis's time: %w", err)
	}
	d.clock.observe(&d.batcher.highest, now)
	cut, err := d.epochCut(ctx, epoch)
	for _, q := range batch {
		q.cut, q.now = cut, now
	}
	return err
}

// keyReplies are the replies to the commands of one lookup, nil if it has no such command.
type keyReplies struct {
	entry   *redis.IntCmd
	userCut *redis.StringCmd

	epoch      *redis.StringCmd // of the key's slot, on a Cluster
	redirected bool             // whether they are replies to a redirected lookup
	err        error            // why it could not be redirected
}

// addLookups adds the commands of a batch to a pipeline.
func addLookups(ctx context.Context, p redis.Pipeliner, batch []*lookup) []keyReplies {
	replies := make([]keyReplies, len(batch))
	for i, q := range batch {
		if q.entry != "" {
			replies[i].entry = p.Exists(ctx, q.entry)
		}
		if q.userCut != "" {
			replies[i].userCut = p.Get(ctx, q.userCut)
		}
	}
	return replies
}

func (r keyReplies) setAnswer(q *lookup) {
	if r.entry != nil {
		q.revoked, q.err = r.entry.Val() > 0, r.entry.Err()
	}
	if r.userCut != nil && q.err == nil {
		var cut int64
		cut, q.err = parseUserCut(r.userCut)
		q.cut = max(cut, q.cut)
	}
}

// epochValue returns the epoch that a node returned, "" if there is none.
func epochValue(reply *redis.StringCmd) (string, error) {
	value, err := reply.Result()
	if err != nil && !errors.Is(err, redis.Nil) {
		return "", fmt.Errorf("reading the epoch: %w", err)
	}
	return value, nil
}

// epochCut returns the cut of the epoch that a single Redis returned.
func (d *DB) epochCut(ctx context.Context, epoch *redis.StringCmd) (int64, error) {
	answered, err := epochValue(epoch)
	if err != nil {
		return 0, err
	}
	cut, _, err := d.epochs.judge(ctx, epochAnswer{value: answered})
	return cut, err
}
