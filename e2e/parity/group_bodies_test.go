package parity

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"strings"
	"unicode/utf16"
)

var bodyGroup = group{
	name:  "bodies",
	about: "bodies on routes that need none, and bodies of every type, size and encoding on routes that need one",
	cases: append(unreadCases, loginBodyCases...),
}

var (
	adaLogin = credentials("ada", "correct horse")
	tooLarge = `{"a":"` + strings.Repeat("x", 110_000) + `"}`
	large    = `{"a":"` + strings.Repeat("x", 100_000) + `"}`
)

// credentials is the body of a login of one of the users.
func credentials(name, password string) string {
	return fmt.Sprintf(`{"email":%q,"password":%q}`, email(name), password)
}

const jsonType = "application/json"

var unreadCases = []testCase{
	{name: "JSON on me", request: sendBody("GET", me, jsonType, `{"a":1}`, withToken)},
	{name: "JSON on logout", request: postJSON(logout, `{"token":"x"}`, withToken)},
	{name: "JSON on GET logout", request: sendBody("GET", logout, jsonType, `{}`, withToken)},
	{name: "empty JSON on logout", request: postJSON(logout, ``, withToken)},
	{name: "array on logout", request: postJSON(logout, `[]`, withToken)},
	{name: "null on logout", request: postJSON(logout, `null`, withToken), diverges: "unread-bodies"},
	{name: "text in JSON on logout", request: postJSON(logout, `"x"`, withToken), diverges: "unread-bodies"},
	{name: "broken JSON on logout", request: postJSON(logout, `{"a":`, withToken), diverges: "unread-bodies"},
	{name: "broken JSON on GET logout", request: sendBody("GET", logout, jsonType, `{`, withToken), diverges: "unread-bodies"},
	{name: "broken JSON on me", request: sendBody("GET", me, jsonType, `{`, withToken), diverges: "unread-bodies"},
	{name: "broken JSON on me, HEAD", request: sendBody("HEAD", me, jsonType, `{`, withToken), diverges: "unread-bodies"},
	{name: "broken JSON, not found", request: postJSON("/x", `{`, withToken), diverges: "unread-bodies"},
	{name: "broken JSON in another type on logout", request: sendBody("POST", logout, "text/json", `{`, withToken)},
	{name: "a form on logout", request: sendBody("POST", logout, "application/x-www-form-urlencoded", `token=x`, withToken)},
	{name: "a form on me", request: sendBody("GET", me, "application/x-www-form-urlencoded", `token=x`, withToken)},
	{name: "multipart on logout", request: sendBody("POST", logout, "multipart/form-data; boundary=x", "--x--", withToken)},
	{name: "bytes on logout", request: sendBody("POST", logout, "application/octet-stream", "\x00\xff", withToken)},
	{name: "no type on logout", request: send("POST", logout, withToken, "Content-Length: 3") + "abc"},
	{name: "an odd type on logout", request: sendBody("POST", logout, "x", "{", withToken)},
	{name: "JSON in Latin-1 on logout", request: sendBody("POST", logout, jsonType+"; charset=iso-8859-1", `{}`, withToken), diverges: "unread-bodies"},
	{name: "JSON said to be gzip on logout", request: postJSON(logout, `{}`, withToken, "Content-Encoding: gzip"), diverges: "unread-bodies"},
	{name: "JSON in an unknown encoding on logout", request: postJSON(logout, `{}`, withToken, "Content-Encoding: x"), diverges: "unread-bodies"},
	{name: "100 KB of JSON on logout", request: postJSON(logout, large, withToken)},
	{name: "110 KB of JSON on logout", request: postJSON(logout, tooLarge, withToken), diverges: "pages"},
	{name: "110 KB of JSON on me", request: sendBody("GET", me, jsonType, tooLarge, withToken), diverges: "pages"},
	{name: "110 KB of JSON on me, no cookie", request: sendBody("GET", me, jsonType, tooLarge), diverges: "pages"},
	{name: "110 KB of JSON in chunks on logout", request: chunked("POST", logout, jsonType, tooLarge, withToken), diverges: "unread-bodies"},
	{name: "110 KB of text on logout", request: sendBody("POST", logout, "text/plain", tooLarge, withToken), diverges: "large-bodies"},
	{name: "100 KB of text on logout", request: sendBody("POST", logout, "text/plain", large, withToken)},
	{name: "JSON in chunks on logout", request: chunked("POST", logout, jsonType, `{}`, withToken)},
	{name: "JSON in chunks on me", request: chunked("GET", me, jsonType, `{}`, withToken)},
}

