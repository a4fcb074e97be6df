package parity

import (
	"encoding/json"
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"
)

// outcome is a case and its responses.
type outcome struct {
	ready
	original, ours answer
	combination    combination
}

// check checks this service's response for a divergence.
type check func(t *testing.T, o outcome)

// These are the messages of both sides.
const (
	refused     = "Unauthorized user"
	expired     = "Session expired. Please login again."
	unavailable = "Authentication service unavailable"
	loggedOut   = "logged out successfully"
	failed      = "Internal server error"
)

// all runs every check on a response.
func all(checks ...check) check {
	return func(t *testing.T, o outcome) {
		t.Helper()
		for _, check := range checks {
			check(t, o)
		}
	}
}

// guarded is for divergences on /me and on logout. The response must be a 401 that rejects the token and does not
// change the cookie, or a logout that clears it. Neither may change Redis.
func guarded(t *testing.T, o outcome) {
	t.Helper()
	if o.ours.status == http.StatusOK {
		logsOut(t, o)
		return
	}
	refuses(http.StatusUnauthorized, refused)(t, o)
}

// refuses checks for a message in JSON, no cookie, and no change in Redis.
func refuses(status int, message string) check {
	return all(says(status, message), setsNoCookie, writesNothing)
}

// logsOut checks for a logout that writes nothing to Redis.
var logsOut = all(says(http.StatusOK, loggedOut), clears, writesNothing)

// says checks for a status and a JSON body with only this message, or with any message if it is empty.
func says(status int, message string) check {
	return func(t *testing.T, o outcome) {
		t.Helper()
		if o.ours.status != status {
			t.Errorf("this service answers %d, want %d", o.ours.status, status)
		}
		var body map[string]string
		err := json.Unmarshal([]byte(o.ours.body), &body)
		switch {
		case o.ours.contentType != "application/json; charset=utf-8":
			t.Errorf("this service's Content-Type is %q, want JSON", o.ours.contentType)
		case strings.HasPrefix(o.request, "HEAD "): // the response has no body
		case err != nil || len(body) != 1 || body["message"] == "" || message != "" && body["message"] != message:
			t.Errorf("this service answers %s, want only the message %q", o.ours.body, message)
		}
	}
}

// hasStatus checks only the status. The comparison checks the rest.
func hasStatus(status int) check {
	return func(t *testing.T, o outcome) {
		t.Helper()
		if o.ours.status != status {
			t.Errorf("this service answers %d, want %d", o.ours.status, status)
		}
	}
}

func setsNoCookie(t *testing.T, o outcome) {
	t.Helper()
	if len(o.ours.setCookie) > 0 {
		t.Errorf("this service sets the cookie %q, want none", o.ours.setCookie)
	}
}

// clears checks that the cookie is cleared.
func clears(t *testing.T, o outcome) {
	t.Helper()
	want := o.combination.cleared(o.combination.setting("COOKIE_SAMESITE", "strict"))
	if got := cookies(o.ours); len(got) != 1 || !slices.Equal(got[0], want) {
		t.Errorf("this service sets the cookie %q, want it cleared by %q", got, want)
	}
}

func writesNothing(t *testing.T, o outcome) {
	t.Helper()
	if changed := o.ours.changed(); len(changed) > 0 {
		t.Errorf("this service changes %v in Redis, want no change", changed.keys())
	}
}

// unavailableNow checks the response to a request that needs Redis while Redis is unavailable.
func unavailableNow(t *testing.T, o outcome) {
	t.Helper()
	if strings.Contains(o.request, logout) {
		refuses(http.StatusInternalServerError, failed)(t, o)
		return
	}
	refuses(http.StatusServiceUnavailable, unavailable)(t, o)
}

// sameStatus checks for the original's status and any message in JSON.
func sameStatus(t *testing.T, o outcome) {
	t.Helper()
	refuses(o.original.status, "")(t, o)
}

// endOfTime is 9999-12-31, the latest expiry of an entry.
const endOfTime = 253402300799

