package config

import (
	"reflect"
	"slices"
	"strings"
	"time"
)

// Config has every setting of the service. The tags of a field are the name of its environment variable, its
// default, and what the value should be, for messages about a wrong one.
type Config struct {
	// NodeEnv turns on the rules for production if it is exactly "production", as in the original.
	NodeEnv string `env:"NODE_ENV" want:"production, spelled exactly so, or empty for development"`

	// Host is the address to listen on. Empty means every interface. With the embedded Redis the default is
	// "localhost".
	Host string `env:"HOST" want:"a host name or an IP address, without a port"`
	Port uint16 `env:"PORT" envDefault:"3000" want:"a port from 0 to 65535 (0: any free one)"`
	// RoutePrefix is the beginning of every route except the probes and /openapi.json. It is "" for the root.
	RoutePrefix string `env:"ROUTE_PREFIX" envDefault:"/api/auth" want:"a path like /api/auth: letters, digits, ._~-"`

	// JWTSecret signs tokens. Its bytes are used as they are, as in the original.
	JWTSecret Secret `env:"JWT_SECRET" want:"the secret that signs the tokens, 32 bytes or more"`
	// JWTSecretPrevious only verifies tokens, while the secret is being changed.
	JWTSecretPrevious Secret `env:"JWT_SECRET_PREVIOUS" want:"a second secret to verify tokens, 32 bytes or more"`

	JWTExpiresIn Lifetime `env:"JWT_EXPIRES_IN" envDefault:"1d" want:"a number and a unit, such as 12h, up to 3650d"`

	JWTAllowWeakSecret bool `env:"JWT_ALLOW_WEAK_SECRET" envDefault:"false" want:"true or false"`

	RedisHost string `env:"REDIS_HOST" want:"a host name or an IP address, without a port"`
	RedisPort uint16 `env:"REDIS_PORT" envDefault:"6379" want:"a port from 1 to 65535"`
	RedisURL  Secret `env:"REDIS_URL" want:"redis://user:password@host:port/db, rediss:// for TLS, or unix:///path?db=0"`

	RedisUsername string `env:"REDIS_USERNAME" want:"the name of an ACL user"`
	RedisPassword Secret `env:"REDIS_PASSWORD" want:"the password of Redis"`
	RedisDB       int    `env:"REDIS_DB" envDefault:"0" want:"a database number, 0 or more (0 only in a cluster)"`
	RedisTLS      bool   `env:"REDIS_TLS" envDefault:"false" want:"true or false"`

	// RedisTLSCA replaces the CAs of the system.
	RedisTLSCA         File   `env:"REDIS_TLS_CA" want:"the absolute path of a PEM file with the CA of Redis"`
	RedisTLSCert       File   `env:"REDIS_TLS_CERT" want:"the absolute path of a PEM file with the client certificate"`
	RedisTLSKey        File   `env:"REDIS_TLS_KEY" want:"the absolute path of a PEM file with the key of REDIS_TLS_CERT"`
	RedisTLSServerName string `env:"REDIS_TLS_SERVER_NAME" want:"a name or an IP address in the certificate of Redis"`

	RedisClusterNodes     List   `env:"REDIS_CLUSTER_NODES" want:"host:port,host:port"`
	RedisSentinels        List   `env:"REDIS_SENTINELS" want:"host:port,host:port"`
	RedisSentinelMaster   string `env:"REDIS_SENTINEL_MASTER" want:"the master's name, with REDIS_SENTINELS"`
	RedisSentinelUsername string `env:"REDIS_SENTINEL_USERNAME" want:"an ACL user of the sentinels, with REDIS_SENTINELS"`
	RedisSentinelPassword Secret `env:"REDIS_SENTINEL_PASSWORD" want:"the sentinels' password, with REDIS_SENTINELS"`

	RedisTimeout time.Duration `env:"REDIS_TIMEOUT" envDefault:"300ms" want:"a duration such as 300ms, 10ms to 1m"`

	RedisWaitReplicas int     `env:"REDIS_WAIT_REPLICAS" envDefault:"0" want:"a number of replicas, 0 or more"`
	RevocationEpoch   Keyword `env:"REVOCATION_EPOCH" envDefault:"adopt" want:"adopt or expect"`

	// BlacklistKey is the Redis key of a revoked token, with {token} in the token's place.
	BlacklistKey string `env:"BLACKLIST_KEY" envDefault:"blacklist:{token}" want:"a key with one {token}, not below auth:"`

	AcceptBearer bool `env:"ACCEPT_BEARER" envDefault:"false" want:"true or false"`

	CookieName string `env:"COOKIE_NAME" envDefault:"token" want:"a cookie name of letters, digits and !#$%&'*+-.^_|~"`

	CookieDomain   string  `env:"COOKIE_DOMAIN" want:"a domain such as example.com, without a scheme or a port"`
	CookieSameSite Keyword `env:"COOKIE_SAMESITE" envDefault:"strict" want:"strict, lax or none"`
	CookieSecure   bool    `env:"COOKIE_SECURE" envDefault:"true" want:"true or false"`

	CORSOrigins List `env:"CORS_ORIGINS" want:"origins such as https://app.example.com, separated by commas, no *"`

	TrustedProxies Prefixes `env:"TRUSTED_PROXIES" want:"IP addresses or networks (10.0.0.0/8), separated by commas"`

	Registration Keyword `env:"REGISTRATION" envDefault:"open" want:"open or closed"`
	// RegistrationRoles are the roles that users may choose when they register. The first is the default role.
	RegistrationRoles List  `env:"REGISTRATION_ROLES" envDefault:"user" want:"roles of letters, digits, _.:-, with commas"`
	PasswordMin       int   `env:"PASSWORD_MIN" envDefault:"8" want:"a number of characters from 1 to 72"`
	LoginLimit        Limit `env:"LOGIN_LIMIT" envDefault:"10/1m" want:"failures and a duration, such as 10/1m, or off"`
	BcryptCost        int   `env:"BCRYPT_COST" envDefault:"10" want:"a bcrypt cost from 4 to 16"`

	MetricsAddr string  `env:"METRICS_ADDR" want:"host:port, such as 127.0.0.1:9090 or :9090"`
	LogLevel    Level   `env:"LOG_LEVEL" envDefault:"info" want:"debug, info, warn or error"`
	LogFormat   Keyword `env:"LOG_FORMAT" want:"text or json"`

	ShutdownDelay time.Duration `env:"SHUTDOWN_DELAY" want:"a duration such as 5s, 0s to 10m"`

	// Redis is the Redis that the REDIS_ settings specify.
	Redis Redis `env:"-"`
	// RedisGuess names a variable that may specify the Redis that is meant. It is set only with the embedded Redis.
	RedisGuess string `env:"-"`
	// SecretFiles has the file of each secret that was read from one, by the name of the secret's setting.
	SecretFiles map[string]string `env:"-"`
	// Warnings are findings that do not prevent the start but should be logged.
	Warnings []string `env:"-"`
}

