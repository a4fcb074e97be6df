package db

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"net/netip"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"
)

// LoginLimit is how many failed logins are allowed, and how many failed password changes and registrations. Its zero
// value means no limit.
type LoginLimit struct {
	// Failures is how many failures are allowed in each Per: for an account from an address, for an address, and for
	// the password changes of a user. An account as a whole may have accountFactor times as many in each hour. Failures
	// is also how many registrations are allowed from an address in each Per.
	Failures int
	Per      time.Duration
}

const (
	accountFactor = 10
	accountPer    = time.Hour
	// knownFor is how long an address from which a user has logged in is known.
	knownFor = 30 * 24 * time.Hour
)

// limitKey returns the key of one kind for parts such as an account and an address. It contains an HMAC of the parts.
// So the length of a key does not depend on what a client sends, and Redis does not show who logs in from where. Only
// the first part may contain a NUL.
func (d *DB) limitKey(kind string, parts ...string) string {
	mac := hmac.New(sha256.New, d.limitSecret)
	mac.Write([]byte(kind + "\x00" + strings.Join(parts, "\x00")))
	return loginLimitKey(kind, hex.EncodeToString(mac.Sum(nil)[:16]))
}

// networkOf returns what counts as one address: an IPv4 address, or the /64 network of an IPv6 address, because a
// single customer has all addresses of a /64.
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

// loginCounters returns the counters of a login to an account from a network: for both together, for the network, and
// for the account. Failures from other networks can fill only the last one, which does not block known addresses.
func (d *DB) loginCounters(account, network string) [3]counter {
	l := d.loginLimit
	return [3]counter{
		{key: d.limitKey("pair", account, network), limit: l.Failures, per: l.Per},
		{key: d.limitKey("address", network), limit: l.Failures, per: l.Per},
		{
			key: d.limitKey("account", account), limit: accountFactor * l.Failures, per: accountPer,
			sparesKnown: true,
		},
	}
}

// BeginLogin counts a login to account from address, an IP address, before it is known whether the login fails. So of
// many logins at once, no more than the limit are tried. If the limit is reached, it returns a *user.LimitError, and
// nothing is counted. Otherwise the caller must call end, with whether the password was checked and whether it was
// right.
//
// A right password makes the address known for that account for 30 days, unless ownAddress is false because the address
// is not the client's own. Failures from other addresses do not block a known address. A right password also clears the
// failures of that account from that address, but not the failures of the address with other accounts: so nobody can
// clear their address by logging in to their own account. Nor does it clear the failures of the account from other
// addresses.
func (d *DB) BeginLogin(ctx context.Context, account, address string, ownAddress bool) (
	end func(ctx context.Context, checked, right bool) error, err error,
) {
	network, known := networkOf(address), ""
	if ownAddress {
		known = d.limitKey("known", account, network)
	}
	counters := d.loginCounters(account, network)
	return d.beginAttempt(ctx, known, counters[:]...)
}

// BeginPasswordChange counts a password change of a user as BeginLogin counts a login, with a separate counter. So
// failed logins do not block it, and it does not block logins. A right password clears the counter.
func (d *DB) BeginPasswordChange(ctx context.Context, userID string) (
	end func(ctx context.Context, checked, right bool) error, err error,
) {
	key := d.limitKey("password", userID)
	return d.beginAttempt(ctx, "", counter{key: key, limit: d.loginLimit.Failures, per: d.loginLimit.Per})
}

// beginAttempt counts an attempt with a password. If the password is right, end clears the first of the counters and
// stores the key known, unless it is "".
func (d *DB) beginAttempt(ctx context.Context, known string, counters ...counter) (
	end func(ctx context.Context, checked, right bool) error, err error,
) {
	if d.loginLimit.Failures == 0 {
		return func(context.Context, bool, bool) error { return nil }, nil
	}
	counted, err := d.beginCounted(ctx, known, counters...)
	if err != nil {
		return nil, err
	}
	return func(ctx context.Context, checked, right bool) error {
		if !checked || !right {
			return d.endCounted(ctx, counted, checked, nil)
		}
		return d.endCounted(ctx, counted[1:], false, func(ctx context.Context, p redis.Pipeliner) {
			p.Del(ctx, counted[0].key)
			if known != "" {
				p.Set(ctx, known, "1", knownFor)
			}
		})
	}, nil
}

// BeginRegistration counts a registration from address, an IP address, as BeginLogin counts a login, with a separate
// counter. The caller must call end with whether a password was hashed. If it was, the registration counts, whether it
// succeeds or not.
func (d *DB) BeginRegistration(ctx context.Context, address string) (
	end func(ctx context.Context, hashed bool) error, err error,
) {
	if d.loginLimit.Failures == 0 {
		return func(context.Context, bool) error { return nil }, nil
	}
	key := d.limitKey("register", networkOf(address))
	counted, err := d.beginCounted(ctx, "", counter{key: key, limit: d.loginLimit.Failures, per: d.loginLimit.Per})
	if err != nil {
		return nil, err
	}
	return func(ctx context.Context, hashed bool) error { return d.endCounted(ctx, counted, hashed, nil) }, nil
}
