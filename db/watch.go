package db

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"
)

// watchEvery is how often Redis is asked whether it is there.
const watchEvery = time.Second

// checkEvery is how often, counted in watches, Redis is looked over for risks.
const checkEvery = 60

// watch asks Redis whether it is there until ctx ends, and, when it has come and then every minute,
// whether it can lose revocations.
func (d *DB) watch(ctx context.Context) {
	tick := time.NewTicker(watchEvery)
	defer tick.Stop()
	unchecked := true
	for n := 1; ; n++ {
		unchecked = unchecked || n%checkEvery == 0
		err := d.Ready(ctx) // the state logs it
		if unchecked && (err == nil || IsUnsafe(err)) {
			err = d.CheckSafe(ctx)
		}
		unchecked = err != nil
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// Ping asks Redis whether it answers what the guard asks, and returns why not. (PING answers where
// reading is refused: a replica without its master, an ACL user without rights.) It writes nothing.
func (d *DB) Ping(ctx context.Context) error { return d.call(ctx, "asking Redis", d.ping) }

func (d *DB) ping(ctx context.Context) error {
	if err := d.client.Get(ctx, epochKey).Err(); !errors.Is(err, redis.Nil) {
		return err
	}
	return nil
}

// probe asks what Ping asks, of a Redis that may be away.
func (d *DB) probe(ctx context.Context) error { return d.callAnyway(ctx, d.ping) }

// Ready asks what Ping asks, and notices a lost blacklist where nobody else asks.
func (d *DB) Ready(ctx context.Context) error {
	err := d.call(ctx, "asking Redis", d.ready)
	if ctx.Err() == nil { // else it is the asker who has gone
		d.state.set(err)
	}
	return err
}

func (d *DB) ready(ctx context.Context) error {
	if d.requireSafe && d.state.atRisk() {
		return errUnsafe
	}
	_, err := d.epochCut(ctx, d.client.Get(ctx, epochKey))
	return err
}

// state is whether Redis answers. Each change is logged, once.
type state struct {
	log   *slog.Logger
	mu    sync.Mutex
	known bool
	up    bool
	risks []string // see CheckSafe
}

func (s *state) atRisk() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.risks) > 0
}

func (s *state) set(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	up := err == nil
	if s.known && s.up == up {
		return
	}
	s.known, s.up = true, up
	if up {
		s.log.Info("connected to redis")
	} else {
		s.log.Error("Redis connection failed: " + err.Error())
	}
}
