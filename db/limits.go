package db

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"net/netip"
	"time"

	"github.com/redis/go-redis/v9"
)

// LoginLimit is how many failed logins are let pass. Its zero value means no limit.
type LoginLimit struct {
	// Failures of an account and an address together, and of an address, in each Per. An account as a whole
	// has accountFactor times as many in each hour.
	Failures int
	Per      time.Duration
}

const (
	accountFactor = 10
	accountPer    = time.Hour
)

// takeTry counts a try unless as many as the limit are counted already: then it returns the milliseconds
// until they are forgotten, else 0. They are forgotten together, Per after the first of them.
// ARGV: the limit, the milliseconds after which the first is forgotten.
const takeTry = `
local n = tonumber(redis.call('GET', KEYS[1]) or 0)
local left = redis.call('PTTL', KEYS[1])
if left < 0 or n <= 0 then
  n = 0
  left = tonumber(ARGV[2])
  redis.call('SET', KEYS[1], 0, 'PX', left)
end
if n >= tonumber(ARGV[1]) then return math.max(1, left) end
redis.call('INCR', KEYS[1])
return 0`

// giveTryBack takes back one try, and lets the rest expire when it would.
const giveTryBack = `
if tonumber(redis.call('GET', KEYS[1]) or 0) > 0 then redis.call('DECR', KEYS[1]) end
return 0`

// limitKey is one thing that tries are counted for.
type limitKey struct {
	key   string
	limit int
	per   time.Duration
}

// limits are what a try at an account from an address is counted for. Accounts are hashed: what a client
// sends decides neither the length of a key nor can be read there.
func (l LoginLimit) limits(account, address string) [3]limitKey {
	account, address = shortHash(account), network(address)
	return [3]limitKey{
		{loginLimitKey("pair", account+":"+address), l.Failures, l.Per},
		{loginLimitKey("address", address), l.Failures, l.Per},
		{loginLimitKey("account", account), accountFactor * l.Failures, accountPer},
	}
}

func shortHash(text string) string {
	sum := sha256.Sum256([]byte(text))
	return hex.EncodeToString(sum[:16])
}

// network is what counts as one address: an IPv4 address, or the /64 of an IPv6 address, all of which a
// single customer has.
func network(address string) string {
	ip, err := netip.ParseAddr(address)
	if err != nil {
		return "unknown"
	}
	ip = ip.Unmap().WithZone("")
	if ip.Is4() {
		return ip.String()
	}
	return netip.PrefixFrom(ip, 64).Masked().String()
}

// TakeLogin counts a try to log in to account from address, an IP address, as a failure, before it is known
// to be one: so of many at once no more than the limit get to try. A wait over 0 says that the limit is
// reached, and for how long; nothing is counted then.
//
// Each of the three counters is exact by itself. They are at different nodes of a cluster, so where one is
// full, the other two count the try for a moment.
func (d *DB) TakeLogin(ctx context.Context, l LoginLimit, account, address string) (wait time.Duration, err error) {
	if l.Failures == 0 {
		return 0, nil
	}
	limits := l.limits(account, address)
	err = d.call(ctx, "counting a login", func(ctx context.Context) error {
		pipeline := d.client.Pipeline()
		var answers [len(limits)]*redis.Cmd
		for i, limit := range limits {
			answers[i] = pipeline.Eval(ctx, takeTry, []string{limit.key}, limit.limit, limit.per.Milliseconds())
		}
		if err := execAll(ctx, pipeline); err != nil {
			return err
		}
		var taken []string
		for i, answer := range answers {
			left, err := answer.Int64()
			if err != nil {
				return err
			}
			if left == 0 {
				taken = append(taken, limits[i].key)
			}
			wait = max(wait, time.Duration(left)*time.Millisecond)
		}
		if wait == 0 {
			return nil
		}
		return d.giveBack(ctx, taken)
	})
	return wait, err
}

// GiveLoginBack takes back what TakeLogin counted, for a login that was none: it was not tried, or good.
// A good one forgets what failed for that account from that address, but not the failures of either with
// others: nobody clears his address with an account of his own.
func (d *DB) GiveLoginBack(ctx context.Context, l LoginLimit, account, address string, good bool) error {
	if l.Failures == 0 {
		return nil
	}
	limits := l.limits(account, address)
	keys := []string{limits[1].key, limits[2].key}
	return d.call(context.WithoutCancel(ctx), "counting a login", func(ctx context.Context) error {
		if !good {
			return d.giveBack(ctx, append(keys, limits[0].key))
		}
		return errors.Join(d.client.Del(ctx, limits[0].key).Err(), d.giveBack(ctx, keys))
	})
}

func (d *DB) giveBack(ctx context.Context, keys []string) error {
	if len(keys) == 0 {
		return nil
	}
	pipeline := d.client.Pipeline()
	for _, key := range keys {
		pipeline.Eval(ctx, giveTryBack, []string{key})
	}
	return execAll(ctx, pipeline)
}
