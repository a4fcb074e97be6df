package db

import (
	"context"
	"slices"
	"time"
)

// Each lookup has a deadline, and its client may disconnect before that. One goroutine of the batcher checks both at
// every tick. A timer for each lookup, and a second channel to wait for, took a tenth of a request's CPU time.

// tick is the time between two checks. It is subtracted from the timeout, so that no lookup takes longer than that.
func (b *batcher) tick() time.Duration { return b.timeout / 50 }

// limitWait makes sure that a lookup ends when its time is up or its caller has gone. The caller holds mu.
func (b *batcher) limitWait(q *lookup) {
	b.waiting = append(b.waiting, q)
	if !b.expiring {
		b.expiring = true
		go b.expire()
	}
}

// expire ends lookups that have waited too long. It returns when none waits.
func (b *batcher) expire() {
	for {
		time.Sleep(b.tick())
		if b.expireOnce(time.Now()) == 0 {
			return
		}
	}
}

// expireOnce ends lookups that have waited too long, and returns how many still wait.
func (b *batcher) expireOnce(now time.Time) (left int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.waiting = slices.DeleteFunc(b.waiting, func(q *lookup) bool { return q.ended.Load() || q.giveUp(now) })
	b.expiring = len(b.waiting) > 0
	return len(b.waiting)
}

// giveUp ends a lookup if its deadline has passed or its caller has gone. It reports whether it did.
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
