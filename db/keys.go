package db

import "strings"

// All keys. The Node original shares the first. Every other key begins with "auth:", so that no other application in
// the same Redis uses it: user:*, for example, is a usual name for a cache of users.

func blacklistKey(token string) string { return "blacklist:" + token }

func userKey(email string) string { return "auth:user:" + strings.ToLower(email) }

func logoutAllKey(userID string) string { return "auth:logout-all:" + userID }

const epochKey = "auth:epoch"

// clockKey records that Redis's clock was set back.
const clockKey = "auth:clock"

// loginLimitKey counts tries to log in; kind says for what.
func loginLimitKey(kind, of string) string { return "auth:login-limit:" + kind + ":" + of }
