package parity

import (
	"slices"
	"strings"
)

var httpGroup = group{
	name:  "http",
	about: "methods, paths, request lines and headers",
	cases: append(methodCases(), append(pathCases, append(headerCases, wireCases...)...)...),
}

// methodCases sends every method to every route, except for HEAD, GET and POST where they are valid, which are in
// other groups.
func methodCases() []testCase {
	var cases []testCase
	for _, route := range []struct{ name, path, methods string }{
		{"me", me, "GET HEAD"}, {"logout", logout, "GET POST HEAD"}, {"login", login, "POST"}, {"register", signup, "POST"},
	} {
		for _, method := range strings.Fields("GET HEAD POST PUT PATCH DELETE OPTIONS TRACE PROPFIND SEARCH") {
			if slices.Contains(strings.Fields(route.methods), method) {
				continue
			}
			c := testCase{name: method + " " + route.name, request: send(method, route.path, withToken, "Content-Length: 0")}
			c.diverges = "methods"
			cases = append(cases, c)
		}
	}
	return cases
}

var pathCases = []testCase{
	{name: "me", request: askMe},
	{name: "HEAD me", request: send("HEAD", me, withToken)},
	{name: "HEAD me, no cookie", request: send("HEAD", me)},
	{name: "HEAD me, revoked", redis: revoked, request: send("HEAD", me, withToken)},
	{name: "a query", request: get(me+"?a=1&b=%zz", withToken)},
	{name: "an empty query", request: get(me+"?", withToken)},
	{name: "two question marks", request: get(me+"??", withToken)},
	{name: "a semicolon in the query", request: get(me+"?a;b", withToken)},
	{name: "a path in the query", request: get(me+"?/../logout", withToken)},
	{name: "a query on logout", request: post(logout+"?x=1", withToken)},
	{name: "absolute form", request: get("http://localhost"+me, withToken)},
	{name: "absolute form of another host", request: get("http://example.com"+me, withToken)},
	{name: "absolute form, https", request: get("https://localhost"+me+"?x", withToken)},
	{name: "absolute form, logout", request: post("http://localhost"+logout, withToken)},
	{name: "absolute form, no path", request: get("http://localhost", withToken), diverges: "pages"},
	{name: "a slash behind", request: get(me+"/", withToken), diverges: "exact-paths"},
	{name: "a slash behind logout", request: post(logout+"/", withToken), diverges: "exact-paths"},
	{name: "two slashes behind", request: get(me+"//", withToken), diverges: "pages"},
	{name: "upper case", request: get("/API/AUTH/ME", withToken), diverges: "exact-paths"},
	{name: "title case", request: get("/api/auth/Me", withToken), diverges: "exact-paths"},
	{name: "upper-case logout", request: get("/api/auth/LOGOUT", withToken), diverges: "exact-paths"},
	{name: "a slash behind login", request: postJSON(login+"/", `{}`), diverges: "exact-paths"},
	{name: "two slashes", request: get("/api/auth//me", withToken), diverges: "pages"},
	{name: "two slashes in front", request: get("//api/auth/me", withToken), diverges: "pages"},
	{name: "dots", request: get("/api/auth/x/../me", withToken), diverges: "pages"},
	{name: "a dot", request: get("/api/auth/./me", withToken), diverges: "pages"},
	{name: "encoded dots", request: get("/api/auth/x/%2e%2e/me", withToken), diverges: "pages"},
	{name: "an encoded letter", request: get("/api/auth/%6De", withToken), diverges: "pages"},
	{name: "an encoded letter of logout", request: post("/api/auth/log%6Fut", withToken), diverges: "pages"},
	{name: "an encoded slash", request: get("/api/auth%2Fme", withToken), diverges: "pages"},
	{name: "an encoded slash behind", request: get("/api/auth/me%2F", withToken), diverges: "pages"},
	{name: "an encoded NUL", request: get("/api/auth/me%00", withToken), diverges: "pages"},
	{name: "a wrong escape", request: get("/api/auth/me%zz", withToken), diverges: "stricter-http"},
	{name: "a space encoded behind", request: get("/api/auth/me%20", withToken), diverges: "pages"},
	{name: "a parameter", request: get("/api/auth/me;x=1", withToken), diverges: "pages"},
	{name: "a backslash", request: get(`/api/auth\me`, withToken), diverges: "pages"},
	{name: "an extension", request: get("/api/auth/me.json", withToken), diverges: "pages"},
	{name: "further down", request: get("/api/auth/me/x", withToken), diverges: "pages"},
	{name: "a longer name", request: get("/api/auth/men", withToken), diverges: "pages"},
	{name: "without the prefix", request: get("/me", withToken), diverges: "pages"},
	{name: "the prefix", request: get("/api/auth", withToken), diverges: "pages"},
	{name: "the prefix and a slash", request: get("/api/auth/", withToken), diverges: "pages"},
	{name: "the root", request: get("/", withToken), diverges: "pages"},
	{name: "the root, POST", request: post("/", withToken), diverges: "pages"},
	{name: "unknown", request: get("/favicon.ico"), diverges: "pages"},
	{name: "unknown, DELETE", request: send("DELETE", "/api/auth/user/1", withToken), diverges: "pages"},
	{name: "unknown, HTML in the path", request: get("/<script>alert(1)</script>"), diverges: "pages"},
	{name: "unknown, 8,000 bytes", request: get("/" + strings.Repeat("x", 8000)), diverges: "pages"},
	{name: "bytes in the path", request: get("/api/auth/me\xc3\xa9", withToken), diverges: "looser-http"},
	{name: "a fragment", request: get(me+"#x", withToken), diverges: "exact-paths"},
	{name: "a probe", request: get("/healthz"), diverges: "probes"},
	{name: "another probe", request: get("/readyz"), diverges: "probes"},
}

