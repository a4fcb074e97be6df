package parity

import (
	"maps"
	"net/http"
	"reflect"
	"slices"
	"testing"
)

// Checks of what the divergences of the family promise.

// userOf returns the user in an answer, nil if there is none.
func userOf(a answer) map[string]any {
	outer, _ := bodyValue(a).(map[string]any)
	user, _ := outer["user"].(map[string]any)
	return user
}

// messageOf returns the message in an answer.
func messageOf(a answer) string {
	outer, _ := bodyValue(a).(map[string]any)
	message, _ := outer["message"].(string)
	return message
}

// claim returns the claim of the Node service that names the user.
func (c combination) claim() string { return c.trait("USER_CLAIM", "id") }

// renameUser returns the claims or the user of the Node service with the names that they have here.
func (c combination) renameUser(claims any) map[string]any {
	renamed := maps.Clone(claims.(map[string]any))
	id := renamed[c.claim()]
	delete(renamed, c.claim())
	renamed["id"] = id
	hideID(renamed)
	return renamed
}

// addsSameSite wants the original's cookies with SameSite, and nothing else about them changed.
func addsSameSite(t *testing.T, o outcome) {
	t.Helper()
	for i, got := range cookies(o.ours) {
		want := append(slices.Clone(cookies(o.original)[i]), "samesite=Lax")
		if slices.Sort(want); !slices.Equal(got, want) {
			t.Errorf("we set the cookie %q, want %q", got, want)
		}
	}
}

// hasEntry wants the token to have been in the blacklist.
func hasEntry(t *testing.T, o outcome) {
	t.Helper()
	if _, found := o.ours.before[o.combination.entryOf(o.made)]; !found {
		t.Errorf("we say that the session expired, and the blacklist holds no %q", o.combination.entryOf(o.made))
	}
}

// leavesOutMessage wants the original's answer without its message.
func leavesOutMessage(t *testing.T, o outcome) {
	t.Helper()
	var theirs, mine map[string]any
	if theirs, _ = bodyValue(o.original).(map[string]any); theirs["message"] != o.combination.trait("ME_MESSAGE", "") {
		t.Errorf("the original answers %s, want its message", o.original.body)
	}
	mine, _ = bodyValue(o.ours).(map[string]any)
	delete(theirs, "message")
	if !reflect.DeepEqual(theirs, mine) {
		t.Errorf("we answer %v, want %v", mine, theirs)
	}
}

// namesUser wants the original's token and user, with the user's id as id.
func namesUser(t *testing.T, o outcome) {
	t.Helper()
	if len(issuedClaims(o.ours)) > 0 {
		identified(t, o)
		return
	}
	if want, got := o.combination.renameUser(userOf(o.original)), userOf(o.ours); !reflect.DeepEqual(want, got) {
		t.Errorf("we answer the user %v, want %v", got, want)
	}
}

// logsIn wants a session after a registration.
func logsIn(t *testing.T, o outcome) {
	t.Helper()
	if userOf(o.ours) == nil || o.ours.status == http.StatusCreated && len(issuedClaims(o.ours)) != 2 {
		t.Errorf("we answer %s, want a session", o.ours)
	}
}
