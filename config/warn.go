package config

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"
)

func (c *Config) addWarning(format string, args ...any) {
	c.Warnings = append(c.Warnings, fmt.Sprintf(format, args...))
}

// warn adds the warnings about settings.
func (c *Config) warn(p *findings) {
	if !c.Production() && !c.isDevelopment() {
		c.addWarning("NODE_ENV %s: only production, spelled exactly so, turns on the rules for production, "+
			"and any other value means development", p.describe("NODE_ENV"))
	}
	for _, s := range []struct{ name, read string }{
		{"LOG_LEVEL", text(c.LogLevel)},
		{"LOG_FORMAT", text(c.LogFormat)},
	} {
		word := strings.ToLower(p.values[s.name])
		if word != "" && word != s.read && word != "warning" { // "warning" means the same as warn
			c.addWarning("%s %s, which is read as %s: it should be %s", s.name, p.describe(s.name), s.read, want(s.name))
		}
	}
	if isWeak(c.JWTSecret) {
		c.addWarning("JWT_SECRET is shorter than 32 bytes: it can be guessed from any token")
	}
	for _, role := range c.RegistrationRoles {
		if strings.Contains(strings.ToLower(role), "admin") {
			c.addWarning("REGISTRATION_ROLES contains %s: anyone can register with that role", role)
		}
	}
	if guess := p.guess("JWT_SECRET"); c.JWTSecret == "" && guess != "" {
		c.addWarning("JWT_SECRET is not set, and a random one is used; %s", guess)
	}
	switch {
	case p.values["REDIS_PORT"] == "" || allHavePort(c.Redis.Addrs, c.RedisPort):
	case c.Redis.Socket():
		c.addWarning("REDIS_PORT is \"%d\" and has no effect: REDIS_URL is a Unix socket", c.RedisPort)
	default:
		c.addWarning("REDIS_PORT is \"%d\" and has no effect: the port is in %s", c.RedisPort, p.redisNames()[0])
	}
	c.warnOfAddresses()
	c.warnOfBrowsers()
	if c.Redis.Embedded() {
		c.RedisGuess = p.guess("REDIS_HOST")
	}
	c.warnOfSpace()
	c.warnOfFiles(p)
	c.warnOfExpiry(time.Now())
}

// warnOfAddresses warns of addresses that are probably mistakes, and of a Redis user that has no effect.
func (c *Config) warnOfAddresses() {
	if c.Redis.Username != "" && c.Redis.Password == "" {
		c.addWarning("REDIS_USERNAME, or the user in REDIS_URL, has no effect without a password")
	}
	if c.Production() && isLoopback(c.Host) {
		c.addWarning("HOST is %q, so only this machine reaches the service. The Node service listens on every address, "+
			"whatever HOST is", c.Host)
	}
	for _, proxy := range c.TrustedProxies {
		if proxy.Bits() == 0 {
			c.addWarning("TRUSTED_PROXIES has %s, which is every address: a client that sends X-Forwarded-For chooses the "+
				"address that its logins are counted under", proxy)
		}
	}
}

// onlyInEnvironment has variables that Go's own packages read, most of them before this program reads .env.
var onlyInEnvironment = []struct{ name, advice string }{
	{"SSL_CERT_FILE", "set REDIS_TLS_CA to the file with the CA of Redis"},
	{"SSL_CERT_DIR", "set REDIS_TLS_CA to the file with the CA of Redis"},
	{"GOGC", "set it in the environment"},
	{"GOMEMLIMIT", "set it in the environment"},
	{"GOMAXPROCS", "set it in the environment"},
}

// warnOfFiles warns of variables that name a file and have no effect, and of secrets that may be the wrong file.
func (c *Config) warnOfFiles(p *findings) {
	for _, name := range settingNames {
		if strings.Contains(strings.TrimSpace(p.values[name]), "\n") && p.files[name] != "" {
			c.addWarning("%s has more than one line: all of %s is the value", name, p.files[name])
		}
		other := p.others[fold(name+fileSuffix)]
		switch {
		case other == "":
		case isFile(name):
			c.addWarning("%s has no effect: write the path in %s", other, name)
		case isSecret(name):
			c.addWarning("%s has no effect: write %s", other, name+fileSuffix)
		default:
			c.addWarning("%s has no effect: only secrets are read from files; set %s", other, name)
		}
	}
	for _, variable := range onlyInEnvironment {
		if name := variable.name; p.others[fold(name)] == name && p.inFile[name] {
			c.addWarning("%s has no effect in .env: %s", name, variable.advice)
		}
	}
	const node = "NODE_EXTRA_CA_CERTS"
	if p.others[fold(node)] == node && c.Redis.TLS && c.RedisTLSCA == "" {
		c.addWarning("%s has no effect, because only Node reads it: if it has the CA of Redis, set REDIS_TLS_CA "+
			"to that file", node)
	}
}

// isLoopback reports whether only this machine reaches a listener at host.
func isLoopback(host string) bool {
	address, _ := netip.ParseAddr(host)
	return strings.EqualFold(host, "localhost") || address.IsLoopback()
}

// allHavePort reports whether each of addrs has the given port.
func allHavePort(addrs []string, port uint16) bool {
	end := fmt.Sprintf(":%d", port)
	return !slices.ContainsFunc(addrs, func(addr string) bool { return !strings.HasSuffix(addr, end) })
}
