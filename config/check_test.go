package config

import (
	"errors"
	"reflect"
	"strings"
	"testing"
)

// TestWrong checks the problems of wrong environments. Settings are separated by "&", problems by "; ".
func TestWrong(t *testing.T) {
	t.Parallel()
	const (
		prod   = "&NODE_ENV=production&REDIS_HOST=redis&JWT_SECRET=" + strong
		secret = "&JWT_SECRET=" + strong
		origin = "it should be origins such as https://app.example.com, separated by commas, no *"
		prefix = "it should be a path like /api/auth: letters, digits, ._~-"
		expiry = "it should be a number and a unit, such as 12h, up to 3650d"
		limit  = "it should be failures and a duration, such as 10/1m, or off"
		url    = "it should be redis://user:password@host:port/db, rediss:// for TLS, or unix:///path?db=0"
		host   = "it should be a host name or an IP address, without a port"
		domain = "it should be a domain such as example.com, without a scheme or a port"
		bare   = ": jsonwebtoken reads a number without a unit as milliseconds, while people mean seconds"
		exact  = "it should be production, spelled exactly so, or empty for development: only that spelling turns on the rules for production"

		injected  = ": this is the address that Kubernetes injects for "
		unlink    = " in the container, or enableServiceLinks: false in the pod, or rename the Service"
		redisPort = "REDIS_PORT is set (19 bytes, not shown because it may contain a password); it should be a port from 1 to 65535" +
			injected + "a Service named redis; set REDIS_PORT=6379" + unlink
		noSecret = "JWT_SECRET is not set; it should be the secret that signs the tokens, 32 bytes or more: without it no token can be signed or checked"
		noRedis  = "REDIS_HOST is not set; it should be a host name or an IP address, without a port: NODE_ENV=production does not run on the embedded Redis (you can set REDIS_URL, REDIS_CLUSTER_NODES or REDIS_SENTINELS instead)"
		socket   = ": set REDIS_URL=unix:///path instead for a Unix socket"
		both     = "; keep one of them"
		other    = ", and REDIS_URL has another value for it; keep one of them"
		weak     = ": a shorter one can be guessed from any token (JWT_ALLOW_WEAK_SECRET=true allows it nevertheless)"
	)
	tests := map[string]string{
		"PORT=http":                      `PORT is "http"; it should be a port from 0 to 65535 (0: any free one)`,
		"PORT=65536":                     `PORT is "65536"; it should be a port from 0 to 65535 (0: any free one)`,
		"PORT=3000;":                     `PORT is "3000;"; it should be a port from 0 to 65535 (0: any free one)`,
		"PORT=tcp://10.0.0.1:3000":       `PORT is set (19 bytes, not shown because it may contain a password); it should be a port from 0 to 65535 (0: any free one)` + injected + `a Service; set PORT=3000` + unlink,
		"REDIS_PORT=tcp://10.0.0.1:6379": redisPort,
		"REDIS_HOST=a&REDIS_PORT=tcp://10.0.0.1:6379" + secret:   redisPort,
		"REDIS_HOST=a&REDIS_PORT=tcp://10.0.0.1:6379/x" + secret: `REDIS_PORT is set (21 bytes, not shown because it may contain a password); it should be a port from 1 to 65535`,
		"PORT=-1":                                       `PORT is "-1"; it should be a port from 0 to 65535 (0: any free one)`,
		"HOST=localhost:3000":                           `HOST is "localhost:3000"; ` + host,
		"ROUTE_PREFIX=api":                              `ROUTE_PREFIX is "api"; ` + prefix,
		"ROUTE_PREFIX=/a//b":                            `ROUTE_PREFIX is "/a//b"; ` + prefix,
		"ROUTE_PREFIX=/a/../b":                          `ROUTE_PREFIX is "/a/../b"; ` + prefix,
		"ROUTE_PREFIX=/:id":                             `ROUTE_PREFIX is "/:id"; ` + prefix,
		"ROUTE_PREFIX=/a/*":                             `ROUTE_PREFIX is "/a/*"; ` + prefix,
		"JWT_EXPIRES_IN=3600":                           `JWT_EXPIRES_IN is "3600"; ` + expiry + bare,
		"JWT_EXPIRES_IN=1.5":                            `JWT_EXPIRES_IN is "1.5"; ` + expiry + bare,
		"JWT_EXPIRES_IN=999ms":                          `JWT_EXPIRES_IN is "999ms"; ` + expiry,
		"JWT_EXPIRES_IN=1 month":                        `JWT_EXPIRES_IN is "1 month"; ` + expiry,
		"JWT_EXPIRES_IN=10y":                            `JWT_EXPIRES_IN is "10y"; ` + expiry,
		"JWT_EXPIRES_IN=1.h":                            `JWT_EXPIRES_IN is "1.h"; ` + expiry,
		"JWT_EXPIRES_IN=1d 2h":                          `JWT_EXPIRES_IN is "1d 2h"; ` + expiry,
		"JWT_EXPIRES_IN=7_days":                         `JWT_EXPIRES_IN is "7_days"; ` + expiry,
		"JWT_EXPIRES_IN=0s":                             `JWT_EXPIRES_IN is "0s"; ` + expiry,
		"JWT_EXPIRES_IN=-1d":                            `JWT_EXPIRES_IN is "-1d"; ` + expiry,
		"JWT_EXPIRES_IN=3651d":                          `JWT_EXPIRES_IN is "3651d"; ` + expiry,
		"JWT_EXPIRES_IN=99999999999d":                   `JWT_EXPIRES_IN is "99999999999d"; ` + expiry,
		"JWT_EXPIRES_IN=d":                              `JWT_EXPIRES_IN is "d"; ` + expiry,
		"JWT_ALLOW_WEAK_SECRET=please":                  `JWT_ALLOW_WEAK_SECRET is "please"; it should be true or false`,
		"REDIS_TIMEOUT=300":                             `REDIS_TIMEOUT is "300"; it should be a duration such as 300ms, 10ms to 1m`,
		"REDIS_TIMEOUT=0s":                              `REDIS_TIMEOUT is "0s"; it should be a duration such as 300ms, 10ms to 1m`,
		"REDIS_TIMEOUT=2m":                              `REDIS_TIMEOUT is "2m"; it should be a duration such as 300ms, 10ms to 1m`,
		"REDIS_WAIT_REPLICAS=-1":                        `REDIS_WAIT_REPLICAS is "-1"; it should be a number of replicas, 0 or more`,
		"REVOCATION_EPOCH=x":                            `REVOCATION_EPOCH is "x"; it should be adopt or expect`,
		"COOKIE_NAME=a b":                               `COOKIE_NAME is "a b"; it should be a cookie name of letters, digits and !#$%&'*+-.^_|~`,
		"COOKIE_DOMAIN=a;b":                             `COOKIE_DOMAIN is "a;b"; ` + domain,
		"COOKIE_DOMAIN=-x.com":                          `COOKIE_DOMAIN is "-x.com"; ` + domain,
		"COOKIE_DOMAIN=x-.com":                          `COOKIE_DOMAIN is "x-.com"; ` + domain,
		"COOKIE_DOMAIN=x.com-":                          `COOKIE_DOMAIN is "x.com-"; ` + domain,
		"COOKIE_DOMAIN=x.com.":                          `COOKIE_DOMAIN is "x.com."; ` + domain,
		"COOKIE_DOMAIN=..x.com":                         `COOKIE_DOMAIN is "..x.com"; ` + domain,
		"COOKIE_DOMAIN=a_b.com":                         `COOKIE_DOMAIN is "a_b.com"; ` + domain,
		"COOKIE_DOMAIN=1.2":                             `COOKIE_DOMAIN is "1.2"; ` + domain,
		"COOKIE_DOMAIN=localhost:3000":                  `COOKIE_DOMAIN is "localhost:3000"; ` + domain,
		"COOKIE_DOMAIN=https://x.com":                   `COOKIE_DOMAIN is set (13 bytes, not shown because it may contain a password); ` + domain,
		"COOKIE_SAMESITE=maybe":                         `COOKIE_SAMESITE is "maybe"; it should be strict, lax or none`,
		"COOKIE_SECURE=auto":                            `COOKIE_SECURE is "auto"; it should be true or false`,
		"COOKIE_SAMESITE=none&COOKIE_SECURE=auto":       `COOKIE_SECURE is "auto"; it should be true or false`,
		"COOKIE_NAME=__Host-token&COOKIE_SECURE=auto":   `COOKIE_SECURE is "auto"; it should be true or false`,
		"COOKIE_NAME=__Secure-token&COOKIE_SECURE=auto": `COOKIE_SECURE is "auto"; it should be true or false`,
		"CORS_ORIGINS=*":                                `CORS_ORIGINS is "*"; ` + origin,
		"CORS_ORIGINS=https://a.b/c":                    `CORS_ORIGINS is set (13 bytes, not shown because it may contain a password); ` + origin,
		"CORS_ORIGINS=https://a.b//":                    `CORS_ORIGINS is set (13 bytes, not shown because it may contain a password); ` + origin,
		"CORS_ORIGINS=ftp://a.b":                        `CORS_ORIGINS is set (9 bytes, not shown because it may contain a password); ` + origin,
		"CORS_ORIGINS=a.b":                              `CORS_ORIGINS is "a.b"; ` + origin,
		"CORS_ORIGINS=null":                             `CORS_ORIGINS is "null"; ` + origin,
		"TRUSTED_PROXIES=10.0.0.0/33":                   `TRUSTED_PROXIES is "10.0.0.0/33"; it should be IP addresses or networks (10.0.0.0/8), separated by commas`,
		"REGISTRATION=shut":                             `REGISTRATION is "shut"; it should be open or closed`,
		"LOGIN_LIMIT=10":                                `LOGIN_LIMIT is "10"; ` + limit,
		"LOGIN_LIMIT=0/1m":                              `LOGIN_LIMIT is "0/1m"; ` + limit,
		"LOGIN_LIMIT=10/1":                              `LOGIN_LIMIT is "10/1"; ` + limit,
		"LOGIN_LIMIT=x/1m":                              `LOGIN_LIMIT is "x/1m"; ` + limit,
		"BCRYPT_COST=3":                                 `BCRYPT_COST is "3"; it should be a bcrypt cost from 4 to 16`,
		"BCRYPT_COST=17":                                `BCRYPT_COST is "17"; it should be a bcrypt cost from 4 to 16`,
		"METRICS_ADDR=9090":                             `METRICS_ADDR is "9090"; it should be host:port, such as 127.0.0.1:9090 or :9090`,
		"LOG_LEVEL=loud":                                `LOG_LEVEL is "loud"; it should be debug, info, warn or error`,
		"LOG_LEVEL=info+2":                              `LOG_LEVEL is "info+2"; it should be debug, info, warn or error`,
		"LOG_FORMAT=xml":                                `LOG_FORMAT is "xml"; it should be text or json`,
		"SHUTDOWN_DELAY=-1s":                            `SHUTDOWN_DELAY is "-1s"; it should be a duration such as 5s, 0s to 10m`,

		"REDIS_HOST=a:6379" + secret:                `REDIS_HOST is "a:6379"; ` + host,
		"REDIS_HOST=a&REDIS_PORT=0" + secret:        `REDIS_PORT is "0"; it should be a port from 1 to 65535`,
		"REDIS_HOST=a&REDIS_DB=-1" + secret:         `REDIS_DB is "-1"; it should be a database number, 0 or more (0 only in a cluster)`,
		"REDIS_HOST=a":                              `JWT_SECRET is not set; it should be the secret that signs the tokens, 32 bytes or more: without it no token can be signed or checked`,
		"REDIS_PORT=6380":                           `REDIS_HOST is not set; ` + host + `: REDIS_PORT is set, but no Redis is specified (the original uses 127.0.0.1); ` + noSecret,
		"REDIS_HOST=a&REDIS_URL=redis://b" + secret: `REDIS_HOST and REDIS_URL specify a Redis each` + both,
		"REDIS_HOST=a&REDIS_PORT=1&REDIS_PASSWORD=hush&REDIS_URL=redis://:x@b&NODE_ENV=production":                      `REDIS_HOST and REDIS_URL specify a Redis each` + both + `; ` + noSecret,
		"REDIS_HOST=a&REDIS_URL=redis://b&REDIS_CLUSTER_NODES=c:1&REDIS_SENTINELS=d:1&REDIS_SENTINEL_MASTER=m" + secret: `REDIS_HOST, REDIS_URL, REDIS_CLUSTER_NODES and REDIS_SENTINELS specify a Redis each` + both,
		"REDIS_HOST=redis://:hush@a" + secret:                                            `REDIS_HOST is set (15 bytes, not shown because it may contain a password); ` + host + `: write the host alone, or set REDIS_URL instead`,
		"REDIS_SENTINELS=,&REDIS_SENTINEL_MASTER=m" + secret:                             `REDIS_SENTINELS is ","; it should be host:port,host:port`,
		"REDIS_URL=http://hush&NODE_ENV=production" + secret:                             `REDIS_URL is set (11 bytes); ` + url,
		"REDIS_URL=redis://:hush@a/#x" + secret:                                          `REDIS_URL is set (18 bytes); ` + url,
		"REDIS_URL=redis://u@a/1&REDIS_DB=2&REDIS_USERNAME=v" + secret:                   `REDIS_USERNAME is "v"` + other + `; REDIS_DB is "2"` + other,
		"REDIS_URL=http://hush" + secret:                                                 `REDIS_URL is set (11 bytes); ` + url,
		"REDIS_URL=redis://:hush@a?x=1" + secret:                                         `REDIS_URL is set (19 bytes); ` + url,
		"REDIS_URL=redis://:hush@a/x" + secret:                                           `REDIS_URL is set (17 bytes); ` + url,
		"REDIS_URL=redis://:hush@" + secret:                                              `REDIS_URL is set (14 bytes); ` + url,
		"REDIS_URL=redis://:hush@a:b" + secret:                                           `REDIS_URL is set (17 bytes); ` + url,
		"REDIS_URL=redis://:p@a&REDIS_PASSWORD=hush" + secret:                            `REDIS_PASSWORD is set (4 bytes)` + other,
		"REDIS_CLUSTER_NODES=a" + secret:                                                 `REDIS_CLUSTER_NODES is "a"; it should be host:port,host:port`,
		"REDIS_CLUSTER_NODES=a:1&REDIS_DB=1" + secret:                                    `REDIS_DB is "1"; it should be a database number, 0 or more (0 only in a cluster)`,
		"REDIS_SENTINELS=a:1" + secret:                                                   `REDIS_SENTINEL_MASTER is not set; it should be the master's name, with REDIS_SENTINELS: the sentinels may watch several masters`,
		"REDIS_SENTINELS=a:1&REDIS_SENTINEL_MASTER=m&REDIS_SENTINEL_USERNAME=u" + secret: `REDIS_SENTINEL_PASSWORD is not set; it should be the sentinels' password, with REDIS_SENTINELS: REDIS_SENTINEL_USERNAME is set, and a user cannot log in without a password`,
		"REDIS_HOST=a&REDIS_SENTINEL_USERNAME=u&REDIS_SENTINEL_PASSWORD=hush" + secret:   `REDIS_SENTINEL_USERNAME is "u"; it should be an ACL user of the sentinels, with REDIS_SENTINELS; REDIS_SENTINEL_PASSWORD is set (4 bytes); it should be the sentinels' password, with REDIS_SENTINELS`,

		"REDIS_HOST=/run/redis.sock" + secret:                    `REDIS_HOST is "/run/redis.sock"; ` + host + socket,
		"REDIS_HOST=unix:/run/redis.sock" + secret:               `REDIS_HOST is "unix:/run/redis.sock"; ` + host + socket,
		"REDIS_HOST=unix:///hush" + secret:                       `REDIS_HOST is set (12 bytes, not shown because it may contain a password); ` + host + socket,
		"REDIS_URL=unix://run/hush.sock" + secret:                `REDIS_URL is set (20 bytes); ` + url + `: the path must be absolute, so there are three slashes after unix:`,
		"REDIS_URL=unix:/hush" + secret:                          `REDIS_URL is set (10 bytes); ` + url,
		"REDIS_URL=unix:///" + secret:                            `REDIS_URL is set (8 bytes); ` + url,
		"REDIS_URL=unix:///hush?db=x" + secret:                   `REDIS_URL is set (17 bytes); ` + url,
		"REDIS_URL=unix:///hush?db=-1" + secret:                  `REDIS_URL is set (18 bytes); ` + url,
		"REDIS_URL=unix:///hush?x=1" + secret:                    `REDIS_URL is set (16 bytes); ` + url,
		"REDIS_URL=unix:///hush?db=1&REDIS_DB=2" + secret:        `REDIS_DB is "2"` + other,
		"REDIS_URL=unix:///" + strings.Repeat("x", 107) + secret: `REDIS_URL is set (115 bytes); ` + url + `: the path of a socket has 107 bytes at most`,
		"REDIS_CLUSTER_NODES=/run/r.sock" + secret:               `REDIS_CLUSTER_NODES is "/run/r.sock"; it should be host:port,host:port`,

		"REDIS_SENTINEL_MASTER=m": `REDIS_SENTINEL_MASTER is "m"; it should be the master's name, with REDIS_SENTINELS`,

		"COOKIE_NAME=__Host-token&COOKIE_DOMAIN=a.b":     `COOKIE_NAME is "__Host-token"; it should be a cookie name of letters, digits and !#$%&'*+-.^_|~: the prefix __Host- requires COOKIE_SECURE=true and no COOKIE_DOMAIN`,
		"COOKIE_NAME=__host-token&COOKIE_SECURE=false":   `COOKIE_NAME is "__host-token"; it should be a cookie name of letters, digits and !#$%&'*+-.^_|~: the prefix __Host- requires COOKIE_SECURE=true and no COOKIE_DOMAIN`,
		"COOKIE_NAME=__Secure-token&COOKIE_SECURE=false": `COOKIE_NAME is "__Secure-token"; it should be a cookie name of letters, digits and !#$%&'*+-.^_|~: the prefix __Secure- requires COOKIE_SECURE=true`,
		"COOKIE_SAMESITE=none&COOKIE_SECURE=false":       `COOKIE_SAMESITE is "none"; it should be strict, lax or none: browsers reject a cookie with none unless COOKIE_SECURE is true`,

		"NODE_ENV=production":                         noRedis + "; " + noSecret,
		"NODE_ENV=prod&COOKIE_SECURE=no":              `NODE_ENV is "prod"; ` + exact + "; " + noRedis + "; " + noSecret + `; COOKIE_SECURE is "no"; it should be true or false: NODE_ENV=production requires true, so that the cookie is sent only over https`,
		"NODE_ENV= production &REDIS_HOST=a" + secret: `NODE_ENV is " production "; ` + exact,
		"NODE_ENV=prd&REDIS_HOST=a" + secret:          `NODE_ENV is "prd"; ` + exact,
		"NODE_ENV=PROD&REDIS_HOST=a" + secret:         `NODE_ENV is "PROD"; ` + exact,
		"NODE_ENV='production'&REDIS_HOST=a" + secret: `NODE_ENV is "'production'"; ` + exact,
		"NODE_ENV=Production;&REDIS_HOST=a" + secret:  `NODE_ENV is "Production;"; ` + exact,

		"REDIS_HOST=a&JWT_KEY=hush&SECRET_KEY=hush":        noSecret + "; JWT_KEY is set: if it is the secret that signs the tokens, set JWT_SECRET to the same value",
		"REDIS_HOST=a&jwtSecret=hush":                      noSecret + "; jwtSecret is set: if it is the secret that signs the tokens, set JWT_SECRET to the same value",
		"REDIS_HOST=a&JWT_KEY=hush&JWT_KEY=":               noSecret,
		"NODE_ENV=production&REDIS_URI=hush" + secret:      noRedis + "; REDIS_URI is set: if it is the URL of Redis, set REDIS_URL to the same value",
		"NODE_ENV=production&REDIS_HOSTNAME=hush" + secret: noRedis + "; REDIS_HOSTNAME is set: if it is the host of Redis, set REDIS_HOST to the same value",
		"REDIS_PORT=1&REDIS_ADDR=hush" + secret:            `REDIS_HOST is not set; ` + host + `: REDIS_PORT is set, but no Redis is specified (the original uses 127.0.0.1); REDIS_ADDR is set: if it is the URL of Redis, set REDIS_URL to the same value`,

		"COOKIE_SECURE=false" + prod:                           `COOKIE_SECURE is "false"; it should be true or false: NODE_ENV=production requires true, so that the cookie is sent only over https`,
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

// TestEverySettingCanBeWrong requires a description of the correct value for every setting.
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
