package config

import (
	"bytes"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "rewrite the table in docs/configuration.md")

// documented describes the settings for docs/configuration.md, in its order. The defaults are those that Load sets,
// unless byDefault describes one.
var documented = []struct{ section, name, byDefault, about string }{
	{name: "NODE_ENV", about: "`production`, spelled exactly like this, applies [its rules](#production) and removes the page at `/`. `prod`, `Production` and the like prevent startup. Any other value means development, with a warning unless it is `development`, `dev`, `test` or `local`"},
	{name: "PORT", about: "`0`: any free port; the log has its number"},
	{name: "HOST", byDefault: "every interface; loopback with the embedded Redis"},
	{name: "ROUTE_PREFIX", about: "precedes every route except `/healthz`, `/readyz` and `/openapi.json`; `/` for none"},
	{name: "…_FILE", about: "of `JWT_SECRET`, `JWT_SECRET_PREVIOUS`, `REDIS_URL`, `REDIS_PASSWORD`, `REDIS_SENTINEL_PASSWORD`: the absolute path of [a file with the value](#secrets-from-files), instead of the setting itself"},
	{section: "Sessions"},
	{name: "JWT_SECRET", about: "signs the tokens (HS256). Its bytes are used unchanged. Required, except with the embedded Redis, which generates one. A PEM key or certificate prevents startup: anyone who has a public key could sign tokens"},
	{name: "JWT_SECRET_PREVIOUS", about: "only verifies tokens, while the secret is [changed in three steps](security.md#changing-the-secret)"},
	{name: "JWT_EXPIRES_IN", about: "`1d`, `12h`, `30m`, `90s`, and everything else that the npm package `ms` reads: `7 days`, `1w`, `1y`, `15min`, `1.5h`; at most `3650d`. A number without a unit is rejected: jsonwebtoken reads the string `3600` as 3.6 s, but people mean an hour"},
	{name: "JWT_ALLOW_WEAK_SECRET", about: "`true`: production starts with a secret of fewer than 32 bytes"},
	{name: "BLACKLIST_KEY", about: "the Redis key of a revoked token, as the Node service writes it: `blacklist_{token}`, `bl_{token}`, `{token}`. Exactly one `{token}`, not below `auth:`. All instances need the same value; [a changed one](revocation.md#another-blacklist_key) counts as a lost blacklist"},
	{name: "ACCEPT_BEARER", about: "`true`: if the cookie is missing or empty, the token is read from `Authorization: Bearer`"},
	{name: "COOKIE_NAME", about: "`__Host-token` needs `COOKIE_SECURE=true` and no `COOKIE_DOMAIN`"},
	{name: "COOKIE_DOMAIN", about: "by default the cookie is sent only to the host. `example.com`, `.example.com`: also to its subdomains. A public suffix such as `co.uk`, for which browsers keep no cookie, prevents startup"},
	{name: "COOKIE_SAMESITE", about: "`lax`, `none` (which needs `COOKIE_SECURE=true`)"},
	{name: "COOKIE_SECURE", about: "Chrome, Firefox and curl send Secure cookies to http://localhost; Safari does not, and no browser sends them to other hosts over plain http. In every setting that is `true` or `false`, `1`, `yes`, `on` and `0`, `no`, `off` are also accepted"},
	{section: "Users"},
	{name: "REGISTRATION", about: "`closed`: every registration is rejected with 403"},
	{name: "REGISTRATION_ROLES", about: "the roles that users may choose when they register, separated by commas; any other is rejected with 400. The first is the default role, also of `user add` and of imported users without one"},
	{name: "PASSWORD_MIN", about: "minimum length of a new password, 1 to 72 characters, counted as in JavaScript (UTF-16 units). NIST SP 800-63B-4 requires 8 with another factor and 15 without"},
	{name: "BCRYPT_COST", about: "of new hashes, 4 to 16; each step doubles the time of a login"},
	{name: "LOGIN_LIMIT", about: "[failed logins](#logins) per account and address together, and per address; failed password changes per user; registrations per address; `off`"},
	{section: "Redis", about: "set exactly one of `REDIS_HOST`, `REDIS_URL`, `REDIS_CLUSTER_NODES`, `REDIS_SENTINELS`; without any, an embedded Redis starts"},
	{name: "REDIS_HOST"},
	{name: "REDIS_PORT", about: "if it is `tcp://host:port`, Kubernetes has injected it for a Service named `redis`: set the port, or `enableServiceLinks: false`, or rename the Service"},
	{name: "REDIS_USERNAME", about: "an ACL user"},
	{name: "REDIS_PASSWORD"},
	{name: "REDIS_DB"},
	{name: "REDIS_TLS", about: "[TLS](#tls-to-redis) 1.2 or newer, always verified"},
	{name: "REDIS_TLS_CA", about: "a PEM file with the CA of Redis, instead of the CAs of the system"},
	{name: "REDIS_TLS_CERT", about: "a PEM file with a client certificate and its intermediate CAs"},
	{name: "REDIS_TLS_KEY", about: "a PEM file with the key of that certificate, not encrypted"},
	{name: "REDIS_TLS_SERVER_NAME", byDefault: "the host of the address", about: "the name in the certificate of Redis, if Redis is reached by an IP address, or through Sentinel or a Cluster, which announce addresses"},
	{name: "REDIS_URL", about: "`redis://user:password@host:port/db`, `rediss://` for TLS, or a Unix socket: `unix:///run/redis/redis.sock?db=0`, `unix://user:password@/run/redis/redis.sock`. A setting such as `REDIS_PASSWORD` may also be set, but not to another value"},
	{name: "REDIS_CLUSTER_NODES", about: "`host:port,host:port`: some nodes of a Cluster. All addresses that these announce must be reachable from the service"},
	{name: "REDIS_SENTINELS", about: "`host:port,host:port`, with `REDIS_SENTINEL_MASTER`"},
	{name: "REDIS_SENTINEL_MASTER"},
	{name: "REDIS_SENTINEL_USERNAME", about: "an ACL user of the sentinels, with a password; it needs the rights `+subscribe &* +sentinel\\|get-master-addr-by-name +sentinel\\|sentinels`"},
	{name: "REDIS_SENTINEL_PASSWORD"},
	{name: "REDIS_TIMEOUT", about: "how long a request waits for one answer from Redis. Connecting has 2 s of its own, in the background. A Redis that is far away needs two and a half round trips or more: `gin-auth check` prints how many milliseconds one takes"},
	{name: "REDIS_WAIT_REPLICAS", about: "how many replicas must hold a revocation before logout answers 200; if they do not within half of `REDIS_TIMEOUT`, it answers 500"},
	{name: "REVOCATION_EPOCH", about: "`expect`: an instance that finds no blacklist at its start treats it as lost, and rejects every token issued before ([why](revocation.md#the-epoch))"},
	{section: "HTTP"},
	{name: "CORS_ORIGINS", about: "other origins whose pages may use the service, such as `https://app.example.com`, separated by commas: they get CORS headers, and their POSTs and DELETEs are not rejected. Letters in any case or of other scripts, a default port and a final `/` are corrected"},
	{name: "TRUSTED_PROXIES", about: "addresses and networks whose `X-Forwarded-For` is used, with or without ports, or Express's `loopback`, `linklocal`, `uniquelocal`; by default none"},
	{name: "METRICS_ADDR", about: "`host:port` of a separate listener that answers `/metrics` for Prometheus; [deploy/alerts.yaml](../deploy/alerts.yaml) has alert rules. It must not be reachable from outside"},
	{name: "LOG_LEVEL", about: "`debug` (also logs probes), `warn`, `error`. The levels of winston and pino are read as the closest of these, with a warning: `http` as `info`; `verbose`, `silly`, `trace` as `debug`; `fatal`, `silent` as `error`. Warnings about the configuration are logged at every level"},
	{name: "LOG_FORMAT", about: "morgan's `dev`, `combined`, `common`, `short` and `tiny` are read as `text`, with a warning"},
	{name: "SHUTDOWN_DELAY", about: "after SIGTERM, `/readyz` answers 503 for this long; then the listener closes, and requests in progress have 10 s to end"},
}

