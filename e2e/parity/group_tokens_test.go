package parity

import (
	"crypto/sha256"
	"crypto/sha512"
	"encoding/base64"
	"slices"
	"strings"
)

var signatureGroup = group{
	name:  "signatures",
	about: "who signed a token, and how it is spelled: algorithms, secrets, segments, base64, headers; sent to `/me` and to logout",
	cases: tokenCases(algorithmRows, spellingRows, headerRows),
}

// tokenRow is a token, and the divergences that /me and logout show for it.
type tokenRow struct {
	name       string
	token      token
	me, logout string
}

// tokenCases sends every token to /me and logout.
func tokenCases(tables ...[]tokenRow) []testCase {
	var cases []testCase
	for _, row := range slices.Concat(tables...) {
		cases = append(cases,
			testCase{name: row.name + ", me", token: row.token, request: get(me, withToken), diverges: row.me},
			testCase{name: row.name + ", logout", token: row.token, request: post(logout, withToken), diverges: row.logout})
	}
	return cases
}

// noted is the divergence of every logout of a token that was not signed with the secret.
const noted = "authentic-only"

var algorithmRows = []tokenRow{
	{"HS256", token{}, "", ""},
	{"HS384", token{header: `{"alg":"HS384","typ":"JWT"}`}, "", ""},
	{"HS512", token{header: `{"alg":"HS512","typ":"JWT"}`}, "", ""},
	{"none, unsigned", token{header: `{"alg":"none","typ":"JWT"}`, edit: unsign}, "", noted},
	{"None, unsigned", token{header: `{"alg":"None","typ":"JWT"}`, edit: unsign}, "", noted},
	{"NONE, unsigned", token{header: `{"alg":"NONE","typ":"JWT"}`, edit: unsign}, "", noted},
	{"no alg, unsigned", token{header: `{"typ":"JWT"}`, edit: unsign}, "", noted},
	{"none, signed", token{header: `{"alg":"none","typ":"JWT"}`}, "", noted},
	{"nOnE, signed", token{header: `{"alg":"nOnE","typ":"JWT"}`}, "", noted},
	{"empty alg", token{header: `{"alg":"","typ":"JWT"}`}, "", noted},
	{"no alg", token{header: `{"typ":"JWT"}`}, "", noted},
	{"lower case", token{header: `{"alg":"hs256","typ":"JWT"}`}, "", noted},
	{"a space behind", token{header: `{"alg":"HS256 ","typ":"JWT"}`}, "", noted},
	{"a NUL behind", token{header: `{"alg":"HS256\u0000","typ":"JWT"}`}, "", noted},
	{"null", token{header: `{"alg":null,"typ":"JWT"}`}, "", noted},
	{"a number", token{header: `{"alg":256,"typ":"JWT"}`}, "", noted},
	{"an array", token{header: `{"alg":["HS256"],"typ":"JWT"}`}, "", noted},
	{"an object", token{header: `{"alg":{"toString":"HS256"},"typ":"JWT"}`}, "", noted},
	{"ALG", token{header: `{"ALG":"HS256","typ":"JWT"}`}, "", noted},
	{"HS1", token{header: `{"alg":"HS1","typ":"JWT"}`}, "", noted},
	{"HS224", token{header: `{"alg":"HS224","typ":"JWT"}`, hash: sha256.New224}, "", noted},
	{"RS256 over an HMAC", token{header: `{"alg":"RS256","typ":"JWT"}`}, "", noted},
	{"PS256 over an HMAC", token{header: `{"alg":"PS256","typ":"JWT"}`}, "", noted},
	{"ES256 over an HMAC", token{header: `{"alg":"ES256","typ":"JWT"}`}, "", noted},
	{"EdDSA over an HMAC", token{header: `{"alg":"EdDSA","typ":"JWT"}`}, "", noted},
	{"RS256 for real", token{header: `{"alg":"RS256","typ":"JWT"}`, edit: signRS256}, "", noted},
	{"RS256 for real, with its key", token{header: `{"alg":"RS256","typ":"JWT","jwk":{"kty":"RSA","e":"AQAB"}}`, edit: signRS256}, "", noted},
	{"ES256 for real", token{header: `{"alg":"ES256","typ":"JWT"}`, edit: signES256}, "", noted},
	{"EdDSA for real", token{header: `{"alg":"EdDSA","typ":"JWT"}`, edit: signEdDSA}, "", noted},
	{"HS256 with SHA-512", token{hash: sha512.New}, "", noted},
	{"HS512 with SHA-256", token{header: `{"alg":"HS512","typ":"JWT"}`, hash: sha256.New}, "", noted},
	{"another secret", token{secret: "another secret, longer than thirty-two bytes"}, "", noted},
	{"secret with a line break", token{secret: secret + "\n"}, "", noted},
	{"secret with a space", token{secret: secret + " "}, "", noted},
	{"secret in part", token{secret: secret[:32]}, "", noted},
	{"secret in upper case", token{secret: strings.ToUpper(secret)}, "", noted},
	{"secret undefined", token{secret: "undefined"}, "", noted},
	{"secret null", token{secret: "null"}, "", noted},
	{"secret empty", token{secret: "\x00"}, "", noted}, // HMAC fills keys up with zeros
	{"other claims, old signature", token{edit: forgeClaims}, "", noted},
}

