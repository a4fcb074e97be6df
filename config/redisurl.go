package config

import (
	"cmp"
	"fmt"
	"net"
	"net/url"
	"regexp"
	"strconv"
	"strings"
)

// anyFamily matches the one query in a URL of Redis that is allowed and has no effect here: ioredis needs it to connect
// by IPv6.
var anyFamily = regexp.MustCompile(`^(family=[046])?$`)

// readURL sets the fields of r that REDIS_URL contains. No other setting may have a different value for one of them,
// except REDIS_PORT, which teams also set to a port that Docker publishes.
func (c *Config) readURL(p *findings, r *Redis) {
	text := strings.TrimSpace(string(c.RedisURL))
	if !strings.Contains(text, "//") {
		text = "redis://" + text // as ioredis reads host:port
	}
	u, err := url.Parse(text)
	if err != nil || u.Fragment != "" {
		p.wrong("REDIS_URL", "")
		return
	}
	db := strings.Trim(u.Path, "/")
	switch u.Scheme {
	case "redis", "rediss":
		r.Addrs = []string{net.JoinHostPort(u.Hostname(), cmp.Or(u.Port(), "6379"))}
		r.TLS = r.TLS || u.Scheme == "rediss"
		p.check(areAddrs(r.Addrs) && anyFamily.MatchString(u.RawQuery), "REDIS_URL")
	case "unix":
		r.Addrs, db = []string{u.Path}, strings.TrimPrefix(u.RawQuery, "db=")
		checkSocket(p, u)
		if r.TLS {
			p.wrong("REDIS_TLS", "REDIS_URL is a Unix socket, which has no TLS")
		}
	default:
		p.wrong("REDIS_URL", "")
		return
	}
	password, _ := u.User.Password()
	for _, part := range []struct{ name, value string }{
		{"REDIS_USERNAME", u.User.Username()}, {"REDIS_PASSWORD", password}, {"REDIS_DB", db},
	} {
		if set := p.values[part.name]; set != "" && part.value != "" && set != part.value {
			p.add(part.name, fmt.Sprintf("%s %s, and REDIS_URL has another value for it; keep one of them",
				part.name, p.describe(part.name)))
		}
	}
	r.Username = cmp.Or(u.User.Username(), r.Username)
	r.Password = cmp.Or(Secret(password), r.Password)
	if db != "" {
		r.DB, err = strconv.Atoi(db)
		p.check(err == nil && r.DB >= 0, "REDIS_URL")
	}
}

// maxSocketPath is the length of the longest path of a Unix socket on Linux.
const maxSocketPath = 107

// checkSocket checks a REDIS_URL that is the path of a Unix socket.
func checkSocket(p *findings, u *url.URL) {
	switch {
	case u.Host != "":
		p.wrong("REDIS_URL", "the path must be absolute, so there are three slashes after unix:")
	case len(u.Path) > maxSocketPath:
		p.wrong("REDIS_URL", fmt.Sprintf("the path of a socket has %d bytes at most", maxSocketPath))
	case len(u.Path) < 2 || u.RawQuery != "" && !strings.HasPrefix(u.RawQuery, "db="):
		p.wrong("REDIS_URL", "")
	}
}