// TestDocs fails if the table in docs/configuration.md differs from documented, or a setting is missing from
// documented.
func TestDocs(t *testing.T) {
	t.Parallel()
	path := filepath.Join("..", "docs", "configuration.md")
	page, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	before, rest, begins := bytes.Cut(page, []byte(" -update -->\n\n"))
	table, after, ends := bytes.Cut(rest, []byte("\n<!-- The table ends here. -->"))
	if !begins || !ends {
		t.Fatal("docs/configuration.md has no place for the table")
	}
	want := documentation(t)
	if *update {
		page = fmt.Appendf(nil, "%s -update -->\n\n%s\n<!-- The table ends here. -->%s", before, want, after)
		if err := os.WriteFile(path, page, 0o644); err != nil {
			t.Fatal(err)
		}
	} else if string(table) != want {
		t.Errorf("docs/configuration.md is not current: run go test ./config -run TestDocs -update\nwant\n%s", want)
	}
}

// documentation returns the table.
func documentation(t *testing.T) string {
	t.Helper()
	development := defaults(t)
	production := defaults(t, "NODE_ENV=production", "REDIS_HOST=redis", "JWT_SECRET="+strong)
	for _, name := range []string{"NODE_ENV", "REDIS_HOST", "JWT_SECRET"} {
		production[name] = development[name] // these are not defaults
	}
	var b bytes.Buffer
	b.WriteString("| name | default | |\n|---|---|---|\n")
	cell := func(text string) {
		if text != "" {
			text += " "
		}
		fmt.Fprintf(&b, " %s|", text)
	}
	for _, d := range documented {
		b.WriteString("|")
		if d.section != "" {
			cell("**" + d.section + "**")
			cell("")
			cell(d.about)
			b.WriteString("\n")
			continue
		}
		value, ok := development[d.name]
		if !ok && !strings.HasPrefix(d.name, "…") { // one row for several settings
			t.Errorf("there is no setting %s, or it is there twice", d.name)
		}
		cell("`" + d.name + "`")
		switch other := production[d.name]; {
		case d.byDefault != "":
			cell(d.byDefault)
		case value != other:
			cell("`" + value + "`; `" + other + "` in production")
		case value == "":
			cell("–")
		default:
			cell("`" + value + "`")
		}
		cell(d.about)
		b.WriteString("\n")
		delete(development, d.name)
	}
	for name := range development {
		t.Errorf("%s is not documented", name)
	}
	return b.String()
}

// TestNumberOfSettings fails if there are more rows of settings than someone can read.
func TestNumberOfSettings(t *testing.T) {
	t.Parallel()
	const most = 48
	rows := 0
	for _, d := range documented {
		if d.name != "" {
			rows++
		}
	}
	if rows > most {
		t.Errorf("the table of docs/configuration.md has %d settings, more than %d: remove one for each that is added", rows, most)
	}
}

func defaults(t *testing.T, environ ...string) map[string]string {
	t.Helper()
	c, err := Load("", environ)
	if err != nil {
		t.Fatal(err)
	}
	values := map[string]string{}
	for _, setting := range c.Settings() {
		values[setting.Name] = setting.Value
	}
	return values
}