var spellingRows = []tokenRow{
	{"garbage", token{text: "garbage-CASE"}, "", noted},
	{"dots alone", token{text: ".."}, "", noted},
	{"two segments", token{edit: func(s string) string { return s[:strings.LastIndex(s, ".")] }}, "", noted},
	{"one segment", token{edit: func(s string) string { return s[:strings.Index(s, ".")] }}, "", noted},
	{"four segments", token{edit: func(s string) string { return s + ".e30" }}, "", noted},
	{"five segments", token{edit: func(s string) string { return s + "." + s[:strings.LastIndex(s, ".")] }}, "", noted},
	{"a dot behind", token{edit: func(s string) string { return s + "." }}, "", noted},
	{"a dot in front", token{edit: func(s string) string { return "." + s }}, "", noted},
	{"no header", token{edit: func(s string) string { return s[strings.Index(s, "."):] }}, "", noted},
	{"no payload", token{edit: func(string) string { return resign(b64(head), "") }}, "", noted},
	{"no signature", token{edit: unsign}, "", noted},
	{"padded", token{edit: func(s string) string { return s + "=" }}, "", noted},
	{"padded payload", token{edit: respellPayload(func(p string) string { return p + "=" })}, "", noted},
	{"padded header", token{edit: respellHeader(func(h string) string { return h + "=" })}, "", noted},
	{"a line feed behind", token{edit: func(s string) string { return s + "%0A" }}, "", noted},
	{"a line feed in the signature", token{edit: func(s string) string { return s[:len(s)-9] + "%0A" + s[len(s)-9:] }}, "", noted},
	{"a carriage return in the signature", token{edit: func(s string) string { return s[:len(s)-9] + "%0D" + s[len(s)-9:] }}, "", noted},
	{"a line feed in the payload", token{edit: func(s string) string { return strings.Replace(s, ".", ".%0A", 1) }}, "", noted},
	{"a line feed in front", token{edit: func(s string) string { return "%0A" + s }}, "", noted},
	{"a space in the signature", token{edit: func(s string) string { return s[:len(s)-9] + " " + s[len(s)-9:] }}, "", noted},
	{"cut by one", token{edit: func(s string) string { return s[:len(s)-1] }}, "", noted},
	{"longer by one", token{edit: func(s string) string { return s + "A" }}, "", noted},
	{"spare bits of the signature, 1", token{edit: respellLast(1)}, "", noted},
	{"spare bits of the signature, 2", token{edit: respellLast(2)}, "", noted},
	{"spare bits of the signature, 3", token{edit: respellLast(3)}, "", noted},
	{"spare bits of the payload, signed", token{payload: `{"id":"1","a":12}`, edit: respellPayload(respellLast(1))}, "one-spelling", "one-spelling"},
	{"spare bits of the header, signed", token{header: `{"alg":"HS256", "typ":"JWT"}`, edit: respellHeader(respellLast(1))}, "one-spelling", "one-spelling"},
	{"one character more in the payload, signed", token{payload: `{"id":"1","a":123}`, edit: respellPayload(oneMore)}, "one-spelling", "one-spelling"},
	{"one character more in the header, signed", token{edit: respellHeader(oneMore)}, "one-spelling", "one-spelling"},
	{"standard alphabet in the payload, signed", token{edit: respellPayload(standardAlphabet)}, "", noted},
	{"standard alphabet in the signature", token{edit: standardSignature}, "", noted},
	{"signature in hex", token{edit: hexSignature}, "", noted},
	{"signature in upper case", token{edit: func(s string) string { i := strings.LastIndex(s, "."); return s[:i] + strings.ToUpper(s[i:]) }}, "", noted},
	{"signature of a half", token{edit: func(s string) string { return s[:len(s)-21] }}, "", noted},
	{"signature of nothing", token{edit: func(s string) string { return unsign(s) + "AA" }}, "", noted},
	{"in quotes", token{edit: func(s string) string { return "%22" + s + "%22" }}, "", noted},
	{"a BOM in front", token{edit: func(s string) string { return "%EF%BB%BF" + s }}, "", noted},
	{"a NUL behind, spelled", token{edit: func(s string) string { return s + "%00" }}, "", noted},
	{"8 KiB", token{edit: ofLength(8 << 10)}, "", ""},
	{"8 KiB and one", token{edit: ofLength(8<<10 + 1)}, "long-tokens", "long-tokens"},
	{"15,000 bytes", token{edit: ofLength(15_000)}, "long-tokens", "long-tokens"},
	{"15,000 bytes of garbage", token{text: strings.Repeat("x", 15_000)}, "", noted},
}

