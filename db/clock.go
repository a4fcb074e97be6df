package db

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/redis/go-redis/v9"
)

// maxStepBack is how many seconds Redis's clock may fall behind the highest time it has shown before it counts as set
// back. An entry on the blacklist expires a minute after its token. Half of that minute is allowed for steps back. The
// other half covers a higher time that was not seen, because Redis was last asked a moment earlier.
const maxStepBack = 30

// MaxSkew is how far this instance's clock may differ from Redis's without a warning.
const MaxSkew = 5 * time.Second

// clock is what is known about Redis's clock. A token's expiry is judged by the time that came with its lookup. This
// type adds what that time does not show: whether the clock was set back, and how far this instance's own clock
// differs.
type clock struct {
	log     *slog.Logger
	setBack atomic.Pointer[setBack] // nil until it has been read from Redis

	mu    sync.Mutex
	known bool // whether skew is known
	// skew is how far this instance's clock is ahead of Redis's, on a Cluster of that of the node that differs most.
	skew  time.Duration
	nodes map[string]clockDifference // of the masters of a Cluster, by address
}

// setBack records that Redis's clock was set back. The zero value means never. While the clock was ahead, entries of
// the blacklist may have expired whose tokens became valid again when it was set back.
type setBack struct {
	highest int64 // the highest time that the clock had shown, in seconds
	at      int64 // the first time seen after it was set back
}

func (s setBack) String() string { return fmt.Sprintf("%d:%d", s.highest, s.at) }

// parseSetBack parses what String returned. It returns the zero value for anything else, which this service has not
// stored.
func parseSetBack(value string) setBack {
	highest, at, _ := strings.Cut(value, ":")
	h, errHighest := strconv.ParseInt(highest, 10, 64)
	a, errAt := strconv.ParseInt(at, 10, 64)
	if errHighest != nil || errAt != nil || h < 0 || a < 0 {
		return setBack{}
	}
	return setBack{h, a}
}

// highestTime is the highest time in seconds that the clock of one node has shown.
type highestTime struct{ seconds atomic.Int64 }

// observe records a time that a node's clock showed. It must be called before a token is judged by that time.
func (c *clock) observe(highest *highestTime, now time.Time) {
	for {
		seen := highest.seconds.Load()
		switch {
		case seen-now.Unix() > maxStepBack:
			c.recordSetBack(highest, now.Unix())
			return
		case now.Unix() <= seen || highest.seconds.CompareAndSwap(seen, now.Unix()):
			return
		}
	}
}

// recordSetBack stores the record before it lowers the highest time, so that a goroutine that sees the lower time finds
// the record.
func (c *clock) recordSetBack(highest *highestTime, now int64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	seen := highest.seconds.Load()
	if seen-now <= maxStepBack {
		return // another lookup has recorded it
	}
	record := setBack{highest: seen, at: now}
	if before := c.setBack.Load(); before != nil && before.highest >= seen {
		record.highest = before.highest + 1 // a later record is always higher
	}
	c.setBack.Store(&record)
	highest.seconds.Store(now)
	c.log.Error("Redis's clock was set back: tokens issued before that are judged by the highest time it has shown",
		"seconds", seen-now)
}

// judge returns the time by which to judge a token that was issued at issuedAt, in seconds. It is now, except that it
// is the highest time that the clock has shown if the token was issued before the clock was set back. A token that was
// issued at a later time than now was also issued before that.
func (c *clock) judge(now time.Time, issuedAt func() int64) time.Time {
	record := c.setBack.Load()
	if record == nil || now.Unix() >= record.highest {
		return now
	}
	if issued := issuedAt(); record.at <= issued && issued <= now.Add(maxAhead).Unix() {
		return now
	}
	return time.Unix(record.highest, 0)
}

// merge adopts the record that Redis stores if it is higher than this instance's own. It reports whether it is lower,
// so that it has to be replaced.
func (c *clock) merge(stored setBack) (replace bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	own := c.setBack.Load()
	if own == nil || stored.highest > own.highest {
		c.setBack.Store(&stored)
		return false
	}
	return own.highest > stored.highest
}

// recordSkew records how far this instance's clock differs from Redis's, which showed now between sent and received.
func (c *clock) recordSkew(sent, received, now time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	was := c.known && c.skew.Abs() > MaxSkew
	c.known, c.skew = true, sent.Add(received.Sub(sent)/2).Sub(now)
	switch is := c.skew.Abs() > MaxSkew; {
	case is && !was:
		c.log.Warn("this instance's clock differs from Redis's: synchronize both (NTP)",
			"seconds", c.skew.Round(time.Second).Seconds())
	case was && !is:
		c.log.Info("this instance's clock agrees with Redis's again")
	}
}

// Skew returns how far this instance's clock is ahead of Redis's, and false until it is known.
func (d *DB) Skew() (time.Duration, bool) {
	d.clock.mu.Lock()
	defer d.clock.mu.Unlock()
	return d.clock.skew, d.clock.known
}

// loadClock reads the record of a clock that was set back, unless it has been read already.
func (d *DB) loadClock(ctx context.Context) error {
	if d.clock.setBack.Load() != nil {
		return nil
	}
	return d.call(ctx, "reading whether Redis's clock was set back", d.readClock)
}

// readClock reads the record. On a Cluster it is stored in three slots that are usually at different masters, so that
// it can be read while one of them is away.
func (d *DB) readClock(ctx context.Context) error {
	replies := make([]*redis.StringCmd, len(d.clockKeys))
	_, failed := d.pipeline(ctx, d.client, func(p redis.Pipeliner) {
		for i, key := range d.clockKeys {
			replies[i] = p.Get(ctx, key)
		}
	})
	if failed != nil && !d.cluster() {
		return failed
	}
	read := false
	for i, reply := range replies {
		err := cmp.Or(reply.Err(), failed) // a reply that was not received may have no error
		if reply.Val() != "" {
			err = nil
		}
		err = d.mergeClock(ctx, d.clockKeys[i], reply.Val(), err)
		failed, read = cmp.Or(failed, err), read || err == nil
	}
	if read {
		return nil
	}
	return failed
}

// mergeClock adopts the record that Redis stores at a key, or replaces it by this instance's own if that is higher. If
// replacing it fails, the next call tries again; until then, an instance that starts does not know the higher record.
// Check reports a Redis user without rights to the key.
func (d *DB) mergeClock(ctx context.Context, key, stored string, err error) error {
	if err != nil && !errors.Is(err, redis.Nil) && !redis.HasErrorPrefix(err, "WRONGTYPE") && !isDenied(err) {
		return err
	}
	if d.clock.merge(parseSetBack(stored)) && !isDenied(err) {
		_ = d.client.Set(ctx, key, d.clock.setBack.Load().String(), 0).Err()
	}
	return nil
}
