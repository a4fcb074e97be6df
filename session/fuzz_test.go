package session

import (
	"crypto/hmac"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/base64"
	"encoding/json"
	"hash"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"
	"unicode/utf8"
)

// FuzzRead compares ReadToken with a second implementation of the rules of cookie-parser.
func FuzzRead(f *testing.F) {
	for _, line := range []string{"token=a", `x=1; token="a%2Eb"`, "token; token=;token=b", "\ttoken = \"", "token=%C0%80", "token=a+b%", `token=""""`} {
		f.Add(line, "token=second")
	}
	f.Fuzz(func(t *testing.T, first, second string) {
		got := Cookie{Name: "token"}.ReadToken(http.Header{"Cookie": {first, second}})
		if want := referenceRead(first + ";" + second); got != want {
			t.Errorf("%q, %q read %q, want %q", first, second, got, want)
		}
	})
}

func referenceRead(line string) string {
	for _, pair := range strings.Split(line, ";") {
		equals := strings.Index(pair, "=")
		if equals < 0 {
			continue
		}
		isSpace := func(r rune) bool { return r == ' ' || r == '\t' }
		if strings.TrimFunc(pair[:equals], isSpace) != "token" {
			continue
		}
		value := strings.TrimFunc(pair[equals+1:], isSpace)
		if len(value) > 0 && value[0] == '"' && value[len(value)-1] == '"' {
			value = value[1:max(1, len(value)-1)]
		}
		// Each + is escaped first, because QueryUnescape turns it into a space.
		decoded, err := url.QueryUnescape(strings.ReplaceAll(value, "+", "%2B"))
		if err != nil || !utf8.ValidString(decoded) || !strings.Contains(value, "%") {
			return value
		}
		return decoded
	}
	return ""
}

// FuzzAuthenticate checks that exactly those tokens are accepted which a reference implementation accepts. It tries
// each token as it is, and the same header and payload with a valid signature.
func FuzzAuthenticate(f *testing.F) {
	for _, parts := range [][2]string{{hs256, `{"id":"1"}`}, {`{"alg":"HS512"}`, `{}`}, {`{"alg":"none"}`, `{}`}, {`{"Alg":"HS256"}`, `[]`}, {`{"alg":"HS256","alg":"none"}`, `{"exp":1e999}`}} {
		f.Add(sign(parts[0], parts[1], secret), parts[0], parts[1])
	}
	f.Fuzz(func(t *testing.T, token, header, payload string) {
		sessions, err := New(Options{Secrets: []string{secret}})
		if err != nil {
			t.Fatal(err)
		}
		for _, token := range []string{token, sign(header, payload, secret), sign(header, payload, "")} {
			s, err := sessions.Authenticate(token)
			if want := referenceAuthentic(token); (err == nil) != want {
				t.Errorf("%q: %v, want authentic: %v", token, err, want)
			}
			if err == nil {
				_, _ = s.Current(time.Now()), s.UserID()
				if claims := s.Claims(); s.Current(time.Now()) == nil && !json.Valid([]byte(claims)) {
					t.Errorf("%q has the claims %q", token, claims)
				}
			}
		}
	})
}

// referenceAuthentic reports whether a token consists of three segments in their only spelling, the last of which is
// the HMAC that the header names. It uses only the maps of encoding/json and crypto/hmac.
func referenceAuthentic(token string) bool {
	segments := strings.Split(token, ".")
	if len(segments) != 3 || len(token) > 8192 {
		return false
	}
	var decoded [3][]byte
	for i, segment := range segments {
		var err error
		if decoded[i], err = base64.RawURLEncoding.DecodeString(segment); err != nil || segment == "" {
			return false
		}
		if base64.RawURLEncoding.EncodeToString(decoded[i]) != segment {
			return false
		}
	}
	var header map[string]any
	if json.Unmarshal(decoded[0], &header) != nil {
		return false
	}
	alg, _ := header["alg"].(string)
	newHash := map[string]func() hash.Hash{"HS256": sha256.New, "HS384": sha512.New384, "HS512": sha512.New}[alg]
	if newHash == nil {
		return false
	}
	mac := hmac.New(newHash, []byte(secret))
	mac.Write([]byte(segments[0] + "." + segments[1]))
	return hmac.Equal(mac.Sum(nil), decoded[2])
}