var headerRows = []tokenRow{
	{"no typ", token{header: `{"alg":"HS256"}`}, "", ""},
	{"another typ", token{header: `{"alg":"HS256","typ":"at+jwt"}`}, "", ""},
	{"typ in lower case", token{header: `{"alg":"HS256","typ":"jwt"}`}, "", ""},
	{"typ is no text", token{header: `{"alg":"HS256","typ":[1]}`}, "", ""},
	{"typ twice", token{header: `{"typ":"x","alg":"HS256","typ":"JWT"}`}, "", ""},
	{"alg twice, last good", token{header: `{"alg":"none","alg":"HS256","typ":"JWT"}`}, "", ""},
	{"alg twice, last none", token{header: `{"alg":"HS256","alg":"none","typ":"JWT"}`}, "", noted},
	{"alg and ALG", token{header: `{"alg":"HS256","ALG":"none","typ":"JWT"}`}, "", ""},
	{"names and values escaped", token{header: `{"\u0061lg":"\u0048S256","typ":"JWT"}`}, "", ""},
	{"white space", token{header: " {\t\"alg\" : \"HS256\",\r\n\"typ\":\"JWT\" } "}, "", ""},
	{"kid", token{header: `{"alg":"HS256","typ":"JWT","kid":"../../dev/null"}`}, "", ""},
	{"jku, jwk, x5u, x5c", token{header: `{"alg":"HS256","typ":"JWT","jku":"http://x","jwk":{"kty":"oct","k":"AA"},"x5u":"http://x","x5c":["AA"]}`}, "", ""},
	{"zip and cty", token{header: `{"alg":"HS256","typ":"JWT","zip":"DEF","cty":"JWT"}`}, "", ""},
	{"enc", token{header: `{"alg":"HS256","typ":"JWT","enc":"A256GCM"}`}, "", ""},
	{"b64 false", token{header: `{"alg":"HS256","typ":"JWT","b64":false}`}, "", ""},
	{"b64 false, critical", token{header: `{"alg":"HS256","typ":"JWT","b64":false,"crit":["b64"]}`}, "crit", ""},
	{"crit unknown", token{header: `{"alg":"HS256","typ":"JWT","crit":["x"],"x":1}`}, "crit", ""},
	{"crit known", token{header: `{"alg":"HS256","typ":"JWT","crit":["exp"]}`}, "crit", ""},
	{"crit empty", token{header: `{"alg":"HS256","typ":"JWT","crit":[]}`}, "crit", ""},
	{"crit null", token{header: `{"alg":"HS256","typ":"JWT","crit":null}`}, "crit", ""},
	{"CRIT", token{header: `{"alg":"HS256","typ":"JWT","CRIT":["x"]}`}, "", ""},
	{"bytes that are no UTF-8", token{header: "{\"alg\":\"HS256\",\"typ\":\"JWT\",\"x\":\"\xff\xc3\"}"}, "", ""},
	{"a lone surrogate", token{header: `{"alg":"HS256","typ":"JWT","\ud800":"\udfff"}`}, "", ""},
	{"UTF-8", token{header: `{"alg":"HS256","typ":"JWT","é":"😀"}`}, "", ""},
	{"__proto__", token{header: `{"__proto__":{"alg":"HS256"},"typ":"JWT"}`}, "", noted},
	{"4 KB", token{header: `{"alg":"HS256","typ":"JWT","x":"` + strings.Repeat("x", 4000) + `"}`}, "", ""},
	{"BOM", token{header: "\ufeff" + head}, "", noted},
	{"trailing text", token{header: head + "x"}, "", noted},
	{"two objects", token{header: head + head}, "", noted},
	{"single quotes", token{header: `{'alg':'HS256','typ':'JWT'}`}, "", noted},
	{"trailing comma", token{header: `{"alg":"HS256","typ":"JWT",}`}, "", noted},
	{"NUL behind", token{header: head + "\x00"}, "", noted},
	{"array", token{header: `["alg","HS256"]`}, "", noted},
	{"text", token{header: `"HS256"`}, "", noted},
	{"null header", token{header: `null`}, "", noted},
	{"number", token{header: `256`}, "", noted},
	{"no JSON", token{header: `HS256`}, "", noted},
	{"empty object", token{header: `{}`}, "", noted},
}