var headerCases = []testCase{
	{name: "HEAD logout", request: send("HEAD", logout, withToken), diverges: "head-logout"},
	{name: "HEAD logout, no cookie", request: send("HEAD", logout), diverges: "head-logout"},
	{name: "HEAD logout, garbage", token: token{text: "garbage"}, request: send("HEAD", logout, withToken), diverges: "head-logout"},
	{name: "If-None-Match on me", request: get(me, withToken, "If-None-Match: *"), diverges: "not-modified"},
	{name: "If-None-Match on logout", request: get(logout, withToken, "If-None-Match: *"), diverges: "not-modified"},
	{name: "If-None-Match on POST logout", request: post(logout, withToken, "If-None-Match: *")},
	{name: "If-None-Match on a 401", request: get(me, "If-None-Match: *")},
	{name: "If-Modified-Since", request: get(me, withToken, "If-Modified-Since: Thu, 01 Jan 2037 00:00:00 GMT")},
	{name: "Range", request: get(me, withToken, "Range: bytes=0-3")},
	{name: "Accept HTML", request: get(me, withToken, "Accept: text/html")},
	{name: "Accept nothing", request: get(me, withToken, "Accept: x/y;q=0")},
	{name: "Accept-Encoding", request: get(me, withToken, "Accept-Encoding: gzip, br, zstd")},
	{name: "Accept-Charset", request: get(me, withToken, "Accept-Charset: iso-8859-1")},
	{name: "Authorization alone", request: get(me, "Authorization: Bearer {token}")},
	{name: "Authorization besides", request: get(me, withToken, "Authorization: Bearer x")},
	{name: "token in the query alone", request: get(me + "?token={token}")},
	{name: "token in a header alone", request: get(me, "Token: {token}", "X-Auth-Token: {token}", "Set-Cookie: token={token}", "Cookie2: token={token}")},
	{name: "method override", request: get(me, withToken, "X-HTTP-Method-Override: DELETE")},
	{name: "X-Forwarded headers", request: get(me, withToken, "X-Forwarded-For: 1.2.3.4", "X-Forwarded-Proto: https", "X-Forwarded-Host: x", "Forwarded: for=1.2.3.4")},
	{name: "X-Original-URL", request: get(me, withToken, "X-Original-URL: /admin", "X-Rewrite-URL: /admin")},
	{name: "Upgrade to a WebSocket", request: get(me, withToken, "Connection: Upgrade", "Upgrade: websocket", "Sec-WebSocket-Version: 13", "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==")},
	{name: "Upgrade to HTTP/2", request: get(me, withToken, "Connection: Upgrade, HTTP2-Settings", "Upgrade: h2c", "HTTP2-Settings: AAMAAABkAAQAAP__")},
	{name: "Connection close", request: get(me, withToken, "Connection: close")},
	{name: "Cookie named by Connection", request: get(me, withToken, "Connection: Cookie")},
	{name: "cookie header in lower case", request: get(me, "cookie: token={token}")},
	{name: "cookie header in upper case", request: get(me, "COOKIE: token={token}")},
	{name: "cookie header without space", request: get(me, "Cookie:token={token}")},
	{name: "cookie header with tabs", request: get(me, "Cookie:\t token={token}\t ")},
	{name: "own origin, POST", request: post(logout, withToken, "Origin: http://localhost", "Sec-Fetch-Site: same-origin")},
	{name: "own origin, GET", request: get(me, withToken, "Origin: http://localhost", "Sec-Fetch-Site: same-origin")},
	{name: "foreign origin, GET", request: get(me, withToken, "Origin: https://evil.example", "Sec-Fetch-Site: cross-site")},
	{name: "foreign origin, GET logout", request: get(logout, withToken, "Origin: https://evil.example", "Sec-Fetch-Site: cross-site"), diverges: "get-logout"},
	{name: "prefetch, GET logout", request: get(logout, withToken, "Sec-Fetch-Site: same-origin", "Sec-Purpose: prefetch"), diverges: "get-logout"},
	{name: "sibling subdomain, GET logout", request: get(logout, withToken, "Sec-Fetch-Site: same-site", "Sec-Fetch-Mode: navigate")},
	{name: "foreign origin, POST logout", request: post(logout, withToken, "Origin: https://evil.example", "Sec-Fetch-Site: cross-site"), diverges: "cross-origin"},
	{name: "foreign origin, POST login", request: postJSON(login, adaLogin, "Origin: https://evil.example"), diverges: "cross-origin"},
	{name: "900 headers", request: get(me, append(many(900, "X: y"), withToken)...)},
	{name: "1,100 headers", request: get(me, append(many(1100, "X: y"), withToken)...), diverges: "looser-http"},
	{name: "a head of 15 KB", request: get(me, withToken, "X: "+strings.Repeat("x", 15_000))},
	{name: "a head of 20 KB", request: get(me, withToken, "X: "+strings.Repeat("x", 20_000)), diverges: "refusal-text"},
	{name: "a head of 20 KB, logout", request: post(logout, withToken, "X: "+strings.Repeat("x", 20_000)), diverges: "refusal-text"},
	{name: "a cookie of 20 KB", request: get(me, "Cookie: a="+strings.Repeat("x", 20_000)+"; token={token}"), diverges: "refusal-text"},
	{name: "a path of 20 KB", request: get("/"+strings.Repeat("x", 20_000), withToken), diverges: "refusal-text"},
}

