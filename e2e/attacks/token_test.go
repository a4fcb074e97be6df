package attacks

import (
	"encoding/base64"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"gin-auth/e2e/internal/harness"
	"gin-auth/session"
)

// TestRevokedTokenInEverySpelling sends cookies that differ from a revoked token by one edit, or that encode the
// same token differently. Short tokens of every length mod 4 and of every signature length are tried in full,
// because a full test of a long token takes too long. A token issued by the service is tried with the edits that
// decoders could read in two ways: changes of its letters and of the bytes around it.
func TestRevokedTokenInEverySpelling(t *testing.T) {
	t.Parallel()
	redis := harness.StartRedis(t)
	s := startAttacked(t, redis.Env()...)
	issued := wireLogin(t, s.URL, "ada")
	tokens := []string{
		issued,
		wireSign(wireHashes["HS256"], `{"alg":"HS256"}`, `{}`, wireSecret),
		wireSign(wireHashes["HS384"], `{"alg":"HS384"}`, `{ }`, wireSecret),
		wireSign(wireHashes["HS512"], `{"alg":"HS512"}`, `{}`, wireSecret),
		wireSign(wireHashes["HS256"], `{"alg":"HS256"}`, `{ }`, wireSecret),
	}
	var lengths [4]bool
	for _, token := range tokens {
		lengths[len(token)%4] = true
		if got := wireStatus(t, s.URL, token); got != 200 {
			t.Fatalf("before the logout: got %d, want 200", got)
		}
		if got := wireOne(t, s.URL, "POST", "/api/auth/logout", "Cookie: token="+token+"\r\n", ""); got.status != 200 {
			t.Fatalf("logout: got %d, want 200", got.status)
		}
	}
	if lengths != [4]bool{true, true, true, true} {
		t.Errorf("the tokens have the lengths mod 4 %v, want all four", lengths)
	}
	started := time.Now()
	var tried, accepted, refused, same int
	for i, token := range tokens {
		cookies := spellings(token, i > 0)
		wireSend(t, wireAddr(s.URL), len(cookies), func(i int) []byte { return wireMe(cookies[i]) }, func(i int, a wireAnswer) {
			tried++
			switch {
			case a.status == 400:
				refused++
			case a.status != 401:
				if a.status < 300 {
					accepted++
				}
				t.Errorf("%q, a variant of a revoked token: got %d %s, want 401", cookies[i], a.status, a.body)
			case strings.Contains(a.body, "Session expired"):
				same++
				// Only the token itself, in any cookie quoting, is found on the blacklist.
				if decoded, err := url.PathUnescape(cookies[i]); err != nil || !strings.Contains(decoded, token) {
					t.Errorf("%q is found on the blacklist, but it is not the revoked token", cookies[i])
				}
			}
		})
	}
	t.Logf("%d spellings of %d revoked tokens in %s: %d accepted; %d were invalid HTTP, %d were the same token in another quoting",
		tried, len(tokens), time.Since(started).Round(time.Millisecond), accepted, refused, same)
	if tried < 250_000 || same == 0 {
		t.Errorf("%d variants were tried, %d of them the token itself: want at least 250,000 and 1", tried, same)
	}
}

const tokenLetters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.=+/ \t\"%,;\x7f\x80\xff"

// spellings returns Cookie headers with all variants of the token that differ by one edit, and with its other
// encodings. Those that net/http rejects are at the end.
func spellings(token string, everyByte bool) []string {
	letters := []byte(tokenLetters)
	if everyByte {
		letters = letters[:0]
		for c := range 256 {
			letters = append(letters, byte(c))
		}
	}
	var cookies, controls []string
	add := func(value string) { cookies = append(cookies, "token="+value) }
	for i := range len(token) + 1 {
		before, after := token[:i], token[i:]
		for _, c := range letters {
			raw := string([]byte{c})
			edits := []string{before + raw + after}
			if after != "" && after[0] != c {
				edits = append(edits, before+raw+after[1:])
			}
			for _, edit := range edits {
				if c < ' ' && c != '\t' || c == 0x7f {
					controls = append(controls, "token="+edit)
				} else {
					add(edit)
				}
			}
			add(before + fmt.Sprintf("%%%02X", c) + after)
			if after != "" {
				add(before + fmt.Sprintf("%%%02x", c) + after[1:])
			}
		}
		if after != "" {
			add(before + after[1:])
			add(before + fmt.Sprintf("%%25%02X", after[0]) + after[1:])
			add(before + strings.ToUpper(after[:1]) + strings.ToLower(after[:1]) + after[1:])
		}
		add(before)
		add(after)
	}
	for _, form := range []string{
		`token="%s"`, `token=""%s""`, `token='%s'`, "token= %s ", "token=\t%s\t", " token = %s", "token=%s;", "token=%s; token=", "x=1; token=%s",
		"token=; token=%s", "token=x; token=%s", "token=%s; token=%[1]s", "Token=%s", "TOKEN=%s", "token=%s%[1]s", "token=%s.%[1]s", "token==%s",
		"token=%s=", "token=%s==", "token=Bearer %s", "token=j:%s", "token=s:%s", "token=%s\r\nCookie: token=%[1]s", "x=1\r\nCookie: token=%s",
		"token\r\nCookie: token=%s", "%%74oken=%s", "token=%s,token=%[1]s", "$Version=1; token=%s", "token=\xef\xbb\xbf%s", "token=%s%%00", "token=%s%%0A",
	} {
		cookies = append(cookies, fmt.Sprintf(form, token))
	}
	cookies = append(cookies, "token="+strings.ToUpper(token), "token="+strings.ToLower(token), "token="+url.QueryEscape(token))
	segments := strings.Split(token, ".")
	for i, segment := range segments { // the other base64 alphabets and padding
		raw, _ := base64.RawURLEncoding.DecodeString(segment)
		for _, encoding := range []*base64.Encoding{base64.StdEncoding, base64.URLEncoding, base64.RawStdEncoding} {
			if other := encoding.EncodeToString(raw); other != segment {
				respelled := slices.Clone(segments)
				respelled[i] = other
				add(strings.Join(respelled, "."))
			}
		}
	}
	return append(cookies, controls...)
}