// unsign removes the signature.
func unsign(token string) string { return token[:strings.LastIndex(token, ".")+1] }

// forgeClaims replaces the claims and keeps the signature.
func forgeClaims(token string) string {
	parts := strings.Split(token, ".")
	return parts[0] + "." + b64(`{"id":"1","role":"admin"}`) + "." + parts[2]
}

// respellPayload encodes the payload differently and signs that.
func respellPayload(how func(string) string) func(string) string {
	return func(token string) string {
		parts := strings.Split(token, ".")
		return resign(parts[0], how(parts[1]))
	}
}

// respellHeader encodes the header differently and signs that.
func respellHeader(how func(string) string) func(string) string {
	return func(token string) string {
		parts := strings.Split(token, ".")
		return resign(how(parts[0]), parts[1])
	}
}

const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"

// respellLast changes the two unused bits of the last character.
func respellLast(bits int) func(string) string {
	return func(token string) string {
		last := len(token) - 1
		return token[:last] + string(alphabet[strings.IndexByte(alphabet, token[last])^bits])
	}
}

// oneMore appends an ignored character to a segment whose length is a multiple of four.
func oneMore(segment string) string { return segment + "A" }

// standardAlphabet returns a payload in the standard base64 alphabet.
func standardAlphabet(string) string {
	return base64.RawStdEncoding.EncodeToString([]byte(`{"id":"???>>>~~~"}`))
}

// standardSignature returns a token whose signature contains - or _, encoded as + or /.
func standardSignature(string) string {
	for payload := `{"id":"1"}`; ; payload += " " {
		token := resign(b64(head), b64(payload))
		if i := strings.LastIndex(token, "."); strings.ContainsAny(token[i:], "-_") {
			return token[:i] + strings.NewReplacer("-", "%2B", "_", "/").Replace(token[i:])
		}
	}
}
