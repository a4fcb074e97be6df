package db

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
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

// What is counted by one key is "<failed> <under way>", two numbers that are forgotten together, Per after the
// first of them. ARGV: Per in milliseconds.
const readTries = `
local left = redis.call('PTTL', KEYS[1])
local failed, trying = 0, 0
if left > 0 then
  local f, t = string.match(redis.call('GET', KEYS[1]) or '', '^(%d+) (%d+)$')
  failed, trying = tonumber(f or 0), tonumber(t or 0)
end
if failed + trying == 0 then left = tonumber(ARGV[1]) end
`

// takeTry counts a try as under way and returns 0. If as many as the limit have failed already it returns the
// milliseconds until they are forgotten, and -1 if as many would have, should those under way fail.
// ARGV: Per, the limit.
const takeTry = readTries + `
local limit = tonumber(ARGV[2])
if failed >= limit then return left end
if failed + trying >= limit then return -1 end
redis.call('SET', KEYS[1], failed .. ' ' .. trying + 1, 'PX', left)
return 0`

// endTry ends one that is under way. ARGV: Per, 1 if it has failed, else 0.
const endTry = readTries + `
failed, trying = failed + tonumber(ARGV[2]), math.max(trying - 1, 0)
if failed + trying > 0 then
  redis.call('SET', KEYS[1], failed .. ' ' .. trying, 'PX', left)
else
  redis.call('DEL', KEYS[1])
end
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

// TakeLogin counts a try to log in to account from address, an IP address, before it is known whether it fails:
// so of many at once no more than the limit get to try. A wait over 0 says that the limit is reached, and for
// how long; busy that it would be, should all that are under way fail. Nothing is counted in either case. Else
// EndLogin has to be called.
//
// Each of the three counters is exact by itself. They are at different nodes of a cluster, so where one is
// full, the other two count the try for a moment.
func (d *DB) TakeLogin(ctx context.Context, l LoginLimit, account, address string) (wait time.Duration, busy bool, err error) {
	if l.Failures == 0 {
		return 0, false, nil
	}
	limits := l.limits(account, address)
	var answers [len(limits)]*redis.Cmd
	if err := d.call(ctx, "counting a login", func(ctx context.Context) error {
		return d.pipelineAll(ctx, d.client, func(p redis.Pipeliner) {
			for i, limit := range limits {
				answers[i] = p.Eval(ctx, takeTry, []string{limit.key}, limit.per.Milliseconds(), limit.limit)
			}
		})
	}); err != nil {
		return 0, false, err
	}
	var taken []limitKey
	for i, answer := range answers {
		left, err := answer.Int64()
		switch {
		case err != nil:
			return 0, false, err
		case left == 0:
			taken = append(taken, limits[i])
		case left < 0:
			busy = true
		default:
			wait = max(wait, time.Duration(left)*time.Millisecond)
		}
	}
	if len(taken) < len(limits) {
		err = d.endTries(ctx, taken, false)
	}
	return wait, busy && wait == 0, err
}

// EndLogin says how a try ended that TakeLogin counted: whether the password was looked at, and whether it was
// right. A good login forgets what failed for that account from that address, but not the failures of either with
// others: nobody clears his address with an account of his own.
func (d *DB) EndLogin(ctx context.Context, l LoginLimit, account, address string, tried, good bool) error {
	if l.Failures == 0 {
		return nil
	}
	limits := l.limits(account, address)
	if tried && good {
		return d.endTries(ctx, limits[1:], false, limits[0].key)
	}
	return d.endTries(ctx, limits[:], tried)
}

// endTries ends a try at each of the limits, and forgets all that the other keys count.
func (d *DB) endTries(ctx context.Context, limits []limitKey, failed bool, forget ...string) error {
	if len(limits) == 0 {
		return nil
	}
	outcome := 0
	if failed {
		outcome = 1
	}
	return d.call(context.WithoutCancel(ctx), "counting a login", func(ctx context.Context) error {
		return d.pipelineAll(ctx, d.client, func(p redis.Pipeliner) {
			for _, key := range forget {
				p.Del(ctx, key)
			}
			for _, limit := range limits {
				p.Eval(ctx, endTry, []string{limit.key}, limit.per.Milliseconds(), outcome)
			}
		})
	})
}
