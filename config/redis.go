package config

import (
	"net"
	"net/url"
	"strconv"
	"strings"
)

// findRedis returns the Redis that the settings specify by exactly one of REDIS_HOST, REDIS_URL,
// REDIS_CLUSTER_NODES and REDIS_SENTINELS. If none of them is set, it is the embedded one.
func (c *Config) findRedis(p *findings) Redis {
	r := Redis{
		Username: c.RedisUsername,
		Password: c.RedisPassword,
		DB:       c.RedisDB,
		TLS:      c.RedisTLS,
	}
	switch named := c.redisNames(); {
	case len(named) == 0:
		c.checkNoOtherSettings(p)
	case len(named) > 1:
		p.wrong(named[1], named[0]+" specifies a Redis as well; keep one of them")
	case named[0] == "REDIS_HOST":
		p.check(isHost(c.RedisHost), "REDIS_HOST")
		p.check(c.RedisPort > 0, "REDIS_PORT")
		r.Addrs = []string{net.JoinHostPort(c.RedisHost, strconv.Itoa(int(c.RedisPort)))}
	case named[0] == "REDIS_URL":
		c.readURL(p, &r)
	case named[0] == "REDIS_CLUSTER_NODES":
		p.check(areAddrs(c.RedisClusterNodes), "REDIS_CLUSTER_NODES")
		p.check(c.RedisDB == 0, "REDIS_DB")
		r.Addrs, r.Cluster = c.RedisClusterNodes, true
	case named[0] == "REDIS_SENTINELS":
		p.check(areAddrs(c.RedisSentinels), "REDIS_SENTINELS")
		r.Addrs, r.SentinelMaster = c.RedisSentinels, c.RedisSentinelMaster
		r.SentinelPassword = c.RedisSentinelPassword
		if c.RedisSentinelMaster == "" {
			p.missing("REDIS_SENTINEL_MASTER", "the sentinels may watch several masters")
		}
	}
	p.check(len(c.RedisSentinels) > 0 || c.RedisSentinelMaster == "", "REDIS_SENTINEL_MASTER")
	p.check(len(c.RedisSentinels) > 0 || c.RedisSentinelPassword == "", "REDIS_SENTINEL_PASSWORD")
	p.check(c.RedisDB >= 0, "REDIS_DB")
	return r
}

// redisNames lists the settings that specify a Redis.
func (c *Config) redisNames() []string {
	var named []string
	for _, name := range []struct {
		name string
		used bool
	}{
		{"REDIS_HOST", c.RedisHost != ""},
		{"REDIS_URL", c.RedisURL != ""},
		{"REDIS_CLUSTER_NODES", len(c.RedisClusterNodes) > 0},
		{"REDIS_SENTINELS", len(c.RedisSentinels) > 0},
	} {
		if name.used {
			named = append(named, name.name)
		}
	}
	return named
}

// checkNoOtherSettings rejects settings of a Redis that is not specified. The original would connect to
// 127.0.0.1, so starting an embedded Redis instead would be a surprise.
func (c *Config) checkNoOtherSettings(p *findings) {
	for _, name := range []string{"REDIS_PORT", "REDIS_USERNAME", "REDIS_PASSWORD", "REDIS_DB", "REDIS_TLS"} {
		if p.values[name] != "" {
			p.missing("REDIS_HOST", name+" is set, but no Redis is specified (the original uses 127.0.0.1)")
		}
	}
}

// readURL sets the fields of r that REDIS_URL contains. No other setting may specify them as well.
func (c *Config) readURL(p *findings, r *Redis) {
	u, err := url.Parse(string(c.RedisURL))
	if err != nil || u.Scheme != "redis" && u.Scheme != "rediss" || u.RawQuery != "" || u.Fragment != "" {
		p.wrong("REDIS_URL", "")
		return
	}
	port := u.Port()
	if port == "" {
		port = "6379"
	}
	r.Addrs = []string{net.JoinHostPort(u.Hostname(), port)}
	r.TLS = r.TLS || u.Scheme == "rediss"
	p.check(areAddrs(r.Addrs), "REDIS_URL")

	password, _ := u.User.Password()
	takeFromURL(p, "REDIS_USERNAME", u.User.Username() != "", func() { r.Username = u.User.Username() })
	takeFromURL(p, "REDIS_PASSWORD", password != "", func() { r.Password = Secret(password) })
	if db := strings.Trim(u.Path, "/"); db != "" {
		n, err := strconv.Atoi(db)
		p.check(err == nil && n >= 0, "REDIS_URL")
		takeFromURL(p, "REDIS_DB", true, func() { r.DB = n })
	}
}

// takeFromURL calls take if REDIS_URL has a value for the setting name, and adds a problem if that is set as well.
func takeFromURL(p *findings, name string, has bool, take func()) {
	switch {
	case has && p.values[name] != "":
		p.wrong(name, "REDIS_URL specifies it as well; keep one of them")
	case has:
		take()
	}
}

// areAddrs reports whether each of addrs is a host and a port.
func areAddrs(addrs []string) bool {
	for _, addr := range addrs {
		host, port, err := net.SplitHostPort(addr)
		if err != nil || !isHost(host) || !isPort(port) {
			return false
		}
	}
	return true
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
