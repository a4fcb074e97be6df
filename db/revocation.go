package db

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/redis/go-redis/v9"
)

// noReply stands for that to a GET that wasn't sent.
var noReply = redis.NewStringResult("", redis.Nil)

// epochCut judges the epoch that Redis answered with.
func (d *DB) epochCut(ctx context.Context, epoch *redis.StringCmd) (int64, error) {
	answered, err := epoch.Result()
	if err != nil && !errors.Is(err, redis.Nil) {
		return 0, fmt.Errorf("the epoch: %w", err)
	}
	if d.cluster() {
		return 0, nil
	}
	return d.epoch.judge(ctx, answered)
}

// parseUserCut reads a user's cut, 0 if there is none.
func parseUserCut(reply *redis.StringCmd) (int64, error) {
	cut, err := reply.Int64()
	if err != nil && !errors.Is(err, redis.Nil) {
		return 0, fmt.Errorf("the user's logout-all: %w", err)
	}
	return cut, nil
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
	err := d.call(ctx, "logging a user out everywhere", func(ctx context.Context) error {
		return d.stored(ctx, keys[0], func(pipeline redis.Pipeliner) { pipeline.Eval(ctx, raiseCut, keys) })
	})
	d.metrics.revoked("user", err, 1)
	return err
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
		var userCut, epoch *redis.StringCmd
		var clock *redis.TimeCmd
		if err := d.pipelineAll(ctx, d.client, func(p redis.Pipeliner) {
			userCut, epoch = p.Get(ctx, logoutAllKey(userID)), noReply
			if !d.cluster() {
				epoch = p.Get(ctx, epochKey)
			}
			clock = p.Time(ctx)
		}); err != nil {
			return err
		}
		now = clock.Val()
		if !d.cluster() {
			d.clock.observe(&d.lane.highest, now)
		}
		ofUser, err := parseUserCut(userCut)
		if err != nil {
			return err
		}
		ofAll, err := d.epochCut(ctx, epoch)
		at = now
		if after := time.Unix(max(ofUser, ofAll)+1, 0); at.Before(after) {
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
	if d.waitReplicas == 0 {
		return d.pipelineAll(ctx, node, write)
	}
	// Redis looks at who waits ten times a second: a WAIT of half the timeout may take a tenth of a second more.
	var replicas *redis.Cmd
	if err := d.pipelineAll(ctx, node, func(p redis.Pipeliner) {
		write(p)
		replicas = p.Do(ctx, "WAIT", d.waitReplicas, (d.timeout / 2).Milliseconds())
	}); err != nil {
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
func (d *DB) nodeOf(ctx context.Context, key string) (*redis.Client, error) {
	if cluster, ok := d.client.(*redis.ClusterClient); ok {
		return cluster.MasterForKey(ctx, key)
	}
	return d.client.(*redis.Client), nil
}

// cluster tells whether the keys are spread over nodes. The epoch would speak for its own node alone
// there, so there is none.
func (d *DB) cluster() bool {
	_, ok := d.client.(*redis.ClusterClient)
	return ok
}
