package sessions

import (
	"errors"
	"strings"
	"testing"
	"time"
	"unicode"
	"unicode/utf8"

	"gin-auth/e2e/internal/harness"
)

// startShort starts two instances of gin-auth on one Redis. The sessions of the first one expire after five
// seconds.
func startShort(t *testing.T) (s site, short, long string) {
	t.Helper()
	s = startSite(t)
	return s, startAuth(t, settings(secret, append(s.redis.Env(), "JWT_EXPIRES_IN=5s")...)), s.auth
}

// TestExpiry checks that the key expires with its last session, and that a login removes the expired sessions.
func TestExpiry(t *testing.T) {
	t.Parallel()
	s, short, long := startShort(t)
	c := s.redis.Client(t)
	p, first := mustRegister(t, short, "ada")
	key := "auth:sessions:" + p.id
	expires := func(token string) {
		t.Helper()
		if got := int64(c.ExpireTime(t.Context(), key).Val().Seconds()); got != claims(token).Exp {
			t.Errorf("the key expires at %d, want %d as the session", got, claims(token).Exp)
		}
	}
	stored := func(tokens ...string) {
		t.Helper()
		value := c.Get(t.Context(), key).Val()
		if n := strings.Count(value, "\n"); n != len(tokens) {
			t.Errorf("%d sessions are stored, want %d", n, len(tokens))
		}
		for _, token := range tokens {
			if !strings.Contains(value, " "+claims(token).JTI+" ") {
				t.Error("a session is not stored")
			}
		}
	}
	expires(first)
	stored(first)
	harness.Eventually(t, "the key has expired", func() error {
		if c.Exists(t.Context(), key).Val() != 0 {
			return errors.New("the key exists")
		}
		return nil
	})

	second := p.mustLogin(t, long)
	expires(second)
	third := p.mustLogin(t, short)
	expires(second)
	stored(second, third)
	send(t, 204, "DELETE", long+"/sessions/"+claims(second).JTI, third, nil)
	expires(third)
	fourth := p.mustLogin(t, long)
	stored(third, fourth)
	harness.Eventually(t, "the third session has expired", func() error {
		_, err := tryFor(401, "GET", short+"/me", third, nil)
		return err
	})
	wantListed(t, long, fourth, fourth)
	send(t, 404, "DELETE", long+"/sessions/unknown", fourth, nil)
	stored(third, fourth)
	fifth := p.mustLogin(t, long)
	stored(fourth, fifth)
	expires(fifth)
}

// TestClient checks that a session has the address and the User-Agent of its client, without characters that could
// be harmful when displayed.
func TestClient(t *testing.T) {
	t.Parallel()
	s := startSite(t, "TRUSTED_PROXIES=loopback")
	p, _ := mustRegister(t, s.auth, "ada")
	header := map[string]string{
		"Firefox on a Mac":                     "Firefox on a Mac",
		"two\tlines\u0085and \u202eback\u200b": "twolinesand back",
		"not \xff\xfeUTF-8 é":                  "not UTF-8 é",
		strings.Repeat("ab", 2048):             strings.Repeat("ab", 100),
		strings.Repeat("ä", 2048):              strings.Repeat("ä", 100),
		"x" + strings.Repeat("ä", 2048):        "x" + strings.Repeat("ä", 99),
		"\u0085":                               "",
		`"} {"record":"`:                       `"} {"record":"`,
	}
	for sent, want := range header {
		token := p.mustLogin(t, s.auth, "User-Agent", sent, "X-Forwarded-For", "198.51.100.7, 203.0.113.9")
		got := list(t, s.auth, token)[0]
		if got.UserAgent != want || got.Address != "203.0.113.9" || !got.Current {
			t.Errorf("with the User-Agent %.40q the session is %+v", sent, got)
		}
		if strings.ContainsFunc(got.UserAgent, unicode.IsControl) || !utf8.ValidString(got.UserAgent) {
			t.Errorf("with the User-Agent %.40q the stored %q has control characters", sent, got.UserAgent)
		}
		created, err := time.Parse(time.RFC3339, got.CreatedAt)
		expires, failed := time.Parse(time.RFC3339, got.ExpiresAt)
		if err != nil || failed != nil || expires.Unix() != claims(token).Exp || expires.Sub(created) != 24*time.Hour {
			t.Errorf("a session was created at %s and expires at %s", got.CreatedAt, got.ExpiresAt)
		}
	}
	if n := len(list(t, s.auth, p.mustLogin(t, s.auth))); n != len(header)+2 {
		t.Errorf("%d sessions are listed, want %d", n, len(header)+2)
	}

	untrusted := startAuth(t, settings(secret, s.redis.Env()...))
	token := p.mustLogin(t, untrusted, "X-Forwarded-For", "203.0.113.9")
	if got := list(t, untrusted, token)[0]; got.Address != "127.0.0.1" {
		t.Errorf("without a trusted proxy the address is %s, want that of the connection", got.Address)
	}
}
