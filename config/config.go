// Package config reads the environment, and a .env file beside it, once into one Config.
//
// It is the one place that knows the names, the defaults and the bounds of the settings. Names of
// the Node original keep their meaning there: PORT, REDIS_HOST, REDIS_PORT, REDIS_PASSWORD,
// JWT_SECRET and NODE_ENV.
package config

import (
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net/netip"
	"os"
	"strings"
	"time"

	"github.com/caarlos0/env/v11"
)

// Config is every setting of the service. The tags hold each one's name, its default and, for the
// message about a wrong value, what it should hold.
type Config struct {
	// NodeEnv switches production's rules on when it is exactly "production", as in the original.
	NodeEnv string `env:"NODE_ENV"`

	// Host is the address to listen on. Empty means every interface; with the embedded Redis it
	// defaults to loopback.
	Host string `env:"HOST" want:"a host name or an IP address, without a port"`
	Port uint16 `env:"PORT" envDefault:"3000" want:"a port from 0 to 65535 (0: any free one)"`
	// RoutePrefix stands before every route but the probes and /openapi.json. It is "" for the root.
	RoutePrefix string `env:"ROUTE_PREFIX" envDefault:"/api/auth" want:"a path such as /api/auth: letters, digits, . _ ~ - and single slashes"`

	// JWTSecret signs tokens; its bytes are used as they are, as in the original.
	JWTSecret          Secret   `env:"JWT_SECRET" want:"the secret that signs the tokens, 32 bytes or more"`
	JWTSecretPrevious  Secret   `env:"JWT_SECRET_PREVIOUS" want:"another secret that verifies tokens while the secret changes, 32 bytes or more"`
	JWTExpiresIn       Lifetime `env:"JWT_EXPIRES_IN" envDefault:"1d" want:"a whole number with its unit, d, h, m or s (1d, 12h, 30m, 90s), up to 3650d"`
	JWTAllowWeakSecret bool     `env:"JWT_ALLOW_WEAK_SECRET" envDefault:"false" want:"true or false"`

	RedisHost             string        `env:"REDIS_HOST" want:"a host name or an IP address, without a port"`
	RedisPort             uint16        `env:"REDIS_PORT" envDefault:"6379" want:"a port from 1 to 65535"`
	RedisUsername         string        `env:"REDIS_USERNAME" want:"the name of an ACL user"`
	RedisPassword         Secret        `env:"REDIS_PASSWORD" want:"the password of Redis"`
	RedisDB               int           `env:"REDIS_DB" envDefault:"0" want:"the number of a database, 0 or more (0 only in a cluster)"`
	RedisTLS              bool          `env:"REDIS_TLS" envDefault:"false" want:"true or false"`
	RedisURL              Secret        `env:"REDIS_URL" want:"redis://user:password@host:port/db, or rediss:// for TLS, with no query"`
	RedisClusterNodes     List          `env:"REDIS_CLUSTER_NODES" want:"host:port,host:port"`
	RedisSentinels        List          `env:"REDIS_SENTINELS" want:"host:port,host:port"`
	RedisSentinelMaster   string        `env:"REDIS_SENTINEL_MASTER" want:"the name that the sentinels know the master by, with REDIS_SENTINELS"`
	RedisSentinelPassword Secret        `env:"REDIS_SENTINEL_PASSWORD" want:"the password of the sentinels, with REDIS_SENTINELS"`
	RedisTimeout          time.Duration `env:"REDIS_TIMEOUT" envDefault:"300ms" want:"a duration from 10ms to 1m, such as 300ms"`
	RedisWaitReplicas     int           `env:"REDIS_WAIT_REPLICAS" envDefault:"0" want:"a number of replicas, 0 or more"`
	RevocationEpoch       Word          `env:"REVOCATION_EPOCH" envDefault:"adopt" want:"adopt or expect"`

	CookieName     string `env:"COOKIE_NAME" envDefault:"token" want:"a cookie name: letters, digits and any of !#$%&'*+-.^_|~"`
	CookieDomain   string `env:"COOKIE_DOMAIN" want:"a domain such as example.com"`
	CookieSameSite Word   `env:"COOKIE_SAMESITE" envDefault:"strict" want:"strict, lax or none"`
	CookieSecure   bool   `env:"COOKIE_SECURE" envDefault:"true" want:"true or false"`

	CORSOrigins    List     `env:"CORS_ORIGINS" want:"origins such as https://app.example.com, separated by commas, no *"`
	TrustedProxies Prefixes `env:"TRUSTED_PROXIES" want:"IP addresses or networks such as 10.0.0.0/8, separated by commas"`

	Registration Word  `env:"REGISTRATION" envDefault:"open" want:"open or closed"`
	LoginLimit   Limit `env:"LOGIN_LIMIT" envDefault:"10/1m" want:"failures and a duration, such as 10/1m, or off"`
	BcryptCost   int   `env:"BCRYPT_COST" envDefault:"10" want:"a bcrypt cost from 4 to 20"`

	MetricsAddr     string        `env:"METRICS_ADDR" want:"host:port, such as 127.0.0.1:9090 or :9090"`
	LogLevel        Level         `env:"LOG_LEVEL" envDefault:"info" want:"debug, info, warn or error"`
	LogFormat       Word          `env:"LOG_FORMAT" want:"text or json"`
	ShutdownDelay   time.Duration `env:"SHUTDOWN_DELAY" want:"a duration from 0s to 10m, such as 5s"`
	ShutdownTimeout time.Duration `env:"SHUTDOWN_TIMEOUT" envDefault:"10s" want:"a duration from 1ms to 10m, such as 10s"`

	// Redis is where Redis is, worked out from the REDIS_ settings.
	Redis Redis `env:"-"`
	// Warnings are the things that do not stop a start and that whoever starts it should know.
	Warnings []string `env:"-"`
}

