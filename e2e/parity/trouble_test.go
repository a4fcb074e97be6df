package parity

import (
	"errors"
	"fmt"
	"net/http"
	"sync"
	"syscall"
	"testing"
	"time"

	"gin-auth/e2e/internal/harness"
)

// setting describes a pair with another Redis, another environment, or a fault.
type setting struct {
	group
	redisArgs []string
	env       []string // for both sides
	// originalEnv is for the original alone.
	originalEnv []string
	// trouble causes the fault after both sides are connected. Nil means no fault.
	trouble func(t *testing.T, l *pair)
}

// TestSettings sends requests to both sides in every setting. The data in Redis is not compared afterwards, because
// in most settings Redis cannot be read.
func TestSettings(t *testing.T) {
	t.Parallel()
	needPrograms(t)
	for _, s := range settings {
		t.Run(s.name, func(t *testing.T) {
			t.Parallel()
			l := startSetting(t, s)
			prepared := l.prepareAll(t, s.cases)
			if s.trouble != nil {
				l.awaitConnected(t)
				s.trouble(t, l)
			}
			for _, o := range l.askAll(prepared) {
				t.Run(o.name, func(t *testing.T) { l.judgeCase(t, o) })
			}
		})
	}
}

func startSetting(t *testing.T, s setting) *pair {
	t.Helper()
	return startPair(t, pairOptions{
		express:     "4",
		redisArgs:   s.redisArgs,
		env:         s.env,
		originalEnv: s.originalEnv,
	})
}

// prepareAll prepares the data of all cases in Redis.
func (l *pair) prepareAll(t *testing.T, cases []testCase) []ready {
	t.Helper()
	var all []ready
	for _, c := range cases {
		r := c.prepare(time.Now())
		l.apply(t, r.redis)
		all = append(all, r)
	}
	return all
}

// awaitConnected waits until both sides are connected to Redis.
func (l *pair) awaitConnected(t *testing.T) {
	t.Helper()
	probe := testCase{name: "probe", request: askMe}.prepare(time.Now())
	for _, side := range []*harness.Service{l.original, l.ours} {
		harness.Eventually(t, side.URL+" is connected to Redis", func() error {
			if a := exchange(address(side), probe.request, answersWithin); a.status != http.StatusOK {
				return fmt.Errorf("got %v", a)
			}
			return nil
		})
	}
}

// patience is the time limit for a response of the original that comes late or never. It is long enough for a
// response that does not need Redis.
const patience = 700 * time.Millisecond

// askAll sends all requests to both sides at once, so that slow ones run concurrently.
func (l *pair) askAll(cases []ready) []outcome {
	outcomes := make([]outcome, len(cases))
	var asked sync.WaitGroup
	for i, r := range cases {
		deadline := answersWithin
		for _, d := range divergences {
			if d.slow && r.shows(l.express, d.name) {
				deadline = patience
			}
		}
		outcomes[i].ready = r
		asked.Go(func() { outcomes[i].original = exchange(address(l.original), r.request, deadline) })
		asked.Go(func() { outcomes[i].ours = exchange(address(l.ours), r.request, answersWithin) })
	}
	asked.Wait()
	return outcomes
}

// These are the faults.

func kill(_ *testing.T, l *pair) { l.server.Kill() }

// killUntilDeath kills Redis and waits until the original's process has ended.
func killUntilDeath(t *testing.T, l *pair) {
	t.Helper()
	l.server.Kill()
	l.original.Exit(t)
}

func stop(t *testing.T, l *pair) {
	t.Helper()
	if err := l.server.Process.Process.Signal(syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
}

// tell causes a fault by a Redis command.
func tell(words ...string) func(*testing.T, *pair) {
	return func(t *testing.T, l *pair) {
		t.Helper()
		l.apply(t, []command{words})
	}
}

// inTurn causes several faults in sequence.
func inTurn(troubles ...func(*testing.T, *pair)) func(*testing.T, *pair) {
	return func(t *testing.T, l *pair) {
		t.Helper()
		for _, trouble := range troubles {
			trouble(t, l)
		}
	}
}

// awaitMasterDown waits until Redis rejects reads.
func awaitMasterDown(t *testing.T, l *pair) {
	t.Helper()
	harness.Eventually(t, "Redis rejects reads", func() error {
		if err := l.redis.Exists(t.Context(), "x").Err(); err == nil {
			return errors.New("Redis still accepts reads")
		}
		return nil
	})
}

// nowhere is a port on which no process listens.
const nowhere = "1"
