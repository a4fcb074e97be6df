package db

import (
	"context"
	"slices"
	"time"
)

// Each lookup has a deadline, and its client may disconnect before that. A goroutine of the batcher looks for both at
// every tick, because a timer for each lookup, and a second channel to wait for, cost a tenth of a request's CPU time.

// tick is how exact a deadline is. It is subtracted from the timeout, so that no lookup takes longer.
func (b *batcher) tick() time.Duration { return b.timeout / 50 }

// limitWait makes sure that a lookup ends when its time is up or its caller has gone. The caller holds mu.
func (b *batcher) limitWait(q *lookup) {
	b.waiting = append(b.waiting, q)
	if !b.expiring {
		b.expiring = true
		go b.expire()
	}
}

// expire ends lookups that wait for too long until none waits.
func (b *batcher) expire() {
	for {
		time.Sleep(b.tick())
		if b.expireOnce(time.Now()) == 0 {
			return
		}
	}
}

// expireOnce returns how many lookups still wait.
func (b *batcher) expireOnce(now time.Time) (left int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.waiting = slices.DeleteFunc(b.waiting, func(q *lookup) bool { return q.ended.Load() || q.giveUp(now) })
	b.expiring = len(b.waiting) > 0
	return len(b.waiting)
}

// giveUp ends a lookup if its time is up or its caller has gone.
func (q *lookup) giveUp(now time.Time) bool {
	err := q.caller.Err()
	if err == nil && now.After(q.deadline) {
		err = context.DeadlineExceeded
	}
	if err == nil {
		return false
	}
	if q.ended.CompareAndSwap(false, true) {
		q.gaveUp = err
		close(q.done)
	}
	return true
}
