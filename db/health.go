package db

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"
)

// watchEvery is how often Redis is asked whether it answers.
const watchEvery = time.Second

// checkEvery is how many of these intervals pass between two examinations of Redis for risks.
const checkEvery = 60

// watch asks Redis every interval, until ctx ends, whether it answers, and on a Cluster reads the epochs of the slots
// that have moved since. The first time that Redis answers, and then every checkEvery intervals, it examines whether
// Redis can lose revocations.
func (d *DB) watch(ctx context.Context, interval time.Duration) {
	d.waitForConnection(ctx)
	tick := time.NewTicker(interval)
	defer tick.Stop()
	unchecked := true
	for n := 1; ; n++ {
		unchecked = unchecked || n%checkEvery == 0
		err := d.Ready(ctx) // logs changes
		if d.cluster() {
			d.readEpochs(ctx)
		}
		if n == 1 {
			close(d.asked)
		}
		if unchecked && err == nil {
			err = d.logRisks(ctx)
			unchecked = err != nil
		}
		d.rotateConnections(ctx)
		for waiting := true; waiting; {
			select {
			case <-ctx.Done():
				return
			case <-d.epochs.requested:
				d.readEpochs(ctx)
			case <-tick.C:
				waiting = false
			}
		}
	}
}

// WaitForRedis waits until the watch has asked Redis for the first time, but no longer than the timeout. So, if Redis
// is running, the first request finds a connection, and the epoch is known. The DB must have been opened with
// Options.Watch.
func (d *DB) WaitForRedis(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, d.timeout)
	defer cancel()
	select {
	case <-d.asked:
	case <-ctx.Done():
	}
}

// waitForConnection gives the first connection as much time as connecting may take. Otherwise a Redis that is far away
// would be logged as one that does not answer.
func (d *DB) waitForConnection(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, connectTimeout+d.timeout)
	defer cancel()
	_ = d.readEpoch(ctx)
}

// rotateConnections uses some of the idle connections of each pool. So each connection is examined every few seconds
// and closed if it is too old: go-redis examines a connection only when it takes it from the pool.
func (d *DB) rotateConnections(ctx context.Context) {
	const rounds = 8
	nodes, err := d.masters(ctx)
	if err != nil {
		return
	}
	for _, node := range nodes {
		for range int(node.PoolStats().IdleConns) / rounds {
			err := d.withTimeout(ctx, func(ctx context.Context) error { return node.Get(ctx, d.epochKeys[0]).Err() })
			if unanswered(err) {
				break
			}
		}
	}
}

// Ping reads from Redis as the guard does, and returns an error if that fails. PING would succeed even if reading is
// refused: on a replica without its master, or to an ACL user without rights. Ping writes nothing.
func (d *DB) Ping(ctx context.Context) error { return d.call(ctx, "asking Redis", d.readEpoch) }

func (d *DB) readEpoch(ctx context.Context) error {
	return d.pipelineAll(ctx, d.client, func(p redis.Pipeliner) { p.Get(ctx, d.epochKeys[0]) })
}

// probe does what Ping does, even while the breaker is open.
func (d *DB) probe(ctx context.Context) error { return d.withTimeout(ctx, d.readEpoch) }

// Ready does what Ping does, and detects what a lookup would detect: a lost blacklist, and a clock that was set back.
func (d *DB) Ready(ctx context.Context) error {
	err := d.call(ctx, "asking Redis", d.observeRedis)
	if ctx.Err() == nil { // if the caller has gone, the error does not show whether Redis answers
		d.setState(err)
	}
	return err
}

func (d *DB) observeRedis(ctx context.Context) error {
	if d.cluster() {
		return d.observeCluster(ctx)
	}
	var epoch, setBack *redis.StringCmd
	var clock *redis.TimeCmd
	sent := time.Now()
	if _, err := d.pipeline(ctx, d.client, func(p redis.Pipeliner) {
		setBack, epoch, clock = p.Get(ctx, clockKey), p.Get(ctx, d.epochKeys[0]), p.Time(ctx)
	}); err != nil {
		return err
	}
	received := time.Now()
	now, err := clock.Result()
	if err != nil {
		return fmt.Errorf("reading Redis's time: %w", err)
	}
	d.clock.recordSkew(sent, received, now)
	d.clock.observe(&d.batcher.highest, now)
	if err := d.mergeClock(ctx, clockKey, setBack.Val(), setBack.Err()); err != nil {
		return err
	}
	_, err = d.epochCut(ctx, epoch)
	return err
}

// observeCluster returns an error only if no master answers: tokens whose keys are at the others can be judged.
func (d *DB) observeCluster(ctx context.Context) error {
	masters, err := d.observeMasters(ctx)
	if err != nil {
		return err
	}
	answered := slices.Contains(slices.Collect(maps.Values(masters)), nil)
	if !answered {
		return errors.Join(slices.Collect(maps.Values(masters))...)
	}
	return d.withTimeout(ctx, d.readClock)
}

// setState records whether Redis answers.
func (d *DB) setState(err error) {
	if changed := d.state.set(err); changed && err != nil {
		d.metrics.outages.WithLabelValues(outageReason(err)).Inc()
	}
}

// outageReason returns the label of gin_auth_redis_outages_total for an error.
func outageReason(err error) string {
	switch {
	case errors.Is(err, errNotMaster):
		return outageNotMaster
	case unanswered(err):
		return outageUnreachable
	default:
		return outageRefused
	}
}

// state records whether Redis answers. Each change is logged once.
type state struct {
	log   *slog.Logger
	mu    sync.Mutex
	known bool
	up    bool
	risks []string // see logRisks
}

// set records whether Redis answers, and reports whether that has changed.
func (s *state) set(err error) (changed bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	up := err == nil
	if s.known && s.up == up {
		return false
	}
	s.known, s.up = true, up
	if up {
		s.log.Info("connected to redis")
	} else {
		s.log.Error("Redis connection failed", "error", err.Error())
	}
	return true
}
