package db

import "strings"

// The keys, all of them. The Node original shares the first.

func blacklistKey(token string) string { return "blacklist:" + token }

func userKey(email string) string { return "user:" + strings.ToLower(email) }

func logoutAllKey(userID string) string { return "logout-all:" + userID }

const epochKey = "auth:epoch"

// clockKey records that Redis's clock was set back.
const clockKey = "auth:clock"

// loginLimitKey counts tries to log in; kind says for what.
func loginLimitKey(kind, of string) string { return "login-limit:" + kind + ":" + of }
