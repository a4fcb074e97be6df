package config

import (
	"cmp"
	"fmt"
	"net"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// redisSettings has the settings of which exactly one specifies the Redis.
var redisSettings = []string{"REDIS_HOST", "REDIS_URL", "REDIS_CLUSTER_NODES", "REDIS_SENTINELS"}

// redisNames returns which of redisSettings are set or have a problem. If there is none, the Redis is the embedded one.
func (p *findings) redisNames() []string {
	return slices.DeleteFunc(slices.Clone(redisSettings), func(name string) bool {
		return p.values[name] == "" && !p.named[name]
	})
}

// findRedis returns the Redis that the settings specify.
func (c *Config) findRedis(p *findings) Redis {
	r := Redis{
		Username: c.RedisUsername,
		Password: c.RedisPassword,
		DB:       c.RedisDB,
		TLS:      c.RedisTLS,
	}
	names := p.redisNames()
	switch {
	case len(names) == 0:
		c.checkNoOtherSettings(p)
	case len(names) > 1:
		p.add(strings.Join(names, " "), p.tooManyRedis(names))
	case names[0] == "REDIS_HOST":
		if strings.Contains(c.RedisHost, "://") {
			p.wrong("REDIS_HOST", "write the host alone, or set REDIS_URL instead")
		}
		p.check(isHost(c.RedisHost), "REDIS_HOST")
		p.check(c.RedisPort > 0, "REDIS_PORT")
		r.Addrs = []string{net.JoinHostPort(c.RedisHost, strconv.Itoa(int(c.RedisPort)))}
	case names[0] == "REDIS_URL":
		c.readURL(p, &r)
	case names[0] == "REDIS_CLUSTER_NODES":
		p.check(areAddrs(c.RedisClusterNodes), "REDIS_CLUSTER_NODES")
		p.check(c.RedisDB == 0, "REDIS_DB")
		r.Addrs, r.Cluster = c.RedisClusterNodes, true
	case names[0] == "REDIS_SENTINELS":
		p.check(areAddrs(c.RedisSentinels), "REDIS_SENTINELS")
		r.Addrs, r.SentinelMaster = c.RedisSentinels, c.RedisSentinelMaster
		r.SentinelPassword = c.RedisSentinelPassword
		if c.RedisSentinelMaster == "" {
			p.missing("REDIS_SENTINEL_MASTER", "the sentinels may watch several masters")
		}
	}
	sentinels := slices.Contains(names, "REDIS_SENTINELS")
	p.check(sentinels || c.RedisSentinelMaster == "", "REDIS_SENTINEL_MASTER")
	p.check(sentinels || c.RedisSentinelPassword == "", "REDIS_SENTINEL_PASSWORD")
	p.check(c.RedisDB >= 0, "REDIS_DB")
	return r
}

// tooManyRedis says that one of names has to remain.
func (p *findings) tooManyRedis(names []string) string {
	last := len(names) - 1
	return strings.Join(names[:last], ", ") + " and " + names[last] + " specify a Redis each; keep one of them" +
		p.overrideHint(names)
}

// overrideHint says how to override what is set in .env, if only some of names are set there.
func (p *findings) overrideHint(names []string) string {
	inFile := slices.DeleteFunc(slices.Clone(names), func(name string) bool { return !p.inFile[name] })
	if n := len(inFile); 0 < n && n < len(names) {
		return fmt.Sprintf(" (%s is in .env; %s= in the environment, with no value, overrides that)",
			inFile[0], inFile[0])
	}
	return ""
}

// checkNoOtherSettings rejects settings of a Redis that is not specified. The original would connect to
// 127.0.0.1, so starting an embedded Redis instead would be a surprise. A port that Kubernetes injects specifies
// nothing.
func (c *Config) checkNoOtherSettings(p *findings) {
	for _, name := range []string{"REDIS_PORT", "REDIS_USERNAME", "REDIS_PASSWORD", "REDIS_DB", "REDIS_TLS"} {
		value := p.values[name]
		if (value != "" || p.named[name]) && !serviceAddress.MatchString(value) {
			p.missing("REDIS_HOST", name+" is set, but no Redis is specified (the original uses 127.0.0.1)")
		}
	}
}

// anyFamily is the one query in a URL of Redis that has no effect here: ioredis needs it to connect by IPv6.
var anyFamily = regexp.MustCompile(`^(family=[046])?$`)

// readURL sets the fields of r that REDIS_URL contains. Another setting may not have another value for one of them,
// except for REDIS_PORT, which teams also set to a port that Docker publishes.
func (c *Config) readURL(p *findings, r *Redis) {
	text := strings.TrimSpace(string(c.RedisURL))
	if !strings.Contains(text, "//") {
		text = "redis://" + text // as ioredis reads host:port
	}
	u, err := url.Parse(text)
	isRedis := err == nil && (u.Scheme == "redis" || u.Scheme == "rediss")
	if !isRedis || !anyFamily.MatchString(u.RawQuery) || u.Fragment != "" {
		p.wrong("REDIS_URL", "")
		return
	}
	password, _ := u.User.Password()
	db := strings.Trim(u.Path, "/")
	for _, part := range []struct{ name, value string }{
		{"REDIS_USERNAME", u.User.Username()}, {"REDIS_PASSWORD", password}, {"REDIS_DB", db},
	} {
		if set := p.values[part.name]; set != "" && part.value != "" && set != part.value {
			p.add(part.name, fmt.Sprintf("%s %s, and REDIS_URL has another value for it; keep one of them",
				part.name, p.describe(part.name)))
		}
	}
	r.Addrs = []string{net.JoinHostPort(u.Hostname(), cmp.Or(u.Port(), "6379"))}
	p.check(areAddrs(r.Addrs), "REDIS_URL")
	r.TLS = r.TLS || u.Scheme == "rediss"
	r.Username = cmp.Or(u.User.Username(), r.Username)
	r.Password = cmp.Or(Secret(password), r.Password)
	if db != "" {
		r.DB, err = strconv.Atoi(db)
		p.check(err == nil && r.DB >= 0, "REDIS_URL")
	}
}

// areAddrs reports whether there are addrs, and each is a host and a port.
func areAddrs(addrs []string) bool {
	for _, addr := range addrs {
		host, port, err := net.SplitHostPort(addr)
		if err != nil || !isHost(host) || !isPort(port) {
			return false
		}
	}
	return len(addrs) > 0
}

// isPort reports whether s is a port from 1 to 65535.
func isPort(s string) bool {
	n, err := strconv.ParseUint(s, 10, 16)
	return err == nil && n > 0
}

// isHost reports whether s is an IP address or can be a host name.
func isHost(s string) bool {
	if net.ParseIP(s) != nil {
		return true
	}
	return s != "" && len(s) <= 253 && !strings.ContainsFunc(s, func(r rune) bool {
		return !isAlphanumeric(r) && r != '.' && r != '-' && r != '_'
	})
}

func isAlphanumeric(r rune) bool {
	return 'a' <= r && r <= 'z' || 'A' <= r && r <= 'Z' || '0' <= r && r <= '9'
}
