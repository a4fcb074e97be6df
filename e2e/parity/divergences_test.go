package parity

import (
	"net/http"
	"slices"
	"testing"
)

// divergence is an intended difference between the original and this service.
type divergence struct {
	name, topic string
	// original and ours describe what each does, and why gives the reason.
	original, ours, why string
	// aspects are the aspects of a response that may differ. At least one differs in each case.
	aspects []string
	// check checks our response in every case that shows the divergence.
	check check
	// slow means that the original answers late or never. The test does not wait for it.
	slow bool
	// needs reports whether an outcome has what the divergence is about. If it is nil, every case that names the
	// divergence has it.
	needs func(o outcome) bool
	// when reports whether an outcome shows the divergence. If it is nil, the cases name the divergence.
	when func(o outcome) bool
}

// shown returns the divergences that an outcome must show.
func (o outcome) shown(express string) []divergence {
	var all []divergence
	for _, d := range divergences {
		named := d.when == nil && o.shows(express, d.name)
		if d.needs != nil && !d.needs(o) {
			continue
		}
		if named || d.when != nil && d.when(o) {
			all = append(all, d)
		}
	}
	return all
}

// These are the topics of divergences, in the order of the page.
const (
	tokens  = "Tokens and their revocation"
	wire    = "HTTP"
	bodies  = "Bodies and users"
	trouble = "Redis and the environment"
)

// divergences are all intended differences. Any other difference fails a test.
var divergences = slices.Concat(originalDivergences, familyDivergences)

