package parity

var bearerGroup = group{
	name:  "bearer",
	about: "the header Authorization, which is used if ACCEPT_BEARER is true",
	cases: bearerCases,
}

const withBearer = "Authorization: Bearer {token}"

var bearerCases = []testCase{
	{name: "me", request: get(me, withBearer)},
	{name: "HEAD me", request: send("HEAD", me, withBearer)},
	{name: "me, revoked", redis: revoked, request: get(me, withBearer)},
	{name: "me, expired", token: only(`"exp":NOW-5`), request: get(me, withBearer)},
	{name: "me, forged", token: forged, request: get(me, withBearer)},
	{name: "me, garbage", token: token{text: "garbage"}, request: get(me, withBearer)},
	{name: "me, HS512", token: token{header: `{"alg":"HS512"}`}, request: get(me, withBearer)},
	{name: "logout", request: post(logout, withBearer)},
	{name: "logout, GET", request: get(logout, withBearer)},
	{name: "logout, then me", before: []string{post(logout, withBearer)}, request: get(me, withBearer)},
	{name: "logout, then me with the cookie", before: []string{post(logout, withBearer)}, request: askMe},
	{name: "logout with the cookie, then me", before: []string{postLogout}, request: get(me, withBearer)},
	{name: "an empty cookie", request: get(me, "Cookie: token=", withBearer)},
	{name: "a quoted empty cookie", request: get(me, `Cookie: token=""`, withBearer)},
	{name: "another cookie", request: get(me, "Cookie: a=1", withBearer)},
	{name: "a good cookie, no token", request: get(me, withToken, "Authorization: Bearer")},
	{name: "a good cookie, garbage", request: get(me, withToken, "Authorization: Bearer x.y.z")},
	{name: "a garbage cookie", request: get(me, "Cookie: token=x.y.z", withBearer)},
	{name: "no token", request: get(me, "Authorization: Bearer ")},
	{name: "empty", request: get(me, "Authorization:")},
	{name: "the token alone", request: get(me, "Authorization: {token}")},
	{name: "upper case", request: get(me, "Authorization: BEARER {token}")},
	{name: "lower case", request: get(me, "authorization: bearer {token}")},
	{name: "a tab", request: get(me, "Authorization: Bearer\t{token}")},
	{name: "two headers", request: get(me, withBearer, "Authorization: Bearer x.y.z")},
	{name: "two headers, garbage first", request: get(me, "Authorization: Bearer x.y.z", withBearer)},
	{name: "percent-encoded", request: get(me, "Authorization: Bearer {token:dots}")},
	{name: "in quotes", request: get(me, `Authorization: Bearer "{token}"`)},
	{name: "two spaces", request: get(me, "Authorization: Bearer  {token}"), diverges: "bearer-scheme"},
	{name: "Basic", request: get(me, "Authorization: Basic {token}"), diverges: "bearer-scheme"},
	{name: "Token", request: get(me, "Authorization: Token {token}"), diverges: "bearer-scheme"},
	{name: "one more word", request: get(me, "Authorization: Bearer {token} x"), diverges: "bearer-scheme"},
	{name: "Proxy-Authorization", request: get(me, "Proxy-Authorization: Bearer {token}")},
}
