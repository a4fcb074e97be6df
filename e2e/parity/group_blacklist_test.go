package parity

import "strings"

var blacklistGroup = group{
	name:  "blacklist",
	about: "what counts as revoked: values and types of entries, with and without a TTL, for valid, expired and forged tokens",
	cases: append(blacklistCases(), misspelledCases...),
}

// entryRow is a state of the blacklist.
type entryRow struct {
	name    string
	command command
	counts  string // how the original interprets the state
}

const (
	yes   = "yes"   // revoked
	no    = "no"    // not revoked
	blank = "blank" // not revoked, because the value is empty
	wrong = "wrong" // an error, because the type is wrong
)

var entryRows = []entryRow{
	{"true", command{"SET", entryKey, "true", "EX", "43200"}, yes},
	{"true forever", command{"SET", entryKey, "true"}, yes},
	{"true for seconds", command{"SET", entryKey, "true", "EX", "30"}, yes},
	{"true for a year", command{"SET", entryKey, "true", "EX", "31536000"}, yes},
	{"false", command{"SET", entryKey, "false", "EX", "1000"}, yes},
	{"0", command{"SET", entryKey, "0", "EX", "1000"}, yes},
	{"1", command{"SETEX", entryKey, "1000", "1"}, yes},
	{"null", command{"SET", entryKey, "null"}, yes},
	{"a space", command{"SET", entryKey, " "}, yes},
	{"a NUL", command{"SET", entryKey, "\x00"}, yes},
	{"bytes", command{"SET", entryKey, "\xff\xfe"}, yes},
	{"100 KB", command{"SET", entryKey, strings.Repeat("x", 100_000)}, yes},
	{"a counter", command{"INCR", entryKey}, yes},
	{"a bitmap", command{"SETBIT", entryKey, "7", "1"}, yes},
	{"a HyperLogLog", command{"PFADD", entryKey, "a"}, yes},
	{"empty", command{"SET", entryKey, "", "EX", "1000"}, blank},
	{"empty forever", command{"SET", entryKey, ""}, blank},
	{"a list", command{"RPUSH", entryKey, "true"}, wrong},
	{"a hash", command{"HSET", entryKey, "revoked", "true"}, wrong},
	{"a set", command{"SADD", entryKey, "true"}, wrong},
	{"a sorted set", command{"ZADD", entryKey, "1", "true"}, wrong},
	{"a stream", command{"XADD", entryKey, "*", "revoked", "true"}, wrong},
	{"a place", command{"GEOADD", entryKey, "1", "1", "here"}, wrong},
	{"another token", command{"SET", entryKey + "x", "true"}, no},
	{"another key", command{"SET", "{token}", "true"}, no},
	{"another prefix", command{"SET", "Blacklist:{token}", "true"}, no},
	{"a prefix of it", command{"SET", " " + entryKey, "true"}, no},
	{"nobody's", command{"SET", "blacklist:", "true"}, no},
	{"a pattern", command{"SET", "blacklist:*", "true"}, no},
}

// holderRow is a token whose blacklist entry is tested.
type holderRow struct {
	name  string
	token token
	// forged tokens are rejected without a lookup. onLogout is the divergence in the entry of the token's own logout.
	forged   bool
	onLogout string
}

var holderRows = []holderRow{
	{"good", token{}, false, ""},
	{"HS512", token{header: `{"alg":"HS512"}`}, false, ""},
	{"without exp", token{payload: `{"id":"CASE"}`}, false, "ttl"},
	{"expired", only(`"exp":NOW-30`), false, "ttl"},
	{"long expired", only(`"exp":NOW-3000`), false, "expired-tokens"},
	{"not yet valid", with(`"nbf":NOW+3600`), false, ""},
	{"forged", token{secret: "another secret, longer than thirty-two bytes"}, true, noted},
	{"unsigned", token{header: `{"alg":"none"}`, edit: unsign}, true, noted},
	{"garbage", token{text: "garbage-CASE"}, true, noted},
}

// misspelledCases are signed tokens on the blacklist that this service rejects for their spelling or length.
var misspelledCases = []testCase{
	{name: "true, too long, me", token: token{edit: ofLength(9000)}, redis: revoked, request: askMe, diverges: "forged-entry long-tokens"},
	{name: "true, too long, logout", token: token{edit: ofLength(9000)}, redis: revoked, request: postLogout, diverges: "long-tokens"},
	{name: "true, misspelled, me", token: misspelled, redis: revoked, request: askMe, diverges: "forged-entry one-spelling"},
	{name: "true, misspelled, logout", token: misspelled, redis: revoked, request: postLogout, diverges: "one-spelling"},
}

var misspelled = token{payload: `{"id":"1","a":12}`, edit: respellPayload(respellLast(1))}

// blacklistCases sends every token with every state of the blacklist, and logs a few of them out again.
func blacklistCases() []testCase {
	var cases []testCase
	for _, entry := range entryRows {
		for _, holder := range holderRows {
			c := testCase{token: holder.token, redis: []command{entry.command}}
			c.name = entry.name + ", " + holder.name + ", me"
			c.request = get(me, withToken)
			c.diverges = divergesOnMe(entry, holder)
			cases = append(cases, c)
		}
		for _, i := range []int{0, 2, 6} {
			holder := holderRows[i]
			c := testCase{token: holder.token, redis: []command{entry.command}, diverges: holder.onLogout}
			c.name = entry.name + ", " + holder.name + ", logout"
			c.request = post(logout, withToken)
			cases = append(cases, c)
		}
	}
	return cases
}

func divergesOnMe(entry entryRow, holder holderRow) string {
	switch {
	case holder.forged && (entry.counts == yes || entry.counts == wrong):
		return "forged-entry"
	case !holder.forged && (entry.counts == blank || entry.counts == wrong):
		return "any-entry"
	}
	return ""
}
