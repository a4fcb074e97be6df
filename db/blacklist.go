package db

import (
	"context"
	"time"
)

// Revoked tells whether token is on the blacklist. Any entry counts, whatever its type or value:
// EXISTS sees what GET and MGET would not.
func (d *DB) Revoked(ctx context.Context, token string) (bool, error) {
	var found int64
	err := d.call(ctx, "asking the blacklist", func(ctx context.Context) (err error) {
		found, err = d.client.Exists(ctx, blacklistKey(token)).Result()
		return err
	})
	return found > 0, err
}

// Revoke puts token on the blacklist until the given time, for ever if that is the zero time. The
// entry is the original's: "true". When Revoke returns nil, Redis has stored it. A client that goes
// away meanwhile doesn't stop it.
func (d *DB) Revoke(ctx context.Context, token string, until time.Time) error {
	return d.call(context.WithoutCancel(ctx), "revoking a token", func(ctx context.Context) error {
		return d.client.Set(ctx, blacklistKey(token), "true", life(until)).Err()
	})
}

// life is the expiry that go-redis is given for an entry to be kept until the given time, in whole
// seconds. It never is 0 but for the zero time: go-redis keeps an entry with none for ever.
func life(until time.Time) time.Duration {
	if until.IsZero() {
		return 0 // no expiry
	}
	return max(time.Second, time.Until(until).Round(time.Second))
}
