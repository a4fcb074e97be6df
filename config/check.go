package config

import (
	"net"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"time"
)

var (
	routePrefix = regexp.MustCompile(`^/?$|^(/[A-Za-z0-9._~-]+)+/?$`)
	cookieName  = regexp.MustCompile("^[A-Za-z0-9!#$%&'*+.^_`|~-]+$")
	domainName  = regexp.MustCompile(`^\.?[A-Za-z0-9-]+(\.[A-Za-z0-9-]+)*$`)
)

// check holds each setting against its bounds.
func (c *Config) check(p *problems) {
	p.check(c.Host == "" || isHost(c.Host), "HOST")
	p.check(routePrefix.MatchString(c.RoutePrefix) && !slices.Contains(strings.Split(c.RoutePrefix, "/"), ".."), "ROUTE_PREFIX")
	p.check(between(c.RedisTimeout, 10*time.Millisecond, time.Minute), "REDIS_TIMEOUT")
	p.check(c.RedisWaitReplicas >= 0, "REDIS_WAIT_REPLICAS")
	p.check(c.RevocationEpoch == "adopt" || c.RevocationEpoch == "expect", "REVOCATION_EPOCH")
	for _, origin := range c.CORSOrigins {
		p.check(isOrigin(origin), "CORS_ORIGINS")
	}
	p.check(c.Registration == "open" || c.Registration == "closed", "REGISTRATION")
	p.check(4 <= c.BcryptCost && c.BcryptCost <= 20, "BCRYPT_COST")
	p.check(c.LogFormat == "text" || c.LogFormat == "json", "LOG_FORMAT")
	p.check(between(c.ShutdownDelay, 0, 10*time.Minute), "SHUTDOWN_DELAY")
	p.check(between(c.ShutdownTimeout, time.Millisecond, 10*time.Minute), "SHUTDOWN_TIMEOUT")
	if c.MetricsAddr != "" {
		host, port, err := net.SplitHostPort(c.MetricsAddr)
		p.check(err == nil && (host == "" || isHost(host)) && isPort(port), "METRICS_ADDR")
	}
	if c.Production() && c.Redis.Embedded() {
		p.missing("REDIS_HOST", "NODE_ENV=production does not run on the embedded Redis (REDIS_URL, REDIS_CLUSTER_NODES or REDIS_SENTINELS will do as well)")
	}
}

// checkCookie holds the cookie's settings against RFC 6265bis: what the prefixes __Host- and
// __Secure- demand (section 4.1.3), and that SameSite=None needs Secure.
func (c *Config) checkCookie(p *problems) {
	p.check(cookieName.MatchString(c.CookieName), "COOKIE_NAME")
	p.check(c.CookieDomain == "" || domainName.MatchString(c.CookieDomain), "COOKIE_DOMAIN")
	p.check(slices.Contains([]Word{"strict", "lax", "none"}, c.CookieSameSite), "COOKIE_SAMESITE")
	if hasFoldedPrefix(c.CookieName, "__Host-") && (!c.CookieSecure || c.CookieDomain != "") {
		p.wrong("COOKIE_NAME", "the prefix __Host- demands COOKIE_SECURE=true and no COOKIE_DOMAIN")
	}
	if hasFoldedPrefix(c.CookieName, "__Secure-") && !c.CookieSecure {
		p.wrong("COOKIE_NAME", "the prefix __Secure- demands COOKIE_SECURE=true")
	}
	if c.CookieSameSite == "none" && !c.CookieSecure {
		p.wrong("COOKIE_SAMESITE", "browsers drop a cookie with none unless COOKIE_SECURE is true")
	}
	if c.Production() && !c.CookieSecure {
		p.wrong("COOKIE_SECURE", "NODE_ENV=production sends the cookie over https alone")
	}
}

func hasFoldedPrefix(s, prefix string) bool {
	return len(s) >= len(prefix) && strings.EqualFold(s[:len(prefix)], prefix)
}

// isOrigin tells whether s is an origin as a browser sends it: scheme, host and port, nothing else.
func isOrigin(s string) bool {
	u, err := url.Parse(s)
	return err == nil && (u.Scheme == "http" || u.Scheme == "https") &&
		isHost(u.Hostname()) && (u.Port() == "" || isPort(u.Port())) && u.Scheme+"://"+u.Host == s
}

func between(d, low, high time.Duration) bool { return low <= d && d <= high }

// warn notes what whoever starts the service should know.
func (c *Config) warn() {
	if isWeak(c.JWTSecret) {
		c.Warnings = append(c.Warnings, "JWT_SECRET is shorter than 32 bytes: it can be guessed from any token")
	}
	c.warnOfSpace()
}
