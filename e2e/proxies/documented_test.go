package proxies

import (
	"regexp"
	"strings"
	"sync/atomic"
	"testing"

	"gin-auth/e2e/internal/harness"
)

// leftOut are the edits from docs/proxies.md that remove the headers nobody verified.
var leftOut = map[string][]harness.Edit{
	"nginx": {
		{Old: "X-Auth-Request-Email $auth_email;", New: `X-Auth-Request-Email "";`},
		{Old: "X-Auth-Request-Preferred-Username $auth_username;", New: `X-Auth-Request-Preferred-Username "";`},
	},
	"caddy": {{
		Old: "copy_headers X-Auth-Request-User X-Auth-Request-Email X-Auth-Request-Role X-Auth-Request-Preferred-Username",
		New: "copy_headers X-Auth-Request-User X-Auth-Request-Role",
	}},
}

func TestLeftOut(t *testing.T) {
	t.Parallel()
	for name := range proxies {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := startSite(t, name, leftOut[name]...)
			claims := claimsWithRole("user")
			claims["email"], claims["username"] = "boss@example.com", "admin"
			c.send(t, "GET", "/orders", sign(t, claims), "").
				wantSeen(t, "without email and name", "GET /orders ", map[string]string{"User": "7", "Role": "user"})
		})
	}
}

// TestKeptConnections runs nginx with the upstreams of docs/proxies.md, without the directive that nginx 1.22 does
// not support.
func TestKeptConnections(t *testing.T) {
	t.Parallel()
	harness.Need(t, "nginx")
	page := harness.ReadSource(t, "docs/proxies.md")
	block := regexp.MustCompile("(?s)```nginx\n(.*?)```").FindStringSubmatch(page)
	if block == nil {
		t.Fatal("docs/proxies.md has no upstream")
	}
	upstream := regexp.MustCompile(`(?m)^ *(zone|resolver) .*\n| resolve`).ReplaceAllString(block[1], "")
	redis := harness.StartRedis(t)
	auth := strings.TrimPrefix(harness.StartService(t, settings(redis)...).URL, "http://")
	app := startApp(t, new(atomic.Int64))
	p := harness.StartNginx(t, "gin_auth", "the_app",
		insert("map $http_upgrade $upgrade_header {\n", strings.Replace(upstream, "gin-auth:3000", auth, 1)+
			strings.NewReplacer("gin_auth", "the_app", "gin-auth:3000", app).Replace(upstream)),
		harness.Edit{Old: "default close;", New: `default "";`},
		harness.Edit{Old: "Connection close;", New: `Connection "";`})
	c := &client{p.Client, p.URL}
	connections := map[string]bool{}
	for range 5 {
		got := c.send(t, "GET", "/orders", sign(t, claimsWithRole("user")), "")
		got.want(t, "with upstreams", 200)
		connections[got.header.Get("X-Connection")] = true
	}
	if len(connections) != 1 {
		t.Errorf("5 requests reached the application on %d connections, want 1", len(connections))
	}
}
