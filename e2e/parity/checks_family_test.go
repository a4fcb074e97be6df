package parity

import (
	"maps"
	"net/http"
	"reflect"
	"slices"
	"testing"
)

// These checks belong to the divergences of the family.

// userOf returns the user in a response, or nil.
func userOf(a answer) map[string]any {
	outer, _ := bodyValue(a).(map[string]any)
	user, _ := outer["user"].(map[string]any)
	return user
}

// messageOf returns the message in a response.
func messageOf(a answer) string {
	outer, _ := bodyValue(a).(map[string]any)
	message, _ := outer["message"].(string)
	return message
}

// claim returns the name of the claim that identifies the user in the Node service.
func (c combination) claim() string { return c.trait("USER_CLAIM", "id") }

// renameUser returns claims or a user of the Node service with this service's names.
func (c combination) renameUser(claims any) map[string]any {
	renamed := maps.Clone(claims.(map[string]any))
	id := renamed[c.claim()]
	delete(renamed, c.claim())
	renamed["id"] = id
	hideID(renamed)
	return renamed
}

// addsSameSite checks that our cookies are the original's with SameSite added.
func addsSameSite(t *testing.T, o outcome) {
	t.Helper()
	for i, got := range cookies(o.ours) {
		want := append(slices.Clone(cookies(o.original)[i]), "samesite=Lax")
		if slices.Sort(want); !slices.Equal(got, want) {
			t.Errorf("this service sets the cookie %q, want %q", got, want)
		}
	}
}

// hasEntry checks that the token was on the blacklist.
func hasEntry(t *testing.T, o outcome) {
	t.Helper()
	if _, found := o.ours.before[o.combination.entryOf(o.made)]; !found {
		t.Errorf("this service says that the session expired, but the blacklist has no %q", o.combination.entryOf(o.made))
	}
}

// leavesOutMessage checks that the response is the original's without its message.
func leavesOutMessage(t *testing.T, o outcome) {
	t.Helper()
	var theirs, mine map[string]any
	if theirs, _ = bodyValue(o.original).(map[string]any); theirs["message"] != o.combination.trait("ME_MESSAGE", "") {
		t.Errorf("the original's response has no message: %s", o.original.body)
	}
	mine, _ = bodyValue(o.ours).(map[string]any)
	delete(theirs, "message")
	if !reflect.DeepEqual(theirs, mine) {
		t.Errorf("this service answers %v, want %v", mine, theirs)
	}
}

// namesUser checks that the token and the user are the original's, with the user's id as id.
func namesUser(t *testing.T, o outcome) {
	t.Helper()
	if len(issuedClaims(o.ours)) > 0 {
		identified(t, o)
		return
	}
	if want, got := o.combination.renameUser(userOf(o.original)), userOf(o.ours); !reflect.DeepEqual(want, got) {
		t.Errorf("this service returns the user %v, want %v", got, want)
	}
}

// logsIn checks that a registration starts a session.
func logsIn(t *testing.T, o outcome) {
	t.Helper()
	if userOf(o.ours) == nil || o.ours.status == http.StatusCreated && len(issuedClaims(o.ours)) != 2 {
		t.Errorf("this service answers %s, want a session", o.ours)
	}
}
