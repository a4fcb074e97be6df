package proxies

import (
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/golang-jwt/jwt/v5"

	"gin-auth/e2e/internal/harness"
)

// rule is a path of the application that the proxy checks with a query to verify.
type rule struct {
	path, query string
	// admits has the roles that may use the path. Nil means every session.
	admits []string
	// wrong means that the configuration has a typo, so that nobody is admitted.
	wrong bool
}

var rules = []rule{
	{path: "/orders"},
	{path: "/admin", admits: []string{"admin"}}, // the example in the files
	{path: "/users", query: "?role=user", admits: []string{"user"}},
	{path: "/both", query: "?role=admin&role=user", admits: []string{"admin", "user"}},
	{path: "/wrong-name", query: "?rol=admin", wrong: true},
	{path: "/wrong-case", query: "?Role=admin", wrong: true},
	{path: "/wrong-separator", query: "?role=admin;role=user", wrong: true},
	{path: "/wrong-more", query: "?role=admin&roles=user", wrong: true},
	{path: "/empty-role", query: "?role=", wrong: true},
	{path: "/empty-second-role", query: "?role=admin&role=", wrong: true},
	{path: "/no-value", query: "?role", wrong: true},
	{path: "/wrong-path", query: "/?role=admin", wrong: true},
}

// nginxRules are additional locations, with mistakes that only nginx permits.
const nginxRules = `
location /misspelled { auth_request /_verify/amdin; proxy_pass http://$app; }
location /misplaced { auth_request /verify/admin; proxy_pass http://$app; }
location /with-query { auth_request /_verify/session?role=admin; proxy_pass http://$app; }
location /public { auth_request /_verify; proxy_pass http://$app; }
location /missing { auth_request off; proxy_pass http://$app; }
location /elsewhere { auth_request /_verify/elsewhere; proxy_pass http://$app; }
`

var nginxMistakes = []rule{
	{path: "/misspelled", wrong: true},
	{path: "/misplaced", wrong: true},
	{path: "/with-query", wrong: true},
	{path: "/public", wrong: true},
	{path: "/missing", wrong: true},
	{path: "/elsewhere", wrong: true}, // a service that answers 200 to everything, in place of gin-auth
}

// roleClaims are values of the claim role of every JSON type. Nil is JSON's null. absent omits the claim.
var roleClaims = []any{
	absent{}, nil, "admin", "user", "Admin", "admin ", " admin", "", "admin,user", "admin\u0000", "root", true, false,
	0, 1, 1.5, []any{}, []any{"admin"}, []any{"admin", "user"}, map[string]any{}, map[string]any{"admin": true},
}

type absent struct{}

// TestRoles sends every claim to every rule, by cookie and by Bearer, and counts the requests that reach the
// application.
func TestRoles(t *testing.T) {
	t.Parallel()
	for name := range proxies {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			all, edits := rulesFor(name, startApp(t, new(atomic.Int64)))
			s := startSite(t, name, edits...)
			asked, wrong := 0, 0
			for _, claim := range roleClaims {
				token := sign(t, claimsWithRole(claim))
				for _, r := range all {
					for header, value := range map[string]string{"Cookie": "token=" + token, "Authorization": "Bearer " + token} {
						asked++
						if problem := s.check(t, r, claim, header, value); problem != "" {
							wrong++
							t.Errorf("%s with the role %#v in %s: %s", r.path, claim, header, problem)
						}
					}
				}
			}
			t.Logf("%d requests: %d rules, %d claims, 2 headers; %d wrong responses", asked, len(all), len(roleClaims), wrong)
		})
	}
}

// check sends a request and describes what is wrong with its response, or returns "".
func (s *site) check(t *testing.T, r rule, claim any, header, value string) string {
	t.Helper()
	role, isString := claim.(string)
	admitted := !r.wrong && (r.admits == nil || isString && slices.Contains(r.admits, role))
	before := s.reached.Load()
	got := s.do(t, "GET", s.url+r.path+"/x", http.Header{header: {value}}, "")
	reached := s.reached.Load() != before
	switch {
	case admitted && (got.status != 200 || !reached):
		return fmt.Sprintf("not admitted: %d %s", got.status, got.body)
	case !admitted && (reached || got.status < 400):
		return fmt.Sprintf("admitted: %d %s", got.status, got.body)
	case !admitted && !r.wrong && (got.status != 403 || got.body != `{"message":"Forbidden"}`):
		return fmt.Sprintf("refused with %d %s", got.status, got.body)
	}
	return ""
}

