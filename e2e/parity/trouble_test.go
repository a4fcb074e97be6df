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

// setting is a pair of its own: another Redis, another environment, or something that goes wrong.
type setting struct {
	group
	redisArgs []string
	env       []string // of both sides
	// originalEnv is for the original alone.
	originalEnv []string
	// trouble is what goes wrong once both sides are connected; nil for nothing.
	trouble func(t *testing.T, l *pair)
}

// TestSettings asks both sides in every setting. What Redis holds afterwards is not compared: most
// times nobody could ask it.
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

// prepareAll brings about the state of Redis that the cases start from, of all of them together.
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

// awaitConnected waits until both sides have an answer from Redis.
func (l *pair) awaitConnected(t *testing.T) {
	t.Helper()
	probe := testCase{name: "probe", request: askMe}.prepare(time.Now())
	for _, side := range []*harness.Service{l.original, l.ours} {
		harness.Eventually(t, side.URL+" is connected to Redis", func() error {
			if a := exchange(address(side), probe.request, answersWithin); a.status != http.StatusOK {
				return fmt.Errorf("it answers %v", a)
			}
			return nil
		})
	}
}

// patience is how long an answer of the original is waited for that it doesn't give, or only after
// many seconds: long enough for one that needs no Redis.
const patience = 700 * time.Millisecond

// askAll asks both sides everything at once, so that what takes long takes long once.
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

// What goes wrong.

func kill(_ *testing.T, l *pair) { l.server.Kill() }

// killUntilDeath waits until the original has died of it.
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

// tell is a command to Redis that makes the trouble.
func tell(words ...string) func(*testing.T, *pair) {
	return func(t *testing.T, l *pair) {
		t.Helper()
		l.apply(t, []command{words})
	}
}

// inTurn is several of them, one after the other.
func inTurn(troubles ...func(*testing.T, *pair)) func(*testing.T, *pair) {
	return func(t *testing.T, l *pair) {
		t.Helper()
		for _, trouble := range troubles {
			trouble(t, l)
		}
	}
}

// awaitMasterDown waits until Redis refuses to be read.
func awaitMasterDown(t *testing.T, l *pair) {
	t.Helper()
	harness.Eventually(t, "Redis refuses to be read", func() error {
		if err := l.redis.Exists(t.Context(), "x").Err(); err == nil {
			return errors.New("it answers")
		}
		return nil
	})
}

// nowhere is a port that nobody listens on.
const nowhere = "1"
