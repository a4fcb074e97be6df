// Package db holds the single Redis client and the data that is stored through it: the blacklist of revoked tokens,
// the users and the login limit. keys.go has every key.
package db

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/alicebob/miniredis/v2"
	"github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/logging"
)

// DB is the single Redis client. It is safe for concurrent use.
type DB struct {
	client   redis.UniversalClient
	dialer   *dialer
	role     role
	timeout  time.Duration
	embedded *miniredis.Miniredis
	state    state
	epochs   epochs
	clock    clock
	breaker  *breaker // on a cluster, each node's batcher has its own
	batcher  *batcher
	batchers sync.Map // of a cluster: address → *batcher
	metrics  *metrics

	life       context.Context // until Close
	end        context.CancelFunc
	background sync.WaitGroup
	asked      chan struct{} // closed when the watch has asked for the first time

	epochKeys    []string // of each slot: one, or on a Cluster one for each hash slot
	clockKeys    []string // of the record of a clock that was set back
	blacklist    keyTemplate
	waitReplicas int
	loginLimit   LoginLimit
	rebuildToken func(record string) (token string, until time.Time, err error)
	limitSecret  []byte // see limitKey
}

// Open returns a DB without waiting for Redis, which need not run yet: until it does, every call returns an error
// within the timeout. Open fails only if an embedded Redis cannot be started.
func Open(o Options) (*DB, error) {
	logging.Disable() // go-redis logs every failed dial; here, the changes of the state are logged
	d := &DB{
		timeout:      o.Timeout,
		waitReplicas: o.WaitReplicas,
		loginLimit:   o.LoginLimit,
		rebuildToken: o.RebuildToken,
		limitSecret:  o.LimitSecret,
		state:        state{log: o.Log},
		clock:        clock{log: o.Log},
		blacklist:    keyTemplate(o.BlacklistKey),
		epochs:       epochs{log: o.Log, expect: o.ExpectEpoch, template: keyTemplate(o.BlacklistKey)},
		epochKeys:    []string{epochKey},
		clockKeys:    []string{clockKey},
		metrics:      newMetrics(),
		asked:        make(chan struct{}),
	}
	if o.Cluster {
		d.epochKeys, d.clockKeys, d.epochs.requested = clusterEpochKeys(), clusterClockKeys(), make(chan struct{}, 1)
	}
	d.epochs.slots = make([]slotEpoch, len(d.epochKeys))
	d.epochs.storeFirst, d.epochs.replace = d.storeFirstEpochs, d.replaceEpochs
	d.life, d.end = context.WithCancel(context.Background())
	d.breaker = d.newBreaker(d.probe, func(err error) { d.setState(d.explain(err)) })
	d.batcher = d.newBatcher(d.breaker)
	if len(o.Addrs) == 0 {
		if err := d.embed(&o); err != nil {
			return nil, err
		}
	}
	d.dialer = newDialer(o)
	d.client = newClient(clientOptions(o, d.dialer), d.dialer)
	if o.Watch {
		d.background.Go(func() { d.watch(d.life, watchEvery) })
	}
	if o.Watch && o.Cluster {
		d.background.Go(func() { d.watchNodes(d.life) })
	}
	return d, nil
}

// closeTimeout is how long Close waits for replies from Redis.
const closeTimeout = time.Second

// Close ends every connection and the embedded Redis.
func (d *DB) Close() error {
	d.end()
	timer := time.AfterFunc(closeTimeout, d.dialer.closeAll) // a Redis that hangs does not reply
	d.background.Wait()
	timer.Stop()
	err := d.client.Close()
	if d.embedded != nil {
		d.embedded.Close()
	}
	if err != nil {
		return fmt.Errorf("closing the Redis client: %w", err)
	}
	return nil
}

// call runs one exchange with Redis within the timeout, unless Redis is known to be unavailable. doing is what the
// error begins with. A redis.Nil from the exchange is not an error: call returns nil, and the caller sees whether the
// key existed from what the exchange has set.
func (d *DB) call(ctx context.Context, doing string, exchange func(context.Context) error) error {
	began, err := d.breaker.enter()
	if err == nil {
		err = d.withTimeout(ctx, exchange)
		if !d.cluster() { // on a cluster, an error concerns only one of the nodes
			d.breaker.leave(ctx, began, err)
		}
	}
	if err != nil && !errors.Is(err, redis.Nil) {
		return fmt.Errorf("%s: %w", doing, d.explain(err))
	}
	return nil
}

// withTimeout runs an exchange with Redis within the timeout and measures it. The timeout covers everything that an
// exchange may wait for: a connection, the reply and a retry.
func (d *DB) withTimeout(ctx context.Context, exchange func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(ctx, d.timeout)
	defer cancel()
	start := time.Now()
	err := exchange(ctx)
	d.metrics.exchanged(time.Since(start), err)
	return err
}

// getAll gets every key in one pipeline, which on a cluster goes to each node that holds one of them. If it returns no
// error, every reply is a value, a redis.Nil or a WRONGTYPE error.
func (d *DB) getAll(ctx context.Context, doing string, keys []string) ([]*redis.StringCmd, error) {
	replies := make([]*redis.StringCmd, len(keys))
	if len(keys) == 0 {
		return replies, nil
	}
	err := d.call(ctx, doing, func(ctx context.Context) error {
		// Check the error of the pipeline first: without a connection, the replies may have none.
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

// cluster reports whether this is a Redis Cluster, whose keys are spread over nodes.
func (d *DB) cluster() bool {
	_, ok := d.client.(*redis.ClusterClient)
	return ok
}

// nodeOf returns the node that a write of key, and a WAIT after it, must be sent to.
func (d *DB) nodeOf(ctx context.Context, key string) (*redis.Client, error) {
	switch client := d.client.(type) {
	case *redis.ClusterClient:
		return client.MasterForKey(ctx, key)
	case *redis.Client:
		return client, nil
	default:
		return nil, fmt.Errorf("a Redis client of the type %T", client) // NewUniversalClient returns no other
	}
}

// masters returns the nodes among which the keys are distributed: one, or the masters of a cluster.
func (d *DB) masters(ctx context.Context) ([]*redis.Client, error) {
	cluster, ok := d.client.(*redis.ClusterClient)
	if !ok {
		node, err := d.nodeOf(ctx, "")
		return []*redis.Client{node}, err
	}
	return d.collect(ctx, "asking for the cluster's masters", cluster.ForEachMaster)
}

// forEach is a method of a Cluster's client that calls a function for nodes of a kind, at the same time.
type forEach func(context.Context, func(context.Context, *redis.Client) error) error

// collect returns the nodes of a kind. doing is what the error begins with.
func (d *DB) collect(ctx context.Context, doing string, each forEach) (nodes []*redis.Client, err error) {
	var mu sync.Mutex
	err = d.call(ctx, doing, func(ctx context.Context) error {
		return each(ctx, func(_ context.Context, node *redis.Client) error {
			mu.Lock()
			defer mu.Unlock()
			nodes = append(nodes, node)
			return nil
		})
	})
	return nodes, err
}
