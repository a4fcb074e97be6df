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
		original: "an entry of the blacklist lives for 24 hours",
		ours:     "for the token's remaining life and 60 s more; for ever without `exp`",
		why:      "a token that lived longer came back to life, one that lived shorter wasted memory",
		aspects:  []string{ttl},
		check:    all(says(http.StatusOK, loggedOut), clears, livesAsLongAsItsToken),
	},
	{
		name:     "dead-tokens",
		topic:    tokens,
		original: "logout stores tokens however long they are expired",
		ours:     "not if they expired 60 s ago or more",
		why:      "every service rejects them without it, and anyone could fill Redis with old ones",
		aspects:  []string{body, cookie, keys},
		check:    guarded,
	},
	{
		name:     "authentic-only",
		topic:    tokens,
		original: "logout stores any cookie value",
		ours:     "stores only tokens that somebody with the secret made",
		why:      "anyone could fill Redis",
		aspects:  []string{keys, ttl},
		check:    logsOut,
	},
	{
		name:     "every-cookie",
		topic:    tokens,
		original: "logout revokes the first of several cookies of the name",
		ours:     "revokes every authentic token among them",
		why:      "a browser keeps several if they differ in domain or path, and the next request may be with another one",
		aspects:  []string{keys, ttl},
		check:    all(says(http.StatusOK, loggedOut), clears, livesAsLongAsItsToken),
	},
	{
		name:     "forged-entry",
		topic:    tokens,
		original: "a forged token that is found in the blacklist is said to be expired, and clears the cookie",
		ours:     "it is refused without asking",
		why:      "a forged token must not cost a command to Redis",
		aspects:  []string{status, body, cookie},
		check:    refuses(http.StatusUnauthorized, refused),
		needs:    func(o outcome) bool { return o.combination.checksBlacklist() },
	},
	{
		name:     "any-entry",
		topic:    tokens,
		original: "an entry that is empty does not count, and one that is no string is an error",
		ours:     "any entry counts",
		why:      "whoever wrote it meant to revoke",
		aspects:  []string{status, body, cookie},
		check:    all(says(http.StatusUnauthorized, expired), clears, writesNothing),
	},
	{
		name:     "one-spelling",
		topic:    tokens,
		original: "takes a signed token in any spelling that base64 decodes",
		ours:     "in the canonical one alone",
		why:      "a logged-out token would live on under another spelling",
		aspects:  []string{status, body, keys, ttl},
		check:    guarded,
	},
	{
		name:     "long-tokens",
		topic:    tokens,
		original: "takes tokens of any length that fits into a header",
		ours:     "up to 8 KiB",
		why:      "no browser keeps such a cookie, and each would be a key in Redis",
		aspects:  []string{status, body, keys, ttl},
		check:    guarded,
	},
	{
		name:     "crit",
		topic:    tokens,
		original: "accepts tokens with a `crit` header",
		ours:     "refuses them; they can be logged out",
		why:      "RFC 7515, section 4.1.11",
		aspects:  []string{status, body},
		check:    refuses(http.StatusUnauthorized, refused),
	},
	{
		name:     "no-claims",
		topic:    tokens,
		original: "accepts payloads that are no JSON object, without `typ` even what is no JSON",
		ours:     "refuses them; they can be logged out",
		why:      "there is no user in them, and no `exp` is looked for",
		aspects:  []string{status, body},
		check:    refuses(http.StatusUnauthorized, refused),
	},
	{
		name:     "j-cookies",
		topic:    tokens,
		original: "makes JavaScript values of cookies that begin with `j:`",
		ours:     "reads them as text",
		why:      "keys collided, and one such cookie gave 503",
		aspects:  []string{status, body, cookie, keys},
		check:    guarded,
	},
	{
		name:     "jti",
		topic:    tokens,
		original: "two logins in one second give the same token",
		ours:     "each token has an id of its own, `jti`",
		why:      "logging out one logged out both, and the next login was born revoked",
		aspects:  []string{issued},
		check:    identified,
		needs:    func(o outcome) bool { return len(issuedClaims(o.original)) > 0 },
	},
	{
		name:     "methods",
		topic:    wire,
		original: "a wrong method is 404; OPTIONS answers with the methods there are",
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
		original: "routes match in any case, with a slash or a fragment behind",
		ours:     "404",
		why:      "one path for one thing: rules of proxies hold",
		aspects:  []string{status, body, contentType, cookie, keys},
		check:    refuses(http.StatusNotFound, "Not found"),
	},
	{
		name:     "cross-origin",
		topic:    wire,
		original: "anyone's web page may post to login and logout",
		ours:     "a browser's cross-origin POST gets 403, unless the origin is in `CORS_ORIGINS`",
		why:      "CSRF",
		aspects:  []string{status, body, cookie, issued, keys},
		check:    refuses(http.StatusForbidden, ""),
	},
	{
		name:     "get-logout",
		topic:    wire,
		original: "GET logs out, whoever's page sends it, and as a prefetch",
		ours:     "403, and nothing is cleared, if a browser says that it is from another site or a prefetch",
		why:      "another site could end a session",
		aspects:  []string{status, body, cookie, keys},
		check:    refuses(http.StatusForbidden, ""),
	},
	{
		name:     "pages",
		topic:    wire,
		original: "404 and other errors of its framework are HTML pages",
		ours:     "JSON, with the same status",
		why:      "clients of an API read JSON",
		aspects:  []string{body, contentType},
		check:    sameStatus,
	},
	{
		name:     "not-modified",
		topic:    wire,
		original: "sends ETags, and 304 to whoever has that",
		ours:     "no ETag, always the answer",
		why:      "nothing here may be cached",
		aspects:  []string{status, body, contentType},
		check:    hasStatus(http.StatusOK),
	},
	{
		name:     "probes",
		topic:    wire,
		original: "has no probes",
		ours:     "`/healthz` and `/readyz`; besides, `/openapi.json`, and in development a page at `/`",
		why:      "orchestrators ask for them",
		aspects:  []string{status, body, contentType},
		check:    answeredByUs,
	},
	{
		name:     "refusal-text",
		topic:    wire,
		original: "refuses what is no proper HTTP with an empty body",
		ours:     "with the same status and a line of plain text, which is Go's",
		why:      "neither reaches the service",
		aspects:  []string{body, contentType},
		check:    refusedByGo,
	},
	{
		name:     "stricter-http",
		topic:    wire,
		original: "Node's parser takes two `Host` headers, odd ones, HTTP/2.0, lines in front, a wrong escape in the path",
		ours:     "Go's refuses them",
		why:      "no client sends them",
		aspects:  []string{status, body, contentType, keys},
		check:    refusedByGo,
	},
	{
		name:     "looser-http",
		topic:    wire,
		original: "Node's parser refuses folded headers, bare line feeds, `Content-Length` beside chunks, HTTP/1.2, methods it doesn't know",
		ours:     "Go's takes them for what they mean",
		why:      "no client sends them; a request that is taken is judged like any other",
		aspects:  []string{status, body, contentType, cookie, keys},
		check:    answeredByUs,
	},
	{
		name:     "unread-bodies",
		topic:    bodies,
		original: "a broken, oversized or oddly encoded JSON body on `/me` or logout is refused before they run: 400, 413, 415",
		ours:     "they have no body, and it is not read",
		why:      "whoever logs out is logged out",
		aspects:  []string{status, body, contentType, cookie, keys},
		check:    readsNoBody,
	},
	{
		name:     "large-bodies",
		topic:    bodies,
		original: "bodies of other types than JSON may have any size, for nobody reads them",
		ours:     "413 where more than 100 KiB are announced, whatever the type",
		why:      "a bound that depends on what the client says is none",
		aspects:  []string{status, body, cookie, keys},
		check:    refuses(http.StatusRequestEntityTooLarge, ""),
	},
	{
		name:     "encodings",
		topic:    bodies,
		original: "reads bodies in UTF-16 and UTF-32, and compressed ones",
		ours:     "415",
		why:      "no client sends them, and compressed ones grow",
		aspects:  []string{status, body, contentType, cookie, issued},
		check:    refuses(http.StatusUnsupportedMediaType, ""),
	},
	{
		name:     "odd-types",
		topic:    bodies,
		original: "a `Content-Type` that it can't parse is no JSON, and the body counts as empty",
		ours:     "it is JSON if it begins so",
		why:      "nothing is gained by refusing `application/json;`",
		aspects:  []string{status, body, cookie, issued},
		check:    hasStatus(http.StatusOK),
	},
	{
		name:     "deep-bodies",
		topic:    bodies,
		original: "reads JSON of any depth",
		ours:     "up to 10,000 levels",
		why:      "Go's own guard of its stack",
		aspects:  []string{status, body, cookie, issued},
		check:    refuses(http.StatusBadRequest, ""),
	},
	{
		name:     "no-body",
		topic:    bodies,
		original: "on Express 5, a login or registration without a JSON body is a 500",
		ours:     "400, as on Express 4",
		why:      "a bug",
		aspects:  []string{status, body},
		check:    refuses(http.StatusBadRequest, ""),
	},
	{
		name:     "wording",
		topic:    bodies,
		original: "what is wrong with a body is said in its framework's and its author's words",
		ours:     "in ours, with the same status",
		why:      "the body, too, has to be named, not just a field",
		aspects:  []string{body, contentType},
		check:    sameStatus,
	},
	{
		name:     "field-rules",
		topic:    bodies,
		original: "takes any text for a name, an address or a password",
		ours:     "an address has to be one, a name has no invisible characters and no @ unless it is the address, a password has at least 8 characters and 72 bytes at most, spaces around names and addresses don't count, addresses are kept in lower case",
		why:      "NIST SP 800-63B-4, and one user per address",
		aspects:  []string{status, body, cookie, issued, keys},
		check:    keepsFieldRules,
	},
	{
		name:     "surrogates",
		topic:    bodies,
		original: "a lone surrogate in a password is three bytes of its own",
		ours:     "U+FFFD, as in everything else that is no UTF-8",
		why:      "no keyboard makes one",
		aspects:  []string{status, body, cookie, issued},
		check:    hasStatus(http.StatusOK),
	},
	{
		name:     "accents",
		topic:    bodies,
		original: "a password with accents is wrong if a keyboard encodes them in another way (NFC, NFD)",
		ours:     "either way is right; new passwords are hashed in NFC",
		why:      "users type the same keys",
		aspects:  []string{status, body, cookie, issued},
		check:    hasStatus(http.StatusOK),
	},
	{
		name:     "usernames",
		topic:    bodies,
		original: "two users may have names that differ only in the case, width or spaces of their letters",
		ours:     "such a name is taken: 409",
		why:      "others take a user for another",
		aspects:  []string{status, body, cookie, issued, keys},
		check:    refuses(http.StatusConflict, "User already exists"),
	},
	{
		name:     "login-names",
		topic:    bodies,
		original: "a login by username needs the name exactly as it was registered",
		ours:     "in any case, width or spaces of its letters; a username that is an email counts as that",
		why:      "no other user can have such a name",
		aspects:  []string{status, body, cookie, issued},
		check:    hasStatus(http.StatusOK),
	},
	{
		name:     "two-names",
		topic:    bodies,
		original: "a login with an email and another user's username is for whichever user was stored first",
		ours:     "the email decides",
		why:      "the order of a database means nothing to users",
		aspects:  []string{status, body, cookie, issued},
		check:    hasStatus(http.StatusOK),
		needs:    func(o outcome) bool { return o.combination.trait("LOGIN_BY", "") == "" },
	},
	{
		name:     "any-role",
		topic:    bodies,
		original: "a user may register with any `role`",
		ours:     "only with one of `REGISTRATION_ROLES`: 400",
		why:      "anyone could become an admin",
		aspects:  []string{status, body, cookie, issued},
		check:    refuses(http.StatusBadRequest, "role must be one of: user"),
		needs:    func(o outcome) bool { return o.combination.trait("ROLES", "") == "" },
	},
	{
		name:     "users-in-redis",
		topic:    bodies,
		original: "keeps its users in a database of its own",
		ours:     "in Redis",
		why:      "there is no other store",
		aspects:  []string{keys},
		check:    storesUser,
	},
	{
		name:     "waits",
		topic:    trouble,
		original: "waits ten seconds to for ever while Redis is down or hangs",
		ours:     "503, or 500 to a logout, within `REDIS_TIMEOUT`; the cookie is kept",
		why:      "a client that waits is an outage",
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
		original: "logs `error`, which is not defined, and ends on the first error of Redis",
		ours:     "logs the error and goes on",
		why:      "a bug",
		aspects:  []string{status, body, contentType, cookie},
		check:    answeredByUs,
	},
	{
		name:     "forged-without-redis",
		topic:    trouble,
		original: "needs Redis to refuse a forged token, and to log out with one: 503, 500, or it waits",
		ours:     "401, and 200 to a logout, as ever",
		why:      "no Redis is needed to know it",
		aspects:  []string{status, body, contentType, cookie},
		check:    guarded,
		slow:     true,
	},
	{
		name:     "login-without-redis",
		topic:    trouble,
		original: "logs in and registers without Redis",
		ours:     "503",
		why:      "the users are there",
		aspects:  []string{status, body, cookie, issued},
		check:    refuses(http.StatusServiceUnavailable, unavailable),
	},
	{
		name:     "node-env-test",
		topic:    trouble,
		original: "`NODE_ENV=test` switches the blacklist off",
		ours:     "nothing does; tests get the embedded Redis",
		why:      "a switch that disables security ships by accident",
		aspects:  []string{status, body, cookie},
		check:    all(says(http.StatusUnauthorized, expired), clears),
	},
	{
		name:     "no-secret",
		topic:    trouble,
		original: "starts without `JWT_SECRET`, then refuses every token",
		ours:     "refuses to start (or makes one, with the embedded Redis)",
		why:      "whoever starts it should know",
		aspects:  []string{start},
		check:    startsNot("JWT_SECRET"),
	},
	{
		name:     "weak-secret",
		topic:    trouble,
		original: "starts with any secret",
		ours:     "in production with 32 bytes or more, unless `JWT_ALLOW_WEAK_SECRET=true`",
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
		original: "without `REDIS_HOST` it takes 127.0.0.1:6379",
		ours:     "refuses to start in production, else it embeds a Redis",
		why:      "a Redis that nobody named is nobody's blacklist",
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
