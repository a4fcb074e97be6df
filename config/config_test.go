package config

import (
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"
)

const strong = "a secret of more than thirty-two bytes"

func TestDefaults(t *testing.T) {
	t.Parallel()
	got, err := Load("no such file", nil)
	if err != nil {
		t.Fatal(err)
	}
	want := &Config{
		Host:            "localhost",
		Port:            3000,
		RoutePrefix:     "/api/auth",
		JWTExpiresIn:    Lifetime(24 * time.Hour),
		RedisPort:       6379,
		RedisTimeout:    300 * time.Millisecond,
		RevocationEpoch: "adopt",
		CookieName:      "token",
		CookieSameSite:  "strict",
		CookieSecure:    true,
		Registration:    "open",
		LoginLimit:      Limit{Failures: 10, Per: time.Minute},
		BcryptCost:      10,
		LogLevel:        Level(slog.LevelInfo),
		LogFormat:       "text",
		ShutdownTimeout: 10 * time.Second,
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got  %+v\nwant %+v", got, want)
	}
}

func TestEverySetting(t *testing.T) {
	t.Parallel()
	got, err := Load("", []string{
		"NODE_ENV=production", "HOST=::1", "PORT=65535", "ROUTE_PREFIX=/v1/login.d/",
		"JWT_SECRET=" + strong, "JWT_SECRET_PREVIOUS=" + strong + "x", "JWT_EXPIRES_IN=12h", "JWT_ALLOW_WEAK_SECRET=true",
		"REDIS_SENTINELS=a:1, b:2 ,", "REDIS_SENTINEL_MASTER=mymaster", "REDIS_SENTINEL_PASSWORD=p q",
		"REDIS_USERNAME=u", "REDIS_PASSWORD= p=#$ ", "REDIS_DB=3", "REDIS_TLS=1",
		"REDIS_TIMEOUT=1s", "REDIS_WAIT_REPLICAS=2", "REVOCATION_EPOCH=Expect",
		"COOKIE_NAME=sid", "COOKIE_DOMAIN=.example.com", "COOKIE_SAMESITE=None", "COOKIE_SECURE=true",
		"CORS_ORIGINS=https://a.example.com,http://localhost:5173", "TRUSTED_PROXIES=10.0.0.0/8, ::1",
		"REGISTRATION=closed", "LOGIN_LIMIT=5/30s", "BCRYPT_COST=12", "METRICS_ADDR=:9090",
		"LOG_LEVEL=DEBUG", "LOG_FORMAT=text", "SHUTDOWN_DELAY=0s", "SHUTDOWN_TIMEOUT=1m", "UNKNOWN=x", "no pair",
	})
	if err != nil {
		t.Fatal(err)
	}
	want := &Config{
		NodeEnv: "production", Host: "::1", Port: 65535, RoutePrefix: "/v1/login.d",
		JWTSecret: strong, JWTSecretPrevious: strong + "x", JWTExpiresIn: Lifetime(12 * time.Hour), JWTAllowWeakSecret: true,
		RedisPort: 6379, RedisSentinels: List{"a:1", "b:2"}, RedisSentinelMaster: "mymaster", RedisSentinelPassword: "p q",
		RedisUsername: "u", RedisPassword: " p=#$ ", RedisDB: 3, RedisTLS: true,
		RedisTimeout: time.Second, RedisWaitReplicas: 2, RevocationEpoch: "expect",
		CookieName: "sid", CookieDomain: ".example.com", CookieSameSite: "none", CookieSecure: true,
		CORSOrigins:    List{"https://a.example.com", "http://localhost:5173"},
		TrustedProxies: Prefixes{netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("::1/128")},
		Registration:   "closed", LoginLimit: Limit{Failures: 5, Per: 30 * time.Second}, BcryptCost: 12, MetricsAddr: ":9090",
		LogLevel: Level(slog.LevelDebug), LogFormat: "text", ShutdownTimeout: time.Minute,
		Redis: Redis{
			Addrs: []string{"a:1", "b:2"}, SentinelMaster: "mymaster", SentinelPassword: "p q",
			Username: "u", Password: " p=#$ ", DB: 3, TLS: true,
		},
	}
	want.Warnings = got.Warnings // see TestWarnings
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got  %+v\nwant %+v", got, want)
	}
}

