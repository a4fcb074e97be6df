package db

import (
	"cmp"
	"strings"
)

// All keys. The Node services share the first. Every other key begins with "auth:", so that no other application in
// the same Redis uses it: user:*, for example, is a usual name for a cache of users.

// originalKey is the key of a revoked token in the original.
const originalKey = "blacklist:" + tokenPlace

// tokenPlace is where a template of keys has the token.
const tokenPlace = "{token}"

// keyTemplate says how the keys of revoked tokens are made. "" is the original's.
type keyTemplate string

func (k keyTemplate) String() string { return cmp.Or(string(k), originalKey) }

// key returns the key of a token.
func (k keyTemplate) key(token string) string {
	before, after, _ := strings.Cut(k.String(), tokenPlace)
	return before + token + after
}

// pattern returns the pattern that the keys match, in the syntax of Redis's ACLs. A token begins with "e".
func (k keyTemplate) pattern() string {
	before, after, _ := strings.Cut(k.String(), tokenPlace)
	escape := strings.NewReplacer(`\`, `\\`, "*", `\*`, "?", `\?`, "[", `\[`, "]", `\]`).Replace
	if before == "" {
		before = "e"
	}
	return escape(before) + "*" + escape(after)
}

func userKey(email string) string { return "auth:user:" + strings.ToLower(email) }

// usernameKey is the claim on a username, given as user.FoldUsername returns it.
func usernameKey(folded string) string { return "auth:username:" + folded }

// userIDKey holds the email of the user with that id.
func userIDKey(id string) string { return "auth:user-id:" + id }

func logoutAllKey(userID string) string { return "auth:logout-all:" + userID }

// sessionsKey holds the sessions of a user: see sessions.go.
func sessionsKey(userID string) string { return "auth:sessions:" + userID }

const epochKey = "auth:epoch"

// clockKey records that Redis's clock was set back.
const clockKey = "auth:clock"

// loginLimitKey is a counter of the login limit, or a known address; kind says which. See limitKey.
func loginLimitKey(kind, of string) string { return "auth:login-limit:" + kind + ":" + of }
