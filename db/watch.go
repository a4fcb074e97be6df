package db

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"
)

// watchEvery is how often Redis is asked whether it is there.
const watchEvery = time.Second

// checkEvery is how often, counted in watches, Redis is examined for risks.
const checkEvery = 60

// watch asks Redis every interval whether it is there until ctx ends. Once it is, and then every checkEvery
// intervals, it examines whether Redis can lose revocations.
func (d *DB) watch(ctx context.Context, interval time.Duration) {
	d.waitForConnection(ctx)
	tick := time.NewTicker(interval)
	defer tick.Stop()
	unchecked := true
	for n := 1; ; n++ {
		unchecked = unchecked || n%checkEvery == 0
		err := d.Ready(ctx) // the state logs it
		if n == 1 {
			close(d.asked)
		}
		if unchecked && err == nil {
			err = d.logRisks(ctx)
			unchecked = err != nil
		}
		d.rotateConnections(ctx)
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// WaitForRedis waits until Redis was asked for the first time, for the timeout at most: so that whoever comes first
// finds a connection, if there is a Redis, and the epoch. It is for a DB with Options.Watch.
func (d *DB) WaitForRedis(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, d.timeout)
	defer cancel()
	select {
	case <-d.asked:
	case <-ctx.Done():
	}
}

// waitForConnection gives the first connection the time that connecting may take. A Redis that is far away would
// otherwise be logged as one that does not answer.
func (d *DB) waitForConnection(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, connectTimeout+d.timeout)
	defer cancel()
	_ = d.ping(ctx)
}

// rotateConnections takes some of the idle connections from each pool and puts them back. So each is looked at
// every few seconds, and closed if it is too old: go-redis looks at a connection only when it takes it.
func (d *DB) rotateConnections(ctx context.Context) {
	const rounds = 8
	nodes, err := d.masters(ctx)
	if err != nil {
		return
	}
	for _, node := range nodes {
		for range int(node.PoolStats().IdleConns) / rounds {
			err := d.callAnyway(ctx, func(ctx context.Context) error { return node.Get(ctx, epochKey).Err() })
			if unanswered(err) {
				break
			}
		}
	}
}

// Ping asks Redis whether it answers what the guard asks, and returns why not. (PING answers where
// reading is refused: a replica without its master, an ACL user without rights.) It writes nothing.
func (d *DB) Ping(ctx context.Context) error { return d.call(ctx, "asking Redis", d.ping) }

func (d *DB) ping(ctx context.Context) error {
	return d.pipelineAll(ctx, d.client, func(p redis.Pipeliner) { p.Get(ctx, epochKey) })
}

// probe asks what Ping asks, of a Redis that may be away.
func (d *DB) probe(ctx context.Context) error { return d.callAnyway(ctx, d.ping) }

// Ready asks what Ping asks, and notices what a lookup would, where nobody looks anything up: a lost blacklist, and
// a clock that was set back.
func (d *DB) Ready(ctx context.Context) error {
	err := d.call(ctx, "asking Redis", d.ready)
	if ctx.Err() == nil { // else it is the asker who has gone
		d.setState(err)
	}
	return err
}

func (d *DB) ready(ctx context.Context) error {
	node, err := d.nodeOf(ctx, epochKey)
	if err != nil {
		return err
	}
	var epoch, setBack *redis.StringCmd
	var clock *redis.TimeCmd
	sent := time.Now()
	if _, err := d.pipeline(ctx, node, func(p redis.Pipeliner) {
		setBack, epoch, clock = p.Get(ctx, clockKey), p.Get(ctx, epochKey), p.Time(ctx)
	}); err != nil {
		return err
	}
	received := time.Now()
	now, err := clock.Result()
	if err != nil {
		return fmt.Errorf("the time: %w", err)
	}
	d.clock.compare(sent, received, now)
	if d.cluster() { // the key may be another node's
		setBack = d.client.Get(ctx, clockKey)
	} else {
		d.clock.observe(&d.batcher.highest, now)
	}
	if err := d.takeClock(ctx, setBack); err != nil {
		return err
	}
	_, err = d.epochCut(ctx, epoch)
	return err
}

// setState takes note of whether Redis answers.
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

// state is whether Redis answers. Each change is logged, once.
type state struct {
	log   *slog.Logger
	mu    sync.Mutex
	known bool
	up    bool
	risks []string // see logRisks
}

// set takes note of whether Redis answers, and reports whether that has changed.
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
		s.log.Error("Redis connection failed: " + err.Error())
	}
	return true
}
