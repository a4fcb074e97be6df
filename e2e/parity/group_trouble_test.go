package parity

import (
	"slices"
	"strings"
)

// settings are the cases that need their own Redis or their own environment.
var settings = []setting{
	{
		group:   group{"Redis refuses connections", "it was running and was stopped", gone},
		env:     impatient,
		trouble: kill,
	},
	{
		group:   group{"Redis hangs", "SIGSTOP: connections stay open, nothing is answered", gone},
		env:     impatient,
		trouble: stop,
	},
	{
		group:   group{"Redis pauses", "and then answers all commands", gone},
		env:     impatient,
		trouble: tell("CLIENT", "PAUSE", "20000", "ALL"),
	},
	{
		group:       group{"Redis is gone and the error handler is unchanged", "the original keeps the mistake in its error handler", ended},
		env:         impatient,
		originalEnv: []string{"ERROR_TYPO=1"},
		trouble:     killUntilDeath,
	},
	{
		group:   group{"Redis is a read-only replica", "as after a failover", demoted},
		trouble: tell("REPLICAOF", "127.0.0.1", nowhere),
	},
	{
		group:     group{"Redis is a replica that lost its master", "and rejects reads too", refusing},
		redisArgs: []string{"--replica-serve-stale-data", "no"},
		trouble:   inTurn(tell("REPLICAOF", "127.0.0.1", nowhere), awaitMasterDown),
	},
	{
		group:   group{"Redis is full", "its memory is full, and nothing is evicted", readOnly},
		trouble: tell("CONFIG", "SET", "maxmemory", "1"),
	},
	{
		group:   group{"Redis cuts connections", "and accepts new ones at once", healthy},
		trouble: tell("CLIENT", "KILL", "TYPE", "NORMAL"),
	},
	{
		group:     group{"the right password", "Redis requires one", healthy},
		redisArgs: []string{"--requirepass", "hush"},
		env:       []string{"REDIS_PASSWORD=hush"},
	},
	{
		group: group{"a superfluous password", "Redis requires none", healthy},
		env:   []string{"REDIS_PASSWORD=hush"},
	},
	{
		group:     group{"a wrong password", "Redis requires another", refusing},
		redisArgs: []string{"--requirepass", "hush"},
		env:       []string{"REDIS_PASSWORD=wrong"},
	},
	{
		group:     group{"no password", "Redis requires one", refusing},
		redisArgs: []string{"--requirepass", "hush"},
	},
	{
		group: group{"NODE_ENV=test", "as in the original's own tests", testCases},
		env:   []string{"NODE_ENV=test"},
	},
	{
		group: group{"NODE_ENV unset", "as on a developer's machine", healthy},
		env:   []string{"NODE_ENV="},
	},
	{
		group: group{"a secret of spaces and umlauts", "it is used unchanged", oddlySigned},
		env:   []string{"JWT_SECRET=" + oddSecret},
	},
}

// impatient is for a Redis that does not reply anyway.
var impatient = []string{"REDIS_TIMEOUT=200ms"}

// healthy are the cases for settings without a fault.
var healthy = []testCase{
	{name: "me, no cookie", request: get(me)},
	{name: "me, good", request: askMe},
	{name: "me, revoked", redis: revoked, request: askMe},
	{name: "me, expired", token: only(`"exp":NOW-5`), request: askMe},
	{name: "me, forged", token: forged, request: askMe},
	{name: "logout, no cookie", request: post(logout)},
	{name: "logout, good", request: postLogout},
	{name: "logout, forged", token: forged, request: postLogout},
	{name: "login, good", request: postJSON(login, adaLogin), diverges: "jti"},
	{name: "login, wrong", request: logIn("ada", "wrong")},
}

var forged = token{secret: "another secret, longer than thirty-two bytes"}

