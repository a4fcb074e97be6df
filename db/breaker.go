package db

import (
	"context"
	"errors"
	"io"
	"net"
	"sync/atomic"
	"time"

	"github.com/redis/go-redis/v9"
)

// probeEvery is the pause between two probes of an unavailable Redis.
const probeEvery = 50 * time.Millisecond

// breaker rejects calls at once while Redis is known to be unavailable. One call that Redis did not answer opens it.
// Then probes are sent, one at a time, until Redis answers one. If only a single connection broke, that takes one round
// trip.
type breaker struct {
	phase   atomic.Pointer[phase]
	probe   func(context.Context) error // has its own timeout
	changed func(err error)             // called with why Redis is unavailable, or nil if it is again
	life    context.Context             // of the DB; when it ends, so do the probes
	start   func(func())                // runs a function in the background
}

// phase is the time between two changes of whether Redis is available.
type phase struct {
	err error // why Redis is unavailable, nil if it is available
}

func (d *DB) newBreaker(probe func(context.Context) error, changed func(error)) *breaker {
	b := &breaker{probe: probe, changed: changed, life: d.life, start: d.background.Go}
	b.phase.Store(&phase{})
	return b
}

// enter returns the phase that a call begins in, and an error if it must not begin.
func (b *breaker) enter() (*phase, error) {
	now := b.phase.Load()
	return now, now.err
}

func (b *breaker) isOpen() bool { return b.phase.Load().err != nil }

// leave records the result of a call that began in the given phase. ctx is the caller's. If it has ended, the result
// does not show whether Redis is available.
func (b *breaker) leave(ctx context.Context, began *phase, err error) {
	if !unanswered(err) || ctx.Err() != nil || b.life.Err() != nil {
		return
	}
	if b.phase.CompareAndSwap(began, &phase{err: err}) {
		b.changed(err)
		b.start(b.probeUntilAnswered)
	}
}

func (b *breaker) probeUntilAnswered() {
	for b.life.Err() == nil {
		if err := b.probe(b.life); !unanswered(err) && !errors.Is(err, redis.ErrPoolTimeout) {
			b.phase.Store(&phase{})
			b.changed(err)
			return
		}
		select {
		case <-time.After(probeEvery):
		case <-b.life.Done():
		}
	}
}

// unanswered reports whether an error means that no master answered, not even with an error. A timeout while waiting
// for a free connection does not mean that.
func unanswered(err error) bool {
	var network net.Error // context.DeadlineExceeded is one
	var connect *connectError
	return !errors.Is(err, redis.ErrPoolTimeout) &&
		(errors.As(err, &network) || errors.As(err, &connect) || errors.Is(err, errNotMaster) ||
			errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, net.ErrClosed))
}
