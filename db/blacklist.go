package db

import (
	"context"
	"time"

	"github.com/redis/go-redis/v9"
)

// Revoke puts token on the blacklist until the given time by Redis's clock, forever if that is the zero time. A
// time that has passed stores nothing. The entry is the original's: "true". When Revoke returns nil, Redis has
// stored it, and as many replicas as the options ask for. A client that disconnects does not stop it.
//
// It is stored with EXAT (Redis 6.2). A lifetime computed here would be wrong by as much as this instance's clock
// is, and with a clock that is ahead a token could be valid again after its entry has expired.
func (d *DB) Revoke(ctx context.Context, token string, until time.Time) error {
	args := redis.SetArgs{}
	if !until.IsZero() {
		args.ExpireAt = time.Unix(max(1, until.Unix()), 0) // 0 is not a time to SET
	}
	err := d.call(context.WithoutCancel(ctx), "revoking a token", func(ctx context.Context) error {
		return d.stored(ctx, blacklistKey(token), func(pipeline redis.Pipeliner) {
			pipeline.SetArgs(ctx, blacklistKey(token), "true", args)
		})
	})
	d.metrics.revoked("token", err, 1)
	return err
}