func TestProductionDefaults(t *testing.T) {
	t.Parallel()
	c, err := Load("", []string{"NODE_ENV=production", "REDIS_HOST=redis", "JWT_SECRET=" + strong})
	if err != nil {
		t.Fatal(err)
	}
	if !c.Production() || c.Host != "" || c.LogFormat != "json" || c.ShutdownDelay != 5*time.Second || len(c.Warnings) > 0 {
		t.Errorf("got %+v", c)
	}
	for _, env := range []string{"", "Production", "production ", "prod", "test", "development"} {
		if c, err := Load("", []string{"NODE_ENV=" + env}); err != nil || c.Production() {
			t.Errorf("NODE_ENV=%q: %+v, %v", env, c, err)
		}
	}
}

// TestRedis has where Redis is, for each way to name one.
func TestRedis(t *testing.T) {
	t.Parallel()
	for env, want := range map[string]Redis{
		"":                     {},
		"REDIS_HOST=":          {},
		"REDIS_HOST=127.0.0.1": {Addrs: []string{"127.0.0.1:6379"}},
		"REDIS_HOST=::1 REDIS_PORT=7000 REDIS_PASSWORD=p REDIS_DB=2": {Addrs: []string{"[::1]:7000"}, Password: "p", DB: 2},
		"REDIS_HOST=my_redis.svc REDIS_TLS=true":                     {Addrs: []string{"my_redis.svc:6379"}, TLS: true},
		"REDIS_URL=redis://cache":                                    {Addrs: []string{"cache:6379"}},
		"REDIS_URL=redis://u:p%40%2F@[::1]:7000/4":                   {Addrs: []string{"[::1]:7000"}, Username: "u", Password: "p@/", DB: 4},
		"REDIS_URL=rediss://:p@cache/":                               {Addrs: []string{"cache:6379"}, Password: "p", TLS: true},
		"REDIS_URL=redis://cache REDIS_USERNAME=u REDIS_PASSWORD=p REDIS_DB=1 REDIS_TLS=true": {
			Addrs: []string{"cache:6379"}, Username: "u", Password: "p", DB: 1, TLS: true,
		},
		"REDIS_CLUSTER_NODES=a:1":                            {Addrs: []string{"a:1"}, Cluster: true},
		"REDIS_CLUSTER_NODES=a:1,b:2 REDIS_PASSWORD=p":       {Addrs: []string{"a:1", "b:2"}, Cluster: true, Password: "p"},
		"REDIS_SENTINELS=a:1 REDIS_SENTINEL_MASTER=mymaster": {Addrs: []string{"a:1"}, SentinelMaster: "mymaster"},
	} {
		c, err := Load("", append(strings.Fields(env), "JWT_SECRET="+strong))
		if err != nil {
			t.Errorf("%s: %v", env, err)
		} else if !reflect.DeepEqual(c.Redis, want) {
			t.Errorf("%s: %+v, want %+v", env, c.Redis, want)
		}
	}
}

