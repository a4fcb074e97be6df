package parity

import (
	"regexp"
	"slices"
	"strings"
	"testing"
)

// combination is a set of traits of an application in the family.
type combination struct {
	name string
	// about describes the application for docs/migration.md.
	about string
	// original are the switches of the Node service. ours are the matching settings of this service.
	original, ours []string
	// only are the groups to run. If it is empty, all groups run.
	only []group
	// more are additional cases that need these traits.
	more []testCase
	// skips are the names of cases about traits that the combination does not have.
	skips []string
	// differ is the number of cases whose responses differ.
	differ int
}

// combinations are the most common ones in the family, and a rare one with the remaining traits. The first one is
// the stand-in without any switch.
var combinations = []combination{
	{
		name:   "as the original",
		about:  "stores `blacklist:<token>`; the cookie is `token`, `Secure`, `SameSite=Strict`, for a day",
		differ: 851,
	},
	{
		name:     "no SameSite",
		about:    "the same, but sets no `sameSite`",
		original: []string{"COOKIE_SAMESITE=omit"},
		ours:     []string{"COOKIE_SAMESITE=lax"},
		differ:   1320,
	},
	{
		name:     "blacklist_",
		about:    "stores `blacklist_<token>`, sets no `sameSite`; passwords from 6 characters; `/me` answers `{message,user}`",
		original: []string{"BLACKLIST_KEY=blacklist_{token}", "COOKIE_SAMESITE=omit", "ME_MESSAGE=Current user"},
		ours:     []string{"BLACKLIST_KEY=blacklist_{token}", "COOKIE_SAMESITE=lax", "PASSWORD_MIN=6"},
		more:     []testCase{sixCharacters},
		differ:   1610,
	},
	{
		name:     "bl_, a week, Bearer",
		about:    "stores `bl_<token>`; the cookie is `Secure` only in production, for a week; accepts `Authorization: Bearer`",
		original: []string{"BLACKLIST_KEY=bl_{token}", "JWT_EXPIRES_IN=7d", "COOKIE_SECURE=production", "ACCEPT_BEARER=true"},
		ours:     []string{"BLACKLIST_KEY=bl_{token}", "JWT_EXPIRES_IN=7d", "ACCEPT_BEARER=true"},
		differ:   855,
	},
	{
		name:     "accessToken, _id, the bare token",
		about:    "stores `<token>`; the cookie is `accessToken`, `SameSite=None`; the id is in the claim `_id`",
		original: []string{"COOKIE_NAME=accessToken", "USER_CLAIM=_id", "BLACKLIST_KEY={token}", "COOKIE_SAMESITE=none"},
		ours:     []string{"COOKIE_NAME=accessToken", "BLACKLIST_KEY={token}", "COOKIE_SAMESITE=none"},
		differ:   851,
	},
	{
		name: "a blacklist that nobody reads",
		about: "writes the blacklist and never reads it, like most services; sets no `sameSite`; users register as `user` or `seller`; " +
			"passwords from 6 characters; validation answers `{errors:[…]}`",
		original: []string{
			"CHECK_BLACKLIST=false", "COOKIE_SAMESITE=omit", "ROLES=user,seller", "VALIDATION=errors", "ME_MESSAGE=Current user",
		},
		ours: []string{"COOKIE_SAMESITE=lax", "REGISTRATION_ROLES=user,seller", "PASSWORD_MIN=6"},
		more: []testCase{
			sixCharacters,
			{name: "role seller", request: registerMore("S1", `"role":"seller"`), diverges: "users-in-redis jti"},
		},
		skips:  []string{"j: array, revoked, me", "j: object without a text, me", "long expired, then me"},
		differ: 1583,
	},
	{
		name: "by email alone, in development",
		about: "stores `Blacklist:<token>`; logs in by email only; registering starts no session; the id is in the claim " +
			"`userId`; in development, where the cookie is not `Secure`",
		original: []string{
			"NODE_ENV=development", "COOKIE_SECURE=production", "COOKIE_SAMESITE=lax", "BLACKLIST_KEY=Blacklist:{token}",
			"USER_CLAIM=userId", "LOGIN_BY=email", "REGISTER_COOKIE=false", "UNIQUE_USERNAMES=false",
			"WRONG_PASSWORD=Invalid email or password",
		},
		ours: []string{
			"NODE_ENV=development", "COOKIE_SECURE=false", "COOKIE_SAMESITE=lax", "BLACKLIST_KEY=Blacklist:{token}",
		},
		only:   []group{logoutGroup, bodyGroup, userGroup},
		differ: 207,
	},
}