// gone are the cases for a Redis that does not reply.
var gone = []testCase{
	{name: "me, no cookie", request: get(me)},
	{name: "me, empty cookie", request: get(me, "Cookie: token=")},
	{name: "HEAD me, no cookie", request: send("HEAD", me)},
	{name: "me, good", request: askMe, diverges: "waits"},
	{name: "me, HS512", token: token{header: `{"alg":"HS512"}`}, request: askMe, diverges: "waits"},
	{name: "me, quoted", request: get(me, `Cookie: token="{token}"`), diverges: "waits"},
	{name: "me, revoked", redis: revoked, request: askMe, diverges: "waits"},
	{name: "me, expired", token: only(`"exp":NOW-5`), request: askMe, diverges: "waits"},
	{name: "me, not yet valid", token: with(`"nbf":NOW+60`), request: askMe, diverges: "waits"},
	{name: "me, forged", token: forged, request: askMe, diverges: "forged-without-redis"},
	{name: "me, garbage", token: token{text: "garbage"}, request: askMe, diverges: "forged-without-redis"},
	{name: "me, unsigned", token: token{header: `{"alg":"none"}`, edit: unsign}, request: askMe, diverges: "forged-without-redis"},
	{name: "me, too long", token: token{edit: ofLength(9000)}, request: askMe, diverges: "forged-without-redis"},
	{name: "logout, no cookie", request: post(logout)},
	{name: "logout, no cookie, GET", request: get(logout)},
	{name: "logout, good", request: postLogout, diverges: "waits"},
	{name: "logout, good, GET", request: getLogout, diverges: "waits"},
	{name: "logout, revoked", redis: revoked, request: postLogout, diverges: "waits"},
	{name: "logout, expired", token: only(`"exp":NOW-5`), request: postLogout, diverges: "waits"},
	{name: "logout, without exp", token: token{payload: `{"id":"CASE"}`}, request: postLogout, diverges: "waits"},
	{name: "logout, forged", token: forged, request: postLogout, diverges: "forged-without-redis"},
	{name: "logout, garbage", token: token{text: "garbage"}, request: postLogout, diverges: "forged-without-redis"},
	{name: "logout, long expired", token: only(`"exp":NOW-5000`), request: postLogout, diverges: "waits"},
	{name: "login, good", request: postJSON(login, adaLogin), diverges: "login-without-redis"},
	{name: "login, wrong", request: logIn("ada", "wrong"), diverges: "login-without-redis"},
	{name: "login, unknown", request: logIn("nobody", "wrong"), diverges: "login-without-redis"},
	{name: "login, no password", request: postJSON(login, `{"email":"a@example.com"}`)},
	{name: "register", request: register("A", "gone@example.com", "correct horse"), diverges: "login-without-redis"},
	{name: "register, no password", request: postJSON(signup, `{"username":"A","email":"a@example.com"}`)},
	{name: "not found", request: get("/x", withToken), diverges: "pages"},
	{name: "ready", request: get("/readyz"), diverges: "probes"},
	{name: "alive", request: get("/healthz"), diverges: "probes"},
}

// refusing are the cases for a Redis that replies to everything with an error.
var refusing = []testCase{
	{name: "me, no cookie", request: get(me)},
	{name: "me, good", request: askMe},
	{name: "me, revoked", redis: revoked, request: askMe},
	{name: "me, expired", token: only(`"exp":NOW-5`), request: askMe},
	{name: "me, not yet valid", token: with(`"nbf":NOW+60`), request: askMe},
	{name: "me, forged", token: forged, request: askMe, diverges: "forged-without-redis"},
	{name: "me, garbage", token: token{text: "garbage"}, request: askMe, diverges: "forged-without-redis"},
	{name: "logout, no cookie", request: post(logout)},
	{name: "logout, good", request: postLogout},
	{name: "logout, good, GET", request: getLogout},
	{name: "logout, expired", token: only(`"exp":NOW-5`), request: postLogout},
	{name: "logout, forged", token: forged, request: postLogout, diverges: "forged-without-redis"},
	{name: "logout, long expired", token: only(`"exp":NOW-5000`), request: postLogout},
	{name: "login, good", request: postJSON(login, adaLogin), diverges: "login-without-redis"},
	{name: "login, unknown", request: logIn("nobody", "wrong"), diverges: "login-without-redis"},
	{name: "register", request: register("A", "refused@example.com", "correct horse"), diverges: "login-without-redis"},
	{name: "ready", request: get("/readyz"), diverges: "probes"},
}

