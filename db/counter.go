package db

import (
	"context"
	"time"

	"github.com/redis/go-redis/v9"

	"gin-auth/user"
)

// counter counts the attempts that have failed and those that are under way. Its key holds both numbers, "<failed>
// <under way>", and expires per after the first attempt.
type counter struct {
	key   string
	limit int
	per   time.Duration
	// sparesKnown is true if a full counter does not block a known address.
	sparesKnown bool
}

// ARGV: per in milliseconds.
const readCounterScript = `
local left = redis.call('PTTL', KEYS[1])
local failed, trying = 0, 0
if left > 0 then
  local f, t = string.match(redis.call('GET', KEYS[1]) or '', '^(%d+) (%d+)$')
  failed, trying = tonumber(f or 0), tonumber(t or 0)
end
if failed + trying == 0 then left = tonumber(ARGV[1]) end
`

// beginScript counts an attempt as under way and returns 0, unless the limit is reached. If the failures alone reach
// it, it returns the milliseconds until they expire; if they reach it together with the attempts under way, it returns
// -1. ARGV: per, the limit.
const beginScript = readCounterScript + `
local limit = tonumber(ARGV[2])
if failed >= limit then return left end
if failed + trying >= limit then return -1 end
redis.call('SET', KEYS[1], failed .. ' ' .. trying + 1, 'PX', left)
return 0`

// endScript ends an attempt that is under way. ARGV: per, and 1 if the attempt has failed, otherwise 0.
const endScript = readCounterScript + `
failed, trying = failed + tonumber(ARGV[2]), math.max(trying - 1, 0)
if failed + trying > 0 then
  redis.call('SET', KEYS[1], failed .. ' ' .. trying, 'PX', left)
else
  redis.call('DEL', KEYS[1])
end
return 0`

// beginCounted counts an attempt in each of the counters. If a full counter blocks the attempt, it returns a
// *user.LimitError, and nothing is counted. The address is known if the key known exists; "" means that it is not.
// counted are the counters that counted the attempt; it has to be ended in each of them.
//
// Each counter is exact. On a cluster the counters may be on different nodes, so if one of them is full, the others
// count the attempt for a moment.
func (d *DB) beginCounted(ctx context.Context, known string, counters ...counter) (counted []counter, err error) {
	var exists *redis.IntCmd
	replies := make([]*redis.Cmd, len(counters))
	if err := d.count(ctx, func(ctx context.Context, p redis.Pipeliner) {
		if known != "" {
			exists = p.Exists(ctx, known)
		}
		for i, c := range counters {
			replies[i] = p.Eval(ctx, beginScript, []string{c.key}, c.per.Milliseconds(), c.limit)
		}
	}); err != nil {
		return nil, err
	}
	isKnown := exists != nil && exists.Val() > 0
	blocked, wait := false, time.Duration(0)
	for i, reply := range replies {
		left, err := reply.Int64()
		switch {
		case err != nil:
			return nil, err
		case left == 0:
			counted = append(counted, counters[i])
		case !isKnown || !counters[i].sparesKnown:
			blocked, wait = true, max(wait, time.Duration(left)*time.Millisecond)
		}
	}
	if !blocked {
		return counted, nil
	}
	if err := d.endCounted(ctx, counted, false, nil); err != nil {
		return nil, err
	}
	return nil, &user.LimitError{Wait: wait}
}

// endCounted ends an attempt in each of the counters, in the same round trip as the commands that more adds. more may
// be nil.
func (d *DB) endCounted(
	ctx context.Context, counters []counter, failed bool, more func(context.Context, redis.Pipeliner),
) error {
	if len(counters) == 0 && more == nil {
		return nil
	}
	outcome := 0
	if failed {
		outcome = 1
	}
	return d.count(context.WithoutCancel(ctx), func(ctx context.Context, p redis.Pipeliner) {
		if more != nil {
			more(ctx, p)
		}
		for _, c := range counters {
			p.Eval(ctx, endScript, []string{c.key}, c.per.Milliseconds(), outcome)
		}
	})
}

// count sends the commands that build adds in one round trip.
func (d *DB) count(ctx context.Context, build func(context.Context, redis.Pipeliner)) error {
	return d.call(ctx, "counting an attempt", func(ctx context.Context) error {
		return d.pipelineAll(ctx, d.client, func(p redis.Pipeliner) { build(ctx, p) })
	})
}
