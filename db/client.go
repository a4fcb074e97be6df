// Package db holds the single Redis client and what is stored behind it: the blacklist of revoked
// tokens and the users. keys.go has every key.
package db

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"runtime"
	"sync"
	"time"

	"github.com/alicebob/miniredis/v2"
	"github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/logging"
	"github.com/redis/go-redis/v9/maintnotifications"
)

// Options say where Redis is.
type Options struct {
	// Addrs is one node, the nodes of a cluster or the sentinels, host:port each. Without any, an
	// embedded Redis starts, and all that it holds is gone when the DB is closed.
	Addrs            []string
	Cluster          bool
	SentinelMaster   string // set if Addrs are sentinels
	SentinelPassword string
	Username         string
	Password         string
	DB               int
	TLS              bool
	// Timeout bounds the wait for one answer, dialling, queueing and retries included.
	Timeout time.Duration
	// WaitReplicas is how many replicas must hold a revocation before it counts as stored.
	WaitReplicas int
	// LoginLimit is how many failed logins are allowed.
	LoginLimit LoginLimit
	// ExpectEpoch says that there has been a blacklist, so that none to be found is a lost one.
	ExpectEpoch bool
	// Watch says to ask Redis every second: whether it is there, and whether the blacklist still is.
	Watch bool
	// Advice follows the error where nothing listens at the address. It may be empty.
	Advice string
	// Log gets a line on each change between connected and not, and on a lost blacklist. Never nil.
	Log *slog.Logger
}

// DB is the one Redis client. It is safe for concurrent use.
type DB struct {
	client   redis.UniversalClient
	dialer   *dialer
	role     role
	timeout  time.Duration
	embedded *miniredis.Miniredis
	state    state
	epoch    epoch
	clock    clock
	batcher  *batcher
	batchers sync.Map // of a cluster: address → *batcher
	metrics  *metrics

	life       context.Context // until Close
	end        context.CancelFunc
	background sync.WaitGroup
	asked      chan struct{} // closed when the watch has asked for the first time

	waitReplicas int
	loginLimit   LoginLimit
}

// Open returns a DB without waiting for Redis, which need not be there yet: until it is, every call
// returns an error within the timeout. The only errors are those of starting an embedded Redis.
func Open(o Options) (*DB, error) {
	logging.Disable() // it writes a line for every dial that fails; the state's changes are logged here
	d := &DB{
		timeout:      o.Timeout,
		waitReplicas: o.WaitReplicas,
		loginLimit:   o.LoginLimit,
		state:        state{log: o.Log},
		clock:        clock{log: o.Log},
		epoch:        epoch{log: o.Log, expect: o.ExpectEpoch},
		metrics:      newMetrics(),
		asked:        make(chan struct{}),
	}
	d.epoch.installFirst, d.epoch.installLost = d.installFirstEpoch, d.installLostEpoch
	d.life, d.end = context.WithCancel(context.Background())
	d.batcher = d.newBatcher(d.probe, func(err error) { d.setState(d.explain(err)) })
	if len(o.Addrs) == 0 {
		if err := d.embed(&o); err != nil {
			return nil, err
		}
	}
	d.dialer = newDialer(o)
	d.client = redis.NewUniversalClient(clientOptions(o, d.dialer))
	if d.cluster() {
		o.Log.Warn("a lost blacklist goes unnoticed on a Redis Cluster: the epoch would speak for its own node alone")
	}

	if o.Watch {
		d.background.Go(func() { d.watch(d.life, watchEvery) })
	}
	return d, nil
}

// Close ends every connection and the embedded Redis.
func (d *DB) Close() error {
	d.end()
	d.background.Wait()
	err := d.client.Close()
	if d.embedded != nil {
		d.embedded.Close()
	}
	if err != nil {
		return fmt.Errorf("closing the Redis client: %w", err)
	}
	return nil
}

// newDialer returns what makes the connections to the Redis that the options name.
func newDialer(o Options) *dialer {
	d := &dialer{
		greeting: newGreeting(o.Username, o.Password, o.DB),
		advice:   cmp.Or(o.Advice, "is Redis running there?"),
		open:     map[*conn]bool{},
	}
	if o.TLS {
		d.tls = &tls.Config{MinVersion: tls.VersionTLS12}
	}
	if o.SentinelMaster != "" {
		d.plain = o.Addrs
	}
	return d
}

