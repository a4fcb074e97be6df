package db

import "errors"

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

// adoptAll adopts every answer. It returns the slots that need a first epoch, and the changes that lost ones need.
func (e *epochs) adoptAll(answers []epochAnswer) (first []int, lost []epochChange, err error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, a := range answers {
		switch least, verdict := e.adopt(a.slot, a.value); verdict {
		case epochForeign:
			return nil, nil, errForeignEpoch
		case epochFirst:
			first = append(first, a.slot)
		case epochLost:
			lost = append(lost, epochChange{slot: a.slot, seen: a.value, next: storedEpoch{least, e.template}})
		}
	}
	if len(lost) > 0 {
		e.readAll()
	}
	return first, lost, nil
}

// adopt decides what an answered epoch means, by the table in docs/revocation.md. It becomes the epoch of its slot if
// it is newer. For epochLost, least is the lowest cut that the new epoch may have. mu is locked.
func (e *epochs) adopt(slot int, answered string) (least int64, verdict epochVerdict) {
	seen := &e.slots[slot]
	if answered != "" && answered == seen.value {
		return 0, epochKnown
	}
	stored, err := parseEpoch(answered)
	isNewer := err == nil && (seen.value == "" || stored.cut > seen.cut)
	switch {
	case isNewer && stored.template.String() == e.template.String():
		e.setCut(stored.cut, seen.value == "")
		seen.value, seen.cut = answered, stored.cut
		return 0, epochKnown
	case isNewer && seen.value != "":
		return 0, epochForeign
	case isNewer:
		if !e.warned {
			e.warned = true
			e.log.Error("BLACKLIST_KEY has changed, so logouts until now cannot be found here: every token issued until now "+
				"is revoked", "before", stored.template.String(), "now", e.template.String())
		}
		return max(stored.cut+1, e.cut), epochLost
	case seen.value == "" && answered == "" && !e.expect:
		return 0, epochFirst
	default:
		return max(seen.cut+1, e.cut), epochLost
	}
}

// setCut records the cut of an adopted epoch. isFirst says that it is the first one that this instance sees in its
// slot. mu is locked.
func (e *epochs) setCut(cut int64, isFirst bool) {
	switch {
	case !e.known && len(e.slots) == 1:
		e.log.Info("the blacklist's epoch", "cut", cut)
		e.logged = cut
	case !isFirst && cut > e.logged:
		e.log.Error("the blacklist was lost, or revoke-all was run: every token issued until the cut is rejected",
			"event", "authn_token_revoked", "token", "every", "cut", cut)
		e.logged = cut
	}
	if cut > e.cut && !isFirst {
		e.readAll() // the loss may concern other slots as well
	}
	e.known, e.cut = true, max(e.cut, cut)
}
