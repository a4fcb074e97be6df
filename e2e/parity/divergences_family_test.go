package parity

import (
	"net/http"
	"strings"
)

const family = "Traits that not all applications have"

// familyDivergences are the differences from applications with traits that the stand-in has only with a switch.
var familyDivergences = []divergence{
	{
		name:     "no-samesite",
		topic:    family,
		original: "sets the cookie without SameSite",
		ours:     "with `COOKIE_SAMESITE=lax`",
		why:      "browsers treat a cookie without it as `Lax`",
		aspects:  []string{cookie},
		check:    addsSameSite,
		needs:    func(o outcome) bool { return o.combination.trait("COOKIE_SAMESITE", "") == "omit" },
		when: func(o outcome) bool {
			return len(o.original.setCookie) > 0 && len(o.original.setCookie) == len(o.ours.setCookie)
		},
	},
	{
		name:     "unread-blacklist",
		topic:    family,
		original: "logout writes the blacklist, but the middleware does not read it: a logged-out session continues",
		ours:     "a session that was logged out at either service is rejected; at the Node service it still continues",
		why:      "that is the purpose of a blacklist",
		aspects:  []string{status, body, cookie},
		check:    all(says(http.StatusUnauthorized, expired), clears, hasEntry),
		needs:    func(o outcome) bool { return !o.combination.checksBlacklist() },
		when:     func(o outcome) bool { return o.ours.status == http.StatusUnauthorized && len(o.ours.setCookie) > 0 },
	},
	{
		name:     "me-message",
		topic:    family,
		original: "`/me` answers `{message, user}`",
		ours:     "`{user}`",
		why:      "as the original does",
		aspects:  []string{body},
		check:    leavesOutMessage,
		needs:    func(o outcome) bool { return o.combination.trait("ME_MESSAGE", "") != "" },
		when: func(o outcome) bool {
			return o.original.status == o.ours.status && userOf(o.ours) != nil && strings.Contains(o.request, me)
		},
	},
	{
		name:     "user-claim",
		topic:    family,
		original: "the user's id is in the claim `_id`, `userId` or `sub`",
		ours:     "reads these, and issues `id`",
		why:      "most services read `id`",
		aspects:  []string{issued, body},
		check:    namesUser,
		needs:    func(o outcome) bool { return o.combination.claim() != "id" },
		when: func(o outcome) bool {
			claim := o.combination.claim()
			return len(issuedClaims(o.original)) > 0 && len(issuedClaims(o.ours)) > 0 && !o.shows("4", "field-rules") ||
				userOf(o.original)[claim] != nil && userOf(o.ours) != nil && userOf(o.ours)[claim] == nil
		},
	},
	{
		name:     "error-arrays",
		topic:    family,
		original: "reports a wrong field as `{errors:[{msg,path}]}`",
		ours:     "as `{message}`, which names the first wrong field",
		why:      "one format for every error",
		aspects:  []string{body},
		check:    sameStatus,
		needs:    func(o outcome) bool { return o.combination.trait("VALIDATION", "") == "errors" },
		when: func(o outcome) bool {
			return o.original.status == o.ours.status && strings.HasPrefix(o.original.body, `{"errors":`)
		},
	},
	{
		name:     "failed-login",
		topic:    family,
		original: "a failed login gets “Invalid email or password”",
		ours:     "“Invalid credentials”",
		why:      "most of the family answer that",
		aspects:  []string{body},
		check:    refuses(http.StatusUnauthorized, "Invalid credentials"),
		needs:    func(o outcome) bool { return o.combination.trait("WRONG_PASSWORD", "") != "" },
		when: func(o outcome) bool {
			return o.original.status == o.ours.status && messageOf(o.original) == o.combination.trait("WRONG_PASSWORD", "")
		},
	},
	{
		name:     "username-login",
		topic:    family,
		original: "a login needs an email",
		ours:     "an email or a username",
		why:      "most of the family accept both",
		aspects:  []string{status, body, cookie, issued},
		check:    answeredByUs,
		needs:    func(o outcome) bool { return o.combination.trait("LOGIN_BY", "") == "email" },
		when: func(o outcome) bool {
			return messageOf(o.original) == "email is required" && strings.Contains(o.request, login)
		},
	},
	{
		name:     "register-cookie",
		topic:    family,
		original: "a user who has registered must log in",
		ours:     "a registration also logs the user in",
		why:      "27 of 28 applications do this",
		aspects:  []string{status, body, cookie, issued},
		check:    logsIn,
		needs:    func(o outcome) bool { return o.combination.trait("REGISTER_COOKIE", "") == "false" },
		when: func(o outcome) bool {
			return o.original.status == http.StatusCreated && len(o.ours.setCookie) > 0 || o.name == meAfterRegister
		},
	},
	{
		name:     "same-usernames",
		topic:    family,
		original: "two users may have the same username",
		ours:     "409",
		why:      "a login by username could not tell them apart",
		aspects:  []string{status, body},
		check:    refuses(http.StatusConflict, "User already exists"),
		needs:    func(o outcome) bool { return o.combination.trait("UNIQUE_USERNAMES", "") == "false" },
		when: func(o outcome) bool {
			return o.original.status == http.StatusCreated && o.ours.status == http.StatusConflict
		},
	},
	{
		name:     "bearer-scheme",
		topic:    family,
		original: "the second word of `Authorization` is the token, whatever the first is",
		ours:     "the header must be `Bearer`, one or more spaces, and a token",
		why:      "RFC 9110, section 11.4",
		aspects:  []string{status, body},
		check:    all(answeredByUs, setsNoCookie, writesNothing),
		needs:    func(o outcome) bool { return o.combination.trait("ACCEPT_BEARER", "") == "true" },
	},
}