// TestWrong has wrong environments, one setting after another, and what is said of each. "&" stands
// between the settings of one environment, "; " between its problems.
func TestWrong(t *testing.T) {
	t.Parallel()
	const (
		prod   = "&NODE_ENV=production&REDIS_HOST=redis&JWT_SECRET=" + strong
		secret = "&JWT_SECRET=" + strong
		origin = "it should be origins such as https://app.example.com, separated by commas, no *"
		prefix = "it should be a path such as /api/auth: letters, digits, . _ ~ - and single slashes"
		expiry = "it should be a whole number with its unit, d, h, m or s (1d, 12h, 30m, 90s), up to 3650d"
		limit  = "it should be failures and a duration, such as 10/1m, or off"
		url    = "it should be redis://user:password@host:port/db, or rediss:// for TLS, with no query"
		host   = "it should be a host name or an IP address, without a port"
		weak   = ": a shorter one can be guessed from any token (JWT_ALLOW_WEAK_SECRET=true starts all the same)"
	)
	tests := map[string]string{
		"PORT=http":                    `PORT is "http"; it should be a port from 0 to 65535 (0: any free one)`,
		"PORT=65536":                   `PORT is "65536"; it should be a port from 0 to 65535 (0: any free one)`,
		"PORT=-1":                      `PORT is "-1"; it should be a port from 0 to 65535 (0: any free one)`,
		"HOST=localhost:3000":          `HOST is "localhost:3000"; ` + host,
		"ROUTE_PREFIX=api":             `ROUTE_PREFIX is "api"; ` + prefix,
		"ROUTE_PREFIX=/a//b":           `ROUTE_PREFIX is "/a//b"; ` + prefix,
		"ROUTE_PREFIX=/a/../b":         `ROUTE_PREFIX is "/a/../b"; ` + prefix,
		"ROUTE_PREFIX=/:id":            `ROUTE_PREFIX is "/:id"; ` + prefix,
		"ROUTE_PREFIX=/a/*":            `ROUTE_PREFIX is "/a/*"; ` + prefix,
		"JWT_EXPIRES_IN=3600":          `JWT_EXPIRES_IN is "3600"; ` + expiry,
		"JWT_EXPIRES_IN=0s":            `JWT_EXPIRES_IN is "0s"; ` + expiry,
		"JWT_EXPIRES_IN=-1d":           `JWT_EXPIRES_IN is "-1d"; ` + expiry,
		"JWT_EXPIRES_IN=1.5h":          `JWT_EXPIRES_IN is "1.5h"; ` + expiry,
		"JWT_EXPIRES_IN=1 day":         `JWT_EXPIRES_IN is "1 day"; ` + expiry,
		"JWT_EXPIRES_IN=3651d":         `JWT_EXPIRES_IN is "3651d"; ` + expiry,
		"JWT_EXPIRES_IN=99999999999d":  `JWT_EXPIRES_IN is "99999999999d"; ` + expiry,
		"JWT_EXPIRES_IN=d":             `JWT_EXPIRES_IN is "d"; ` + expiry,
		"JWT_ALLOW_WEAK_SECRET=please": `JWT_ALLOW_WEAK_SECRET is "please"; it should be true or false`,
		"REDIS_TIMEOUT=300":            `REDIS_TIMEOUT is "300"; it should be a duration from 10ms to 1m, such as 300ms`,
		"REDIS_TIMEOUT=0s":             `REDIS_TIMEOUT is "0s"; it should be a duration from 10ms to 1m, such as 300ms`,
		"REDIS_TIMEOUT=2m":             `REDIS_TIMEOUT is "2m"; it should be a duration from 10ms to 1m, such as 300ms`,
		"REDIS_WAIT_REPLICAS=-1":       `REDIS_WAIT_REPLICAS is "-1"; it should be a number of replicas, 0 or more`,
		"REVOCATION_EPOCH=x":           `REVOCATION_EPOCH is "x"; it should be adopt or expect`,
		"COOKIE_NAME=a b":              `COOKIE_NAME is "a b"; it should be a cookie name: letters, digits and any of !#$%&'*+-.^_|~`,
		"COOKIE_DOMAIN=a;b":            `COOKIE_DOMAIN is "a;b"; it should be a domain such as example.com`,
		"COOKIE_SAMESITE=maybe":        `COOKIE_SAMESITE is "maybe"; it should be strict, lax or none`,
		"COOKIE_SECURE=no":             `COOKIE_SECURE is "no"; it should be true or false`,
		"CORS_ORIGINS=*":               `CORS_ORIGINS is "*"; ` + origin,
		"CORS_ORIGINS=https://a.b/":    `CORS_ORIGINS is set (12 bytes, not shown because it may contain a password); ` + origin,
		"CORS_ORIGINS=a.b":             `CORS_ORIGINS is "a.b"; ` + origin,
		"CORS_ORIGINS=null":            `CORS_ORIGINS is "null"; ` + origin,
		"TRUSTED_PROXIES=10.0.0.0/33":  `TRUSTED_PROXIES is "10.0.0.0/33"; it should be IP addresses or networks such as 10.0.0.0/8, separated by commas`,
		"REGISTRATION=shut":            `REGISTRATION is "shut"; it should be open or closed`,
		"LOGIN_LIMIT=10":               `LOGIN_LIMIT is "10"; ` + limit,
		"LOGIN_LIMIT=0/1m":             `LOGIN_LIMIT is "0/1m"; ` + limit,
		"LOGIN_LIMIT=10/1":             `LOGIN_LIMIT is "10/1"; ` + limit,
		"LOGIN_LIMIT=x/1m":             `LOGIN_LIMIT is "x/1m"; ` + limit,
		"BCRYPT_COST=3":                `BCRYPT_COST is "3"; it should be a bcrypt cost from 4 to 20`,
		"BCRYPT_COST=21":               `BCRYPT_COST is "21"; it should be a bcrypt cost from 4 to 20`,
		"METRICS_ADDR=9090":            `METRICS_ADDR is "9090"; it should be host:port, such as 127.0.0.1:9090 or :9090`,
		"LOG_LEVEL=loud":               `LOG_LEVEL is "loud"; it should be debug, info, warn or error`,
		"LOG_LEVEL=info+2":             `LOG_LEVEL is "info+2"; it should be debug, info, warn or error`,
		"LOG_FORMAT=xml":               `LOG_FORMAT is "xml"; it should be text or json`,
		"SHUTDOWN_DELAY=-1s":           `SHUTDOWN_DELAY is "-1s"; it should be a duration from 0s to 10m, such as 5s`,
		"SHUTDOWN_TIMEOUT=0s":          `SHUTDOWN_TIMEOUT is "0s"; it should be a duration from 1ms to 10m, such as 10s`,

		"REDIS_HOST=a:6379" + secret:                          `REDIS_HOST is "a:6379"; ` + host,
		"REDIS_HOST=a&REDIS_PORT=0" + secret:                  `REDIS_PORT is "0"; it should be a port from 1 to 65535`,
		"REDIS_HOST=a&REDIS_DB=-1" + secret:                   `REDIS_DB is "-1"; it should be the number of a database, 0 or more (0 only in a cluster)`,
		"REDIS_HOST=a":                                        `JWT_SECRET is not set; it should be the secret that signs the tokens, 32 bytes or more: without it no token can be signed or checked`,
		"REDIS_PORT=6380":                                     `REDIS_HOST is not set; ` + host + `: REDIS_PORT is set, so a Redis is meant (the original's default is 127.0.0.1)`,
		"REDIS_HOST=a&REDIS_URL=redis://b" + secret:           `REDIS_URL is set (9 bytes); ` + url + `: it names a Redis and so does REDIS_HOST; keep one of them`,
		"REDIS_URL=http://hush" + secret:                      `REDIS_URL is set (11 bytes); ` + url,
		"REDIS_URL=redis://:hush@a?x=1" + secret:              `REDIS_URL is set (19 bytes); ` + url,
		"REDIS_URL=redis://:hush@a/x" + secret:                `REDIS_URL is set (17 bytes); ` + url,
		"REDIS_URL=redis://:hush@" + secret:                   `REDIS_URL is set (14 bytes); ` + url,
		"REDIS_URL=redis://:hush@a:b" + secret:                `REDIS_URL is set (17 bytes); ` + url,
		"REDIS_URL=redis://:p@a&REDIS_PASSWORD=hush" + secret: `REDIS_PASSWORD is set (4 bytes); it should be the password of Redis: REDIS_URL says it too; keep one of them`,
		"REDIS_CLUSTER_NODES=a" + secret:                      `REDIS_CLUSTER_NODES is "a"; it should be host:port,host:port`,
		"REDIS_CLUSTER_NODES=a:1&REDIS_DB=1" + secret:         `REDIS_DB is "1"; it should be the number of a database, 0 or more (0 only in a cluster)`,
		"REDIS_SENTINELS=a:1" + secret:                        `REDIS_SENTINEL_MASTER is not set; it should be the name that the sentinels know the master by, with REDIS_SENTINELS: the sentinels may watch several`,
		"REDIS_SENTINEL_MASTER=m":                             `REDIS_SENTINEL_MASTER is "m"; it should be the name that the sentinels know the master by, with REDIS_SENTINELS`,

		"COOKIE_NAME=__Host-token&COOKIE_DOMAIN=a.b":     `COOKIE_NAME is "__Host-token"; it should be a cookie name: letters, digits and any of !#$%&'*+-.^_|~: the prefix __Host- demands COOKIE_SECURE=true and no COOKIE_DOMAIN`,
		"COOKIE_NAME=__host-token&COOKIE_SECURE=false":   `COOKIE_NAME is "__host-token"; it should be a cookie name: letters, digits and any of !#$%&'*+-.^_|~: the prefix __Host- demands COOKIE_SECURE=true and no COOKIE_DOMAIN`,
		"COOKIE_NAME=__Secure-token&COOKIE_SECURE=false": `COOKIE_NAME is "__Secure-token"; it should be a cookie name: letters, digits and any of !#$%&'*+-.^_|~: the prefix __Secure- demands COOKIE_SECURE=true`,
		"COOKIE_SAMESITE=none&COOKIE_SECURE=false":       `COOKIE_SAMESITE is "none"; it should be strict, lax or none: browsers drop a cookie with none unless COOKIE_SECURE is true`,

		"NODE_ENV=production": `REDIS_HOST is not set; ` + host + `: NODE_ENV=production does not run on the embedded Redis (REDIS_URL, REDIS_CLUSTER_NODES or REDIS_SENTINELS will do as well)` +
			`; JWT_SECRET is not set; it should be the secret that signs the tokens, 32 bytes or more: without it no token can be signed or checked`,
		"COOKIE_SECURE=false" + prod:                           `COOKIE_SECURE is "false"; it should be true or false: NODE_ENV=production sends the cookie over https alone`,
		"NODE_ENV=production&REDIS_HOST=a&JWT_SECRET=hush":     `JWT_SECRET is set (4 bytes); it should be the secret that signs the tokens, 32 bytes or more` + weak,
		"JWT_SECRET_PREVIOUS=hush" + prod:                      `JWT_SECRET_PREVIOUS is set (4 bytes); it should be another secret that verifies tokens while the secret changes, 32 bytes or more` + weak,
		"PORT=x&LOG_LEVEL=x&REGISTRATION=x&COOKIE_SECURE=true": `PORT is "x"; it should be a port from 0 to 65535 (0: any free one); LOG_LEVEL is "x"; it should be debug, info, warn or error; REGISTRATION is "x"; it should be open or closed`,
	}
	for environment, want := range tests {
		_, err := Load("", strings.Split(environment, "&"))
		var wrong *Error
		if !errors.As(err, &wrong) {
			t.Errorf("%s: %v", environment, err)
			continue
		}
		if got := strings.Join(wrong.Problems, "; "); got != want {
			t.Errorf("%s:\ngot  %s\nwant %s", environment, got, want)
		}
		if strings.Contains(err.Error(), "hush") {
			t.Errorf("%s: a secret is in %v", environment, err)
		}
	}
}

