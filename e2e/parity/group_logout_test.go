package parity

var logoutGroup = group{
	name:  "logout",
	about: "sequences of requests: a logout and what follows it",
	cases: logoutCases,
}

var (
	askMe      = get(me, withToken)
	getLogout  = get(logout, withToken)
	postLogout = post(logout, withToken)
)

var logoutCases = []testCase{
	{name: "POST, good", request: postLogout},
	{name: "GET, good", request: getLogout},
	{name: "POST, no cookie", request: post(logout)},
	{name: "GET, no cookie", request: get(logout)},
	{name: "POST, empty cookie", request: post(logout, "Cookie: token=")},
	{name: "GET, empty cookie", request: get(logout, "Cookie: token=")},
	{name: "POST, another cookie", request: post(logout, "Cookie: session={token}")},
	{name: "POST, garbage", token: token{text: "garbage"}, request: postLogout, diverges: "authentic-only"},
	{name: "GET, garbage", token: token{text: "garbage"}, request: getLogout, diverges: "authentic-only"},
	{name: "POST, no Content-Length", request: send("POST", logout, withToken)},
	{name: "POST, token in Authorization alone", request: post(logout, "Authorization: Bearer {token}")},
	{name: "POST, token in the query alone", request: post(logout + "?token={token}")},
	{name: "GET, token in X-Access-Token alone", request: get(logout, "X-Access-Token: {token}")},
	{name: "POST, cookie and another token in Authorization", request: post(logout, withToken, "Authorization: Bearer x.y.z")},
	{name: "GET, without exp", token: token{payload: `{"id":"CASE"}`}, request: getLogout, diverges: "ttl"},
	{name: "GET, exp in an hour", token: only(`"exp":NOW+3600`), request: getLogout, diverges: "ttl"},
	{name: "GET, exp in 30 days", token: only(`"exp":NOW+2592000`), request: getLogout, diverges: "ttl"},
	{name: "GET, expired", token: only(`"exp":NOW-5`), request: getLogout, diverges: "ttl"},
	{name: "GET, long expired", token: only(`"exp":NOW-86400`), request: getLogout, diverges: "expired-tokens"},
	{name: "GET, not yet valid", token: with(`"nbf":NOW+60`), request: getLogout},

	{name: "twice", before: []string{postLogout}, request: postLogout},
	{name: "twice, GET", before: []string{getLogout}, request: getLogout},
	{name: "ten times", before: []string{postLogout, getLogout, postLogout, getLogout, postLogout, getLogout, postLogout, getLogout, postLogout}, request: postLogout},
	{name: "twice, an hour between", redis: []command{{"SET", entryKey, "true", "EX", "82800"}}, request: postLogout},
	{name: "twice, garbage", token: token{text: "garbage"}, redis: []command{{"SET", entryKey, "true", "EX", "82800"}}, request: postLogout, diverges: "authentic-only"},
	{name: "then without the cookie", before: []string{postLogout}, request: post(logout)},

	{name: "then me", before: []string{postLogout}, request: askMe},
	{name: "then me, GET", before: []string{getLogout}, request: askMe},
	{name: "then me, twice", before: []string{postLogout, askMe}, request: askMe},
	{name: "then me without the cookie", before: []string{postLogout}, request: get(me)},
	{name: "then me, quoted", before: []string{postLogout}, request: get(me, `Cookie: token="{token}"`)},
	{name: "quoted, then me", before: []string{post(logout, `Cookie: token="{token}"`)}, request: askMe},
	{name: "percent-encoded, then me", before: []string{post(logout, `Cookie: token={token:all}`)}, request: askMe},
	{name: "then me, percent-encoded", before: []string{postLogout}, request: get(me, `Cookie: token={token:dots}`)},
	{name: "then me, with a space behind the spelling", before: []string{postLogout}, request: get(me, `Cookie: token={token}%20`)},
	{name: "then me, padded", before: []string{postLogout}, request: get(me, `Cookie: token={token}=`)},
	{name: "with a space behind the spelling, then me", before: []string{post(logout, `Cookie: token={token}%20`)}, request: askMe},
	{name: "without exp, then me", token: token{payload: `{"id":"CASE"}`}, before: []string{postLogout}, request: askMe},
	{name: "crit, then me", token: token{header: `{"alg":"HS256","crit":[]}`}, before: []string{postLogout}, request: askMe},
	{name: "payload an array, then me", token: token{payload: `[1]`}, before: []string{postLogout}, request: askMe},
	{name: "expired, then me", token: only(`"exp":NOW-5`), before: []string{postLogout}, request: askMe},
	{name: "not yet valid, then me", token: with(`"nbf":NOW+60`), before: []string{postLogout}, request: askMe},
	{name: "garbage, then me", token: token{text: "garbage"}, before: []string{postLogout}, request: askMe, diverges: "forged-entry"},
	{name: "forged, then me", token: token{secret: "x"}, before: []string{postLogout}, request: askMe, diverges: "forged-entry"},
	{name: "long expired, then me", token: only(`"exp":NOW-86400`), before: []string{postLogout}, request: askMe, diverges: "expired-tokens"},
	{name: "me first, then me", before: []string{askMe}, request: askMe},
	{name: "of somebody else, then me", before: []string{post(logout, "Cookie: token="+otherToken)}, request: askMe},
	{name: "me, logout, me, logout", before: []string{askMe, postLogout, askMe}, request: postLogout},
}

// otherToken is a token of another user, without exp.
var otherToken = resign(b64(head), b64(`{"id":"somebody else"}`))