// TestForgedTokens sends tokens that cannot be made with the secret.
func TestForgedTokens(t *testing.T) {
	t.Parallel()
	redis := harness.StartRedis(t)
	s := startAttacked(t, redis.Env()...)
	payload := fmt.Sprintf(`{"id":"1","email":"ada@example.com","role":"admin","exp":%d}`, time.Now().Add(time.Hour).Unix())
	good := wireSign(wireHashes["HS256"], `{"alg":"HS256","typ":"JWT"}`, payload, wireSecret)
	if got := wireStatus(t, s.URL, good); got != 200 {
		t.Fatalf("a correctly signed token with these claims: got %d, want 200", got)
	}
	segments := strings.Split(good, ".")
	b64 := base64.RawURLEncoding.EncodeToString

	var forged []string
	foreign := []string{"none", "None", "NONE", "nOnE", "noNE", "", " ", "HS256 ", "hs256", "Hs256", "HS1", "HS224", "HS2560", "HMAC", "dir",
		"RS256", "RS384", "RS512", "ES256", "ES384", "ES512", "ES256K", "PS256", "PS384", "PS512", "EdDSA", "Ed25519", "RSA-OAEP", "A128KW"}
	var headers []string
	for _, alg := range foreign {
		headers = append(headers, fmt.Sprintf(`{"alg":%q,"typ":"JWT"}`, alg))
	}
	headers = append(headers, `{}`, `{"typ":"JWT"}`, `{"alg":null}`, `{"alg":256}`, `{"alg":["HS256"]}`, `{"alg":{"HS256":1}}`, `{"ALG":"HS256"}`,
		`{"Alg":"HS256"}`, `{"alg":"HS256","alg":"none"}`, `["alg","HS256"]`, `"HS256"`, `null`, `{"alg":"HS256"}x`, `{"alg":"HS256"`)
	for _, header := range headers { // with any signature, and with none
		for _, newHash := range wireHashes {
			for _, key := range []string{wireSecret, "", "secret"} {
				forged = append(forged, wireSign(newHash, header, payload, key))
			}
		}
		unsigned := b64([]byte(header)) + "." + segments[1]
		forged = append(forged, unsigned, unsigned+".", unsigned+"."+segments[2])
	}
	// A secret followed by NULs is not tried: HMAC itself pads the secret with NULs (RFC 2104).
	keys := []string{"", "\x00", " ", "secret", "null", "undefined", wireSecret + " ", wireSecret + "\n",
		wireSecret[:len(wireSecret)-1], wireSecret[1:], strings.ToUpper(wireSecret), b64([]byte(wireSecret)), wireSecret + wireSecret}
	injections := []string{"", `,"kid":"../../../../dev/null"`, `,"kid":"' UNION SELECT ''--"`, `,"jku":"http://127.0.0.1:1/keys"`, `,"x5u":"http://127.0.0.1:1/"`,
		`,"jwk":{"kty":"oct","k":""}`, `,"jwk":{"kty":"oct","k":"c2VjcmV0"}`, `,"x5c":["c2VjcmV0"]`, `,"zip":"DEF"`, `,"b64":false`, `,"alg":"HS512"`, `,"cty":"JWT"`}
	for alg, newHash := range wireHashes {
		for _, injection := range injections {
			for _, key := range keys { // wrong keys, with every algorithm
				forged = append(forged, wireSign(newHash, fmt.Sprintf(`{"alg":%q%s}`, alg, injection), payload, key))
			}
		}
		for other, otherHash := range wireHashes { // the secret, with the signature of another algorithm
			if other != alg {
				forged = append(forged, wireSign(otherHash, fmt.Sprintf(`{"alg":%q}`, alg), payload, wireSecret))
			}
		}
	}
	other := b64([]byte(strings.Replace(payload, "admin", "owner", 1)))
	for _, parts := range [][]string{{segments[0], other, segments[2]}, {segments[0], segments[1], segments[1]}, {segments[0], segments[0], segments[2]},
		{segments[1], segments[0], segments[2]}, {segments[0], segments[1], ""}, {"", segments[1], segments[2]}, {segments[0], "", segments[2]},
		{segments[0], segments[1], segments[2], ""}, {segments[0], segments[1], segments[2], segments[2]}, {segments[0], segments[0], segments[1], segments[2]},
		{segments[0], segments[1], segments[1], segments[2]}, {segments[0], segments[1], segments[2][:42]}, {segments[0], segments[1], segments[2] + "AA"},
		{segments[0], segments[1], strings.Repeat("A", 43)}, {"", "", ""}, {""}} {
		forged = append(forged, strings.Join(parts, "."))
	}
	accepted := 0
	wireSend(t, wireAddr(s.URL), len(forged), func(i int) []byte { return wireMe("token=" + forged[i]) }, func(i int, a wireAnswer) {
		if a.status != 401 || !strings.Contains(a.body, "Unauthorized") {
			accepted++
			t.Errorf("forged token %s: got %d %s, want 401", forged[i], a.status, a.body)
		}
	})
	t.Logf("%d forged tokens: %d accepted", len(forged), accepted)
}

