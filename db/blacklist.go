package db

import (
	"context"
	"time"

	"github.com/redis/go-redis/v9"
)

// Revoke puts token on the blacklist until the given time, for ever if that is the zero time. The
// entry is the original's: "true". When Revoke returns nil, Redis has stored it, and as many replicas as
// the options ask for. A client that goes away meanwhile doesn't stop it.
func (d *DB) Revoke(ctx context.Context, token string, until time.Time) error {
	err := d.call(context.WithoutCancel(ctx), "revoking a token", func(ctx context.Context) error {
		return d.stored(ctx, blacklistKey(token), func(pipeline redis.Pipeliner) {
			pipeline.Set(ctx, blacklistKey(token), "true", life(until))
		})
	})
	d.metrics.revoked("token", err, 1)
	return err
}

// life is the expiry that go-redis is given for an entry to be kept until the given time, in whole
// seconds. It never is 0 but for the zero time: go-redis keeps an entry with none for ever.
func life(until time.Time) time.Duration {
	if until.IsZero() {
		return 0 // no expiry
	}
	return max(time.Second, time.Until(until).Round(time.Second))
}
