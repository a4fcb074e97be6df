package proxies

import (
	"net/http"
	"strings"
	"testing"

	"github.com/golang-jwt/jwt/v5"
)

// TestCookieLines sends the tokens of two users in several ways. An application that reads the cookie itself, as
// cookie-parser does, must find the token that verify accepted. Otherwise the application would accept a revoked
// token of one user together with a valid session of another.
func TestCookieLines(t *testing.T) {
	t.Parallel()
	for name := range proxies {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := startSite(t, name)
			seven, eight := "token="+sign(t, jwt.MapClaims{"id": "7"}), "token="+sign(t, jwt.MapClaims{"id": "8"})
			s.do(t, "POST", s.url+"/api/auth/logout", http.Header{"Cookie": {eight}}, "").want(t, "logout", 200)
			admitted := 0
			for _, lines := range [][]string{
				{seven},
				{seven, eight},
				{seven, "a=1"},
				{seven + "; " + eight},
				{eight, seven},
				{eight + "; " + seven},
				{"a=1", eight + "; " + seven},
				{"a=1; b=2", eight, seven},
				{"a=1," + eight + "; " + seven},
				{"a=1;", ";" + eight, seven},
				{"a", eight, seven},
				{"", eight, seven},
				{" " + eight, seven},
				{"\"", eight, seven},
				{"Token=x; " + eight, seven},
			} {
				got := s.do(t, "GET", s.url+"/orders", http.Header{"Cookie": lines}, "")
				if got.status == 401 {
					continue
				}
				admitted++
				got.want(t, strings.Join(lines, " | "), 200)
				header := got.seen(t).Header
				if first := firstToken(header["Cookie"]); "token="+first != seven {
					t.Errorf("%.20q: the application reads a different token than verify", lines)
				}
				if id := header.Get("X-Auth-Request-User"); id != "7" {
					t.Errorf("%.20q: the application receives the user %q", lines, id)
				}
			}
			if admitted < 2 {
				t.Errorf("%d requests were accepted, want at least 2", admitted)
			}
		})
	}
}

// firstToken returns the token that cookie-parser would store in req.cookies.token.
func firstToken(lines []string) string {
	for pair := range strings.SplitSeq(strings.Join(lines, "; "), ";") {
		if name, value, ok := strings.Cut(pair, "="); ok && strings.TrimSpace(name) == "token" {
			return strings.TrimSpace(value)
		}
	}
	return ""
}