// livesAsLongAsItsToken checks that the blacklist has one entry, which expires a minute after its token. For a
// token without exp the entry must never expire.
func livesAsLongAsItsToken(t *testing.T, o outcome) {
	t.Helper()
	key := o.combination.entryOf(o.made)
	for other := range o.ours.changed() {
		if other != key {
			t.Errorf("this service changes %q in Redis, want only the entry", other)
		}
	}
	e := o.ours.after[key]
	if e.kind != "string" || e.value != "true" {
		t.Errorf("the entry is %s %q, want the string true", e.kind, e.value)
	}
	want := int64(forever)
	if exp, ok := claimsOf(o.made)["exp"].(float64); ok {
		want = int64(min(exp, endOfTime)) + 60 - o.ours.at.Unix()
	}
	if got := life(e, o.ours.at); far(got, want) {
		t.Errorf("the entry expires after %d s, want %d s", got, want)
	}
}

// refusedByGo checks that net/http itself rejected the request.
func refusedByGo(t *testing.T, o outcome) {
	t.Helper()
	all(setsNoCookie, writesNothing)(t, o)
	if o.ours.status < 400 || o.ours.json() {
		t.Errorf("this service answers %d as %s, want the request rejected by net/http", o.ours.status, o.ours.contentType)
	}
}

// readsNoBody checks that the response does not depend on the body.
func readsNoBody(t *testing.T, o outcome) {
	t.Helper()
	answeredByUs(t, o)
	if o.ours.status != http.StatusOK && o.ours.status != http.StatusNotFound {
		t.Errorf("this service answers %d, want 200 or 404", o.ours.status)
	}
}

// answeredByUs checks that one of our handlers answered.
func answeredByUs(t *testing.T, o outcome) {
	t.Helper()
	if !o.ours.json() {
		t.Errorf("this service answers %d as %q, want JSON", o.ours.status, o.ours.contentType)
	}
}

// keepsFieldRules checks that the request was rejected, or that the user's name and address are in their normalized
// form.
func keepsFieldRules(t *testing.T, o outcome) {
	t.Helper()
	if o.ours.status == http.StatusBadRequest {
		refuses(http.StatusBadRequest, "")(t, o)
		return
	}
	var body struct {
		User struct{ Email, Username string }
	}
	if err := json.Unmarshal([]byte(o.ours.body), &body); err != nil {
		t.Error(err)
	}
	name, email := body.User.Username, body.User.Email
	if o.ours.status >= 300 || email == "" || email != strings.ToLower(strings.TrimSpace(email)) || name != strings.TrimSpace(name) {
		t.Errorf("this service answers %d %s, want a user with a normalized name and address", o.ours.status, o.ours.body)
	}
}

// identified checks that the issued token equals the original's, except for its jti of 192 bits.
func identified(t *testing.T, o outcome) {
	t.Helper()
	theirs, claims := issuedClaims(o.original), issuedClaims(o.ours)
	if len(claims) != 2 || len(theirs) != 2 {
		t.Errorf("the original issued %v and this service %v, want one token each", theirs, claims)
		return
	}
	mine := maps.Clone(claims[1].(map[string]any))
	if id, _ := mine["jti"].(string); len(id) != 32 {
		t.Errorf("this service's jti is %v, want 32 characters", mine["jti"])
	}
	delete(mine, "jti")
	if want := o.combination.renameUser(theirs[1]); !maps.Equal(mine, want) {
		t.Errorf("this service issues %v, want %v", mine, want)
	}
}

// storesUser checks that one new user is stored and nothing else.
func storesUser(t *testing.T, o outcome) {
	t.Helper()
	for key, e := range o.ours.changed() {
		if !strings.HasPrefix(key, "auth:user") || e.kind != "string" || e.expires >= 0 {
			t.Errorf("this service writes %q, %s %q, want a user without an expiry", key, e.kind, e.value)
		}
	}
}

// startsNot checks that the process exits by itself with a message about a variable.
func startsNot(variable string) check {
	return func(t *testing.T, o outcome) {
		t.Helper()
		if !strings.HasPrefix(o.ours.start, "exits 1: ") || !strings.Contains(o.ours.start, variable) {
			t.Errorf("this service's start: %s; want exit status 1 and a message that names %s", o.ours.start, variable)
		}
	}
}