// The values of the settings that are keywords.
const (
	EpochAdopt         Keyword = "adopt"
	EpochExpect        Keyword = "expect"
	SameSiteStrict     Keyword = "strict"
	SameSiteLax        Keyword = "lax"
	SameSiteNone       Keyword = "none"
	RegistrationOpen   Keyword = "open"
	RegistrationClosed Keyword = "closed"
	LogText            Keyword = "text"
	LogJSON            Keyword = "json"
)

// DefaultRole returns the role of users who are not given one.
func (c *Config) DefaultRole() string { return c.RegistrationRoles[0] }

// Production reports whether the rules for production apply.
func (c *Config) Production() bool { return c.NodeEnv == "production" }

// Redis is the address of Redis and the credentials for it.
type Redis struct {
	Addrs            []string // host:port, or the path of a Unix socket; none for the embedded Redis
	Cluster          bool
	SentinelMaster   string // set if Addrs are sentinels
	SentinelUsername string
	SentinelPassword Secret
	Username         string
	Password         Secret
	DB               int
	TLS              bool
	TLSCA            File
	TLSCert          File
	TLSKey           File
	TLSServerName    string
}

// Socket reports whether the Redis is reached by a Unix socket.
func (r Redis) Socket() bool { return len(r.Addrs) == 1 && strings.HasPrefix(r.Addrs[0], "/") }

// Embedded reports whether no Redis is specified, so that one inside the process is used.
func (r Redis) Embedded() bool { return len(r.Addrs) == 0 }

// field returns the field of Config that the setting name is read into. The file of a secret has no field.
func field(name string) reflect.StructField {
	for f := range reflect.TypeFor[Config]().Fields() {
		if f.Tag.Get("env") == name {
			return f
		}
	}
	panic("config: there is no field for " + name)
}

// isSetting reports whether the service reads a setting of this name.
func isSetting(name string) bool { return slices.Contains(settingNames, name) }

// isSecret reports whether the value of the setting name is never shown.
func isSecret(name string) bool {
	return !isSecretFile(name) && field(name).Type == reflect.TypeFor[Secret]()
}

// isSecretFile reports whether the setting name is the file of a secret.
func isSecretFile(name string) bool { return strings.HasSuffix(name, fileSuffix) }

// isFile reports whether the value of the setting name is the path of a file.
func isFile(name string) bool {
	return isSecretFile(name) || field(name).Type == reflect.TypeFor[File]()
}

// settingNames has the names of all settings.
var settingNames = func() (names []string) {
	for f := range reflect.TypeFor[Config]().Fields() {
		name := f.Tag.Get("env")
		if name == "-" {
			continue
		}
		names = append(names, name)
		if f.Type == reflect.TypeFor[Secret]() {
			names = append(names, name+fileSuffix)
		}
	}
	return names
}()
