package db

import (
	"context"
	"fmt"
	"time"

	"github.com/redis/go-redis/v9"
)

// maxAhead is how far the time of a token may be ahead of Redis's clock: a second, so that a login in the second of a
// logout-all works. replaceEpochScript relies on it.
const maxAhead = time.Second

// maxIssueWait limits the wait for Redis's clock. It is exceeded only if that clock was set back.
const maxIssueWait = 3 * time.Second

// IssueTime returns the time at which to issue a token for the user: now, by Redis's clock, which all instances share,
// or the first second after every cut if that is later. It waits while that is more than maxAhead away, which is up to
// a second after a lost blacklist. If Redis's clock was set back by more than maxIssueWait, it returns an error.
func (d *DB) IssueTime(ctx context.Context, userID string) (time.Time, error) {
	began := time.Now()
	deadline := began.Add(maxIssueWait)
	for {
		if err := d.waitForEpochs(ctx, began.Add(maxReadWait)); err != nil {
			return time.Time{}, err
		}
		at, now, err := d.firstIssueTime(ctx, userID)
		early := at.Sub(now) - maxAhead
		if err != nil || early <= 0 {
			return at, err
		}
		if time.Now().Add(early).After(deadline) {
			return time.Time{}, fmt.Errorf("issuing a token: Redis's clock is %s behind the last logout of all: "+
				"was it set back?", at.Sub(now).Round(time.Second))
		}
		select {
		case <-time.After(early):
		case <-ctx.Done():
			return time.Time{}, fmt.Errorf("waiting for Redis's clock: %w", ctx.Err())
		}
	}
}

// maxReadWait limits the wait until every epoch of a Cluster was read.
const maxReadWait = time.Second

// waitForEpochs waits while the epochs of a Cluster are read after a lost blacklist. Each lost slot that is found then
// gets a new epoch, perhaps with a later cut, which would end a session that began before.
func (d *DB) waitForEpochs(ctx context.Context, deadline time.Time) error {
	for d.epochs.isReading() && time.Now().Before(deadline) {
		select {
		case <-time.After(5 * time.Millisecond):
		case <-ctx.Done():
			return fmt.Errorf("waiting for the epochs: %w", ctx.Err())
		}
	}
	return nil
}

// firstIssueTime returns the time at which a token may be issued, and Redis's own time.
func (d *DB) firstIssueTime(ctx context.Context, userID string) (at, now time.Time, err error) {
	cut, now, err := d.readCuts(ctx, "asking for the time", userID, nil)
	at = now
	if after := time.Unix(cut+1, 0); at.Before(after) {
		at = after
		if d.cluster() && err == nil {
			err = d.raiseToCut(ctx, slotOf(logoutAllKey(userID)))
		}
	}
	return at, now, err
}

// readCuts returns the latest cut that applies to a user's tokens, 0 for none, and Redis's time. The commands that
// before adds, if it is not nil, run first. doing is what the error begins with.
func (d *DB) readCuts(
	ctx context.Context, doing, userID string, before func(context.Context, redis.Pipeliner),
) (cut int64, now time.Time, err error) {
	err = d.call(ctx, doing, func(ctx context.Context) (err error) {
		if d.cluster() { // which does not run the commands of a pipeline in order
			if before != nil {
				if err := d.pipelineAll(ctx, d.client, func(p redis.Pipeliner) { before(ctx, p) }); err != nil {
					return err
				}
			}
			cut, now, err = d.readNodeCuts(ctx, userID)
			return err
		}
		var userCut, epoch *redis.StringCmd
		var clock *redis.TimeCmd
		if err := d.pipelineAll(ctx, d.client, func(p redis.Pipeliner) {
			if before != nil {
				before(ctx, p)
			}
			userCut, epoch, clock = p.Get(ctx, logoutAllKey(userID)), p.Get(ctx, d.epochKeys[0]), p.Time(ctx)
		}); err != nil {
			return err
		}
		now = clock.Val()
		d.clock.observe(&d.batcher.highest, now)
		ofUser, err := parseUserCut(userCut)
		if err != nil {
			return err
		}
		ofAll, err := d.epochCut(ctx, epoch)
		cut = max(ofUser, ofAll)
		return err
	})
	return cut, now, err
}

// readNodeCuts is readCuts on a Cluster. The time is that of the node that stores the user's cut.
func (d *DB) readNodeCuts(ctx context.Context, userID string) (cut int64, now time.Time, err error) {
	key := logoutAllKey(userID)
	b, err := d.batcherOf(ctx, key)
	if err != nil {
		return 0, time.Time{}, err
	}
	_, cut, now, err = d.ask(ctx, b, "", key)
	return cut, now, err
}
