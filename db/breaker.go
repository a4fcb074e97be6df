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

// probeEvery is the pause between two probes of a Redis that is away.
const probeEvery = 50 * time.Millisecond

// breaker refuses calls at once while Redis is known to be away. One call that Redis didn't answer is enough
// to know, because one probe at a time asks from then on: where it was a single connection that broke, calls
// go on after a round trip.
type breaker struct {
	phase   atomic.Pointer[phase]
	probe   func(context.Context) error // bounds itself
	changed func(err error)             // why no call can be answered, or nil
	life    context.Context             // of the DB: it ends the probes
	start   func(func())                // runs one in the background
}

// phase is the time between two changes.
type phase struct {
	away error // nil while Redis answers
}

func newBreaker(d *DB, probe func(context.Context) error, changed func(error)) *breaker {
	b := &breaker{probe: probe, changed: changed, life: d.life, start: d.background.Go}
	b.phase.Store(&phase{})
	return b
}

// enter returns the phase that a call begins in, and why it must not begin.
func (b *breaker) enter() (*phase, error) {
	now := b.phase.Load()
	return now, now.away
}

func (b *breaker) isOpen() bool { return b.phase.Load().away != nil }

// leave says how a call ended that began in a phase. ctx is the caller's: one that has gone says nothing
// of Redis.
func (b *breaker) leave(ctx context.Context, began *phase, err error) {
	if !unanswered(err) || ctx.Err() != nil || b.life.Err() != nil {
		return
	}
	if b.phase.CompareAndSwap(began, &phase{away: err}) {
		b.changed(err)
		b.start(b.probeUntilBack)
	}
}

func (b *breaker) probeUntilBack() {
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

// unanswered reports whether an error means that no master answered, not even with a refusal. To have waited too
// long for a free connection says nothing about Redis.
func unanswered(err error) bool {
	var network net.Error // context.DeadlineExceeded is one
	var connect *connectError
	return !errors.Is(err, redis.ErrPoolTimeout) &&
		(errors.As(err, &network) || errors.As(err, &connect) || errors.Is(err, errNotMaster) ||
			errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, net.ErrClosed))
}
