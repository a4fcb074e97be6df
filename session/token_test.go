package session

import (
	"encoding/base64"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/golang-jwt/jwt/v5"
)

const validClaims = `{"id":"1","exp":1800000100}`

// TestAuthenticate checks which tokens are authentic. Some are not, although their signature is right.
func TestAuthenticate(t *testing.T) {
	t.Parallel()
	good := sign(hs256, validClaims, secret)
	segments := strings.Split(good, ".")
	header, payload, signature := segments[0], segments[1], segments[2]
	b64 := base64.RawURLEncoding.EncodeToString
	unsigned := func(header string) string { return b64([]byte(header)) + "." + payload + "." }

	for name, token := range map[string]string{
		"HS256":                  good,
		"HS384":                  sign(`{"alg":"HS384","typ":"JWT"}`, validClaims, secret),
		"HS512":                  sign(`{"alg":"HS512","typ":"JWT"}`, validClaims, secret),
		"no typ":                 sign(`{"alg":"HS256"}`, validClaims, secret),
		"any typ":                sign(`{"typ":[1],"alg":"HS256"}`, validClaims, secret),
		"unknown headers":        sign(`{"alg":"HS256","kid":"../x","jku":"http://x","jwk":{},"zip":"DEF","b64":false}`, validClaims, secret),
		"alg twice, last good":   sign(`{"alg":"none","alg":"HS256"}`, validClaims, secret),
		"escaped alg":            sign(`{"\u0061lg":"\u0048S256"}`, validClaims, secret),
		"escaped at the end":     sign(`{"al\u0067":"HS25\u0036"}`, validClaims, secret),
		"other escaped names":    sign(`{"alg":"HS256","\u0062lg":"none","alg\u0067":1,"al":1,"\u0161lg":1}`, validClaims, secret),
		"space in the header":    sign(" {\"alg\" :\t\"HS256\"\r\n} ", validClaims, secret),
		"header not UTF-8":       sign("{\"alg\":\"HS256\",\"x\":\"\xff\"}", validClaims, secret),
		"crit":                   sign(`{"alg":"HS256","crit":["exp"]}`, validClaims, secret),
		"payload no object":      sign(hs256, `[1]`, secret),
		"payload no JSON":        sign(hs256, `nonsense`, secret),
		"expired":                sign(hs256, `{"exp":1}`, secret),
		"8 KiB":                  ofLength(t, 8192),
		"signed with an ALG":     sign(`{"alg":"HS256","ALG":"none"}`, validClaims, secret),
		"claims of every length": sign(hs256, `{"a":"`+strings.Repeat("x", 101)+`"}`, secret),
	} {
		if s, err := newSessions(t).Authenticate(token); err != nil || s.Token != token {
			t.Errorf("%s: %v", name, err)
		}
	}

	refused := map[string]string{
		"nothing":                   "",
		"one segment":               header,
		"two segments":              header + "." + payload,
		"four segments":             good + ".",
		"five segments":             good + "." + payload + "." + signature,
		"no header":                 "." + payload + "." + signature,
		"no payload":                header + ".." + signature,
		"no payload, signed":        resign(header+".", secret),
		"no header, signed":         resign("."+payload, secret),
		"no signature":              header + "." + payload + ".",
		"padding":                   good + "=",
		"padded payload":            header + "." + payload + "=." + signature,
		"space before":              " " + good,
		"space after":               good + " ",
		"line break after":          good + "\n",
		"line break inside":         good[:len(good)-5] + "\n" + good[len(good)-5:],
		"CR in the payload":         header + "." + payload[:4] + "\r" + payload[4:] + "." + signature,
		"NUL after":                 good + "\x00",
		"BOM":                       "\ufeff" + good,
		"truncated":                 good[:len(good)-1],
		"spare bits":                respellLast(good),
		"spare bits of the payload": resign(header+"."+respellLast(b64([]byte(`{"a":12}`))), secret),
		"payload of length 1 mod 4": resign(header+"."+b64([]byte(`{"a":1}xy`))+"A", secret),
		"standard alphabet":         strings.NewReplacer("-", "+", "_", "/").Replace(withSpecials(t)),
		"upper-case signature":      header + "." + payload + "." + strings.ToUpper(signature),
		"wrong secret":              sign(hs256, validClaims, secret+"x"),
		"secret and line break":     sign(hs256, validClaims, secret+"\n"),
		"empty secret":              sign(hs256, validClaims, ""),
		"secret undefined":          sign(hs256, validClaims, "undefined"),
		"other payload":             header + "." + b64([]byte(`{"id":"2"}`)) + "." + signature,
		"other header":              b64([]byte(`{"alg":"HS256"}`)) + "." + payload + "." + signature,
		"alg none, no signature":    unsigned(`{"alg":"none"}`),
		"alg none, a signature":     unsigned(`{"alg":"none"}`) + signature,
		"HS384 with HS256's hash":   resign(b64([]byte(`{"alg":"HS384"}`))+"."+payload, secret),
		"HS256 with HS512's hash":   strings.Replace(sign(`{"alg":"HS512","typ":"JWT"}`, validClaims, secret), b64([]byte(`{"alg":"HS512","typ":"JWT"}`)), header, 1),
		"longer than 8 KiB":         ofLength(t, 8193),
		"header no JSON":            resign(b64([]byte(`{"alg":"HS256"`))+"."+payload, secret),
		"header an array":           resign(b64([]byte(`["HS256"]`))+"."+payload, secret),
		"header null":               resign(b64([]byte(`null`))+"."+payload, secret),
		"header with a BOM":         resign(b64([]byte("\ufeff"+hs256))+"."+payload, secret),
		"alg twice, last bad":       resign(b64([]byte(`{"alg":"HS256","alg":"none"}`))+"."+payload, secret),
		"ALG":                       resign(b64([]byte(`{"ALG":"HS256"}`))+"."+payload, secret),
		"not a JWT":                 "hello",
		"dots":                      "..",
		"percent-encoded":           strings.ReplaceAll(good, ".", "%2E"),
		"in quotes":                 `"` + good + `"`,
	}
	for _, alg := range []string{`"None"`, `"NONE"`, `""`, `"hs256"`, `"HS256 "`, `"\u0058S256"`, `"HS25\u0037"`, `"\u0148S256"`, `"HS1"`, `null`, `256`, `["HS256"]`, `{}`, `true`, `"RS256"`, `"ES256"`, `"PS256"`, `"EdDSA"`} {
		refused["alg "+alg] = resign(b64([]byte(`{"alg":`+alg+`}`))+"."+payload, secret)
	}
	for name, token := range refused {
		if _, err := newSessions(t).Authenticate(token); !errors.Is(err, ErrNotAuthentic) {
			t.Errorf("%s: %v, want an ErrNotAuthentic for %q", name, err, token)
		}
	}
}