// TestPasswordsInOtherSettings puts a password into every setting, alone and beside each of those that name a
// Redis. Whatever is wrong with it, the password is not shown.
func TestPasswordsInOtherSettings(t *testing.T) {
	t.Parallel()
	values := []string{"redis://:hunter2hunter2@h", "user:hunter2hunter2@h", "//hunter2hunter2@h:6379", "x,hunter2hunter2@h"}
	others := []string{"", "REDIS_HOST=redis", "REDIS_CLUSTER_NODES=a:1", "REDIS_SENTINELS=a:1", "REDIS_URL=redis://h/1"}
	for field := range reflect.TypeFor[Config]().Fields() {
		name := field.Tag.Get("env")
		if name == "-" {
			continue
		}
		withheld := 0
		for _, value := range values {
			begin := fmt.Sprintf("%s is set (%d bytes, not shown because it may contain a password); it should be ", name, len(value))
			for _, other := range others {
				c, err := Load("", []string{other, "JWT_SECRET=" + strong, name + "=" + value})
				wantNoPassword(t, name, c, err)
				var wrong *Error
				if errors.As(err, &wrong) && strings.Contains("\n"+err.Error(), "\n"+begin) {
					withheld++
				}
			}
		}
		anyText := name == "NODE_ENV" || name == "REDIS_USERNAME" || field.Type == reflect.TypeFor[Secret]()
		if withheld == 0 && !anyText {
			t.Errorf("%s: no value is withheld", name)
		}
		wantNoPasswordOfFile(t, name)
	}
}

