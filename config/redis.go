package config

import (
	"fmt"
	"net"
	"slices"
	"strconv"
	"strings"
)

// redisSettings has the settings of which exactly one specifies the Redis.
var redisSettings = []string{"REDIS_HOST", "REDIS_URL", "REDIS_CLUSTER_NODES", "REDIS_SENTINELS"}

// redisNames returns which of redisSettings are set or have a problem. If there is none, the Redis is the embedded one.
func (p *findings) redisNames() []string {
	return slices.DeleteFunc(slices.Clone(redisSettings), func(name string) bool {
		return p.values[name] == "" && !p.reported[name]
	})
}

// findRedis returns the Redis that the settings specify.
func (c *Config) findRedis(p *findings) Redis {
	r := Redis{
		Username:      c.RedisUsername,
		Password:      c.RedisPassword,
		DB:            c.RedisDB,
		TLS:           c.RedisTLS,
		TLSCA:         c.RedisTLSCA,
		TLSCert:       c.RedisTLSCert,
		TLSKey:        c.RedisTLSKey,
		TLSServerName: c.RedisTLSServerName,
	}
	names := p.redisNames()
	switch {
	case len(names) == 0:
		c.checkNoOtherSettings(p)
	case len(names) > 1:
		p.add(strings.Join(names, " "), p.tooManyRedis(names))
	case names[0] == "REDIS_HOST":
		c.checkHost(p)
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
		r.SentinelUsername, r.SentinelPassword = c.RedisSentinelUsername, c.RedisSentinelPassword
	}
	c.checkSentinels(p, slices.Contains(names, "REDIS_SENTINELS"))
	p.check(c.RedisDB >= 0, "REDIS_DB")
	return r
}

// checkHost checks REDIS_HOST and REDIS_PORT.
func (c *Config) checkHost(p *findings) {
	switch {
	case strings.HasPrefix(c.RedisHost, "/") || strings.HasPrefix(c.RedisHost, "unix:"):
		p.wrong("REDIS_HOST", "set REDIS_URL=unix:///path instead for a Unix socket")
	case strings.Contains(c.RedisHost, "://"):
		p.wrong("REDIS_HOST", "write the host alone, or set REDIS_URL instead")
	}
	p.check(isHost(c.RedisHost), "REDIS_HOST")
	p.check(c.RedisPort > 0, "REDIS_PORT")
}

// checkSentinels checks the settings that need REDIS_SENTINELS. set reports whether that is set.
func (c *Config) checkSentinels(p *findings, set bool) {
	if set && c.RedisSentinelMaster == "" {
		p.missing("REDIS_SENTINEL_MASTER", "the sentinels may watch several masters")
	}
	if set && c.RedisSentinelUsername != "" && c.RedisSentinelPassword == "" {
		p.missing("REDIS_SENTINEL_PASSWORD", "REDIS_SENTINEL_USERNAME is set, and a user cannot log in without a password")
	}
	for _, name := range []string{"REDIS_SENTINEL_MASTER", "REDIS_SENTINEL_USERNAME", "REDIS_SENTINEL_PASSWORD"} {
		p.check(set || p.values[name] == "", name)
	}
}

// tooManyRedis returns the problem that all of names are set, of which only one may be.
func (p *findings) tooManyRedis(names []string) string {
	last := len(names) - 1
	return strings.Join(names[:last], ", ") + " and " + names[last] + " specify a Redis each; keep one of them" +
		p.overrideHint(names)
}

// overrideHint returns how to override a setting in .env if some of names, but not all, are set there.
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
	names := append([]string{"REDIS_PORT", "REDIS_USERNAME", "REDIS_PASSWORD", "REDIS_DB", "REDIS_TLS"}, tlsSettings...)
	for _, name := range names {
		value := p.values[name]
		if (value != "" || p.reported[name]) && !serviceAddress.MatchString(value) {
			p.missing("REDIS_HOST", name+" is set, but no Redis is specified (the original uses 127.0.0.1)")
		}
	}
}

// areAddrs reports whether addrs is not empty and each of them is a host and a port.
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