// sixCharacters needs PASSWORD_MIN=6.
var sixCharacters = testCase{
	name:    "6 characters in the password",
	request: register("Six", "six@example.com", "sixsix"), diverges: "users-in-redis jti",
}

// TestFamily sends the cases to the original with the traits of every combination, and to this service with the
// matching settings.
func TestFamily(t *testing.T) {
	t.Parallel()
	needPrograms(t)
	for _, c := range combinations[1:] {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			startPair(t, pairOptions{express: "4", combination: c}).everything(t)
		})
	}
}

// trait returns a switch of the Node service.
func (c combination) trait(name, otherwise string) string { return value(c.original, name, otherwise) }

// setting returns a setting of this service.
func (c combination) setting(name, otherwise string) string { return value(c.ours, name, otherwise) }

func value(env []string, name, otherwise string) string {
	for _, line := range env {
		if value, found := strings.CutPrefix(line, name+"="); found {
			return value
		}
	}
	return otherwise
}

// key returns the template of the key of a revoked token.
func (c combination) key() string { return c.setting("BLACKLIST_KEY", entryKey) }

// checksBlacklist reports whether the Node service checks the blacklist.
func (c combination) checksBlacklist() bool { return c.trait("CHECK_BLACKLIST", "true") == "true" }

// entryOf returns the key of a revoked token.
func (c combination) entryOf(token string) string {
	return strings.ReplaceAll(c.key(), "{token}", token)
}

// cleared returns the attributes of a cleared cookie in the form of cookies.
func (c combination) cleared(sameSite string) []string {
	attributes := []string{"expires=1970-01-01T00:00:00Z", "httponly=", "path=/", c.setting("COOKIE_NAME", "token") + "="}
	if sameSite != "omit" {
		attributes = append(attributes, "samesite="+strings.ToUpper(sameSite[:1])+sameSite[1:])
	}
	if secure := c.setting("COOKIE_SECURE", "true"); secure == "true" ||
		secure == "production" && c.setting("NODE_ENV", "production") == "production" {
		attributes = append(attributes, "secure=")
	}
	slices.Sort(attributes)
	return attributes
}

// corpus returns the groups with the cases that apply to the combination, adapted to it.
func (c combination) corpus() []group {
	all := groups
	if c.only != nil {
		all = c.only
	}
	all = append(slices.Clone(all), group{name: "its own", cases: c.more})
	for i, g := range all {
		all[i].cases = nil
		for _, one := range g.cases {
			if !c.leavesOut(one) {
				all[i].cases = append(all[i].cases, c.adapt(one))
			}
		}
	}
	return all
}

// leavesOut reports whether a case does not apply: it is in skips, or it writes the combination's key as an unrelated
// key, because the original has another one.
func (c combination) leavesOut(one testCase) bool {
	return slices.Contains(c.skips, one.name) || c.key() != entryKey &&
		slices.ContainsFunc(one.redis, func(words command) bool { return slices.Contains(words, c.key()) })
}

var cookieName = regexp.MustCompile(`\btoken([ \t]*=)`)

// adapt replaces the cookie and the key in a case by those of the combination.
func (c combination) adapt(one testCase) testCase {
	rename := func(request string) string {
		head, body, found := strings.Cut(request, "\r\n\r\n")
		if !found {
			return request
		}
		return cookieName.ReplaceAllString(head, c.setting("COOKIE_NAME", "token")+"$1") + "\r\n\r\n" + body
	}
	one.request = rename(one.request)
	one.before = slices.Clone(one.before)
	for i := range one.before {
		one.before[i] = rename(one.before[i])
	}
	var commands []command
	for _, words := range one.redis {
		words = slices.Clone(words)
		for i := range words {
			words[i] = strings.ReplaceAll(words[i], entryKey, c.key())
		}
		commands = append(commands, words)
	}
	one.redis = commands
	return one
}

// size returns the number of cases of the combination.
func (c combination) size() int {
	n := len(fleetRows)*rowSize + 1 + len(flowSteps(c))
	for _, g := range c.corpus() {
		n += len(g.cases)
	}
	return n
}
