package session

import (
	"bytes"
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/base64"
	"encoding/json"
	"hash"
	"net/http"
	"strings"
	"testing"
	"time"
)

const secret = "a secret of more than thirty-two bytes"

// now is the time in the tests, half a second after a full second.
var now = time.Unix(1_800_000_000, 500_000_000)

func newSessions(t *testing.T, secrets ...string) *Sessions {
	t.Helper()
	if len(secrets) == 0 {
		secrets = []string{secret}
	}
	s, err := New(Options{
		Secrets:  secrets,
		Lifetime: 24 * time.Hour,
		Cookie:   Cookie{Name: "token", SameSite: http.SameSiteStrictMode, Secure: true},
	})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// sign makes a token of a header and a payload without using this package.
func sign(header, payload, secret string) string {
	algs := map[string]func() hash.Hash{"HS384": sha512.New384, "HS512": sha512.New}
	newHash := sha256.New
	for alg, h := range algs {
		if strings.Contains(header, alg) {
			newHash = h
		}
	}
	b64 := base64.RawURLEncoding.EncodeToString
	signed := b64([]byte(header)) + "." + b64([]byte(payload))
	mac := hmac.New(newHash, []byte(secret))
	mac.Write([]byte(signed))
	return signed + "." + b64(mac.Sum(nil))
}

const hs256 = `{"alg":"HS256","typ":"JWT"}`

func TestIssue(t *testing.T) {
	t.Parallel()
	sessions := newSessions(t)
	user := User{ID: "64b7f0c2a1d3e4f5a6b7c8d9", Email: "a@b.c", Username: `<Ada> & "Co" ` + "\u00e9", Role: "user"}
	issued, err := sessions.Issue(user, now)
	if err != nil {
		t.Fatal(err)
	}
	segments := strings.Split(issued.Token, ".")
	if got := decode(t, segments[0]); got != hs256 {
		t.Errorf("header is %s", got)
	}
	var claims struct {
		JTI string `json:"jti"`
	}
	payload := decode(t, segments[1])
	if err := json.Unmarshal([]byte(payload), &claims); err != nil {
		t.Fatal(err)
	}
	want := `{"id":"64b7f0c2a1d3e4f5a6b7c8d9","email":"a@b.c","username":"<Ada> & \"Co\" é","role":"user",` +
		`"jti":"` + claims.JTI + `","iat":1800000000,"exp":1800086400}`
	if payload != want {
		t.Errorf("claims are\n%s, want\n%s", payload, want)
	}
	wantMarked(t, claims.JTI, "1800000000")
	if got := sign(hs256, payload, secret); got != issued.Token {
		t.Errorf("token is\n%s, want\n%s", issued.Token, got)
	}
	read, err := sessions.Authenticate(issued.Token)
	if err != nil {
		t.Fatal(err)
	}
	for name, s := range map[string]*Session{"issued": issued, "read": read} {
		if s.UserID() != user.ID || s.Current(now) != nil || s.Claims() != payload || s.Token != issued.Token {
			t.Errorf("%s session: user %q, current %v, claims %s", name, s.UserID(), s.Current(now), s.Claims())
		}
	}
}

// wantMarked checks that a jti has 128 random bits and 64 bits of an HMAC, which is computed here with the standard
// library.
func wantMarked(t *testing.T, jti, iat string) {
	t.Helper()
	id, err := base64.RawURLEncoding.DecodeString(jti)
	if err != nil || len(id) != 24 || len(jti) != 32 {
		t.Fatalf("jti is %q, want 24 bytes", jti)
	}
	key, err := hkdf.Key(sha256.New, []byte(secret), nil, "gin-auth jti", 32)
	if err != nil {
		t.Fatal(err)
	}
	mac := hmac.New(sha256.New, key)
	mac.Write(append(id[:16:16], iat...))
	if want := mac.Sum(nil)[:8]; !bytes.Equal(id[16:], want) {
		t.Errorf("jti ends in %x, want %x", id[16:], want)
	}
}

func decode(t *testing.T, segment string) string {
	t.Helper()
	text, err := base64.RawURLEncoding.DecodeString(segment)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func TestTwoLoginsInOneSecondAreTwoTokens(t *testing.T) {
	t.Parallel()
	sessions := newSessions(t)
	seen := map[string]bool{}
	for range 1000 {
		s, err := sessions.Issue(User{ID: "1"}, now)
		if err != nil {
			t.Fatal(err)
		}
		seen[s.Token] = true
	}
	if len(seen) != 1000 {
		t.Errorf("1000 logins gave %d tokens", len(seen))
	}
}

func TestNewNeedsASecret(t *testing.T) {
	t.Parallel()
	for _, secrets := range [][]string{nil, {""}, {"", ""}} {
		if _, err := New(Options{Secrets: secrets}); err == nil {
			t.Errorf("New accepted the secrets %q", secrets)
		}
	}
}

func TestSecrets(t *testing.T) {
	t.Parallel()
	old, err := newSessions(t, "the old secret").Issue(User{ID: "1"}, now)
	if err != nil {
		t.Fatal(err)
	}
	rotated := newSessions(t, "the new secret", "the old secret")
	if _, err := rotated.Authenticate(old.Token); err != nil {
		t.Errorf("a token of the previous secret: %v", err)
	}
	fresh, err := rotated.Issue(User{ID: "1"}, now)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := newSessions(t, "the new secret").Authenticate(fresh.Token); err != nil {
		t.Errorf("a new token is not signed with the first secret: %v", err)
	}
	if _, err := newSessions(t, "the new secret").Authenticate(old.Token); err == nil {
		t.Error("a token of a dropped secret is authentic")
	}
	if _, err := newSessions(t, "", "the new secret", "", "the old secret").Authenticate(old.Token); err != nil {
		t.Errorf("a token of a secret after an empty one: %v", err)
	}
	if _, err := newSessions(t, "the new secret", "").Authenticate(sign(hs256, `{"id":1}`, "")); err == nil {
		t.Error("a token signed with the empty key is authentic")
	}
}

func TestUserID(t *testing.T) {
	t.Parallel()
	for payload, want := range map[string]string{
		`{"id":"a","_id":"b","userId":"c","sub":"d"}`: "a",
		`{"_id":"b","userId":"c","sub":"d"}`:          "b",
		`{"sub":"d","userId":"c"}`:                    "c",
		`{"sub":"d"}`:                                 "d",
		`{"ID":"a","Sub":"b"}`:                        "",
		`{"id":null,"sub":"d"}`:                       "d",
		`{"id":{"$oid":"a"},"sub":"d"}`:               "d",
		`{"id":"","sub":"d"}`:                         "d",
		`{"id":42}`:                                   "42",
		`{"id":0}`:                                    "0",
		`{"id":-0}`:                                   "0",
		`{"id":-7}`:                                   "-7",
		`{"id":1.0}`:                                  "1",
		`{"id":1.5}`:                                  "1.5",
		`{"id":1e3}`:                                  "1000",
		`{"id":9007199254740993}`:                     "9007199254740993",
		`{"id":1e999,"sub":"d"}`:                      "d",
		`{"\u0069d":"\u0061"}`:                        "a",
		`{"id":"a","id":"b"}`:                         "b",
		`{}`:                                          "",
	} {
		s, err := newSessions(t).Authenticate(sign(hs256, payload, secret))
		if err != nil {
			t.Errorf("%s: %v", payload, err)
		} else if got := s.UserID(); got != want {
			t.Errorf("%s: user %q, want %q", payload, got, want)
		}
	}
}

// TestIssuedAt checks that a token which was not issued here may be one minute older than its iat, whatever its jti,
// and that an invalid iat counts as 0. JTI is replaced by the jti of a token issued here at 100.
func TestIssuedAt(t *testing.T) {
	t.Parallel()
	jti, marked := jtiOf(t, secret, 100), jtiOf(t, "the old secret", 100)
	for payload, want := range map[string]int64{
		`{"jti":"JTI","iat":100}`:                                     100,
		`{"iat":100,"jti":"JTI"}`:                                     100,
		`{"iat":101,"jti":"x","iat":100,"jti":"JTI"}`:                 100,
		`{"jti":"PREVIOUS","iat":100}`:                                100,
		`{"iat":100}`:                                                 40,
		`{"jti":"x","iat":100}`:                                       40,
		`{"jti":"x","iat":100.9}`:                                     40,
		`{"jti":null,"iat":100}`:                                      40,
		`{"jti":["JTI"],"iat":100}`:                                   40,
		`{"jti":12345678901234567890123456789012,"iat":100}`:          40,
		`{"JTI":"JTI","iat":100}`:                                     40,
		`{"jti":"6b054b001c2fac52a10afd91","iat":100}`:                40,
		`{"jti":"0f8fad5b-d9cb-469f-a165-70867728950e","iat":100}`:    40,
		`{"jti":"` + strings.Repeat("A", 32) + `","iat":100}`:         40,
		`{"jti":"JTI","iat":99}`:                                      39, // the jti of another token
		`{"jti":"JTI","iat":101}`:                                     41,
		`{"jti":"JTI","iat":1000}`:                                    940,
		`{"jti":"JTI","iat":100.5}`:                                   40,
		`{"jti":"JTI","iat":1e2}`:                                     40,
		`{"jti":"` + jti[:31] + `","iat":100}`:                        40,
		`{"jti":"` + jti[:22] + `","iat":100}`:                        40,
		`{"jti":"` + edited(jti, 0) + `","iat":100}`:                  40,
		`{"jti":"` + edited(jti, 20) + `","iat":100}`:                 40,
		`{"jti":"` + edited(jti, 22) + `","iat":100}`:                 40,
		`{"jti":"` + edited(jti, 31) + `","iat":100}`:                 40,
		`{"jti":"JTI=","iat":100}`:                                    40,
		`{"jti":"JTI\n","iat":100}`:                                   40,
		`{"jti":"JTIAAAA","iat":100}`:                                 40,
		`{"jti":"` + jtiOf(t, "another secret", 100) + `","iat":100}`: 40,
		`{"jti":"` + jtiKeyedBy(secret) + `","iat":100}`:              40,
		`{"jti":"` + jtiKeyedBy("") + `","iat":100}`:                  40,
		`{"jti":"JTI"}`:                                               0,
		`{"jti":"JTI","iat":"2000000000"}`:                            0,
		`{"jti":"JTI","iat":null}`:                                    0,
		`{"jti":"JTI","iat":-1}`:                                      0,
		`{"jti":"JTI","iat":1e300}`:                                   0,
		`{"jti":"JTI","iat":1e999}`:                                   0,
		`{"jti":"JTI","IAT":100}`:                                     0,
		`[]`:                                                          0,
		`{"jti":"x","iat":59}`:                                        0,
	} {
		payload := strings.NewReplacer(`"JTI":`, `"JTI":`, "JTI", jti, "PREVIOUS", marked).Replace(payload)
		s, err := newSessions(t, secret, "the old secret").Authenticate(sign(hs256, payload, secret))
		if err != nil {
			t.Errorf("%s: %v", payload, err)
		} else if got := s.IssuedAt(); got != want {
			t.Errorf("%s: issued at %d, want %d", payload, got, want)
		}
	}
}

// jtiOf returns the jti of a token that a service with the secret issued at iat.
func jtiOf(t *testing.T, secret string, iat int64) string {
	t.Helper()
	s, err := newSessions(t, secret).Issue(User{ID: "1"}, time.Unix(iat, 0))
	if err != nil {
		t.Fatal(err)
	}
	return s.StringClaim("jti")
}

// jtiKeyedBy returns a jti for the iat 100 with an HMAC that uses this key directly.
func jtiKeyedBy(key string) string {
	random := []byte("sixteen bytes ..")
	mac := hmac.New(sha256.New, []byte(key))
	mac.Write(append(random, "100"...))
	return base64.RawURLEncoding.EncodeToString(append(random, mac.Sum(nil)[:8]...))
}

// edited returns the string with another letter at index i.
func edited(text string, i int) string {
	letter := "A"
	if text[i] == 'A' {
		letter = "B"
	}
	return text[:i] + letter + text[i+1:]
}

func TestRevocableUntil(t *testing.T) {
	t.Parallel()
	forever := time.Time{}
	for payload, want := range map[string]time.Time{
		`{}`:                             forever,
		`{"exp":null}`:                   forever,
		`{"exp":"1800000100"}`:           forever,
		`"string"`:                       forever,
		`not json`:                       forever,
		`{"exp":1800000100}`:             time.Unix(1800000160, 0),
		`{"exp":1800000100.2}`:           time.Unix(1800000161, 0),
		`{"exp":1800000100,"nbf":2e9}`:   time.Unix(1800000160, 0),
		`{"exp":0}`:                      time.Unix(60, 0),
		`{"exp":-1e300}`:                 time.Unix(60, 0),
		`{"exp":1e300}`:                  time.Unix(253402300859, 0),
		`{"exp":1e999}`:                  time.Unix(253402300859, 0),
		`{"exp":9223372036854775808}`:    time.Unix(253402300859, 0),
		`{"exp":1799999000,"EXP":19e18}`: time.Unix(1799999060, 0),
	} {
		s, err := newSessions(t).Authenticate(sign(hs256, payload, secret))
		if err != nil {
			t.Errorf("%s: %v", payload, err)
			continue
		}
		if until := s.RevocableUntil(); !until.Equal(want) {
			t.Errorf("%s: until %d; want %d", payload, until.Unix(), want.Unix())
		}
	}
}