// TestForgedLogouts checks that a logout with a forged token stores nothing and sends no command to Redis.
func TestForgedLogouts(t *testing.T) {
	t.Parallel()
	redis := harness.StartRedis(t)
	s := startAttacked(t, redis.Env()...)
	s.WaitFor(t, "this Redis can lose logouts") // the check for rights and risks runs once a minute; this was the first
	client := redis.Client(t)
	keys := client.DBSize(t.Context()).Val()
	if err := client.ConfigResetStat(t.Context()).Err(); err != nil {
		t.Fatal(err)
	}
	const tries = 100_000
	wireSend(t, wireAddr(s.URL), tries, func(i int) []byte {
		token := wireSign(wireHashes["HS256"], `{"alg":"HS256","typ":"JWT"}`, fmt.Sprintf(`{"id":"%d"}`, i), "not the secret")
		return []byte("POST /api/auth/logout HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\nCookie: token=" + token + "\r\n\r\n")
	}, func(i int, a wireAnswer) {
		if a.status != 200 {
			t.Errorf("logout %d: got %d %s, want 200", i, a.status, a.body)
		}
	})
	stats := client.Info(t.Context(), "commandstats").Val()
	for line := range strings.Lines(stats) {
		name, rest, ok := strings.Cut(strings.TrimPrefix(line, "cmdstat_"), ":calls=")
		if !ok {
			continue
		}
		var calls int
		if _, err := fmt.Sscanf(rest, "%d", &calls); err != nil || calls > tries/100 {
			t.Errorf("Redis executed %s %d times (%v), want only the commands of the watch", name, calls, err)
		}
	}
	if strings.Contains(stats, "cmdstat_set:") || strings.Contains(stats, "cmdstat_exists:") {
		t.Errorf("a forged token was looked up or stored in Redis:\n%s", stats)
	}
	if now := client.DBSize(t.Context()).Val(); now != keys {
		t.Errorf("Redis has %d keys, want %d as before", now, keys)
	}
	t.Logf("%d forged logouts: 0 keys written, 0 looked up", tries)
}

// TestLoginsInOneSecond checks that every login gets its own token, and that a logout revokes only that token. Each
// login computes a bcrypt hash, so two cores cannot serve 10,000 logins in a second. The test issues the tokens
// with the service's own function instead, all for the same user and second. 100 more tokens come from logins
// through the service.
func TestLoginsInOneSecond(t *testing.T) {
	t.Parallel()
	redis := harness.StartRedis(t)
	s := startAttacked(t, redis.Env()...)
	sessions, err := session.New(session.Options{Secrets: []string{wireSecret}, Lifetime: time.Hour})
	if err != nil {
		t.Fatal(err)
	}
	const logins, real = 10_000, 100 // the service keeps at most 100 sessions per user
	tokens := make([]string, logins, logins+real)
	second := time.Now()
	for i := range tokens {
		issued, err := sessions.Issue(session.User{ID: "1", Email: "ada@example.com", Username: "ada", Role: "user"}, second)
		if err != nil {
			t.Fatal(err)
		}
		tokens[i] = issued.Token
	}
	for range real {
		tokens = append(tokens, wireLogin(t, s.URL, "ada"))
	}
	slices.Sort(tokens)
	if different := len(slices.Compact(slices.Clone(tokens))); different != logins+real {
		t.Fatalf("%d different tokens, want %d", different, logins+real)
	}
	// Each token is valid although all tokens before it are logged out, and is rejected after its own logout.
	want := []int{200, 200, 401}
	wireSend(t, wireAddr(s.URL), 3*len(tokens), func(i int) []byte {
		cookie := "token=" + tokens[i/3]
		if i%3 == 1 {
			return []byte("POST /api/auth/logout HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\nCookie: " + cookie + "\r\n\r\n")
		}
		return wireMe(cookie)
	}, func(i int, a wireAnswer) {
		if a.status != want[i%3] {
			t.Errorf("token %d, request %d: got %d, want %d", i/3, i%3, a.status, want[i%3])
		}
	})
	t.Logf("%d different tokens, each logged out alone", len(tokens))
}
