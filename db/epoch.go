package db

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"
)

// The epoch tells a lost blacklist from one that is only empty: a key that is there for as long as the
// blacklist is. Its value is "<random id>:<cut>"; tokens issued at or before the cut, in seconds of
// Redis's clock, are refused. See docs/revocation.md for the reasoning.

// installEpoch replaces the epoch if it still is what the caller saw, and returns the one that is there
// then. So neither a reply that is late nor a second instance that saw the same loss does harm.
// All tokens issued until now are rejected by it, those of the next second among them, because a token may be issued
// that far ahead (maxAhead). ARGV: what was seen ("" for none), the id of the new one, and its least cut.
const installEpoch = `
local there = redis.call('GET', KEYS[1]) or ''
if there ~= ARGV[1] then return there end
local cut = math.max(tonumber(redis.call('TIME')[1]) + 1, tonumber(ARGV[3]))
there = ARGV[2] .. ':' .. string.format('%.0f', cut)
redis.call('SET', KEYS[1], there)
return there`

// epoch is what this instance knows of the epoch.
type epoch struct {
	log *slog.Logger
	// expect says that a blacklist has been there, so that none to be found is a lost one.
	expect bool
	// installFirst stores a first epoch unless there is one, and returns the one that is stored then.
	installFirst func(ctx context.Context) (string, error)
	// installLost runs installEpoch.
	installLost func(ctx context.Context, seen string, least int64) (string, error)

	mu     sync.Mutex
	seen   string // "" before the first
	cut    int64
	failed error     // why the first could not be stored, nil if it could
	tried  time.Time // when it was tried
}

// maxInstalls bounds how often one answer starts anew because the epoch changes under it.
const maxInstalls = 5

// judge returns the cut that tokens are judged by, given the epoch that Redis answered with after it was
// asked about the token, "" if there is none. If the blacklist was lost it installs a new epoch first;
// the error says that this failed and no token can be judged.
func (e *epoch) judge(ctx context.Context, answered string) (int64, error) {
	for range maxInstalls {
		cut, least, what := e.compare(answered)
		if what == known {
			return cut, nil
		}
		var installed string
		var err error
		if what == first {
			if !e.mayTry() {
				return 0, nil
			}
			if installed, err = e.installFirst(ctx); e.setFailed(err) {
				return 0, nil // nothing was lost that anybody knew of; the next one tries again
			}
		} else if installed, err = e.installLost(ctx, answered, least); err != nil {
			return 0, fmt.Errorf("raising the epoch after a lost blacklist: %w", err)
		}
		answered = installed
	}
	return 0, errors.New("raising the epoch: it changes all the time")
}

// firstEvery is the least time between two tries to store a first epoch.
const firstEvery = time.Second

// mayTry reports whether to try to store a first epoch now.
func (e *epoch) mayTry() bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.failed != nil && time.Since(e.tried) < firstEvery {
		return false
	}
	e.tried = time.Now()
	return true
}

// setFailed takes note of why the first epoch could not be stored, and reports whether that failed. Until it is
// stored, a lost blacklist goes unnoticed.
func (e *epoch) setFailed(err error) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	if err != nil && e.failed == nil {
		e.log.Error("a lost blacklist would go unnoticed: its mark (auth:epoch) could not be stored", "error", err.Error())
	}
	e.failed = err
	return err != nil
}

// known returns the cut, and false if it is not known yet. The error is why a lost blacklist would go unnoticed.
func (e *epoch) known() (cut int64, ok bool, err error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.cut, e.seen != "", e.failed
}

// finding is what an answered epoch means to an instance that saw another before, or none.
type finding int

const (
	known finding = iota // nothing is lost, or someone else has noticed
	first                // there is none, and never was as far as anybody knows
	lost
)

// compare is the table of docs/revocation.md. It takes an epoch over where that is all there is to do;
// else least is what the cut of a new one has to be at least.
func (e *epoch) compare(answered string) (cut, least int64, what finding) {
	answeredCut, err := parseEpoch(answered)
	e.mu.Lock()
	defer e.mu.Unlock()
	switch {
	case answered != "" && answered == e.seen:
		return e.cut, 0, known
	case err == nil && (e.seen == "" || answeredCut > e.cut):
		e.take(answered, answeredCut)
		return e.cut, 0, known
	case e.seen == "" && answered == "" && !e.expect:
		return 0, 0, first
	default:
		return 0, e.cut + 1, lost
	}
}

// take goes over to an epoch and says so.
func (e *epoch) take(answered string, cut int64) {
	if e.seen == "" {
		e.log.Info("the blacklist's epoch", "cut", cut)
	} else {
		e.log.Error("the blacklist was lost, or revoke-all was run: every token issued until the cut is refused",
			"event", "authn_token_revoked", "token", "every", "cut", cut)
	}
	e.seen, e.cut = answered, cut
}

var errNoEpoch = errors.New("no epoch")

func parseEpoch(value string) (cut int64, err error) {
	id, digits, ok := strings.Cut(value, ":")
	if !ok || id == "" {
		return 0, errNoEpoch
	}
	if cut, err = strconv.ParseInt(digits, 10, 64); err != nil || cut < 0 {
		return 0, errNoEpoch
	}
	return cut, nil
}

// installFirstEpoch needs no script, so that it works where scripts are denied. It and installLostEpoch have a
// timeout of their own: to a Redis that is far away, the call that finds them needed has used up most of its own.
func (d *DB) installFirstEpoch(ctx context.Context) (string, error) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), d.timeout)
	defer cancel()
	var stored *redis.StringCmd
	err := d.pipelineAll(ctx, d.client, func(p redis.Pipeliner) {
		p.SetArgs(ctx, epochKey, rand.Text()+":0", redis.SetArgs{Mode: "NX"})
		stored = p.Get(ctx, epochKey)
	})
	if err != nil {
		return "", err
	}
	return stored.Val(), nil
}

func (d *DB) installLostEpoch(ctx context.Context, seen string, least int64) (string, error) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), d.timeout)
	defer cancel()
	return d.client.Eval(ctx, installEpoch, []string{epochKey}, seen, rand.Text(), least).Text()
}

// RevokeAll refuses every token issued until now, at every instance, and returns the cut.
func (d *DB) RevokeAll(ctx context.Context) (cut int64, err error) {
	if d.cluster() {
		return 0, errors.New("revoking all tokens: a Redis Cluster keeps no epoch: change JWT_SECRET instead")
	}
	err = d.call(ctx, "revoking all tokens", func(ctx context.Context) error {
		for range maxInstalls {
			there, err := d.client.Get(ctx, epochKey).Result()
			if err != nil && !errors.Is(err, redis.Nil) {
				return err
			}
			before, _ := parseEpoch(there)
			installed, err := d.installLostEpoch(ctx, there, before+1)
			if err != nil {
				return err
			}
			if cut, err = parseEpoch(installed); err == nil && cut > before {
				return nil
			}
		}
		return errors.New("the epoch changes all the time")
	})
	return cut, err
}

// epochCut judges the epoch that Redis answered with.
func (d *DB) epochCut(ctx context.Context, epoch *redis.StringCmd) (int64, error) {
	answered, err := epoch.Result()
	if err != nil && !errors.Is(err, redis.Nil) {
		return 0, fmt.Errorf("the epoch: %w", err)
	}
	if d.cluster() {
		return 0, nil
	}
	return d.epoch.judge(ctx, answered)
}
