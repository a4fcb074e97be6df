package db

import "strings"

// The keys, all of them. The Node original shares the first.

func blacklistKey(token string) string { return "blacklist:" + token }

func userKey(email string) string { return "user:" + strings.ToLower(email) }

// epochKey is asked for to see whether Redis answers: PING answers where reading is refused (a
// replica without its master, an ACL user without rights).
const epochKey = "auth:epoch"
