package db

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/redis/go-redis/v9"
)

// Revoked asks in one round trip for everything that may revoke a token: an entry on the blacklist, and the cuts at or
// before which the tokens of its user, or of all users, were revoked. userID is "" for a token that names no user.
// issuedAt returns when the token was issued, in seconds of Redis's clock, 0 if the token does not say; it is called
// only if that matters.
//
// now is the time by which the token's expiry has to be judged. It is the time of the node that stores the entry, and
// is read after the entry, so a token expires before its entry does. If the node's clock was set back since the token
// was issued, now is the highest time that the clock has shown.
//
// The epoch is read after the keys, on the same connection, so that a blacklist that is lost in between is noticed. The
// proof that a master answered is read last. Any entry on the blacklist counts, whatever its type or value: EXISTS also
// finds what GET and MGET cannot read.
func (d *DB) Revoked(
	ctx context.Context, token, userID string, issuedAt func() int64,
) (revoked bool, now time.Time, err error) {
	revoked, cut, now, err := d.find(ctx, token, userID)
	if err != nil {
		return false, time.Time{}, fmt.Errorf("asking whether a token is revoked: %w", d.explain(err))
	}
	return revoked || cut > 0 && issuedAt() <= cut, d.clock.judge(now, issuedAt), nil
}

// find returns whether a token is on the blacklist, the later of the cuts, 0 for none, and the time.
func (d *DB) find(ctx context.Context, token, userID string) (revoked bool, cut int64, now time.Time, err error) {
	if err := d.loadClock(ctx); err != nil {
		return false, 0, time.Time{}, err
	}
	entry, userCut := d.blacklist.key(token), ""
	if userID != "" {
		userCut = logoutAllKey(userID)
	}
	if d.cluster() {
		return d.askCluster(ctx, entry, userCut)
	}
	return d.ask(ctx, d.batcher, entry, userCut)
}

// Revoke puts token on the blacklist until the given time by Redis's clock, forever if that is the zero time. A
// time that has passed stores nothing. The entry is the original's: "true". When Revoke returns nil, Redis has
// stored it, and as many replicas as the options ask for. A client that disconnects does not stop it.
//
// It is stored with EXAT (Redis 6.2). A lifetime computed here would be wrong by as much as this instance's clock is.
// If that clock is ahead, the entry would expire before its token, which would be valid again.
func (d *DB) Revoke(ctx context.Context, token string, until time.Time) error {
	return d.revoke(ctx, []revocation{{token, until}})
}

// parseUserCut returns a user's cut, 0 if there is none.
func parseUserCut(reply *redis.StringCmd) (int64, error) {
	cut, err := reply.Int64()
	if err != nil && !errors.Is(err, redis.Nil) {
		return 0, fmt.Errorf("reading the user's last logout-all: %w", err)
	}
	return cut, nil
}

// raiseCutScript raises a user's cut to now, or to a second later if a token may have been issued that far ahead
// because of an earlier cut. It never lowers it. KEYS: the user's cut, and the epoch unless this is a Cluster, where
// both keys may not exist at one node while their slot moves. ARGV: the cut of the epochs, on a Cluster.
const raiseCutScript = `
local now = tonumber(redis.call('TIME')[1])
local before = tonumber(redis.call('GET', KEYS[1]) or -1)
local epoch = tonumber(ARGV[1] or string.match(redis.call('GET', KEYS[2]) or '', '^[^:]*:(%d+)') or -1)
local cut = math.max(before, now)
if math.max(before, epoch) >= now then cut = math.max(before, now + 1) end
redis.call('SET', KEYS[1], string.format('%.0f', cut))
return cut`

// LogoutAll revokes every token that the user was issued here until now: it raises their cut, then it puts their
// sessions on the blacklist. Node services check only the blacklist. When it returns nil, Redis has stored it, and as
// many replicas as the options ask for.
//
// The issue time of the presented token has no effect on the cut: a Node service with another clock may have issued it,
// so the caller revokes it separately. If the cut were raised to that time, it could be ahead of Redis's clock. The
// next tokens would then be issued ahead as well, and the cut after a lost blacklist would not revoke them.
func (d *DB) LogoutAll(ctx context.Context, userID string) error {
	return d.LogoutUsers(ctx, []string{userID})
}

// LogoutUsers is LogoutAll for many users.
func (d *DB) LogoutUsers(ctx context.Context, userIDs []string) error {
	ctx = context.WithoutCancel(ctx) // a client that disconnects does not stop it
	perExchange := max(1, len(userIDs))
	if d.cluster() {
		perExchange = 1 // their cuts are stored on different nodes
	}
	var cuts []int64
	for ids := range slices.Chunk(userIDs, perExchange) {
		raised, err := d.raiseCuts(ctx, ids)
		if err != nil {
			return err
		}
		cuts = append(cuts, raised...)
	}
	return d.endAllSessions(ctx, userIDs, cuts)
}

// raiseCuts raises the cuts of users, which on a Cluster is one user, and returns them.
func (d *DB) raiseCuts(ctx context.Context, userIDs []string) (cuts []int64, err error) {
	err = d.call(ctx, "logging a user out everywhere", func(ctx context.Context) error {
		var more []string
		var args []any
		if !d.cluster() {
			more = []string{d.epochKeys[0]}
		} else {
			cut, _, err := d.readNodeCuts(ctx, userIDs[0])
			if err != nil {
				return err
			}
			args = []any{cut}
		}
		replies := make([]*redis.Cmd, len(userIDs))
		writes := make([]write, len(userIDs))
		for i, id := range userIDs {
			key := logoutAllKey(id)
			writes[i] = write{key, func(p redis.Pipeliner) redis.Cmder {
				replies[i] = p.Eval(ctx, raiseCutScript, append([]string{key}, more...), args...)
				return replies[i]
			}}
		}
		if err := d.store(ctx, writes); err != nil {
			return err
		}
		for _, reply := range replies {
			cut, err := reply.Int64()
			if err != nil {
				return err
			}
			cuts = append(cuts, cut)
		}
		return nil
	})
	d.metrics.countRevocations("user", err, float64(len(userIDs)))
	return cuts, err
}
