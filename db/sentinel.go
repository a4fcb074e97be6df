package db

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"
)

// distrustFor is how long a sentinel that has named a replica is not asked again.
const distrustFor = time.Minute

// masterHook is the hook of a client that asks sentinels which Redis is the master. go-redis asks one of them for each
// new connection, and follows the failovers that this one announces. If it does not answer, all are asked.
type masterHook struct {
	dialer *dialer
	master string
}

func (masterHook) ProcessHook(next redis.ProcessHook) redis.ProcessHook { return next }
func (masterHook) ProcessPipelineHook(next redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return next
}

// toMaster is the key of a context in which dial connects to the master that the sentinels have named.
type toMaster struct{}

// DialHook handles the failure of all sentinels as dial handles a failed connection. Without it, the error could be a
// redis.Nil, the reply of a sentinel that does not know the master's name, and every command would be taken for one
// that has found nothing.
func (h masterHook) DialHook(next redis.DialHook) redis.DialHook {
	return func(ctx context.Context, network, addr string) (net.Conn, error) {
		h.dialer.asking.Add(1)
		c, err := next(context.WithValue(ctx, toMaster{}, true), network, addr)
		if err == nil {
			return c, nil
		}
		h.dialer.asking.Add(-1)
		h.dialer.trustSentinels() // no other sentinel has answered
		failed := h.explain(err)
		h.dialer.failed.Store(failed)
		return failedConn{fmt.Errorf("%w", failed)}, nil
	}
}

// explain returns why no sentinel has named a master. go-redis joins the errors of all sentinels.
func (h masterHook) explain(err error) *connectError {
	reasons := []error{err}
	var joined interface{ Unwrap() []error }
	if errors.As(err, &joined) {
		reasons = joined.Unwrap()
	}
	what := "no sentinel answers"
	var texts []string
	for _, reason := range reasons {
		text := reason.Error()
		switch {
		case errors.Is(reason, redis.Nil):
			text = fmt.Sprintf("no master is named %q there: see REDIS_SENTINEL_MASTER", h.master)
		case errors.Is(reason, context.DeadlineExceeded):
			text = "no answer in time"
		}
		var network net.Error
		if !errors.As(reason, &network) {
			what = "no sentinel names the master"
		}
		texts = append(texts, text)
	}
	slices.Sort(texts)
	texts = slices.Compact(texts)
	return &connectError{fmt.Errorf("%s (REDIS_SENTINELS): %s", what, strings.Join(texts, "; ")), ""}
}

// foundMaster records that a sentinel has answered.
func (d *dialer) foundMaster(ctx context.Context, addr string) {
	if ctx.Value(toMaster{}) != nil {
		d.asking.Add(-1)
		d.master.Store(&addr)
	}
}

// leaveReplica closes every connection, because one of them leads to a replica. The sentinel that go-redis asks may
// have named it: the others are asked next.
func (d *dialer) leaveReplica() {
	d.mu.Lock()
	for c := range d.open {
		if c.sentinel != "" {
			d.distrusted[c.sentinel] = time.Now().Add(distrustFor)
		}
	}
	d.mu.Unlock()
	d.closeAll()
}

func (d *dialer) trusts(sentinel string) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return time.Now().After(d.distrusted[sentinel])
}

// trustSentinels makes every sentinel one that may be asked.
func (d *dialer) trustSentinels() {
	d.mu.Lock()
	defer d.mu.Unlock()
	clear(d.distrusted)
}