// Redis says where Redis is and how to get in.
type Redis struct {
	Addrs            []string // host:port; none for the embedded Redis
	Cluster          bool
	SentinelMaster   string // set if Addrs are sentinels
	SentinelPassword Secret
	Username         string
	Password         Secret
	DB               int
	TLS              bool
}

// Embedded tells whether no Redis is named, so that one inside the process takes its place.
func (r Redis) Embedded() bool { return len(r.Addrs) == 0 }

// Production tells whether the rules for production hold.
func (c *Config) Production() bool { return c.NodeEnv == "production" }

// Load reads the .env file at path, if there is one, and environ ("NAME=value" each, as
// os.Environ gives it), which wins over the file. An empty value counts as none.
//
// If anything is wrong, the error is an *Error that names every wrong setting at once.
func Load(path string, environ []string) (*Config, error) {
	values, err := readFile(path)
	if err != nil {
		return nil, &Error{Problems: lines(err)}
	}
	for _, pair := range environ {
		if name, value, ok := strings.Cut(pair, "="); ok {
			values[name] = value
		}
	}
	return parse(values)
}

// readFile returns what the .env file at path holds, nothing if there is no such file.
func readFile(path string) (map[string]string, error) {
	text, err := os.ReadFile(path) //nolint:gosec // G304: the path is main's own
	if errors.Is(err, fs.ErrNotExist) {
		return map[string]string{}, nil
	}
	if err != nil {
		return nil, fmt.Errorf("reading the .env file: %w", err)
	}
	return ReadDotenv(text)
}

func parse(values map[string]string) (*Config, error) {
	var c Config
	p := problems{values: values}
	p.addParsing(env.ParseWithOptions(&c, env.Options{Environment: values}))
	c.Redis = c.redis(&p)
	c.setDefaults(values)
	c.check(&p)
	c.checkSecrets(&p)
	c.checkCookie(&p)
	if err := p.err(); err != nil {
		return nil, err
	}
	c.warn()
	return &c, nil
}

// setDefaults sets the defaults that depend on other settings.
func (c *Config) setDefaults(values map[string]string) {
	c.RoutePrefix = strings.TrimSuffix(c.RoutePrefix, "/")
	if c.Host == "" && c.Redis.Embedded() {
		c.Host = "localhost"
	}
	if c.LogFormat == "" {
		c.LogFormat = "text"
		if c.Production() {
			c.LogFormat = "json"
		}
	}
	if values["SHUTDOWN_DELAY"] == "" && c.Production() {
		c.ShutdownDelay = 5 * time.Second
	}
}

// Word is one of a few words, in lower case.
type Word string

// UnmarshalText takes a word in any case.
func (w *Word) UnmarshalText(text []byte) error {
	*w = Word(strings.ToLower(string(text)))
	return nil
}

// List is a list of texts, separated by commas.
type List []string

// UnmarshalText splits text at its commas and drops the space around each part.
func (l *List) UnmarshalText(text []byte) error {
	*l = split(text)
	return nil
}

// Prefixes is a list of networks, separated by commas. A bare address is a network of one.
type Prefixes []netip.Prefix

// UnmarshalText takes addresses and networks in CIDR notation.
func (p *Prefixes) UnmarshalText(text []byte) error {
	for _, part := range split(text) {
		prefix, err := netip.ParsePrefix(part)
		if err != nil {
			addr, err := netip.ParseAddr(part)
			if err != nil {
				return errors.New("neither an address nor a network")
			}
			prefix = netip.PrefixFrom(addr, addr.BitLen())
		}
		*p = append(*p, prefix)
	}
	return nil
}

func split(text []byte) []string {
	var parts []string
	for part := range strings.SplitSeq(string(text), ",") {
		if part = strings.TrimSpace(part); part != "" {
			parts = append(parts, part)
		}
	}
	return parts
}

// Level is a level of the log.
type Level slog.Level

// UnmarshalText takes the four names of the levels and nothing like "info+2".
func (l *Level) UnmarshalText(text []byte) error {
	switch strings.ToLower(string(text)) {
	case "debug", "info", "warn", "error":
		return (*slog.Level)(l).UnmarshalText(text)
	}
	return errors.New("not a level")
}