// resign appends an HS256 signature to header and payload, whatever they are.
func resign(signed, secret string) string {
	signature, err := jwt.SigningMethodHS256.Sign(signed, []byte(secret))
	if err != nil {
		panic(err)
	}
	return signed + "." + base64.RawURLEncoding.EncodeToString(signature)
}

// respellLast changes unused bits of the last character, which a lenient decoder ignores.
func respellLast(s string) string {
	const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
	last := len(s) - 1
	return s[:last] + string(alphabet[strings.IndexByte(alphabet, s[last])+1])
}

// withSpecials returns an authentic token whose signature has both - and _.
func withSpecials(t *testing.T) string {
	t.Helper()
	for i := range 1000 {
		token := sign(hs256, fmt.Sprintf(`{"id":%d}`, i), secret)
		if strings.Contains(token, "-") && strings.Contains(token, "_") {
			return token
		}
	}
	t.Fatal("no token with - and _")
	return ""
}

// ofLength returns an authentic token of n bytes.
func ofLength(t *testing.T, n int) string {
	t.Helper()
	for size := n*3/4 - 100; size < n; size++ {
		for _, header := range []string{hs256, `{"alg":"HS256","typ":"JWT" }`, `{"alg":"HS256","typ":"JWT"  }`} {
			if token := sign(header, `{"a":"`+strings.Repeat("x", size)+`"}`, secret); len(token) == n {
				return token
			}
		}
	}
	t.Fatalf("no token of %d bytes", n)
	return ""
}

