package db

import (
	"cmp"
	"crypto/tls"
	"log/slog"
	"runtime"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/maintnotifications"
)

// Options say where Redis is and how it is used.
type Options struct {
	// Addrs is one node, the nodes of a cluster or the sentinels, host:port each, or the path of one Unix socket.
	// Without any, an embedded Redis is started, and everything in it is lost when the DB is closed.
	Addrs            []string
	Cluster          bool
	SentinelMaster   string // set if Addrs are sentinels
	SentinelUsername string
	SentinelPassword string
	Username         string
	Password         string
	DB               int
	// TLS returns the configuration of TLS. It is called for each connection. If it is nil, connections are not
	// encrypted.
	TLS func() (*tls.Config, error)
	// Timeout limits the wait for one answer, including dialing, queueing and retries.
	Timeout time.Duration
	// WaitReplicas is how many replicas must have stored a revocation before it counts as stored.
	WaitReplicas int
	// LoginLimit is how many failed logins and how many registrations are allowed.
	LoginLimit LoginLimit
	// LimitSecret is a key for HMACs that hide the accounts and addresses in the keys of the login limit. All instances
	// need the same.
	LimitSecret []byte
	// BlacklistKey is the template of the key of a revoked token, in which {token} is replaced by the token; "" for the
	// original's, blacklist:{token}.
	BlacklistKey string
	// RebuildToken returns the token of a session that was issued here, from its record, and until when a revocation of
	// it has to be stored. It returns an error if no secret can make that token. It is required.
	RebuildToken func(record string) (token string, until time.Time, err error)
	// ExpectEpoch is true if a blacklist has existed before, so that a missing epoch means a lost blacklist.
	ExpectEpoch bool
	// Watch makes the DB ask Redis every second whether it answers and whether the blacklist still exists.
	Watch bool
	// Advice is appended to the error when nothing listens at the address. It may be empty.
	Advice string
	// Log gets a line on each change between connected and not, and when the blacklist was lost. It is required.
	Log *slog.Logger
}

const (
	// connLifetime and its jitter keep connections younger than a minute, so that none stays connected to an old Redis
	// after its host name leads to another one. The watch closes idle ones.
	connLifetime       = 40 * time.Second
	connLifetimeJitter = 10 * time.Second
	// minIdleConns are kept ready by an instance that serves. Connecting takes several round trips.
	minIdleConns = 2 * maxRoundTrips
	poolSize     = 32
	// bufferSize is the size of each buffer of a connection, in bytes. A full batch of lookups takes about 100 KiB.
	bufferSize = 64 << 10
)

// clientOptions returns the options of the client. It divides the timeout among the things that a call may wait for.
// go-redis honors a context's deadline only if ContextTimeoutEnabled is set, and its own timeouts, seconds by default,
// apply as well.
func clientOptions(o Options, d *dialer) *redis.UniversalOptions {
	options := &redis.UniversalOptions{
		Addrs:            o.Addrs,
		IsClusterMode:    o.Cluster,
		MasterName:       o.SentinelMaster,
		SentinelUsername: o.SentinelUsername,
		SentinelPassword: o.SentinelPassword,
		Username:         o.Username,
		Password:         o.Password,
		DB:               o.DB,
		Dialer:           d.dial,

		ContextTimeoutEnabled: true,
		DialTimeout:           connectTimeout,
		DialerRetries:         1,
		ReadTimeout:           o.Timeout,
		WriteTimeout:          o.Timeout,
		PoolTimeout:           o.Timeout / 3,
		MaxRetries:            1,
		MaxRetryBackoff:       o.Timeout / 20,

		// One pool for everything: the one that go-redis adds for pipelines keeps no idle connections ready.
		PipelinePoolSize:      -1,
		ReadBufferSize:        bufferSize,
		WriteBufferSize:       bufferSize,
		PoolSize:              max(poolSize, 10*runtime.GOMAXPROCS(0)),
		PoolFIFO:              true, // so that the watch reaches every connection
		ConnMaxLifetime:       connLifetime,
		ConnMaxLifetimeJitter: connLifetimeJitter,
		ConnMaxIdleTime:       -1,

		// Neither is needed, and an ACL user may lack the rights to them.
		DisableIdentity:          true,
		MaintNotificationsConfig: &maintnotifications.Config{Mode: maintnotifications.ModeDisabled},
	}
	if o.Watch {
		options.MinIdleConns = minIdleConns
	}
	return options
}

// newClient returns the client of a cluster, of the master that sentinels name, or of one node.
func newClient(options *redis.UniversalOptions, d *dialer) redis.UniversalClient {
	switch {
	case options.IsClusterMode:
		cluster := options.Cluster()
		// Routing policies are for commands that concern several nodes. To know these commands, go-redis sends COMMAND; if
		// that is denied, it sends it before every other command.
		cluster.DisableRoutingPolicies = true
		return redis.NewClusterClient(cluster)
	case options.MasterName != "":
		client := redis.NewFailoverClient(options.Failover())
		client.AddHook(masterHook{d, options.MasterName})
		return client
	default:
		return redis.NewUniversalClient(options)
	}
}

// newDialer returns the dialer for the Redis that the options specify.
func newDialer(o Options) *dialer {
	d := &dialer{
		greeting: newGreeting(o.Username, o.Password, o.DB),
		advice:   cmp.Or(o.Advice, "is Redis running there?"),
		open:     map[*conn]bool{},
		nodes:    map[string]bool{},
		tls:      o.TLS,

		distrusted: map[string]time.Time{},
	}
	if o.Cluster {
		d.seeds = o.Addrs
	}
	if o.SentinelMaster != "" {
		d.sentinels = o.Addrs
		d.sentinelGreeting = newGreeting(o.SentinelUsername, o.SentinelPassword, 0)
	}
	return d
}