// wantNoPasswordOfFile has .env files that can't be read, or not as Node reads them.
func wantNoPasswordOfFile(t *testing.T, name string) {
	t.Helper()
	path := filepath.Join(t.TempDir(), ".env")
	for _, line := range []string{"=%s", "='%s", `="%s$x"`, "=`%s`", "=%s#x", " %s", "-X=%s", `="%s" x`} {
		text := name + fmt.Sprintf(line, "redis://:hunter2hunter2@h") + "\nredis://:hunter2hunter2@h\n"
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		c, err := Load(path, nil)
		if err == nil {
			t.Errorf("%q can be read", text)
		}
		wantNoPassword(t, name, c, err)
	}
}

// wantNoPassword looks for the password in all that is printed of a configuration or of what is wrong with it.
func wantNoPassword(t *testing.T, name string, c *Config, err error) {
	t.Helper()
	said := fmt.Sprintf("%v %#v", err, err)
	if c != nil {
		said += fmt.Sprint(c.Settings(), c.Warnings)
	}
	if strings.Contains(said, "hunter2") {
		t.Errorf("%s: a password is in %s", name, said)
	}
}

// TestEverySettingCanBeWrong keeps a setting from having no words for what it should hold.
func TestEverySettingCanBeWrong(t *testing.T) {
	t.Parallel()
	for field := range reflect.TypeFor[Config]().Fields() {
		name := field.Tag.Get("env")
		if name == "-" || name == "NODE_ENV" {
			continue
		}
		if name == "" || want(name) == "" {
			t.Errorf("%s: name %q, want %q", field.Name, name, field.Tag.Get("want"))
		}
	}
}