// withoutWrites are logouts for a Redis that stores nothing.
var withoutWrites = []testCase{
	{name: "logout, no cookie", request: post(logout)},
	{name: "logout, good", request: postLogout},
	{name: "logout, good, GET", request: getLogout},
	{name: "logout, revoked", redis: revoked, request: postLogout},
	{name: "logout, expired", token: only(`"exp":NOW-5`), request: postLogout},
	{name: "logout, without exp", token: token{payload: `{"id":"CASE"}`}, request: postLogout},
	{name: "logout, forged", token: forged, request: postLogout, diverges: "forged-without-redis"},
	{name: "logout, garbage", token: token{text: "garbage"}, request: postLogout, diverges: "forged-without-redis"},
}

// readOnly are the cases for a Redis that accepts reads but no writes.
var readOnly = slices.Concat([]testCase{
	{name: "me, no cookie", request: get(me)},
	{name: "me, good", request: askMe},
	{name: "me, revoked", redis: revoked, request: askMe},
	{name: "me, expired", token: only(`"exp":NOW-5`), request: askMe},
	{name: "me, forged", token: forged, request: askMe},
}, withoutWrites, []testCase{
	{name: "logout, long expired", token: only(`"exp":NOW-5000`), request: postLogout},
	{name: "login, wrong", request: logIn("ada", "wrong")},
	{name: "register", request: register("A", "full@example.com", "correct horse"), diverges: "login-without-redis"},
	{name: "register, taken", request: register("Ada", "seeded-ada@example.com", "correct horse"), diverges: "login-without-redis"},
})

// demoted are the cases for a Redis that is a replica, which replies to reads but does not have the newest logouts.
var demoted = slices.Concat([]testCase{
	{name: "me, no cookie", request: get(me)},
	{name: "me, good", request: askMe, diverges: "replica"},
	{name: "me, HS512", token: token{header: `{"alg":"HS512"}`}, request: askMe, diverges: "replica"},
	{name: "me, revoked", redis: revoked, request: askMe, diverges: "replica"},
	{name: "me, expired", token: only(`"exp":NOW-5`), request: askMe, diverges: "replica"},
	{name: "me, forged", token: forged, request: askMe},
}, withoutWrites, []testCase{
	{name: "logout, long expired", token: only(`"exp":NOW-5000`), request: postLogout},
	{name: "login, good", request: postJSON(login, adaLogin), diverges: "login-without-redis"},
	{name: "login, wrong", request: logIn("ada", "wrong"), diverges: "login-without-redis"},
	{name: "register", request: register("A", "full@example.com", "correct horse"), diverges: "login-without-redis"},
	{name: "ready", request: get("/readyz"), diverges: "probes"},
})

// ended are the cases in which the original's process ends.
var ended = []testCase{
	{name: "me, no cookie", request: get(me), diverges: "dies"},
	{name: "me, good", request: askMe, diverges: "dies"},
	{name: "logout, good", request: postLogout, diverges: "dies"},
	{name: "logout, no cookie", request: post(logout), diverges: "dies"},
}

// testCases are the cases with the environment of the original's own tests.
var testCases = []testCase{
	{name: "me, good", request: askMe},
	{name: "me, no cookie", request: get(me)},
	{name: "me, forged", token: forged, request: askMe},
	{name: "me, revoked", redis: revoked, request: askMe, diverges: "node-env-test"},
	{name: "me, revoked and expired", token: only(`"exp":NOW-5`), redis: revoked, request: askMe, diverges: "node-env-test"},
	{name: "logout, good", request: postLogout},
	{name: "login, good", request: postJSON(login, adaLogin), diverges: "jti"},
}

const oddSecret = "  zwölf Boxkämpfer \t jagen Viktor quer über den Deich  "

var oddlySigned = []testCase{
	{name: "me, good", token: token{secret: oddSecret}, request: askMe},
	{name: "me, trimmed", token: token{secret: strings.TrimSpace(oddSecret)}, request: askMe},
	{name: "me, without umlauts", token: token{secret: strings.ReplaceAll(oddSecret, "ö", "o")}, request: askMe},
	{name: "me, the usual secret", request: askMe},
	{name: "logout, good", token: token{secret: oddSecret}, request: postLogout},
	{name: "login, good", request: postJSON(login, adaLogin), diverges: "jti"},
}
