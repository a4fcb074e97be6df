package db

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"
)

// The epoch is a key that is lost together with the blacklist. So it distinguishes a lost blacklist from an empty one.
// Its value is "<random id>:<cut>", followed by ":<template>" unless the blacklist's keys are the original's. Tokens
// issued at or before the cut, in seconds of Redis's clock, are rejected. An instance with another template for its
// keys does not find the existing logouts, so a changed template counts as a lost blacklist. docs/revocation.md gives
// the reasons.

// epoch is what this instance knows about the epoch.
type epoch struct {
	log *slog.Logger
	// expect is true if a blacklist has existed before, so that a missing epoch means a lost blacklist.
	expect bool
	// template is this instance's template of the blacklist's keys.
	template keyTemplate
	// storeFirst stores a first epoch unless one exists, and returns the stored epoch.
	storeFirst func(ctx context.Context) (string, error)
	// replace runs replaceEpochScript.
	replace func(ctx context.Context, seen string, next storedEpoch) (string, error)

	mu     sync.Mutex
	seen   string // "" before the first
	cut    int64
	failed error     // why the first epoch could not be stored, nil if it could
	tried  time.Time // when storing it was last tried
	warned bool      // whether a changed template was logged
}

// maxEpochTries limits how often a try is repeated because the epoch was changed in the meantime.
const maxEpochTries = 5

// judge returns the cut that applies to the tokens of a lookup. answered is the epoch that Redis returned after it was
// asked about them, "" if there is none. If the blacklist was lost, judge stores a new epoch first. An error means that
// no token can be judged.
func (e *epoch) judge(ctx context.Context, answered string) (int64, error) {
	for range maxEpochTries {
		cut, least, verdict := e.adopt(answered)
		switch verdict {
		case epochKnown:
			return cut, nil
		case epochForeign:
			return 0, errForeignEpoch
		}
		var stored string
		var err error
		if verdict == epochFirst {
			if !e.mayTry() {
				return 0, nil
			}
			if stored, err = e.storeFirst(ctx); e.setFailed(err) {
				return 0, nil // no known epoch was lost; the next call tries again
			}
		} else if stored, err = e.replace(ctx, answered, storedEpoch{least, e.template}); err != nil {
			return 0, fmt.Errorf("raising the epoch after a lost blacklist: %w", err)
		}
		answered = stored
	}
	return 0, errors.New("raising the epoch: other instances keep changing it")
}

// firstEvery is the shortest time between two tries to store a first epoch.
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

// setFailed records the result of storing the first epoch, and reports whether it is an error. Until it is stored, a
// lost blacklist goes unnoticed.
func (e *epoch) setFailed(err error) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	if err != nil && e.failed == nil {
		e.log.Error("a lost blacklist would go unnoticed: its mark (auth:epoch) could not be stored", "error", err.Error())
	}
	e.failed = err
	return err != nil
}

// current returns the cut, and false if it is not known yet. The error is why a lost blacklist would go unnoticed.
func (e *epoch) current() (cut int64, ok bool, err error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.cut, e.seen != "", e.failed
}

// epochVerdict is what an epoch that Redis returned means, compared with the one that this instance saw before.
type epochVerdict int

const (
	epochKnown epochVerdict = iota // nothing was lost, or another instance has noticed it
	epochFirst                     // there is none, and as far as is known there never was one
	epochLost
	epochForeign // an instance with another template has started since
)

var errForeignEpoch = errors.New("an instance with another BLACKLIST_KEY has started, and cannot find the logouts of " +
	"this one: set the same BLACKLIST_KEY everywhere, and restart those that had another")

// adopt decides what an answered epoch means, by the table in docs/revocation.md. It becomes the epoch of this instance
// if it is newer. For epochLost, least is the lowest cut that the new epoch may have.
func (e *epoch) adopt(answered string) (cut, least int64, verdict epochVerdict) {
	stored, err := parseEpoch(answered)
	e.mu.Lock()
	defer e.mu.Unlock()
	isNewer := err == nil && (e.seen == "" || stored.cut > e.cut)
	switch {
	case answered != "" && answered == e.seen:
		return e.cut, 0, epochKnown
	case isNewer && stored.template.String() == e.template.String():
		e.logNew(stored.cut)
		e.seen, e.cut = answered, stored.cut
		return e.cut, 0, epochKnown
	case isNewer && e.seen != "":
		return 0, 0, epochForeign
	case isNewer && e.warned:
		return 0, stored.cut + 1, epochLost
	case isNewer:
		e.warned = true
		e.log.Error("BLACKLIST_KEY has changed, so logouts until now cannot be found here: every token issued until now "+
			"is revoked", "before", stored.template.String(), "now", e.template.String())
		return 0, stored.cut + 1, epochLost
	case e.seen == "" && answered == "" && !e.expect:
		return 0, 0, epochFirst
	default:
		return 0, e.cut + 1, epochLost
	}
}

func (e *epoch) logNew(cut int64) {
	if e.seen == "" {
		e.log.Info("the blacklist's epoch", "cut", cut)
		return
	}
	e.log.Error("the blacklist was lost, or revoke-all was run: every token issued until the cut is rejected",
		"event", "authn_token_revoked", "token", "every", "cut", cut)
}

// epochCut returns the cut of the epoch that Redis returned.
func (d *DB) epochCut(ctx context.Context, epoch *redis.StringCmd) (int64, error) {
	answered, err := epoch.Result()
	if err != nil && !errors.Is(err, redis.Nil) {
		return 0, fmt.Errorf("reading the epoch: %w", err)
	}
	if d.cluster() {
		return 0, nil
	}
	return d.epoch.judge(ctx, answered)
}