// originalDivergences are the differences from the original.
var originalDivergences = []divergence{
	{
		name:     "ttl",
		topic:    tokens,
		original: "a blacklist entry expires after 24 hours",
		ours:     "it expires 60 s after its token; without `exp`, never",
		why:      "a longer-lived token became valid again, a shorter-lived one wasted memory",
		aspects:  []string{ttl},
		check:    all(says(http.StatusOK, loggedOut), clears, livesAsLongAsItsToken),
	},
	{
		name:     "expired-tokens",
		topic:    tokens,
		original: "logout stores tokens no matter how long ago they expired",
		ours:     "it does not store tokens that expired 60 s ago or more",
		why:      "every service rejects them anyway, and anyone could fill Redis with old ones",
		aspects:  []string{body, cookie, keys},
		check:    guarded,
	},
	{
		name:     "authentic-only",
		topic:    tokens,
		original: "logout stores any cookie value",
		ours:     "it stores only tokens signed with the secret",
		why:      "anyone could fill Redis",
		aspects:  []string{keys, ttl},
		check:    logsOut,
	},
	{
		name:     "every-cookie",
		topic:    tokens,
		original: "logout revokes only the first of several cookies of the name",
		ours:     "it revokes every authentic token among them",
		why:      "a browser keeps several if they differ in domain or path, and the next request may send another one first",
		aspects:  []string{keys, ttl},
		check:    all(says(http.StatusOK, loggedOut), clears, livesAsLongAsItsToken),
	},
	{
		name:     "forged-entry",
		topic:    tokens,
		original: "a forged token found in the blacklist gets “Session expired”, and the cookie is cleared",
		ours:     "it gets “Unauthorized user”, and Redis is not asked",
		why:      "a forged token must not cost a Redis command",
		aspects:  []string{status, body, cookie},
		check:    refuses(http.StatusUnauthorized, refused),
		needs:    func(o outcome) bool { return o.combination.checksBlacklist() },
	},
	{
		name:     "any-entry",
		topic:    tokens,
		original: "an empty blacklist entry does not count, and one that is not a string is an error",
		ours:     "any entry counts",
		why:      "whoever wrote it meant to revoke the token",
		aspects:  []string{status, body, cookie},
		check:    all(says(http.StatusUnauthorized, expired), clears, writesNothing),
	},
	{
		name:     "one-spelling",
		topic:    tokens,
		original: "accepts a signed token in any spelling that base64 decodes",
		ours:     "accepts only the canonical spelling",
		why:      "a logged-out token would remain valid in another spelling",
		aspects:  []string{status, body, keys, ttl},
		check:    guarded,
	},
	{
		name:     "long-tokens",
		topic:    tokens,
		original: "accepts tokens of any length that fits into a header",
		ours:     "accepts tokens of up to 8 KiB",
		why:      "no browser keeps such a cookie, and each would be a key in Redis",
		aspects:  []string{status, body, keys, ttl},
		check:    guarded,
	},
	{
		name:     "crit",
		topic:    tokens,
		original: "accepts tokens with a `crit` header",
		ours:     "rejects them; they can be logged out",
		why:      "RFC 7515, section 4.1.11",
		aspects:  []string{status, body},
		check:    refuses(http.StatusUnauthorized, refused),
	},
	{
		name:     "no-claims",
		topic:    tokens,
		original: "accepts payloads that are not JSON objects; without `typ`, even payloads that are not JSON",
		ours:     "rejects them; they can be logged out",
		why:      "they name no user, and their `exp` is not checked",
		aspects:  []string{status, body},
		check:    refuses(http.StatusUnauthorized, refused),
	},
	{
		name:     "j-cookies",
		topic:    tokens,
		original: "parses cookies that begin with `j:` as JavaScript values",
		ours:     "reads them as strings",
		why:      "keys collided, and one such cookie caused a 503",
		aspects:  []string{status, body, cookie, keys},
		check:    guarded,
	},
	{
		name:     "jti",
		topic:    tokens,
		original: "two logins in one second get the same token",
		ours:     "each token has its own id, `jti`",
		why:      "logging out one logged out both, and the next login got a revoked token",
		aspects:  []string{issued},
		check:    identified,
		needs:    func(o outcome) bool { return len(issuedClaims(o.original)) > 0 },
	},
	{
		name:     "methods",
		topic:    wire,
		original: "a wrong method is 404; OPTIONS lists the allowed methods",
		ours:     "405",
		why:      "it says what is wrong",
		aspects:  []string{status, body, contentType},
		check:    refuses(http.StatusMethodNotAllowed, "Method not allowed"),
	},
	{
		name:     "head-logout",
		topic:    wire,
		original: "HEAD logs out",
		ours:     "405",
		why:      "link checkers and previews send it",
		aspects:  []string{status, cookie, keys},
		check:    refuses(http.StatusMethodNotAllowed, "Method not allowed"),
	},
	{
		name:     "exact-paths",
		topic:    wire,
		original: "routes match in any letter case, with a trailing slash or a fragment",
		ours:     "404",
		why:      "one path per route, so that a proxy's rules for a path cannot be bypassed",
		aspects:  []string{status, body, contentType, cookie, keys},
		check:    refuses(http.StatusNotFound, "Not found"),
	},
	{
		name:     "cross-origin",
		topic:    wire,
		original: "any web page may post to login and logout",
		ours:     "a browser's cross-origin POST gets 403, unless the origin is in `CORS_ORIGINS`",
		why:      "CSRF",
		aspects:  []string{status, body, cookie, issued, keys},
		check:    refuses(http.StatusForbidden, ""),
	},
	{
		name:     "get-logout",
		topic:    wire,
		original: "GET logs out, also from another site's page and as a prefetch",
		ours:     "403, and nothing is cleared, if the browser says that it is from another site or a prefetch",
		why:      "another site could end a session",
		aspects:  []string{status, body, cookie, keys},
		check:    refuses(http.StatusForbidden, ""),
	},
	{
		name:     "pages",
		topic:    wire,
		original: "404 and other errors of the framework are HTML pages",
		ours:     "JSON, with the same status",
		why:      "clients of an API read JSON",
		aspects:  []string{body, contentType},
		check:    sameStatus,
	},
	{
		name:     "not-modified",
		topic:    wire,
		original: "sends ETags, and 304 if the client has the same one",
		ours:     "no ETag, always the full answer",
		why:      "nothing here may be cached",
		aspects:  []string{status, body, contentType},
		check:    hasStatus(http.StatusOK),
	},
	{
		name:     "probes",
		topic:    wire,
		original: "has no probes",
		ours:     "has `/healthz`, `/readyz` and `/openapi.json`, and in development a page at `/`",
		why:      "orchestrators need probes",
		aspects:  []string{status, body, contentType},
		check:    answeredByUs,
	},
	{
		name:     "refusal-text",
		topic:    wire,
		original: "rejects malformed HTTP with an empty body",
		ours:     "the same status with a line of plain text from Go",
		why:      "neither reaches the service",
		aspects:  []string{body, contentType},
		check:    refusedByGo,
	},
	{
		name:     "stricter-http",
		topic:    wire,
		original: "Node's parser accepts two `Host` headers, unusual `Host` headers, HTTP/2.0, lines before the request, a wrong escape in the path",
		ours:     "Go's parser rejects them",
		why:      "no client sends them",
		aspects:  []string{status, body, contentType, keys},
		check:    refusedByGo,
	},
	{
		name:     "looser-http",
		topic:    wire,
		original: "Node's parser rejects folded headers, bare line feeds, `Content-Length` with chunks, HTTP/1.2, methods that it does not know",
		ours:     "Go's parser accepts them with their usual meaning",
		why:      "no client sends them; an accepted request is checked like any other",
		aspects:  []string{status, body, contentType, cookie, keys},
		check:    answeredByUs,
	},
	{
		name:     "unread-bodies",
		topic:    bodies,
		original: "rejects a broken, oversized or oddly encoded JSON body of `/me` or logout before they run: 400, 413, 415",
		ours:     "does not read the body of these routes",
		why:      "a logout must not fail because of its body",
		aspects:  []string{status, body, contentType, cookie, keys},
		check:    readsNoBody,
	},
	{
		name:     "large-bodies",
		topic:    bodies,
		original: "bodies of other types than JSON may have any size, because they are not read",
		ours:     "413 if more than 100 KiB are announced, whatever the type",
		why:      "a client must not avoid the limit by naming another type",
		aspects:  []string{status, body, cookie, keys},
		check:    refuses(http.StatusRequestEntityTooLarge, ""),
	},
	{
		name:     "encodings",
		topic:    bodies,
		original: "reads compressed bodies, and bodies in UTF-16 and UTF-32",
		ours:     "415",
		why:      "no client sends them, and compressed ones expand",
		aspects:  []string{status, body, contentType, cookie, issued},
		check:    refuses(http.StatusUnsupportedMediaType, ""),
	},
	{
		name:     "odd-types",
		topic:    bodies,
		original: "a body whose `Content-Type` it cannot parse counts as empty",
		ours:     "it is read as JSON if the type begins with JSON's",
		why:      "there is no reason to reject `application/json;`",
		aspects:  []string{status, body, cookie, issued},
		check:    hasStatus(http.StatusOK),
	},
	{
		name:     "deep-bodies",
		topic:    bodies,
		original: "reads JSON of any depth",
		ours:     "reads up to 10,000 levels",
		why:      "Go's limit, which protects its stack",
		aspects:  []string{status, body, cookie, issued},
		check:    refuses(http.StatusBadRequest, ""),
	},
	{
		name:     "no-body",
		topic:    bodies,
		original: "on Express 5, a login or registration without a JSON body gets 500",
		ours:     "400, as on Express 4",
		why:      "a bug",
		aspects:  []string{status, body},
		check:    refuses(http.StatusBadRequest, ""),
	},
	{
		name:     "wording",
		topic:    bodies,
		original: "the message about a wrong body is the framework's or the author's",
		ours:     "our message, with the same status",
		why:      "it also names a wrong body, not only a wrong field",
		aspects:  []string{body, contentType},
		check:    sameStatus,
	},
	{
		name:     "field-rules",
		topic:    bodies,
		original: "accepts any string as a name, an email or a password",
		ours:     "an email must be valid; a name has no invisible characters, and no @ unless it is the email; a password has at least 8 characters and at most 72 bytes; spaces around names and emails are removed; emails are stored in lower case",
		why:      "NIST SP 800-63B-4, and one user per email",
		aspects:  []string{status, body, cookie, issued, keys},
		check:    keepsFieldRules,
	},
	{
		name:     "surrogates",
		topic:    bodies,
		original: "a lone surrogate in a password is three bytes of its own",
		ours:     "it is U+FFFD, like everything else that is not UTF-8",
		why:      "no keyboard produces one",
		aspects:  []string{status, body, cookie, issued},
		check:    hasStatus(http.StatusOK),
	},
	{
		name:     "accents",
		topic:    bodies,
		original: "a password with accents is wrong if a keyboard encodes them differently (NFC, NFD)",
		ours:     "both are right; new passwords are hashed in NFC",
		why:      "users type the same keys",
		aspects:  []string{status, body, cookie, issued},
		check:    hasStatus(http.StatusOK),
	},
	{
		name:     "usernames",
		topic:    bodies,
		original: "two users may have names that differ only in letter case, width or spaces",
		ours:     "such a name is taken: 409",
		why:      "people would mistake one user for the other",
		aspects:  []string{status, body, cookie, issued, keys},
		check:    refuses(http.StatusConflict, "User already exists"),
	},
	{
		name:     "login-names",
		topic:    bodies,
		original: "a login by username needs the name exactly as it was registered",
		ours:     "in any letter case, width or spaces; a username that is an email counts as that email",
		why:      "no other user can have such a name",
		aspects:  []string{status, body, cookie, issued},
		check:    hasStatus(http.StatusOK),
	},
	{
		name:     "two-names",
		topic:    bodies,
		original: "a login with an email and another user's username is for whichever user was stored first",
		ours:     "the email decides",
		why:      "users do not know the order of the database",
		aspects:  []string{status, body, cookie, issued},
		check:    hasStatus(http.StatusOK),
		needs:    func(o outcome) bool { return o.combination.trait("LOGIN_BY", "") == "" },
	},
	{
		name:     "any-role",
		topic:    bodies,
		original: "a user may register with any `role`",
		ours:     "only with one of `REGISTRATION_ROLES`, otherwise 400",
		why:      "anyone could become an admin",
		aspects:  []string{status, body, cookie, issued},
		check:    refuses(http.StatusBadRequest, "role must be one of: user"),
		needs:    func(o outcome) bool { return o.combination.trait("ROLES", "") == "" },
	},
	{
		name:     "users-in-redis",
		topic:    bodies,
		original: "stores its users in its own database",
		ours:     "stores them in Redis",
		why:      "there is no other store",
		aspects:  []string{keys},
		check:    storesUser,
	},
	{
		name:     "waits",
		topic:    trouble,
		original: "waits from ten seconds to forever while Redis is down or hangs",
		ours:     "503, or 500 for a logout, within `REDIS_TIMEOUT`; the cookie is kept",
		why:      "a waiting client is an outage",
		aspects:  []string{status, body, contentType},
		check:    unavailableNow,
		slow:     true,
	},
	{
		name:     "replica",
		topic:    trouble,
		original: "reads from a Redis that has become a replica",
		ours:     "503; the cookie is kept",
		why:      "a replica cannot know the newest logouts",
		aspects:  []string{status, body, cookie},
		check:    unavailableNow,
	},
	{
		name:     "dies",
		topic:    trouble,
		original: "logs `error`, which is not defined, and so exits on the first error of Redis",
		ours:     "logs the error and continues",
		why:      "a bug",
		aspects:  []string{status, body, contentType, cookie},
		check:    answeredByUs,
	},
	{
		name:     "forged-without-redis",
		topic:    trouble,
		original: "needs Redis to reject a forged token, and to log out with one: 503, 500, or it waits",
		ours:     "401, and 200 for a logout, as always",
		why:      "Redis is not needed to recognize it",
		aspects:  []string{status, body, contentType, cookie},
		check:    guarded,
		slow:     true,
	},
	{
		name:     "login-without-redis",
		topic:    trouble,
		original: "logs in and registers without Redis",
		ours:     "503",
		why:      "the users are in Redis",
		aspects:  []string{status, body, cookie, issued},
		check:    refuses(http.StatusServiceUnavailable, unavailable),
	},
	{
		name:     "node-env-test",
		topic:    trouble,
		original: "`NODE_ENV=test` switches the blacklist off",
		ours:     "nothing switches it off; tests get the embedded Redis",
		why:      "a switch that disables security ships by accident",
		aspects:  []string{status, body, cookie},
		check:    all(says(http.StatusUnauthorized, expired), clears),
	},
	{
		name:     "no-secret",
		topic:    trouble,
		original: "starts without `JWT_SECRET`, then rejects every token",
		ours:     "refuses to start (or generates one, with the embedded Redis)",
		why:      "the operator should learn of it at the start",
		aspects:  []string{start},
		check:    startsNot("JWT_SECRET"),
	},
	{
		name:     "weak-secret",
		topic:    trouble,
		original: "starts with any secret",
		ours:     "in production it needs 32 bytes or more, unless `JWT_ALLOW_WEAK_SECRET=true`",
		why:      "a shorter one can be guessed from any token",
		aspects:  []string{start},
		check:    startsNot("JWT_SECRET"),
	},
	{
		name:     "key-as-secret",
		topic:    trouble,
		original: "starts with a PEM key as `JWT_SECRET`",
		ours:     "refuses to start with a PEM key or certificate",
		why:      "anyone who has a public key could sign tokens",
		aspects:  []string{start},
		check:    startsNot("JWT_SECRET"),
	},
	{
		name:     "no-redis",
		topic:    trouble,
		original: "without `REDIS_HOST` it uses 127.0.0.1:6379",
		ours:     "refuses to start in production; otherwise it starts an embedded Redis",
		why:      "a Redis that nobody chose may not have the blacklist",
		aspects:  []string{start},
		check:    startsNot("REDIS_HOST"),
	},
}

func divergenceNamed(t *testing.T, name string) divergence {
	t.Helper()
	for _, d := range divergences {
		if d.name == name {
			return d
		}
	}
	t.Fatalf("there is no divergence %q", name)
	return divergence{}
}
