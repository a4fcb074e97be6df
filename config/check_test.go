package config

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
)

// TestWrong has wrong environments and the problems of each. Settings are separated by "&", problems by "; ".
func TestWrong(t *testing.T) {
	t.Parallel()
	const (
		prod   = "&NODE_ENV=production&REDIS_HOST=redis&JWT_SECRET=" + strong
		secret = "&JWT_SECRET=" + strong
		origin = "it should be origins such as https://app.example.com, separated by commas, no *"
		prefix = "it should be a path like /api/auth: letters, digits, ._~-"
		expiry = "it should be a whole number with d, h, m or s, up to 3650d"
		limit  = "it should be failures and a duration, such as 10/1m, or off"
		url    = "it should be redis://user:password@host:port/db or rediss:// for TLS, no query"
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
		"REDIS_TIMEOUT=300":            `REDIS_TIMEOUT is "300"; it should be a duration such as 300ms, 10ms to 1m`,
		"REDIS_TIMEOUT=0s":             `REDIS_TIMEOUT is "0s"; it should be a duration such as 300ms, 10ms to 1m`,
		"REDIS_TIMEOUT=2m":             `REDIS_TIMEOUT is "2m"; it should be a duration such as 300ms, 10ms to 1m`,
		"REDIS_WAIT_REPLICAS=-1":       `REDIS_WAIT_REPLICAS is "-1"; it should be a number of replicas, 0 or more`,
		"REVOCATION_EPOCH=x":           `REVOCATION_EPOCH is "x"; it should be adopt or expect`,
		"COOKIE_NAME=a b":              `COOKIE_NAME is "a b"; it should be a cookie name of letters, digits and !#$%&'*+-.^_|~`,
		"COOKIE_DOMAIN=a;b":            `COOKIE_DOMAIN is "a;b"; it should be a domain such as example.com`,
		"COOKIE_SAMESITE=maybe":        `COOKIE_SAMESITE is "maybe"; it should be strict, lax or none`,
		"COOKIE_SECURE=no":             `COOKIE_SECURE is "no"; it should be true or false`,
		"CORS_ORIGINS=*":               `CORS_ORIGINS is "*"; ` + origin,
		"CORS_ORIGINS=https://a.b/":    `CORS_ORIGINS is set (12 bytes, not shown because it may contain a password); ` + origin,
		"CORS_ORIGINS=a.b":             `CORS_ORIGINS is "a.b"; ` + origin,
		"CORS_ORIGINS=null":            `CORS_ORIGINS is "null"; ` + origin,
		"TRUSTED_PROXIES=10.0.0.0/33":  `TRUSTED_PROXIES is "10.0.0.0/33"; it should be IP addresses or networks (10.0.0.0/8), separated by commas`,
		"REGISTRATION=shut":            `REGISTRATION is "shut"; it should be open or closed`,
		"LOGIN_LIMIT=10":               `LOGIN_LIMIT is "10"; ` + limit,
		"LOGIN_LIMIT=0/1m":             `LOGIN_LIMIT is "0/1m"; ` + limit,
		"LOGIN_LIMIT=10/1":             `LOGIN_LIMIT is "10/1"; ` + limit,
		"LOGIN_LIMIT=x/1m":             `LOGIN_LIMIT is "x/1m"; ` + limit,
		"BCRYPT_COST=3":                `BCRYPT_COST is "3"; it should be a bcrypt cost from 4 to 16`,
		"BCRYPT_COST=17":               `BCRYPT_COST is "17"; it should be a bcrypt cost from 4 to 16`,
		"METRICS_ADDR=9090":            `METRICS_ADDR is "9090"; it should be host:port, such as 127.0.0.1:9090 or :9090`,
		"LOG_LEVEL=loud":               `LOG_LEVEL is "loud"; it should be debug, info, warn or error`,
		"LOG_LEVEL=info+2":             `LOG_LEVEL is "info+2"; it should be debug, info, warn or error`,
		"LOG_FORMAT=xml":               `LOG_FORMAT is "xml"; it should be text or json`,
		"SHUTDOWN_DELAY=-1s":           `SHUTDOWN_DELAY is "-1s"; it should be a duration such as 5s, 0s to 10m`,
		"SHUTDOWN_TIMEOUT=0s":          `SHUTDOWN_TIMEOUT is "0s"; it should be a duration such as 10s, 1ms to 10m`,

		"REDIS_HOST=a:6379" + secret:                          `REDIS_HOST is "a:6379"; ` + host,
		"REDIS_HOST=a&REDIS_PORT=0" + secret:                  `REDIS_PORT is "0"; it should be a port from 1 to 65535`,
		"REDIS_HOST=a&REDIS_DB=-1" + secret:                   `REDIS_DB is "-1"; it should be a database number, 0 or more (0 only in a cluster)`,
		"REDIS_HOST=a":                                        `JWT_SECRET is not set; it should be the secret that signs the tokens, 32 bytes or more: without it no token can be signed or checked`,
		"REDIS_PORT=6380":                                     `REDIS_HOST is not set; ` + host + `: REDIS_PORT is set, but no Redis is specified (the original uses 127.0.0.1)`,
		"REDIS_HOST=a&REDIS_URL=redis://b" + secret:           `REDIS_URL is set (9 bytes); ` + url + `: REDIS_HOST specifies a Redis as well; keep one of them`,
		"REDIS_URL=http://hush" + secret:                      `REDIS_URL is set (11 bytes); ` + url,
		"REDIS_URL=redis://:hush@a?x=1" + secret:              `REDIS_URL is set (19 bytes); ` + url,
		"REDIS_URL=redis://:hush@a/x" + secret:                `REDIS_URL is set (17 bytes); ` + url,
		"REDIS_URL=redis://:hush@" + secret:                   `REDIS_URL is set (14 bytes); ` + url,
		"REDIS_URL=redis://:hush@a:b" + secret:                `REDIS_URL is set (17 bytes); ` + url,
		"REDIS_URL=redis://:p@a&REDIS_PASSWORD=hush" + secret: `REDIS_PASSWORD is set (4 bytes); it should be the password of Redis: REDIS_URL specifies it as well; keep one of them`,
		"REDIS_CLUSTER_NODES=a" + secret:                      `REDIS_CLUSTER_NODES is "a"; it should be host:port,host:port`,
		"REDIS_CLUSTER_NODES=a:1&REDIS_DB=1" + secret:         `REDIS_DB is "1"; it should be a database number, 0 or more (0 only in a cluster)`,
		"REDIS_SENTINELS=a:1" + secret:                        `REDIS_SENTINEL_MASTER is not set; it should be the master's name, with REDIS_SENTINELS: the sentinels may watch several masters`,
		"REDIS_SENTINEL_MASTER=m":                             `REDIS_SENTINEL_MASTER is "m"; it should be the master's name, with REDIS_SENTINELS`,

		"COOKIE_NAME=__Host-token&COOKIE_DOMAIN=a.b":     `COOKIE_NAME is "__Host-token"; it should be a cookie name of letters, digits and !#$%&'*+-.^_|~: the prefix __Host- requires COOKIE_SECURE=true and no COOKIE_DOMAIN`,
		"COOKIE_NAME=__host-token&COOKIE_SECURE=false":   `COOKIE_NAME is "__host-token"; it should be a cookie name of letters, digits and !#$%&'*+-.^_|~: the prefix __Host- requires COOKIE_SECURE=true and no COOKIE_DOMAIN`,
		"COOKIE_NAME=__Secure-token&COOKIE_SECURE=false": `COOKIE_NAME is "__Secure-token"; it should be a cookie name of letters, digits and !#$%&'*+-.^_|~: the prefix __Secure- requires COOKIE_SECURE=true`,
		"COOKIE_SAMESITE=none&COOKIE_SECURE=false":       `COOKIE_SAMESITE is "none"; it should be strict, lax or none: browsers reject a cookie with none unless COOKIE_SECURE is true`,

		"NODE_ENV=production": `REDIS_HOST is not set; ` + host + `: NODE_ENV=production does not run on the embedded Redis (REDIS_URL, REDIS_CLUSTER_NODES or REDIS_SENTINELS will do as well)` +
			`; JWT_SECRET is not set; it should be the secret that signs the tokens, 32 bytes or more: without it no token can be signed or checked`,
		"COOKIE_SECURE=false" + prod:                           `COOKIE_SECURE is "false"; it should be true or false: NODE_ENV=production sends the cookie only over https`,
		"NODE_ENV=production&REDIS_HOST=a&JWT_SECRET=hush":     `JWT_SECRET is set (4 bytes); it should be the secret that signs the tokens, 32 bytes or more` + weak,
		"JWT_SECRET_PREVIOUS=hush" + prod:                      `JWT_SECRET_PREVIOUS is set (4 bytes); it should be a second secret to verify tokens, 32 bytes or more` + weak,
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

// TestPasswordsInOtherSettings puts a password into every setting, alone and together with each of those that specify
// a Redis. The password is never shown.
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
			t.Errorf("%s: no value is withheld; if every string is valid for it, add it to anyText", name)
		}
		wantNoPasswordOfFile(t, name)
	}
}

// wantNoPasswordOfFile puts a password into .env files, including some that are rejected.
func wantNoPasswordOfFile(t *testing.T, name string) {
	t.Helper()
	path := filepath.Join(t.TempDir(), ".env")
	for line, rejected := range map[string]bool{
		"=%s": false, " %s": false, "-X=%s": false, ":%s": false,
		"='%s": true, `="%s$X"`: true, "=`%s`": true, "=%s#x": true, `="%s" x`: true, "=%s\x00": true,
	} {
		text := name + fmt.Sprintf(line, "redis://:hunter2hunter2@h") + "\nredis://:hunter2hunter2@h\n"
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		c, err := Load(path, nil)
		if rejected && !strings.HasPrefix(fmt.Sprint(err), ".env line 1: "+name+" ") {
			t.Errorf("%q: %v", text, err)
		}
		wantNoPassword(t, name, c, err)
	}
}

// wantNoPassword fails if the password is in a configuration as it is printed, or in the error about it.
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

// TestEverySettingCanBeWrong wants a description of the correct value for every setting.
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
