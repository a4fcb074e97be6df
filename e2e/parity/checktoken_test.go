package parity

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"gin-auth/e2e/internal/harness"
)

// TestCheckToken logs out at the application of each combination. Then gin-auth check --token examines the token
// and its cookie, with the default settings. It must print the settings of the combination that these reveal.
func TestCheckToken(t *testing.T) {
	t.Parallel()
	needPrograms(t)
	shown := []string{"BLACKLIST_KEY", "COOKIE_NAME", "COOKIE_SAMESITE", "COOKIE_SECURE", "JWT_EXPIRES_IN"}
	for _, c := range combinations {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			l := startPair(t, pairOptions{express: "4", combination: c})
			a := exchange(address(l.original), postJSON(login, adaLogin), answersWithin)
			if len(a.setCookie) != 1 {
				t.Fatalf("login: %v", a)
			}
			cookie, _, _ := strings.Cut(a.setCookie[0], ";")
			exchange(address(l.original), post(logout, "Cookie: "+cookie), answersWithin)
			file := filepath.Join(t.TempDir(), "login.txt")
			response := "HTTP/1.1 200 OK\r\nSet-Cookie: " + a.setCookie[0] + "\r\n\r\n"
			if err := os.WriteFile(file, []byte(response), 0o600); err != nil {
				t.Fatal(err)
			}

			env := slices.Concat(common, l.server.Env(), []string{"NODE_ENV=" + c.setting("NODE_ENV", "production")})
			p := harness.Start(t, t.TempDir(), env, harness.Binary(t), "check", "--token", file)
			status, said := p.Exit(t), p.Output()
			_, list, _ := strings.Cut(said, "\nSet, to agree with the Node service:\n")
			list, _, _ = strings.Cut(list, "\n\n")
			got := strings.Fields(list)
			want := slices.DeleteFunc(slices.Clone(c.ours), func(setting string) bool {
				name, _, _ := strings.Cut(setting, "=")
				return !slices.Contains(shown, name)
			})
			slices.Sort(got)
			slices.Sort(want)
			if !slices.Equal(got, want) || !strings.Contains(said, "valid with JWT_SECRET\n") || status > 1 {
				t.Errorf("check --token: exit status %d and the settings %q, want %q:\n%s", status, got, want, said)
			}
		})
	}
}
