// Package db holds the single Redis client and what is stored behind it: the blacklist of revoked
// tokens and the users. keys.go has every key.
package db

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"slices"
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
	// RequireSafe says that a Redis which can lose revocations will not do: it counts as not ready.
	RequireSafe bool
	// ExpectEpoch says that there has been a blacklist, so that none to be found is a lost one.
	ExpectEpoch bool
	// Watch says to ask Redis every second: whether it is there, and whether the blacklist still is.
	Watch bool
	// Log gets a line on each change between connected and not, and on a lost blacklist. Never nil.
	Log *slog.Logger
}

// DB is the one Redis client. It is safe for concurrent use.
type DB struct {
	client   redis.UniversalClient
	timeout  time.Duration
	embedded *miniredis.Miniredis
	state    state
	epoch    epoch
	lane     *lane
	lanes    sync.Map // of a cluster: address → *lane
	metrics  *metrics

	life       context.Context // until Close
	end        context.CancelFunc
	background sync.WaitGroup

	waitReplicas int
	requireSafe  bool
}

// Open returns a DB without waiting for Redis, which need not be there yet: until it is, every call
// returns an error within the timeout. The only errors are those of starting an embedded Redis.
func Open(o Options) (*DB, error) {
	logging.Disable() // it writes a line for every dial that fails; the state's changes are logged here
	d := &DB{
		timeout:      o.Timeout,
		waitReplicas: o.WaitReplicas,
		requireSafe:  o.RequireSafe,
		state:        state{log: o.Log},
		epoch:        epoch{log: o.Log, expect: o.ExpectEpoch},
		metrics:      newMetrics(),
	}
	d.epoch.install = d.installEpoch
	d.life, d.end = context.WithCancel(context.Background())
	d.lane = d.newLane(d.probe, d.state.set)
	if len(o.Addrs) == 0 {
		if err := d.embed(&o); err != nil {
			return nil, err
		}
	}
	d.client = redis.NewUniversalClient(clientOptions(o))
	if d.cluster() {
		o.Log.Warn("a lost blacklist goes unnoticed on a Redis Cluster: the epoch would speak for its own node alone")
	}

	if o.Watch {
		d.background.Go(func() { d.watch(d.life) })
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

// clientOptions divides the timeout among what a call may wait for. go-redis minds a context's
// deadline only where ContextTimeoutEnabled says so, and its own timeouts, seconds by default, apply
// besides: dialling retried five times, a second and third attempt at the whole.
func clientOptions(o Options) *redis.UniversalOptions {
	options := &redis.UniversalOptions{
		Addrs:            o.Addrs,
		IsClusterMode:    o.Cluster,
		MasterName:       o.SentinelMaster,
		SentinelPassword: o.SentinelPassword,
		Username:         o.Username,
		Password:         o.Password,
		DB:               o.DB,

		ContextTimeoutEnabled: true,
		DialTimeout:           o.Timeout * 2 / 3,
		DialerRetries:         1,
		ReadTimeout:           o.Timeout / 2,
		WriteTimeout:          o.Timeout / 2,
		PoolTimeout:           o.Timeout / 3,
		MaxRetries:            1,
		MaxRetryBackoff:       o.Timeout / 20,

		// Neither is needed, and an ACL user may not have the right to them.
		DisableIdentity:          true,
		MaintNotificationsConfig: &maintnotifications.Config{Mode: maintnotifications.ModeDisabled},
	}
	if o.TLS {
		options.TLSConfig = &tls.Config{MinVersion: tls.VersionTLS12}
	}
	options.Dialer = dialer(options.DialTimeout, options.TLSConfig)
	return options
}

// exec runs a pipeline. Its error is that of the whole: a command that Redis refused has its own. The error
// that Exec returns has to be looked at besides: where no connection could be had, with a wrong password say,
// go-redis leaves the commands without one, and an EXISTS that was never sent reads 0.
func exec(ctx context.Context, pipeline redis.Pipeliner) error {
	commands, err := pipeline.Exec(ctx)
	if err == nil || errors.Is(err, redis.Nil) {
		return nil
	}
	var refusal redis.Error
	if errors.As(err, &refusal) && slices.ContainsFunc(commands, func(c redis.Cmder) bool { return c.Err() != nil }) {
		return nil
	}
	return err
}

// execAll runs a pipeline and returns the first error, be it of the whole or of a command, that isn't
// redis.Nil.
func execAll(ctx context.Context, pipeline redis.Pipeliner) error {
	commands, err := pipeline.Exec(ctx)
	if err != nil && !errors.Is(err, redis.Nil) {
		return err
	}
	for _, command := range commands {
		if err := command.Err(); err != nil && !errors.Is(err, redis.Nil) {
			return err
		}
	}
	return nil
}

// call runs one exchange with Redis within the timeout, unless Redis is known to be away. The error says
// what was being done.
func (d *DB) call(ctx context.Context, doing string, exchange func(context.Context) error) error {
	began, err := d.lane.enter()
	if err == nil {
		err = d.callAnyway(ctx, exchange)
		if !d.cluster() { // where an error speaks for one of several nodes
			d.lane.leave(ctx, began, err)
		}
	}
	if err != nil && !errors.Is(err, redis.Nil) {
		return fmt.Errorf("%s: %w", doing, err)
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
