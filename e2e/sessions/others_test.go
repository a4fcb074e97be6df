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

// longerBar is the largest permitted difference of two medians, as a fraction of the shorter.
const longerBar = 0.15

// headerOf returns the header of a response without the lines that differ between any two responses.
func headerOf(a answer) string {
	header := a.header.Clone()
	for _, name := range []string{"Date", "X-Request-Id"} {
		if header.Get(name) != "" {
			header[http.CanonicalHeaderKey(name)] = []string{"set"}
		}
	}
	var lines strings.Builder
	_ = header.Write(&lines) // Write sorts the lines
	return lines.String()
}

// withoutID returns round trips as a string with the id replaced by ID.
func withoutID(trips []harness.RoundTrip, id string) string {
	return strings.ReplaceAll(fmt.Sprintf("%q", trips), id, "ID")
}

// TestOthersSession ends another user's session, one that does not exist, and one with an invalid id. All get the
// same response, and Redis receives the same commands.
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

// reversed returns another id of the same form.
func reversed(id string) string {
	bytes := []byte(id)
	slices.Reverse(bytes)
	return string(bytes)
}

// compareTimes sends the requests in turn, so that the machine's noise affects all of them equally.
func compareTimes(t *testing.T, url, token string, ids map[string]string) {
	t.Helper()
	const rounds = 500
	times := map[string][]time.Duration{}
	for range rounds {
		for name, id := range ids { // in a random order
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
	t.Logf("the longest median is %.1f %% longer than the shortest (bar %.0f %%)", 100*longer, 100*longerBar)
	if harness.Measuring && longer > 3*longerBar {
		t.Error("the medians differ by more than three times the bar")
	}
}