const (
	// connLifetime and its jitter keep connections younger than a minute, so that none stays at a Redis whose
	// host name leads elsewhere by now. The watch closes those that are idle.
	connLifetime       = 40 * time.Second
	connLifetimeJitter = 10 * time.Second
	// minIdleConns are kept ready by an instance that serves. Connecting takes several round trips.
	minIdleConns = 2 * maxRoundTrips
	poolSize     = 32
	// bufferSize is that of a connection, in bytes. A full batch of lookups takes about 100 KiB.
	bufferSize = 64 << 10
)

// clientOptions divides the timeout among what a call may wait for. go-redis honors a context's deadline only if
// ContextTimeoutEnabled is set, and its own timeouts, seconds by default, apply besides.
func clientOptions(o Options, d *dialer) *redis.UniversalOptions {
	options := &redis.UniversalOptions{
		Addrs:            o.Addrs,
		IsClusterMode:    o.Cluster,
		MasterName:       o.SentinelMaster,
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
		PoolFIFO:              true, // so that the watch gets to every connection
		ConnMaxLifetime:       connLifetime,
		ConnMaxLifetimeJitter: connLifetimeJitter,
		ConnMaxIdleTime:       -1,

		// Neither is needed, and an ACL user may not have the right to them.
		DisableIdentity:          true,
		MaintNotificationsConfig: &maintnotifications.Config{Mode: maintnotifications.ModeDisabled},
	}
	if o.Watch {
		options.MinIdleConns = minIdleConns
	}
	return options
}

// call runs one exchange with Redis within the timeout, unless Redis is known to be away. The error says
// what was being done.
func (d *DB) call(ctx context.Context, doing string, exchange func(context.Context) error) error {
	began, err := d.batcher.enter()
	if err == nil {
		err = d.callAnyway(ctx, exchange)
		if !d.cluster() { // where an error speaks for one of several nodes
			d.batcher.leave(ctx, began, err)
		}
	}
	if err != nil && !errors.Is(err, redis.Nil) {
		return fmt.Errorf("%s: %w", doing, d.explain(err))
	}
	return nil
}

func (d *DB) callAnyway(ctx context.Context, exchange func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(ctx, d.timeout)
	defer cancel()
	start := time.Now()
	err := exchange(ctx)
	d.metrics.exchanged(time.Since(start), err)
	return err
}

// stored runs a command that writes key and returns nil once Redis, and as many replicas as the options
// ask for, have stored it. WAIT counts for the writes of its own connection, so both go in one pipeline.
func (d *DB) stored(ctx context.Context, key string, write func(redis.Pipeliner)) error {
	node, err := d.nodeOf(ctx, key)
	if err != nil {
		return err
	}
	if d.waitReplicas == 0 {
		return d.pipelineAll(ctx, node, write)
	}
	// Redis looks at who waits ten times a second: a WAIT of half the timeout may take a tenth of a second more.
	var replicas *redis.Cmd
	if err := d.pipelineAll(ctx, node, func(p redis.Pipeliner) {
		write(p)
		replicas = p.Do(ctx, "WAIT", d.waitReplicas, (d.timeout / 2).Milliseconds())
	}); err != nil {
		return err
	}
	n, err := replicas.Int()
	if err != nil {
		return fmt.Errorf("waiting for replicas: %w", err)
	}
	if n < d.waitReplicas {
		return fmt.Errorf("waiting for replicas: %d of %d hold it", n, d.waitReplicas)
	}
	return nil
}

// getAll gets every key in one pipeline, which on a cluster goes to each node that holds one. Without
// an error every reply is a record, a redis.Nil, or Redis's refusal because of the record's type.
func (d *DB) getAll(ctx context.Context, doing string, keys []string) ([]*redis.StringCmd, error) {
	replies := make([]*redis.StringCmd, len(keys))
	if len(keys) == 0 {
		return replies, nil
	}
	err := d.call(ctx, doing, func(ctx context.Context) error {
		// Its own error comes first: where no connection could be had, the replies may have none.
		if _, err := d.pipeline(ctx, d.client, func(p redis.Pipeliner) {
			for i, key := range keys {
				replies[i] = p.Get(ctx, key)
			}
		}); err != nil {
			return err
		}
		for _, reply := range replies {
			if err := reply.Err(); err != nil && !errors.Is(err, redis.Nil) && !redis.HasErrorPrefix(err, "WRONGTYPE") {
				return err
			}
		}
		return nil
	})
	return replies, err
}