func TestWarnings(t *testing.T) {
	t.Parallel()
	c, err := Load("", []string{"JWT_SECRET=short", "REDIS_HOST=a", "LOGIN_LIMIT="})
	if want := []string{
		"JWT_SECRET is shorter than 32 bytes: it can be guessed from any token",
	}; err != nil || !slices.Equal(c.Warnings, want) {
		t.Errorf("warnings %q, %v", c.Warnings, err)
	}
}

func TestSecretsAreNotPrinted(t *testing.T) {
	t.Parallel()
	c, err := Load("", []string{"JWT_SECRET=hush-hush", "REDIS_URL=redis://:hush@a", "JWT_SECRET_PREVIOUS=hush"})
	if err != nil {
		t.Fatal(err)
	}
	var log strings.Builder
	slog.New(slog.NewJSONHandler(&log, nil)).Info("x", "config", c, "secret", c.JWTSecret)
	for _, text := range []string{fmt.Sprintf("%v", c), fmt.Sprintf("%+v", c), fmt.Sprintf("%#v", c), fmt.Sprintf("%s %q", c.JWTSecret, c.RedisURL), log.String()} {
		if strings.Contains(text, "hush") {
			t.Errorf("a secret is in %s", text)
		}
	}
}

func TestLoadsDotenv(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), ".env")
	write := func(text string) {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("PORT=4000\nBCRYPT_COST=11\nLOG_LEVEL=\nROUTE_PREFIX='/a'\n")
	c, err := Load(path, []string{"PORT=5000", "ROUTE_PREFIX="})
	if err != nil {
		t.Fatal(err)
	}
	if c.Port != 5000 || c.BcryptCost != 11 || c.LogLevel != Level(slog.LevelInfo) {
		t.Errorf("got %+v", c)
	}
	if c.RoutePrefix != "/api/auth" { // as at the original, a variable that is set wins, even if it is empty
		t.Errorf("ROUTE_PREFIX is %q", c.RoutePrefix)
	}

	write("PORT=4000\nJWT_SECRET=ab$CD1x\nnonsense\n")
	_, err = Load(path, nil)
	var wrong *Error
	if !errors.As(err, &wrong) || len(wrong.Problems) != 2 ||
		!strings.HasPrefix(wrong.Problems[0], ".env line 2: JWT_SECRET ") || !strings.HasPrefix(wrong.Problems[1], ".env line 3: ") {
		t.Errorf("a broken file: %v", err)
	}
	if _, err := Load(t.TempDir(), nil); !errors.As(err, &wrong) || !strings.Contains(err.Error(), ".env") {
		t.Errorf("a directory: %v", err)
	}
}

// TestExample starts from .env.example as it is.
func TestExample(t *testing.T) {
	t.Parallel()
	c, err := Load(filepath.Join("..", ".env.example"), nil)
	if err != nil {
		t.Fatal(err)
	}
	if c.Port != 3000 || !slices.Equal(c.Redis.Addrs, []string{"127.0.0.1:6379"}) || c.JWTSecret == "" {
		t.Errorf("got %+v", c)
	}
}

// TestDocumentation finds every setting, with its default, in .env.example and docs/configuration.md.
func TestDocumentation(t *testing.T) {
	t.Parallel()
	read := func(path string) string {
		text, err := os.ReadFile(filepath.Join("..", path))
		if err != nil {
			t.Fatal(err)
		}
		return string(text)
	}
	example, page := read(".env.example"), read("docs/configuration.md")
	for field := range reflect.TypeFor[Config]().Fields() {
		name, standard := field.Tag.Get("env"), field.Tag.Get("envDefault")
		if name == "-" {
			continue
		}
		if !strings.Contains(example, name+"="+standard) {
			t.Errorf(".env.example lacks %s=%s", name, standard)
		}
		if standard == "" {
			standard = "`" + name + "` |"
		} else {
			standard = "`" + name + "` | `" + standard + "`"
		}
		if !strings.Contains(page, "| "+standard) {
			t.Errorf("docs/configuration.md lacks | %s", standard)
		}
	}
}
