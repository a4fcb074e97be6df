package cli

import (
	"encoding/json"
	"maps"
	"slices"
	"strings"
	"time"
)

// answer is the answer that a value gives to a question.
type answer int

const (
	unclear answer = iota
	yes
	no
)

// flag reads a field that may deny its user access. It answers whether the user is denied access.
type flag func(value json.RawMessage, now time.Time) answer

// flags are the fields that may deny access. Letter case, _ and - in a name do not matter.
var flags = map[string]flag{
	"disabled": denies, "isdisabled": denies,
	"banned": denies, "isbanned": denies, "ban": denies,
	"blocked": denies, "isblocked": denies,
	"suspended": denies, "issuspended": denies, "suspension": denies,
	"deleted": denies, "isdeleted": denies, "removed": denies, "isremoved": denies,
	"deactivated": denies, "isdeactivated": denies, "inactive": denies, "isinactive": denies,
	"blacklisted": denies, "isblacklisted": denies, "locked": denies, "islocked": denies,

	"deletedat": denies, "removedat": denies, "disabledat": denies, "deactivatedat": denies,
	"bannedat": denies, "blockedat": denies, "suspendedat": denies,

	"banneduntil": deniesUntil, "blockeduntil": deniesUntil, "suspendeduntil": deniesUntil, "disableduntil": deniesUntil,

	"active": allows, "isactive": allows, "enabled": allows, "isenabled": allows, "isverified": allows,
	"verified": mayAllow, "emailverified": mayAllow, "isemailverified": mayAllow,
	"approved": mayAllow, "isapproved": mayAllow,

	"status": statusAllows, "accountstatus": statusAllows, "userstatus": statusAllows,
}

// accountObjects are objects whose flags concern the account as a whole. A flag in any other object may concern
// something else, such as an address, so what it denies is unclear.
var accountObjects = map[string]bool{
	"account": true, "access": true, "moderation": true, "flags": true, "status": true, "accountstatus": true,
	"userstatus": true, "meta": true, "metadata": true, "auth": true, "user": true, "profile": true, "security": true,
}

// stateObjects are the paths of objects whose state is a status. Elsewhere a state is a part of an address.
var stateObjects = []string{"account.", "access.", "moderation."}

// maxFlagDepth is how deep in a document flags are searched.
const maxFlagDepth = 4

// isDenied reports whether the document denies its user access. A user with a flag that cannot be understood is denied
// access, and gets a note.
func isDenied(doc document, p *person, now time.Time) bool {
	r := flagReader{now: now}
	r.read(doc, "", true, 1)
	if r.denied {
		return true
	}
	for _, path := range r.unclear {
		p.note(printable(path) + " is not understood: they are disabled here")
	}
	return len(r.unclear) > 0
}

// flagReader reads the flags of a document.
type flagReader struct {
	now     time.Time
	denied  bool
	unclear []string // the paths of flags that cannot be understood
}

// read reads the flags of an object. ofAccount says that they concern the account.
func (r *flagReader) read(object map[string]json.RawMessage, path string, ofAccount bool, depth int) {
	for _, name := range slices.Sorted(maps.Keys(object)) {
		value, folded := object[name], foldField(name)
		if folded == "state" && slices.Contains(stateObjects, path) {
			folded = "status"
		}
		isFlag := flags[folded] != nil
		var inner map[string]json.RawMessage
		if !isExtended(value) {
			inner = objectOf(value)
		}
		switch {
		case string(value) == "null":
		case inner != nil && (!isFlag || accountObjects[folded]):
			if depth < maxFlagDepth {
				r.read(inner, path+name+".", ofAccount && accountObjects[folded], depth+1)
			}
			if isFlag && !hasFlag(inner) {
				r.unclear = append(r.unclear, path+name)
			}
		case isFlag:
			r.judge(flags[folded](value, r.now), path+name, ofAccount)
		}
	}
}

// judge records the answer of a flag.
func (r *flagReader) judge(denies answer, path string, ofAccount bool) {
	switch {
	case denies == no:
	case denies == yes && ofAccount:
		r.denied = true
	default:
		r.unclear = append(r.unclear, path)
	}
}

var fieldSeparators = strings.NewReplacer("_", "", "-", "")

// foldField returns the name of a field without letter case, _ and -.
func foldField(name string) string { return fieldSeparators.Replace(strings.ToLower(name)) }

// hasFlag reports whether an object has a flag.
func hasFlag(object map[string]json.RawMessage) bool {
	for name := range object {
		if flags[foldField(name)] != nil {
			return true
		}
	}
	return false
}

// denies reads a flag such as banned, or the time since which a user has been banned.
func denies(value json.RawMessage, now time.Time) answer {
	if at, ok := date(value); ok && truth(value) == unclear {
		return past(at, now)
	}
	return truth(value)
}

// deniesUntil reads the time until when a user is denied access. A ban that ends later is unclear, because this service
// does not lift it.
func deniesUntil(value json.RawMessage, now time.Time) answer {
	if at, ok := date(value); ok && past(at, now) == yes || truth(value) == no {
		return no
	}
	return unclear
}

// past answers yes for a time that has passed. The meaning of a later time is unclear.
func past(at, now time.Time) answer {
	if at.After(now) {
		return unclear
	}
	return yes
}

// allows reads a flag such as isActive.
func allows(value json.RawMessage, _ time.Time) answer {
	if _, ok := date(value); ok && truth(value) == unclear {
		return no
	}
	switch truth(value) {
	case yes:
		return no
	case no:
		if string(value) == `""` {
			return unclear
		}
		return yes
	default:
		return unclear
	}
}

// mayAllow reads a flag such as emailVerified, without which some applications deny access and others do not.
func mayAllow(value json.RawMessage, now time.Time) answer {
	if allows(value, now) == no {
		return no
	}
	return unclear
}

// deniedStatuses are the usual words for a user who is denied access.
var deniedStatuses = []string{
	"inactive", "disabled", "banned", "blocked", "suspended", "deleted", "removed", "deactivated", "locked", "closed",
	"archived", "rejected", "pending", "unverified", "invited",
}

// statusAllows reads a status, which allows access if it is "active".
func statusAllows(value json.RawMessage, now time.Time) answer {
	text, ok := jsonString(value)
	text = strings.ToLower(strings.TrimSpace(text))
	switch {
	case ok && text == "active":
		return no
	case ok && slices.Contains(deniedStatuses, text):
		return yes
	case ok:
		return unclear
	case string(value) == "true" || string(value) == "false":
		return allows(value, now)
	default:
		return unclear
	}
}

// truth returns the meaning of a value that should be true or false.
func truth(value json.RawMessage) answer {
	text, ok := jsonString(value)
	if !ok {
		if text, ok = decimal(value); !ok {
			text = string(value)
		}
	}
	switch strings.ToLower(strings.TrimSpace(text)) {
	case "true", "yes", "y", "on", "1":
		return yes
	case "false", "no", "n", "off", "0", "":
		return no
	default:
		return unclear
	}
}
