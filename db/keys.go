package db

import "strings"

// All keys. The Node original shares the first. Every other key begins with "auth:", so that no other application in
// the same Redis uses it: user:*, for example, is a usual name for a cache of users.

func blacklistKey(token string) string { return "blacklist:" + token }

func userKey(email string) string { return "auth:user:" + strings.ToLower(email) }

// usernameKey is the claim on a username, given as user.FoldUsername returns it.
func usernameKey(folded string) string { return "auth:username:" + folded }

// userIDKey holds the email of the user with that id.
func userIDKey(id string) string { return "auth:user-id:" + id }

func logoutAllKey(userID string) string { return "auth:logout-all:" + userID }

const epochKey = "auth:epoch"

// clockKey records that Redis's clock was set back.
const clockKey = "auth:clock"

// loginLimitKey counts tries to log in; kind says for what.
func loginLimitKey(kind, of string) string { return "auth:login-limit:" + kind + ":" + of }
