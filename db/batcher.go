package db

import (
	"context"
	"errors"
	"runtime"
	"sync"
	"sync/atomic"
	"time"
)

// Lookups that arrive at the same time share a round trip: a batch consists of all lookups that wait when it is sent,
// and asks for the epoch once, at its end. So every answer comes from a command that was sent after its request
// arrived. docs/performance.md has measurements, and the reasons for these numbers.
const (
	// maxRoundTrips is how many round trips may be under way at once.
	maxRoundTrips = 4
	// maxFarRoundTrips is the same for a Redis that is far away.
	maxFarRoundTrips = 24
	// maxBatch is how many lookups may share a round trip.
	maxBatch = 256
	// minBatch is how many lookups must wait before another round trip begins while one is under way.
	minBatch = 64
	// maxQueue is how many lookups may wait. Any further one is rejected at once.
	maxQueue = 4096
)

// lookup is the question whether one token is revoked, and its answer. A key that is "" is not asked for.
type lookup struct {
	entry   string // a key of the blacklist
	userCut string // the key of a user's cut
	slot    int    // of the only key, on a Cluster; set by sendToNode

	revoked bool
	cut     int64
	now     time.Time // of the node that answered
	err     error

	caller   context.Context
	deadline time.Time
	ended    atomic.Bool
	gaveUp   error         // why it ended without an answer; if it is not nil, revoked, cut, now and err have no meaning
	done     chan struct{} // closed when it has ended
}

// finish ends a lookup with the answer that is set, or with an error.
func (q *lookup) finish(err error) {
	q.err = err
	if q.ended.CompareAndSwap(false, true) {
		close(q.done)
	}
}

// batcher sends the lookups of one node.
type batcher struct {
	breaker *breaker
	metrics *metrics
	timeout time.Duration
	// send makes one round trip and sets the answers of a batch. Its error is the error of every lookup in the batch that
	// it has not finished itself.
	send func(context.Context, []*lookup) error
	// far reports whether a round trip takes so long that a lookup cannot wait for another one to end first.
	far func() bool

	mu         sync.Mutex
	queue      []*lookup
	roundTrips int  // under way
	gathering  bool // one of them waits for lookups that arrive at the same time: see gather
	waiting    []*lookup
	expiring   bool // see expire

	highest highestTime // of the node
}

var errOverloaded = errors.New("too many lookups are waiting for Redis")

func (d *DB) newBatcher(breaker *breaker) *batcher {
	return &batcher{breaker: breaker, metrics: d.metrics, timeout: d.timeout, send: d.send, far: d.isFar}
}

// enqueue adds a lookup to the queue. It returns the batch that the caller must send, or nil if the lookup is part of
// a batch that is sent after a round trip under way.
func (b *batcher) enqueue(ctx context.Context, q *lookup) (batch []*lookup) {
	q.caller, q.deadline, q.done = ctx, time.Now().Add(b.timeout-b.tick()), make(chan struct{})
	if _, err := b.breaker.enter(); err != nil {
		q.finish(err)
		return nil
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if len(b.queue) >= maxQueue {
		b.metrics.overloaded.Inc()
		q.finish(errOverloaded)
		return nil
	}
	b.queue = append(b.queue, q)
	switch far := b.far(); {
	case far && !b.gathering && b.roundTrips < maxFarRoundTrips:
		b.gathering = true
		b.roundTrips++
		go b.gather()
	case !far && b.roundTrips < maxRoundTrips && b.due(b.roundTrips):
		b.roundTrips++
		batch = b.nextBatch()
	}
	if len(batch) != 1 { // a lone lookup is sent by its caller, with a timeout
		b.limitWait(q)
	}
	return batch
}

// due reports whether a round trip should begin while the given number of others are under way.
func (b *batcher) due(others int) bool {
	return len(b.queue) >= minBatch || (others == 0 || b.far()) && len(b.queue) > 0
}

// nextBatch takes a batch from the queue, nil if the queue is empty.
func (b *batcher) nextBatch() (batch []*lookup) {
	n := min(len(b.queue), maxBatch)
	batch = b.queue[:n:n]
	if b.queue = b.queue[n:]; len(b.queue) == 0 {
		b.queue = nil
	}
	return batch
}

// gather makes a round trip to a Redis that is far away, a moment after its first lookup arrived. Lookups that arrive
// at the same time share it, and none has to wait for another round trip to end.
func (b *batcher) gather() {
	time.Sleep(b.tick())
	b.mu.Lock()
	b.gathering = false
	batch := b.nextBatch()
	if batch == nil { // another round trip has taken them, because Redis is no longer far
		b.roundTrips--
	}
	b.mu.Unlock()
	b.flushAll(batch)
}

// flushAll makes round trips, the first with batch, until none is due.
func (b *batcher) flushAll(batch []*lookup) {
	for batch != nil {
		b.flush(batch)
		runtime.Gosched() // requests that are ready to run join the next batch
		batch = b.afterRoundTrip()
	}
}

// afterRoundTrip returns the batch for the next round trip in the place of one that has ended, or nil if none is
// due.
func (b *batcher) afterRoundTrip() (batch []*lookup) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.gathering || !b.due(b.roundTrips-1) {
		b.roundTrips--
		return nil
	}
	return b.nextBatch()
}

// do returns when the lookup is answered, its timeout has passed or ctx has ended. In the last two cases the lookup
// stays in its batch or in the queue, and still counts towards maxBatch or maxQueue.
//
// The caller makes the first round trip itself, which saves a lone request two goroutine switches. The round trip is
// not cancelled when that client disconnects, but it does not outlive the caller's timeout.
func (b *batcher) do(ctx context.Context, q *lookup) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if batch := b.enqueue(ctx, q); batch != nil {
		b.flush(batch)
		if next := b.afterRoundTrip(); next != nil {
			go b.flushAll(next)
		}
	}
	<-q.done
	if q.gaveUp != nil {
		return q.gaveUp
	}
	return q.err
}

// flush makes one round trip and answers every lookup of a batch, within the timeout.
func (b *batcher) flush(batch []*lookup) {
	ctx, cancel := context.WithTimeout(context.Background(), b.timeout)
	defer cancel()
	began, err := b.breaker.enter()
	if err == nil {
		start := time.Now()
		err = b.send(ctx, batch)
		b.metrics.exchanged(time.Since(start), err)
		b.metrics.batchSize.Observe(float64(len(batch)))
		b.breaker.leave(context.Background(), began, err)
	}
	for _, q := range batch {
		if q.ended.Load() {
			continue
		}
		if err != nil {
			q.err = err
		}
		q.finish(q.err)
	}
}
