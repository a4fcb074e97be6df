package config

import (
	"net"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"
)

var (
	routePrefixPattern = regexp.MustCompile(`^/?$|^(/[A-Za-z0-9._~-]+)+/?$`)
	cookieNamePattern  = regexp.MustCompile("^[A-Za-z0-9!#$%&'*+.^_`|~-]+$")
	rolePattern        = regexp.MustCompile(`^[A-Za-z0-9_.:-]{1,64}$`)
)

// check adds a problem for each setting that is out of bounds.
func (c *Config) check(p *findings) {
	p.check(c.Host == "" || isHost(c.Host), "HOST")
	p.check(isRoutePrefix(c.RoutePrefix), "ROUTE_PREFIX")
	p.check(between(c.RedisTimeout, 10*time.Millisecond, time.Minute), "REDIS_TIMEOUT")
	p.check(c.RedisWaitReplicas >= 0, "REDIS_WAIT_REPLICAS")
	if c.RedisWaitReplicas > 0 && len(p.redisNames()) == 0 {
		p.wrong("REDIS_WAIT_REPLICAS", "the embedded Redis has no replicas")
	}
	p.checkKeyword(c.RevocationEpoch, "REVOCATION_EPOCH", EpochAdopt, EpochExpect)
	p.check(isKeyTemplate(c.BlacklistKey), "BLACKLIST_KEY")
	for _, origin := range c.CORSOrigins {
		p.check(isOrigin(origin), "CORS_ORIGINS")
	}
	p.checkKeyword(c.Registration, "REGISTRATION", RegistrationOpen, RegistrationClosed)
	c.checkRoles(p)
	p.check(1 <= c.PasswordMin && c.PasswordMin <= 72, "PASSWORD_MIN")
	p.check(4 <= c.BcryptCost && c.BcryptCost <= 16, "BCRYPT_COST")
	p.checkKeyword(c.LogFormat, "LOG_FORMAT", LogText, LogJSON)
	p.check(between(c.ShutdownDelay, 0, 10*time.Minute), "SHUTDOWN_DELAY")
	if c.MetricsAddr != "" {
		host, port, err := net.SplitHostPort(c.MetricsAddr)
		p.check(err == nil && (host == "" || isHost(host)) && isPort(port), "METRICS_ADDR")
		if port == strconv.Itoa(int(c.Port)) && (host == c.Host || host == "" || c.Host == "") {
			p.wrong("METRICS_ADDR", "it is the same port as PORT")
		}
	}
	if c.Production() && len(p.redisNames()) == 0 {
		p.missing("REDIS_HOST", "NODE_ENV=production does not run on the embedded Redis "+
			"(you can set REDIS_URL, REDIS_CLUSTER_NODES or REDIS_SENTINELS instead)")
	}
}

// checkCookie checks the settings of the cookie against RFC 6265bis: the requirements of the prefixes __Host- and
// __Secure- (section 4.1.3), and that SameSite=None needs Secure.
func (c *Config) checkCookie(p *findings) {
	p.check(cookieNamePattern.MatchString(c.CookieName), "COOKIE_NAME")
	c.checkCookieDomain(p)
	p.checkKeyword(c.CookieSameSite, "COOKIE_SAMESITE", SameSiteStrict, SameSiteLax, SameSiteNone)
	secure := c.CookieSecure || p.reported["COOKIE_SECURE"]
	if hasFoldedPrefix(c.CookieName, "__Host-") && (!secure || c.CookieDomain != "") {
		p.wrong("COOKIE_NAME", "the prefix __Host- requires COOKIE_SECURE=true and no COOKIE_DOMAIN")
	}
	if hasFoldedPrefix(c.CookieName, "__Secure-") && !secure {
		p.wrong("COOKIE_NAME", "the prefix __Secure- requires COOKIE_SECURE=true")
	}
	if c.CookieSameSite == SameSiteNone && !secure {
		p.wrong("COOKIE_SAMESITE", "browsers reject a cookie with none unless COOKIE_SECURE is true")
	}
	if c.Production() && !secure {
		p.wrong("COOKIE_SECURE", "NODE_ENV=production requires true, so that the cookie is sent only over https")
	}
}

// tokenPlace is replaced by the token in BLACKLIST_KEY.
const tokenPlace = "{token}"

// isKeyTemplate reports whether s can be BLACKLIST_KEY. Keys that begin with auth: are the service's own.
func isKeyTemplate(s string) bool {
	return strings.Count(s, tokenPlace) == 1 && !strings.HasPrefix(s, "auth:") &&
		!strings.ContainsFunc(s, unicode.IsControl)
}

// checkRoles checks REGISTRATION_ROLES.
func (c *Config) checkRoles(p *findings) {
	p.check(len(c.RegistrationRoles) > 0, "REGISTRATION_ROLES")
	for _, role := range c.RegistrationRoles {
		p.check(rolePattern.MatchString(role), "REGISTRATION_ROLES")
	}
}

// isRoutePrefix reports whether s can be the beginning of every route.
func isRoutePrefix(s string) bool {
	return routePrefixPattern.MatchString(s) && !slices.Contains(strings.Split(s, "/"), "..")
}

// hasFoldedPrefix reports whether s begins with prefix, in upper or lower case.
func hasFoldedPrefix(s, prefix string) bool {
	return len(s) >= len(prefix) && strings.EqualFold(s[:len(prefix)], prefix)
}

func between(d, low, high time.Duration) bool { return low <= d && d <= high }