func many(n int, header string) []string {
	headers := make([]string, n)
	for i := range headers {
		headers[i] = header
	}
	return headers
}

// raw is a GET of /me with the given lines.
func raw(requestLine string, rest ...string) string {
	return requestLine + "\r\n" + lines(rest) + "\r\n"
}

var wireCases = []testCase{
	{name: "HTTP/1.0", request: raw("GET "+me+" HTTP/1.0", withToken)},
	{name: "HTTP/1.0 with Host", request: raw("GET "+me+" HTTP/1.0", "Host: localhost", withToken)},
	{name: "HTTP/1.0 logout", request: raw("POST "+logout+" HTTP/1.0", withToken)},
	{name: "HTTP/1.2", request: raw("GET "+me+" HTTP/1.2", "Host: localhost", withToken), diverges: "looser-http"},
	{name: "HTTP/2.0", request: raw("GET "+me+" HTTP/2.0", "Host: localhost", withToken), diverges: "stricter-http"},
	{name: "HTTP/0.9", request: raw("GET "+me, withToken), diverges: "stricter-http"},
	{name: "http/1.1", request: raw("GET "+me+" http/1.1", "Host: localhost", withToken), diverges: "refusal-text"},
	{name: "empty lines in front", request: "\r\n\r\n" + askMe, diverges: "stricter-http"},
	{name: "no Host", request: raw("GET "+me+" HTTP/1.1", withToken), diverges: "refusal-text"},
	{name: "empty Host", request: raw("GET "+me+" HTTP/1.1", "Host:", withToken)},
	{name: "any Host", request: raw("GET "+me+" HTTP/1.1", "Host: evil.example:99999", withToken)},
	{name: "two Hosts", request: raw("GET "+me+" HTTP/1.1", "Host: a", "Host: b", withToken), diverges: "stricter-http"},
	{name: "a Host with a path", request: raw("GET "+me+" HTTP/1.1", "Host: a/b", withToken), diverges: "stricter-http"},
	{name: "a Host with a space", request: raw("GET "+me+" HTTP/1.1", "Host: a b", withToken), diverges: "stricter-http"},
	{name: "method in lower case", request: send("get", me, withToken), diverges: "looser-http"},
	{name: "a method of one's own", request: send("FETCH", me, withToken), diverges: "looser-http"},
	{name: "CONNECT", request: send("CONNECT", "localhost:80", withToken), diverges: "looser-http"},
	{name: "OPTIONS *", request: send("OPTIONS", "*"), diverges: "pages"},
	{name: "two spaces in the request line", request: raw("GET  "+me+" HTTP/1.1", "Host: localhost", withToken), diverges: "stricter-http"},
	{name: "no slash in front", request: get("api/auth/me", withToken), diverges: "refusal-text"},
	{name: "a space before the colon", request: get(me, "Cookie : token={token}"), diverges: "refusal-text"},
	{name: "a space before the name", request: get(me, " Cookie: token={token}"), diverges: "refusal-text"},
	{name: "a folded header", request: get(me, "X: y\r\n z", withToken), diverges: "looser-http"},
	{name: "a folded cookie", request: get(me, "Cookie: a=1;\r\n token={token}"), diverges: "looser-http"},
	{name: "a line without colon", request: get(me, "Cookie", withToken), diverges: "refusal-text"},
	{name: "an empty name", request: get(me, ": x", withToken), diverges: "refusal-text"},
	{name: "a NUL in a cookie", request: get(me, "Cookie: a=\x00; token={token}"), diverges: "refusal-text"},
	{name: "a 01 in a cookie", request: get(me, "Cookie: a=\x01; token={token}"), diverges: "refusal-text"},
	{name: "a 7F in a cookie", request: get(me, "Cookie: a=\x7f; token={token}"), diverges: "refusal-text"},
	{name: "a vertical tab in a cookie", request: get(me, "Cookie: a=\v; token={token}"), diverges: "refusal-text"},
	{name: "a carriage return in a cookie", request: get(me, "Cookie: a=\r; token={token}"), diverges: "refusal-text"},
	{name: "a byte in a header's name", request: get(me, "X\xe9: y", withToken), diverges: "refusal-text"},
	{name: "line feeds alone", request: strings.ReplaceAll(askMe, "\r\n", "\n"), diverges: "looser-http"},
	{name: "line feeds alone in the head", request: get(me, "A: b\nC: d", withToken), diverges: "looser-http"},
	{name: "two Content-Lengths", request: post(logout, withToken, "Content-Length: 0"), diverges: "looser-http"},
	{name: "Content-Length +0", request: send("POST", logout, withToken, "Content-Length: +0"), diverges: "refusal-text"},
	{name: "Content-Length -1", request: send("POST", logout, withToken, "Content-Length: -1"), diverges: "refusal-text"},
	{name: "Content-Length too large a number", request: send("POST", logout, withToken, "Content-Length: 99999999999999999999"), diverges: "refusal-text"},
	{name: "Content-Length and chunks", request: send("POST", logout, withToken, "Content-Length: 5", "Transfer-Encoding: chunked") + "0\r\n\r\n", diverges: "looser-http"},
	{name: "an unknown Transfer-Encoding", request: send("POST", logout, withToken, "Transfer-Encoding: gzip"), diverges: "stricter-http"},
	{name: "Expect 100-continue", request: post(logout, withToken, "Expect: 100-continue")},
	{name: "Expect something else", request: post(logout, withToken, "Expect: x")},
	{name: "TLS", request: "\x16\x03\x01\x00\xa5\x01\x00\x00\xa1\x03\x03" + strings.Repeat("x", 160) + "\r\n", diverges: "refusal-text"},
	{name: "the preface of HTTP/2", request: "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", diverges: "looser-http"},
}
