package sessions

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"gin-auth/e2e/internal/harness"
)

// longerBar is by how much one median may be longer than another, as a part of it.
const longerBar = 0.15

// headerOf returns an answer's header without what differs between any two answers.
func headerOf(a answer) string {
	header := a.header.Clone()
	for _, name := range []string{"Date", "X-Request-Id"} {
		if header.Get(name) != "" {
			header[http.CanonicalHeaderKey(name)] = []string{"set"}
		}
	}
	var lines strings.Builder
	_ = header.Write(&lines) // which sorts
	return lines.String()
}

// withoutID returns round trips as a string, with ID in place of an id.
func withoutID(trips []harness.RoundTrip, id string) string {
	return strings.ReplaceAll(fmt.Sprintf("%q", trips), id, "ID")
}

// TestOthersSession ends somebody else's session, one that does not exist, and what is no id. All get the same answer,
// and Redis is sent the same commands.
func TestOthersSession(t *testing.T) {
	t.Parallel()
	s := startSpied(t)
	_, token := mustRegister(t, s.auth, "ada")
	bob, bobs := mustRegister(t, s.auth, "bob")
	other := bob.mustLogin(t, s.auth)
	id := claims(bobs).JTI
	ids := map[string]string{
		"somebody else's": id,
		"unknown":         reversed(id),
		"garbage":         "%00" + strings.Repeat("x", 18),
	}
	first := ""
	for name, id := range ids {
		var got answer
		trips := s.tripsOf(func() { got = send(t, 404, "DELETE", s.auth+"/sessions/"+id, token, nil) })
		if all := headerOf(got) + got.body + withoutID(trips, id); first == "" {
			first = all
		} else if all != first {
			t.Errorf("%s:\n%s\nwant\n%s", name, all, first)
		}
	}
	send(t, 200, "GET", s.auth+"/me", bobs, nil)
	send(t, 200, "GET", s.auth+"/me", other, nil)
	compareTimes(t, s.auth, token, ids)
	send(t, 200, "GET", s.auth+"/me", bobs, nil)
	if n := len(list(t, s.auth, other)); n != 2 {
		t.Errorf("bob has %d sessions, want 2", n)
	}
}

// reversed returns an id of the same form.
func reversed(id string) string {
	bytes := []byte(id)
	slices.Reverse(bytes)
	return string(bytes)
}

// compareTimes sends the requests in turn, so that the noise of a machine is the same for all.
func compareTimes(t *testing.T, url, token string, ids map[string]string) {
	t.Helper()
	const rounds = 500
	times := map[string][]time.Duration{}
	for range rounds {
		for name, id := range ids { // in another order each time
			began := time.Now()
			send(t, 404, "DELETE", url+"/sessions/"+id, token, nil)
			times[name] = append(times[name], time.Since(began))
		}
	}
	var medians []time.Duration
	for name := range ids {
		slices.Sort(times[name])
		medians = append(medians, times[name][rounds/2])
		t.Logf("%s: p50 of %d is %s", name, rounds, times[name][rounds/2])
	}
	longer := float64(slices.Max(medians))/float64(slices.Min(medians)) - 1
	t.Logf("the longest is longer by %.1f %% than the shortest (bar %.0f %%)", 100*longer, 100*longerBar)
	if measuring && longer > 3*longerBar {
		t.Error("the times differ by more than three times the bar")
	}
}