// chunked is sendBody in two chunks.
func chunked(method, path, mediaType, body string, headers ...string) string {
	half := len(body) / 2
	headers = append(headers, "Content-Type: "+mediaType, "Transfer-Encoding: chunked")
	return send(method, path, headers...) +
		fmt.Sprintf("%x\r\n%s\r\n%x\r\n%s\r\n0\r\n\r\n", half, body[:half], len(body)-half, body[half:])
}

// typed is a valid login whose body has the given type.
func typed(mediaType string) string { return sendBody("POST", login, mediaType, adaLogin) }

// more is a valid login with additional members in front.
func more(members string) string {
	return postJSON(login, `{`+members+`,`+adaLogin[1:])
}

var loginBodyCases = []testCase{
	{name: "application/json", request: typed("application/json"), diverges: "jti"},
	{name: "in chunks", request: chunked("POST", login, jsonType, adaLogin), diverges: "jti"},
	{name: "upper case", request: typed("APPLICATION/JSON"), diverges: "jti"},
	{name: "charset utf-8", request: typed("application/json; charset=utf-8"), diverges: "jti"},
	{name: "charset UTF-8 without space", request: typed("application/json;charset=UTF-8"), diverges: "jti"},
	{name: "charset in quotes", request: typed(`application/json; charset="utf-8"`), diverges: "jti"},
	{name: "charset utf8", request: typed("application/json; charset=utf8"), diverges: "pages"},
	{name: "charset iso-8859-1", request: typed("application/json; charset=iso-8859-1"), diverges: "pages"},
	{name: "charset us-ascii", request: typed("application/json; charset=us-ascii"), diverges: "pages"},
	{name: "charset x", request: typed("application/json; charset=x"), diverges: "pages"},
	{name: "charset empty", request: typed("application/json; charset="), diverges: "odd-types"},
	{name: "another parameter", request: typed("application/json; profile=x"), diverges: "jti"},
	{name: "a semicolon behind", request: typed("application/json;"), diverges: "odd-types"},
	{name: "UTF-16", request: sendBody("POST", login, jsonType+"; charset=utf-16le", utf16LE(adaLogin)), diverges: "encodings"},
	{name: "UTF-8 said to be UTF-16", request: typed("application/json; charset=utf-16"), diverges: "encodings"},
	{name: "gzip", request: postJSON(login, gzipped(adaLogin), "Content-Encoding: gzip"), diverges: "encodings"},
	{name: "said to be gzip", request: postJSON(login, adaLogin, "Content-Encoding: gzip"), diverges: "encodings"},
	{name: "identity", request: postJSON(login, adaLogin, "Content-Encoding: identity"), diverges: "jti"},
	{name: "unknown encoding", request: postJSON(login, adaLogin, "Content-Encoding: x"), diverges: "pages"},
	{name: "a form", request: sendBody("POST", login, "application/x-www-form-urlencoded", "email=seeded-ada%40example.com&password=correct+horse"), diverges: "wording", express5: "no-body"},
	{name: "text/plain", request: typed("text/plain"), diverges: "wording", express5: "no-body"},
	{name: "text/json", request: typed("text/json"), diverges: "wording", express5: "no-body"},
	{name: "application/vnd.api+json", request: typed("application/vnd.api+json"), diverges: "wording", express5: "no-body"},
	{name: "application/json5", request: typed("application/json5"), diverges: "wording", express5: "no-body"},
	{name: "no type", request: send("POST", login, fmt.Sprint("Content-Length: ", len(adaLogin))) + adaLogin, diverges: "wording", express5: "no-body"},
	{name: "empty type", request: typed(""), diverges: "wording", express5: "no-body"},
	{name: "two types in one header", request: typed("application/json, text/plain"), diverges: "wording", express5: "no-body"},
	{name: "two headers", request: sendBody("POST", login, jsonType, adaLogin, "Content-Type: text/plain"), diverges: "wording", express5: "no-body"},
	{name: "in the query", request: post(login + "?email=seeded-ada@example.com&password=correct%20horse"), diverges: "wording", express5: "no-body"},
	{name: "nothing", request: post(login), diverges: "wording", express5: "no-body"},
	{name: "110 KB", request: more(`"a":"` + strings.Repeat("x", 110_000) + `"`), diverges: "pages"},
	{name: "110 KB in chunks", request: chunked("POST", login, jsonType, tooLarge), diverges: "pages"},
	{name: "100 KB", request: more(`"a":"` + strings.Repeat("x", 100_000) + `"`), diverges: "jti"},
	{name: "Expect 100-continue with a body", request: postJSON(login, adaLogin, "Expect: 100-continue"), diverges: "jti"},

	{name: "empty", request: postJSON(login, ``), diverges: "wording"},
	{name: "white space alone", request: postJSON(login, "  \n"), diverges: "wording"},
	{name: "array", request: postJSON(login, `[]`), diverges: "wording"},
	{name: "array of a login", request: postJSON(login, `[`+adaLogin+`]`), diverges: "wording"},
	{name: "null", request: postJSON(login, `null`), diverges: "wording"},
	{name: "text", request: postJSON(login, `"a"`), diverges: "wording"},
	{name: "number", request: postJSON(login, `42`), diverges: "wording"},
	{name: "broken", request: postJSON(login, `{"email":`), diverges: "wording"},
	{name: "trailing text", request: postJSON(login, adaLogin+`x`), diverges: "wording"},
	{name: "two objects", request: postJSON(login, adaLogin+adaLogin), diverges: "wording"},
	{name: "trailing comma", request: postJSON(login, strings.TrimSuffix(adaLogin, "}")+`,}`), diverges: "wording"},
	{name: "single quotes", request: postJSON(login, `{'email':'a'}`), diverges: "wording"},
	{name: "a raw line break in a text", request: postJSON(login, "{\"email\":\"a\nb\"}"), diverges: "wording"},
	{name: "a BOM", request: postJSON(login, "\ufeff"+adaLogin), diverges: "jti"},
	{name: "white space around", request: postJSON(login, " \r\n\t"+adaLogin+" \r\n"), diverges: "jti"},
	{name: "a no-break space around", request: postJSON(login, "\u00a0"+adaLogin), diverges: "wording"},
	{name: "more members", request: more(`"remember":true,"role":"admin","id":1`), diverges: "jti"},
	{name: "__proto__", request: more(`"__proto__":{"email":"x"}`), diverges: "jti"},
	{name: "members twice, last counts", request: more(`"email":"x","password":"y"`), diverges: "jti"},
	{name: "members twice, last wrong", request: postJSON(login, adaLogin[:len(adaLogin)-1]+`,"password":"y"}`)},
	{name: "members in another case besides", request: more(`"Email":"x","PASSWORD":"y"`), diverges: "jti"},
	{name: "members in another case besides, last", request: postJSON(login, adaLogin[:len(adaLogin)-1]+`,"Email":"x","PASSWORD":"y"}`), diverges: "jti"},
	{name: "members escaped", request: postJSON(login, strings.Replace(adaLogin, "email", `\u0065mail`, 1)), diverges: "jti"},
	{name: "a number out of range besides", request: more(`"n":1e999`), diverges: "jti"},
	{name: "a lone surrogate besides", request: more(`"s":"\ud800"`), diverges: "jti"},
	{name: "bytes that are no UTF-8 besides", request: more("\"s\":\"\xff\""), diverges: "jti"},
	{name: "1,000 levels besides", request: more(`"v":` + strings.Repeat("[", 1000) + strings.Repeat("]", 1000)), diverges: "jti"},
	{name: "20,000 levels besides", request: more(`"v":` + strings.Repeat("[", 20000) + strings.Repeat("]", 20000)), diverges: "deep-bodies"},
}

func utf16LE(text string) string {
	var out []byte
	for _, unit := range utf16.Encode([]rune(text)) {
		out = append(out, byte(unit), byte(unit>>8))
	}
	return string(out)
}

func gzipped(text string) string {
	var out bytes.Buffer
	w := gzip.NewWriter(&out)
	_, _ = w.Write([]byte(text)) // writing to memory cannot fail
	_ = w.Close()
	return out.String()
}