// TestOneEditFromAToken tries every string that is one edit away from a valid token. Only the token itself must be
// authentic.
func TestOneEditFromAToken(t *testing.T) {
	t.Parallel()
	sessions := newSessions(t)
	for _, payload := range []string{`{"id":1}`, `{"id":12}`, `{"id":123}`} { // each length of the last group
		token := sign(hs256, payload, secret)
		tried := 0
		try := func(edited string) {
			tried++
			if _, err := sessions.Authenticate(edited); (err == nil) != (edited == token) {
				t.Errorf("%q: %v", edited, err)
			}
		}
		for i := range len(token) + 1 {
			if i < len(token) {
				try(token[:i] + token[i+1:])
			}
			for b := range 256 {
				try(token[:i] + string([]byte{byte(b)}) + token[i:])
				if i < len(token) {
					try(token[:i] + string([]byte{byte(b)}) + token[i+1:])
				}
			}
		}
		t.Logf("%d variants of a token of %d bytes tried", tried, len(token))
	}
}

func TestCurrent(t *testing.T) {
	t.Parallel()
	const second = 1_800_000_000
	at := func(format string, args ...any) string { return fmt.Sprintf(format, args...) }
	for payload, want := range map[string]bool{
		`{}`:                              true,
		`{"exp":1e300}`:                   true,
		`{"exp":1e999}`:                   true,
		`{"exp":9223372036854775808}`:     true,
		at(`{"exp":%d}`, second):          false,
		at(`{"exp":%d}`, second+1):        true,
		at(`{"exp":%d.5}`, second):        true,
		at(`{"exp":%d}`, second-1):        false,
		`{"exp":0}`:                       false,
		`{"exp":-0}`:                      false,
		`{"exp":-1}`:                      false,
		`{"exp":-1e999}`:                  false,
		`{"exp":null}`:                    false,
		`{"exp":true}`:                    false,
		`{"exp":"1900000000"}`:            false,
		`{"exp":[1900000000]}`:            false,
		`{"exp":{}}`:                      false,
		`{"EXP":1,"Exp":1}`:               true,
		`{"exp":1,"exp":1900000000}`:      true,
		`{"exp":1900000000,"exp":1}`:      false,
		`{"\u0065xp":1}`:                  false,
		`{"a":{"exp":1},"b":[{"exp":1}]}`: true,
		at(`{"nbf":%d}`, second):          true,
		at(`{"nbf":%d.5}`, second):        false,
		at(`{"nbf":%d}`, second+1):        false,
		`{"nbf":0}`:                       true,
		`{"nbf":-1}`:                      true,
		`{"nbf":1e300}`:                   false,
		`{"nbf":null}`:                    false,
		`{"nbf":"0"}`:                     false,
		`{"iat":1e300,"iss":[],"aud":1}`:  true,
		`{"iat":"x","jti":{},"role":[]}`:  true,
		" \t\r\n{} ":                      true,
		"\ufeff{}":                        false,
		"{\"a\":\"\xff\"}":                true,
		`{"a":"\ud800"}`:                  true,
		`[]`:                              false,
		`"text"`:                          false,
		`0`:                               false,
		`null`:                            false,
		`true`:                            false,
		`not json`:                        false,
		`{"exp":1900000000}x`:             false,
		`{"exp":01}`:                      false,
		`{'exp':1}`:                       false,
	} {
		s, err := newSessions(t).Authenticate(sign(hs256, payload, secret))
		if err != nil {
			t.Errorf("%s: %v", payload, err)
		} else if err := s.Current(now); (err == nil) != want {
			t.Errorf("%s: %v, want current: %v", payload, err, want)
		}
	}
	s, err := newSessions(t).Authenticate(sign(`{"alg":"HS256","crit":[]}`, validClaims, secret))
	if err != nil || s.Current(now) == nil {
		t.Errorf("a token with crit is authentic: %v, and current: %v", err, s.Current(now))
	}
}
