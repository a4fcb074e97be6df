package config

import (
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"

	"golang.org/x/net/idna"
	"golang.org/x/net/publicsuffix"
)

// checkCookieDomain adds a problem if browsers reject a cookie with COOKIE_DOMAIN on every host.
func (c *Config) checkCookieDomain(p *findings) {
	domain := strings.ToLower(strings.TrimPrefix(c.CookieDomain, "."))
	if c.CookieDomain == "" {
		return
	}
	p.check(isCookieDomain(c.CookieDomain) && isDomain(domain), "COOKIE_DOMAIN")
	if isPublicSuffix(domain) {
		p.wrong("COOKIE_DOMAIN", "it is a public suffix (https://publicsuffix.org), for which browsers reject cookies")
	}
}

// isCookieDomain reports whether net/http sends s as the domain of a cookie. Browsers do not match a host with one that
// ends in a dot.
func isCookieDomain(s string) bool {
	cookie := http.Cookie{Name: "token", Domain: s} //nolint:gosec // G124: it is only checked
	return cookie.Valid() == nil && !strings.HasSuffix(s, ".")
}

// isDomain reports whether s can be the host of a URL: an IPv4 address, or labels of at most 63 characters (RFC 1035,
// section 2.3.4) of which the last is not a number, because browsers would read the whole as an invalid IPv4 address
// (https://url.spec.whatwg.org/#ends-in-a-number-checker).
func isDomain(s string) bool {
	if net.ParseIP(s) != nil {
		return true
	}
	labels := strings.Split(s, ".")
	for _, label := range labels {
		if label == "" || len(label) > 63 || strings.HasPrefix(label, "-") || strings.HasSuffix(label, "-") {
			return false
		}
	}
	return len(s) <= 253 && strings.ContainsFunc(labels[len(labels)-1], func(r rune) bool { return r < '0' || r > '9' })
}

// isPublicSuffix reports whether anybody may get a domain below s, such as below com, co.uk and github.io. A name
// without a dot that is not a top-level domain, such as localhost, is a host.
func isPublicSuffix(s string) bool {
	suffix, official := publicsuffix.PublicSuffix(s)
	return suffix == s && net.ParseIP(s) == nil && (official || strings.Contains(s, "."))
}

// normalOrigin returns the origin s as a browser sends it: in lower case, with letters of other scripts in Punycode,
// and without a default port or a final slash. It returns other strings unchanged.
func normalOrigin(s string) string {
	lower := strings.ToLower(strings.TrimSuffix(s, "/"))
	for scheme, port := range map[string]string{"http://": ":80", "https://": ":443"} {
		if strings.HasPrefix(lower, scheme) {
			lower = strings.TrimSuffix(lower, port)
		}
	}
	if u, err := url.Parse(lower); err == nil && !isASCII(u.Hostname()) {
		if host, err := idna.Lookup.ToASCII(u.Hostname()); err == nil {
			lower = strings.Replace(lower, u.Hostname(), host, 1)
		}
	}
	if !isOrigin(lower) {
		return s
	}
	return lower
}

func isASCII(s string) bool {
	return !strings.ContainsFunc(s, func(r rune) bool { return r > 127 })
}

// isOrigin reports whether s is an origin as a browser sends it: scheme, host and port, nothing else.
func isOrigin(s string) bool {
	u, err := url.Parse(s)
	return err == nil && (u.Scheme == "http" || u.Scheme == "https") &&
		isHost(u.Hostname()) && (u.Port() == "" || isPort(u.Port())) && u.Scheme+"://"+u.Host == s &&
		!strings.HasSuffix(s, ":")
}

// maxCookieAge is how long browsers keep a cookie at most (RFC 6265bis, section 5.6.2).
const maxCookieAge = 400 * day

// warnOfBrowsers warns of settings that are valid, but with which browsers do not keep or send the cookie as intended.
func (c *Config) warnOfBrowsers() {
	if time.Duration(c.JWTExpiresIn) > maxCookieAge {
		c.addWarning("JWT_EXPIRES_IN is longer than 400 days: browsers drop the cookie after that time")
	}
	site, err := publicsuffix.EffectiveTLDPlusOne(strings.ToLower(strings.TrimPrefix(c.CookieDomain, ".")))
	if c.CookieSameSite == SameSiteNone || err != nil {
		return
	}
	for _, origin := range c.CORSOrigins {
		u, err := url.Parse(origin)
		if err != nil {
			continue
		}
		if other, err := publicsuffix.EffectiveTLDPlusOne(u.Hostname()); err == nil && other != site {
			c.addWarning("CORS_ORIGINS has %s, which is another site than COOKIE_DOMAIN: with COOKIE_SAMESITE=%s, browsers "+
				"do not send the cookie for its pages", origin, c.CookieSameSite)
		}
	}
}
