package config

import (
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
		Host:              "localhost",
		Port:              3000,
		RoutePrefix:       "/api/auth",
		JWTExpiresIn:      Lifetime(24 * time.Hour),
		RedisPort:         6379,
		RedisTimeout:      300 * time.Millisecond,
		RevocationEpoch:   "adopt",
		BlacklistKey:      "blacklist:{token}",
		RegistrationRoles: List{"user"},
		PasswordMin:       8,
		CookieName:        "token",
		CookieSameSite:    "strict",
		CookieSecure:      true,
		Registration:      "open",
		LoginLimit:        Limit{Failures: 10, Per: time.Minute},
		BcryptCost:        10,
		LogLevel:          Level(slog.LevelInfo),
		LogFormat:         "text",
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
		"REDIS_TIMEOUT=1s", "REDIS_WAIT_REPLICAS=2", "REVOCATION_EPOCH=Expect", "BLACKLIST_KEY=bl_{token}", "ACCEPT_BEARER=true",
		"COOKIE_NAME=sid", "COOKIE_DOMAIN=.example.com", "COOKIE_SAMESITE=None", "COOKIE_SECURE=true",
		"CORS_ORIGINS=https://a.example.com,http://localhost:5173", "TRUSTED_PROXIES=10.0.0.0/8, ::1",
		"REGISTRATION=closed", "REGISTRATION_ROLES=buyer, seller", "PASSWORD_MIN=6", "LOGIN_LIMIT=5/30s", "BCRYPT_COST=12", "METRICS_ADDR=:9090",
		"LOG_LEVEL=DEBUG", "LOG_FORMAT=text", "SHUTDOWN_DELAY=0s", "UNKNOWN=x", "no pair",
	})
	if err != nil {
		t.Fatal(err)
	}
	want := &Config{
		NodeEnv: "production", Host: "::1", Port: 65535, RoutePrefix: "/v1/login.d",
		JWTSecret: strong, JWTSecretPrevious: strong + "x", JWTExpiresIn: Lifetime(12 * time.Hour), JWTAllowWeakSecret: true,
		RedisPort: 6379, RedisSentinels: List{"a:1", "b:2"}, RedisSentinelMaster: "mymaster", RedisSentinelPassword: "p q",
		RedisUsername: "u", RedisPassword: " p=#$ ", RedisDB: 3, RedisTLS: true,
		RedisTimeout: time.Second, RedisWaitReplicas: 2, RevocationEpoch: "expect", BlacklistKey: "bl_{token}", AcceptBearer: true,
		CookieName: "sid", CookieDomain: ".example.com", CookieSameSite: "none", CookieSecure: true,
		CORSOrigins:    List{"https://a.example.com", "http://localhost:5173"},
		TrustedProxies: Prefixes{netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("::1/128")},
		Registration:   "closed", RegistrationRoles: List{"buyer", "seller"}, PasswordMin: 6, LoginLimit: Limit{Failures: 5, Per: 30 * time.Second}, BcryptCost: 12, MetricsAddr: ":9090",
		LogLevel: Level(slog.LevelDebug), LogFormat: "text",
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
	for env, warned := range map[string]bool{
		"": false, " ": false, "test": false, "development": false, "DEV": false, "local": false,
		"staging": true, "live": true, "pre-production": true,
	} {
		c, err := Load("", []string{"NODE_ENV=" + env})
		if err != nil || c.Production() || len(c.Warnings) > 0 != warned {
			t.Errorf("NODE_ENV=%q: %+v, %v", env, c, err)
		}
	}
}

func TestWarnings(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), ".env")
	text := "DEBUG=$X\nXw9zq7Abc-def=1\nnpm_x='a' b\nSAME='x'\n" + strings.Repeat("X", 41) + "=$X\n"
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	c, err := Load(path, []string{"JWT_SECRET=short", "REDIS_HOST=a", "LOGIN_LIMIT="})
	if want := []string{
		"JWT_SECRET is shorter than 32 bytes: it can be guessed from any token",
		"the .env file has names that Node's dotenv and this service read differently: DEBUG, npm_x, 2 more; " +
			"write them as NAME='...'",
	}; err != nil || !slices.Equal(c.Warnings, want) || c.Port != 3000 {
		t.Errorf("warnings %q, port %d, %v", c.Warnings, c.Port, err)
	}
}

// TestUnusedPort requires a warning about a REDIS_PORT that is not the port of any address.
func TestUnusedPort(t *testing.T) {
	t.Parallel()
	const unused = `REDIS_PORT is "6380" and has no effect: the port is in `
	for env, want := range map[string]string{
		"REDIS_URL=redis://a":                         unused + "REDIS_URL",
		"REDIS_URL=redis://a:6380":                    "",
		"REDIS_URL=unix:///r.sock":                    `REDIS_PORT is "6380" and has no effect: REDIS_URL is a Unix socket`,
		"REDIS_CLUSTER_NODES=a:6380,b:6381":           unused + "REDIS_CLUSTER_NODES",
		"REDIS_SENTINELS=a:1&REDIS_SENTINEL_MASTER=m": unused + "REDIS_SENTINELS",
		"REDIS_HOST=a":                                "",
	} {
		c, err := Load("", append(strings.Split(env, "&"), "REDIS_PORT=6380", "JWT_SECRET="+strong))
		if err != nil || strings.Join(c.Warnings, "; ") != want {
			t.Errorf("%s: %+v, %v; want %q", env, c, err, want)
		}
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

// TestExample loads .env.example unchanged.
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

// TestDocumentation requires every setting, with its default, in .env.example and docs/configuration.md.
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
