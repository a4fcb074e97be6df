package db

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/redis/go-redis/v9"
)

// Revoked asks all that may make a token dead besides its own age, in one round trip: whether it is on
// the blacklist, and the cut at or before which tokens of that user were revoked, in seconds of Redis's
// clock, 0 if none were. userID is "" for a token that names no user.
//
// The epoch is asked for last, on the same connection: a blacklist that is lost between the questions is
// noticed. Any entry on the blacklist counts, whatever its type or value: EXISTS sees what GET and MGET
// would not.
func (d *DB) Revoked(ctx context.Context, token, userID string) (revoked bool, cut int64, err error) {
	err = d.call(ctx, "asking whether a token is revoked", func(ctx context.Context) error {
		pipeline := d.client.Pipeline()
		entry := pipeline.Exists(ctx, blacklistKey(token))
		userCut := redis.NewStringResult("", redis.Nil)
		if userID != "" {
			userCut = pipeline.Get(ctx, logoutAllKey(userID))
		}
		epoch := redis.NewStringResult("", redis.Nil)
		if !d.cluster() {
			epoch = pipeline.Get(ctx, epochKey)
		}
		if err := exec(ctx, pipeline); err != nil {
			return err
		}
		revoked = entry.Val() > 0
		cut, err = d.latestCut(ctx, userCut, epoch)
		return err
	})
	return revoked, cut, err
}

// latestCut returns the later of a user's cut and the epoch's.
func (d *DB) latestCut(ctx context.Context, userCut, epoch *redis.StringCmd) (int64, error) {
	cut, err := userCut.Int64()
	if err != nil && !errors.Is(err, redis.Nil) {
		return 0, fmt.Errorf("the user's logout-all: %w", err)
	}
	answered, err := epoch.Result()
	if err != nil && !errors.Is(err, redis.Nil) {
		return 0, fmt.Errorf("the epoch: %w", err)
	}
	if d.cluster() {
		return cut, nil
	}
	ofEpoch, err := d.epoch.judge(ctx, answered)
	return max(cut, ofEpoch), err
}

// raiseCut sets a user's cut: to now, or to the second after where a token may have been issued that far
// ahead, because a cut was in its way. It never falls. KEYS: the user's cut, and the epoch unless this is a
// cluster.
const raiseCut = `
local now = tonumber(redis.call('TIME')[1])
local there = tonumber(redis.call('GET', KEYS[1]) or -1)
local epoch = KEYS[2] and tonumber(string.match(redis.call('GET', KEYS[2]) or '', ':(%d+)$') or -1) or -1
local cut = math.max(there, now)
if math.max(there, epoch) >= now then cut = math.max(there, now + 1) end
redis.call('SET', KEYS[1], string.format('%.0f', cut))
return cut`

// LogoutAll revokes every token that the user was issued here until now. When it returns nil, Redis has
// stored it, and as many replicas as the options ask for.
//
// It doesn't mind the time of the token that asks for it, which a Node service with a clock of its own may
// have issued: that one goes on the blacklist. A cut that followed it would be ahead of Redis's clock, and with it
// the tokens issued next, which the cut of a lost blacklist would then not reach.
func (d *DB) LogoutAll(ctx context.Context, userID string) error {
	ctx = context.WithoutCancel(ctx) // a client that goes away doesn't stop it
	keys := []string{logoutAllKey(userID)}
	if !d.cluster() {
		keys = append(keys, epochKey)
	}
	return d.call(ctx, "logging a user out everywhere", func(ctx context.Context) error {
		return d.stored(ctx, keys[0], func(pipeline redis.Pipeliner) { pipeline.Eval(ctx, raiseCut, keys) })
	})
}

// maxAhead is how far the time of a token may be ahead of Redis's clock: a second, so that a login in the
// second of a logout-all works. installEpoch relies on it.
const maxAhead = time.Second

// maxIssueWait bounds the wait for Redis's clock. Only one that was set back lets more pass.
const maxIssueWait = 3 * time.Second

// IssueTime returns when a token for the user is to be issued: now, by Redis's clock, which all instances
// share, but later than every cut. It waits while that is more than maxAhead off: for up to a second after
// a lost blacklist, say. Where Redis's clock was set back by more than it waits for, it is an error.
func (d *DB) IssueTime(ctx context.Context, userID string) (time.Time, error) {
	for deadline := time.Now().Add(maxIssueWait); ; {
		at, now, err := d.issueTime(ctx, userID)
		early := at.Sub(now) - maxAhead
		if err != nil || early <= 0 {
			return at, err
		}
		if time.Now().Add(early).After(deadline) {
			return time.Time{}, fmt.Errorf("issuing a token: Redis's clock is %s behind the last logout of all: was it set back?", at.Sub(now).Round(time.Second))
		}
		select {
		case <-time.After(early):
		case <-ctx.Done():
			return time.Time{}, fmt.Errorf("waiting for Redis's clock: %w", ctx.Err())
		}
	}
}

// issueTime returns the time after every cut, and Redis's own.
func (d *DB) issueTime(ctx context.Context, userID string) (at, now time.Time, err error) {
	err = d.call(ctx, "asking for the time", func(ctx context.Context) error {
		pipeline := d.client.Pipeline()
		userCut := pipeline.Get(ctx, logoutAllKey(userID))
		clock := pipeline.Time(ctx)
		epoch := redis.NewStringResult("", redis.Nil)
		if !d.cluster() {
			epoch = pipeline.Get(ctx, epochKey)
		}
		if err := exec(ctx, pipeline); err != nil {
			return err
		}
		now = clock.Val()
		cut, err := d.latestCut(ctx, userCut, epoch)
		at = now
		if after := time.Unix(cut+1, 0); at.Before(after) {
			at = after
		}
		return err
	})
	return at, now, err
}

// stored runs a command that writes key and returns nil once Redis, and as many replicas as the options
// ask for, have stored it. WAIT counts for the writes of its own connection, so both go in one pipeline.
func (d *DB) stored(ctx context.Context, key string, write func(redis.Pipeliner)) error {
	node, err := d.nodeOf(ctx, key)
	if err != nil {
		return err
	}
	pipeline := node.Pipeline()
	write(pipeline)
	if d.waitReplicas == 0 {
		return exec(ctx, pipeline)
	}
	replicas := pipeline.Do(ctx, "WAIT", d.waitReplicas, (d.timeout / 3).Milliseconds())
	if err := exec(ctx, pipeline); err != nil {
		return err
	}
	n, err := replicas.Int()
	if err != nil {
		return fmt.Errorf("waiting for replicas: %w", err)
	}
	if n < d.waitReplicas {
		return fmt.Errorf("waiting for replicas: %d of %d hold it", n, d.waitReplicas)
	}
	return nil
}

// nodeOf returns the node that a write of key and a WAIT behind it have to go to.
func (d *DB) nodeOf(ctx context.Context, key string) (redis.Cmdable, error) {
	if cluster, ok := d.client.(*redis.ClusterClient); ok {
		return cluster.MasterForKey(ctx, key)
	}
	return d.client, nil
}

// cluster tells whether the keys are spread over nodes. The epoch would speak for its own node alone
// there, so there is none.
func (d *DB) cluster() bool {
	_, ok := d.client.(*redis.ClusterClient)
	return ok
}
