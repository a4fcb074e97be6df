package db

import (
	"cmp"
	"strings"
)

// All keys. The Node services share the first. Every other key begins with "auth:", so that no other application in
// the same Redis uses it: user:*, for example, is a usual name for a cache of users.

// originalKey is the key of a revoked token in the original.
const originalKey = "blacklist:" + tokenPlace

// tokenPlace is replaced by the token in a template.
const tokenPlace = "{token}"

// keyTemplate is the template of the keys of revoked tokens. "" means originalKey.
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

// usernameKey is the key of the claim on a username, which is given as user.FoldUsername returns it.
func usernameKey(folded string) string { return "auth:username:" + folded }

// userIDKey holds the email of the user with that id.
func userIDKey(id string) string { return "auth:user-id:" + id }

func logoutAllKey(userID string) string { return "auth:logout-all:" + userID }

// sessionsKey holds the sessions of a user: see sessions.go.
func sessionsKey(userID string) string { return "auth:sessions:" + userID }

const epochKey = "auth:epoch"

// clockKey holds the record that Redis's clock was set back.
const clockKey = "auth:clock"

// loginLimitKey is the key of a counter of the login limit, or of a known address, depending on kind. See limitKey.
func loginLimitKey(kind, of string) string { return "auth:login-limit:" + kind + ":" + of }
