package parity

import (
	"encoding/json"
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"
)

// outcome is a case and what became of it.
type outcome struct {
	ready
	original, ours answer
	combination    combination
}

// check holds this service's answer against what a divergence promises.
type check func(t *testing.T, o outcome)

// The messages that both sides answer with.
const (
	refused     = "Unauthorized user"
	expired     = "Session expired. Please login again."
	unavailable = "Authentication service unavailable"
	loggedOut   = "logged out successfully"
	failed      = "Internal server error"
)

// all holds an answer against every check.
func all(checks ...check) check {
	return func(t *testing.T, o outcome) {
		t.Helper()
		for _, check := range checks {
			check(t, o)
		}
	}
}

// guarded is for divergences that show on /me and on logout: the answer must be a 401 that refuses the
// token and keeps the cookie, or a logout that clears it. Either changes nothing in Redis.
func guarded(t *testing.T, o outcome) {
	t.Helper()
	if o.ours.status == http.StatusOK {
		logsOut(t, o)
		return
	}
	refuses(http.StatusUnauthorized, refused)(t, o)
}

// refuses wants a message in JSON, no cookie, and nothing changed in Redis.
func refuses(status int, message string) check {
	return all(says(status, message), setsNoCookie, writesNothing)
}

// logsOut wants a logout that writes nothing.
var logsOut = all(says(http.StatusOK, loggedOut), clears, writesNothing)

// says wants a status and a message in JSON; any message if it is empty, and nothing but that.
func says(status int, message string) check {
	return func(t *testing.T, o outcome) {
		t.Helper()
		if o.ours.status != status {
			t.Errorf("we answer %d, want %d", o.ours.status, status)
		}
		var body map[string]string
		err := json.Unmarshal([]byte(o.ours.body), &body)
		switch {
		case o.ours.contentType != "application/json; charset=utf-8":
			t.Errorf("our Content-Type is %q", o.ours.contentType)
		case strings.HasPrefix(o.request, "HEAD "): // no body
		case err != nil || len(body) != 1 || body["message"] == "" || message != "" && body["message"] != message:
			t.Errorf("we say %s, want the message %q alone", o.ours.body, message)
		}
	}
}

// hasStatus wants a status and leaves the rest to the comparison.
func hasStatus(status int) check {
	return func(t *testing.T, o outcome) {
		t.Helper()
		if o.ours.status != status {
			t.Errorf("we answer %d, want %d", o.ours.status, status)
		}
	}
}

func setsNoCookie(t *testing.T, o outcome) {
	t.Helper()
	if len(o.ours.setCookie) > 0 {
		t.Errorf("we set the cookie %q, want none", o.ours.setCookie)
	}
}

// clears wants the cookie cleared.
func clears(t *testing.T, o outcome) {
	t.Helper()
	want := o.combination.cleared(o.combination.setting("COOKIE_SAMESITE", "strict"))
	if got := cookies(o.ours); len(got) != 1 || !slices.Equal(got[0], want) {
		t.Errorf("we set the cookie %q, want it cleared by %q", got, want)
	}
}

func writesNothing(t *testing.T, o outcome) {
	t.Helper()
	if changed := o.ours.changed(); len(changed) > 0 {
		t.Errorf("we change in Redis: %v, want nothing", changed.keys())
	}
}

// unavailableNow wants the answer to a request that Redis was needed for.
func unavailableNow(t *testing.T, o outcome) {
	t.Helper()
	if strings.Contains(o.request, logout) {
		refuses(http.StatusInternalServerError, failed)(t, o)
		return
	}
	refuses(http.StatusServiceUnavailable, unavailable)(t, o)
}

// sameStatus wants the original's status and any message in JSON.
func sameStatus(t *testing.T, o outcome) {
	t.Helper()
	refuses(o.original.status, "")(t, o)
}

// endOfTime is 9999-12-31, where the expiry of an entry is cut off.
const endOfTime = 253402300799

// livesAsLongAsItsToken wants one entry in the blacklist that outlives its token by a minute, and one
// for ever for a token without exp.
func livesAsLongAsItsToken(t *testing.T, o outcome) {
	t.Helper()
	key := o.combination.entryOf(o.made)
	for other := range o.ours.changed() {
		if other != key {
			t.Errorf("we change %q in Redis", other)
		}
	}
	e := o.ours.after[key]
	if e.kind != "string" || e.value != "true" {
		t.Errorf("our entry is %s %q, want the text true", e.kind, e.value)
	}
	want := int64(forever)
	if exp, ok := claimsOf(o.made)["exp"].(float64); ok {
		want = int64(min(exp, endOfTime)) + 60 - o.ours.at.Unix()
	}
	if got := life(e, o.ours.at); far(got, want) {
		t.Errorf("our entry lives %d s, want %d s", got, want)
	}
}

// refusedByGo wants a refusal of net/http itself.
func refusedByGo(t *testing.T, o outcome) {
	t.Helper()
	all(setsNoCookie, writesNothing)(t, o)
	if o.ours.status < 400 || o.ours.json() {
		t.Errorf("we answer %d as %s, want a refusal by net/http", o.ours.status, o.ours.contentType)
	}
}

// readsNoBody wants an answer that the body has no part in.
func readsNoBody(t *testing.T, o outcome) {
	t.Helper()
	answeredByUs(t, o)
	if o.ours.status != http.StatusOK && o.ours.status != http.StatusNotFound {
		t.Errorf("we answer %d, want 200, or 404", o.ours.status)
	}
}

// answeredByUs wants an answer of a handler of ours.
func answeredByUs(t *testing.T, o outcome) {
	t.Helper()
	if !o.ours.json() {
		t.Errorf("we answer %d as %q, want JSON", o.ours.status, o.ours.contentType)
	}
}

// keepsFieldRules wants a refusal, or a user whose name and address are in their one form.
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
		t.Errorf("we answer %d %s, want a user in the one form", o.ours.status, o.ours.body)
	}
}

// identified wants an issued token that is the original's, except that it has its own id, of 192 bits.
func identified(t *testing.T, o outcome) {
	t.Helper()
	theirs, claims := issuedClaims(o.original), issuedClaims(o.ours)
	if len(claims) != 2 || len(theirs) != 2 {
		t.Errorf("issued are %v and %v, want one token each", theirs, claims)
		return
	}
	mine := maps.Clone(claims[1].(map[string]any))
	if id, _ := mine["jti"].(string); len(id) != 32 {
		t.Errorf("our jti is %v, want 32 characters", mine["jti"])
	}
	delete(mine, "jti")
	if want := o.combination.renameUser(theirs[1]); !maps.Equal(mine, want) {
		t.Errorf("we issue %v, want %v", mine, want)
	}
}

// storesUser wants one new user and nothing else.
func storesUser(t *testing.T, o outcome) {
	t.Helper()
	for key, e := range o.ours.changed() {
		if !strings.HasPrefix(key, "auth:user") || e.kind != "string" || e.expires >= 0 {
			t.Errorf("we write %q, %s %q, want a user who stays", key, e.kind, e.value)
		}
	}
}

// startsNot wants a process that ends by itself and says why.
func startsNot(variable string) check {
	return func(t *testing.T, o outcome) {
		t.Helper()
		if !strings.HasPrefix(o.ours.start, "exits 1: ") || !strings.Contains(o.ours.start, variable) {
			t.Errorf("we start like this: %s; want exit status 1 and the name of %s", o.ours.start, variable)
		}
	}
}