func claimsWithRole(claim any) jwt.MapClaims {
	claims := jwt.MapClaims{"id": "7", "role": claim}
	if claim == (absent{}) {
		delete(claims, "role")
	}
	return claims
}

// rulesFor returns the rules of a proxy, and the edits that add the missing ones to its file. another is the
// host:port of a service that is not gin-auth.
func rulesFor(name, another string) ([]rule, []harness.Edit) {
	var outer, inner strings.Builder
	for _, r := range rules[2:] {
		if name == "nginx" {
			fmt.Fprintf(&outer, "location %[1]s { auth_request /_verify%[1]s; proxy_pass http://$app; }\n", r.path)
			fmt.Fprintf(&inner, "location = /_verify%s { proxy_pass \"http://$gin_auth/api/auth/verify%s\"; }\n",
				r.path, r.query)
		} else {
			fmt.Fprintf(&outer, "handle %s/* {\nimport verified \"/api/auth/verify%s\"\n}\n", r.path, r.query)
		}
	}
	if name == "caddy" {
		return rules, []harness.Edit{insert("\t@admin path /admin /admin/*\n", outer.String())}
	}
	fmt.Fprintf(&inner, "location = /_verify/elsewhere { proxy_pass http://%s/api/auth/verify; }\n", another)
	return append(slices.Clone(rules), nginxMistakes...), []harness.Edit{
		insert("    location / {\n", outer.String()+nginxRules),
		insert("        location = /_verify/session {\n", inner.String()),
	}
}

// insert returns an edit that inserts text before a line.
func insert(line, text string) harness.Edit { return harness.Edit{Old: line, New: text + line} }

// TestRoleSpellings requests the admins' path in other spellings, which routers treat as equal, and with queries
// that verify must not receive.
func TestRoleSpellings(t *testing.T) {
	t.Parallel()
	for name := range proxies {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := startSite(t, name)
			for role, status := range map[string]int{"user": 403, "admin": 200} {
				token := sign(t, claimsWithRole(role))
				for _, path := range []string{
					"/admin", "/admin/", "/admin/x?y=1", "/Admin", "/ADMIN/x", "/%61dmin/x", "//admin/x", "/x/../admin/x",
					"/./admin/x", "/admin%2fx",
				} {
					s.send(t, "GET", path, token, "").want(t, role+" "+path, status)
					s.send(t, "POST", path, token, "a body").want(t, role+" posts "+path, status)
				}
				s.send(t, "GET", "/administration", token, "").want(t, role+" elsewhere", 200)
				s.send(t, "GET", "/orders?role=nobody&x=1", token, "").want(t, role+" with a query", 200)
				s.send(t, "GET", "/admin?role=user", token, "").want(t, role+" with the query of a role", status)
			}
		})
	}
}

// TestMisspelledSnippet checks that Caddy rejects a file that imports a snippet that does not exist.
func TestMisspelledSnippet(t *testing.T) {
	t.Parallel()
	text := harness.ReadSource(t, "deploy/Caddyfile")
	path := filepath.Join(t.TempDir(), "Caddyfile")
	for name, status := range map[string]int{"verified": 0, "verfied": 1} {
		changed := strings.ReplaceAll(text, "import verified", "import "+name)
		if err := os.WriteFile(path, []byte(changed), 0o600); err != nil {
			t.Fatal(err)
		}
		p := harness.Start(t, t.TempDir(), nil, harness.Need(t, "caddy"), "adapt", "--config", path)
		if got := p.Exit(t); got != status {
			t.Errorf("import %s: exit status %d, want %d: %s", name, got, status, p.Output())
		}
	}
}
