package db

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"time"
)

// An epoch is a key that is lost together with the blacklist. So it distinguishes a lost blacklist from an empty one.
// One Redis has one epoch. On a Cluster each hash slot has one, which moves with its slot.
//
// The value is "<random id>:<cut>", followed by ":<template>" unless the blacklist's keys are the original's. Tokens
// issued at or before the cut, in seconds of Redis's clock, are rejected. The highest cut counts, in whatever epoch it
// is. An instance with another template for its keys does not find the existing logouts, so a changed template counts
// as a lost blacklist. docs/revocation.md gives the reasons.

// epochs is what this instance knows about the epochs.
type epochs struct {
	log *slog.Logger
	// expect is true if a blacklist has existed before, so that a missing epoch means a lost blacklist.
	expect bool
	// template is this instance's template of the blacklist's keys.
	template keyTemplate
	// storeFirst stores a first epoch in each of the slots, unless one exists, and returns the stored epochs.
	storeFirst func(ctx context.Context, slots []int) ([]string, error)
	// replace runs replaceEpochScript for each change, and returns the stored epochs.
	replace func(ctx context.Context, changes []epochChange) ([]string, error)

	mu     sync.Mutex
	slots  []slotEpoch // one, or on a Cluster one for each hash slot
	known  bool        // whether the epoch of any slot is known
	cut    int64       // the highest that is known
	logged int64       // the highest cut that was logged
	failed error       // why a first epoch could not be stored, nil if it could
	tried  time.Time   // when storing one was last tried
	warned bool        // whether a changed template was logged
	// wasRead is true once the epoch of every slot of a Cluster is known.
	wasRead bool
	// wanted counts how often every epoch had to be read, and done is its value when that was last tried.
	wanted, done int
	// requested has a value while epochs have to be read: see readEpochs. It is nil except on a Cluster.
	requested chan struct{}
}

// slotEpoch is the epoch that this instance saw last in a slot.
type slotEpoch struct {
	value string // "" before the first
	cut   int64
	node  string // see setNodes
	read  int    // the value of epochs.wanted when readEpochs last began to read it
}

// epochAnswer is the epoch that a node returned after it was asked for a key in the same slot, "" if there is none.
type epochAnswer struct {
	slot       int
	value      string
	node       string // the address on a Cluster, otherwise ""
	redirected bool   // whether another node may have answered
}

// epochChange is a change of a slot's epoch from the one that was seen.
type epochChange struct {
	slot  int
	seen  string
	next  storedEpoch
	exact bool   // whether the cut is exactly that of next, instead of at least
	id    string // of the new epoch, set by replace
}

// isStoredAs reports whether a stored epoch is the one of this change.
func (c epochChange) isStoredAs(value string) bool { return strings.HasPrefix(value, c.id+":") }

// maxEpochTries limits how often a try is repeated because the epoch was changed in the meantime.
const maxEpochTries = 5

// judge returns the cut that applies to tokens whose keys are in the slots of the answers. If the blacklist was lost,
// judge stores new epochs first. An error means that no token can be judged.
//
// moved are the answers from another node than before. The others count only after confirm.
func (e *epochs) judge(ctx context.Context, answers ...epochAnswer) (cut int64, moved []epochAnswer, err error) {
	pending := answers
	for range maxEpochTries {
		first, lost, err := e.adoptAll(pending)
		if err != nil {
			return 0, nil, err
		}
		pending = nil
		if len(first) > 0 && e.mayTry() {
			stored, err := e.storeFirst(ctx, first)
			if !e.setFailed(err) { // otherwise no known epoch was lost, and the next call tries again
				pending = append(pending, asAnswers(first, stored)...)
			}
		}
		if len(lost) > 0 {
			stored, err := e.replace(ctx, lost)
			if err != nil {
				return 0, nil, fmt.Errorf("raising the epoch after a lost blacklist: %w", err)
			}
			for i, change := range lost {
				pending = append(pending, epochAnswer{slot: change.slot, value: stored[i]})
			}
		}
		if len(pending) == 0 {
			cut, moved = e.result(answers)
			return cut, moved, nil
		}
	}
	return 0, nil, errors.New("raising the epoch: other instances keep changing it")
}

func asAnswers(slots []int, values []string) []epochAnswer {
	answers := make([]epochAnswer, len(slots))
	for i, slot := range slots {
		answers[i] = epochAnswer{slot: slot, value: values[i]}
	}
	return answers
}

// firstEvery is the shortest time between two tries to store a first epoch.
const firstEvery = time.Second

// mayTry reports whether to try to store a first epoch now.
func (e *epochs) mayTry() bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.failed != nil && time.Since(e.tried) < firstEvery {
		return false
	}
	e.tried = time.Now()
	return true
}

// setFailed records the result of storing a first epoch, and reports whether it is an error. Until it is stored, a
// lost blacklist goes unnoticed.
func (e *epochs) setFailed(err error) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	if err != nil && e.failed == nil {
		e.log.Error("a lost blacklist would go unnoticed: its mark (auth:epoch) could not be stored", "error", err.Error())
	}
	e.failed = err
	return err != nil
}

// current returns the cut, and false if it is not known yet. The error is why a lost blacklist would go unnoticed.
func (e *epochs) current() (cut int64, ok bool, err error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.cut, e.known, e.failed
}
