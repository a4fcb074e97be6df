package db

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"net/netip"
	"time"

	"github.com/redis/go-redis/v9"
)

// LoginLimit is how many failed logins are allowed. Its zero value means no limit.
type LoginLimit struct {
	// Failures is allowed for an account from an address, and for an address, in each Per. An account as a whole may
	// have accountFactor times as many in each hour.
	Failures int
	Per      time.Duration
}

const (
	accountFactor = 10
	accountPer    = time.Hour
)

// A key holds "<failed> <under way>", two numbers that expire together, Per after the first of them. ARGV: Per in
// milliseconds.
const readLoginsScript = `
local left = redis.call('PTTL', KEYS[1])
local failed, trying = 0, 0
if left > 0 then
  local f, t = string.match(redis.call('GET', KEYS[1]) or '', '^(%d+) (%d+)$')
  failed, trying = tonumber(f or 0), tonumber(t or 0)
end
if failed + trying == 0 then left = tonumber(ARGV[1]) end
`

// beginLoginScript counts a login as under way and returns 0. If as many as the limit have failed already, it returns
// the milliseconds until they expire; if as many would have failed when those under way fail, it returns -1.
// ARGV: Per, the limit.
const beginLoginScript = readLoginsScript + `
local limit = tonumber(ARGV[2])
if failed >= limit then return left end
if failed + trying >= limit then return -1 end
redis.call('SET', KEYS[1], failed .. ' ' .. trying + 1, 'PX', left)
return 0`

// endLoginScript ends a login that is under way. ARGV: Per, 1 if it has failed, otherwise 0.
const endLoginScript = readLoginsScript + `
failed, trying = failed + tonumber(ARGV[2]), math.max(trying - 1, 0)
if failed + trying > 0 then
  redis.call('SET', KEYS[1], failed .. ' ' .. trying, 'PX', left)
else
  redis.call('DEL', KEYS[1])
end
return 0`

// loginCounter is one of the counters of a login.
type loginCounter struct {
	key   string
	limit int
	per   time.Duration
}

// counters returns the counters of a login to an account from an address. Accounts are hashed: a string that a client
// sends neither decides the length of a key nor can be read there.
func (l LoginLimit) counters(account, address string) [3]loginCounter {
	sum := sha256.Sum256([]byte(account))
	account, address = hex.EncodeToString(sum[:16]), networkOf(address)
	return [3]loginCounter{
		{loginLimitKey("pair", account+":"+address), l.Failures, l.Per},
		{loginLimitKey("address", address), l.Failures, l.Per},
		{loginLimitKey("account", account), accountFactor * l.Failures, accountPer},
	}
}

// networkOf returns what counts as one address: an IPv4 address, or the /64 network of an IPv6 address, all of which
// belongs to a single customer.
func networkOf(address string) string {
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

// BeginLogin counts a login to account from address, an IP address, before it is known whether it fails, so that of
// many at once no more than the limit are tried. A wait over 0 says that the limit is reached, and for how long; busy
// that it would be reached if all logins under way failed. In both cases nothing is counted. Otherwise EndLogin has to
// be called.
//
// Each of the three counters is exact by itself. They are at different nodes of a cluster, so if one is full, the
// other two count the login for a moment.
func (d *DB) BeginLogin(ctx context.Context, account, address string) (wait time.Duration, busy bool, err error) {
	if d.loginLimit.Failures == 0 {
		return 0, false, nil
	}
	counters := d.loginLimit.counters(account, address)
	var replies [len(counters)]*redis.Cmd
	if err := d.call(ctx, "counting a login", func(ctx context.Context) error {
		return d.pipelineAll(ctx, d.client, func(p redis.Pipeliner) {
			for i, c := range counters {
				replies[i] = p.Eval(ctx, beginLoginScript, []string{c.key}, c.per.Milliseconds(), c.limit)
			}
		})
	}); err != nil {
		return 0, false, err
	}
	var counted []loginCounter
	for i, reply := range replies {
		left, err := reply.Int64()
		switch {
		case err != nil:
			return 0, false, err
		case left == 0:
			counted = append(counted, counters[i])
		case left < 0:
			busy = true
		default:
			wait = max(wait, time.Duration(left)*time.Millisecond)
		}
	}
	if len(counted) < len(counters) {
		err = d.endCounted(ctx, counted, false)
	}
	return wait, busy && wait == 0, err
}

// EndLogin says how a login ended that BeginLogin counted: whether the password was checked, and whether it was
// right. A successful login clears the failures of that account from that address, but not those of either with
// others: nobody can clear their address with an account of their own.
func (d *DB) EndLogin(ctx context.Context, account, address string, checked, right bool) error {
	if d.loginLimit.Failures == 0 {
		return nil
	}
	counters := d.loginLimit.counters(account, address)
	if checked && right {
		return d.endCounted(ctx, counters[1:], false, counters[0].key)
	}
	return d.endCounted(ctx, counters[:], checked)
}

// endCounted ends a login in each of the counters, and deletes the other keys.
func (d *DB) endCounted(ctx context.Context, counters []loginCounter, failed bool, others ...string) error {
	if len(counters) == 0 {
		return nil
	}
	outcome := 0
	if failed {
		outcome = 1
	}
	return d.call(context.WithoutCancel(ctx), "counting a login", func(ctx context.Context) error {
		return d.pipelineAll(ctx, d.client, func(p redis.Pipeliner) {
			for _, key := range others {
				p.Del(ctx, key)
			}
			for _, c := range counters {
				p.Eval(ctx, endLoginScript, []string{c.key}, c.per.Milliseconds(), outcome)
			}
		})
	})
}
