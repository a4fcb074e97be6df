package siblings

import (
	"net/http"
	"slices"
	"testing"
	"time"

	"gin-auth/e2e/internal/harness"
)

// addedBar is the time that verify may add to a request through nginx.
const addedBar = 1500 * time.Microsecond

// TestAddedLatency prints the time that nginx adds to a request, with and without verify. The three kinds of
// request are sent in turn, so that the machine's noise affects all of them equally.
func TestAddedLatency(t *testing.T) {
	s := startShop(t)
	token, _ := s.register(t, "ada", "user")
	cart := s.direct.urls["cart"]
	unasked := startFront(t, s.auth, map[string]string{"cart": cart}, open...)
	urls := []string{cart, unasked.url, s.proxied.urls["cart"]}
	times := make([][]time.Duration, len(urls))
	rounds := 50
	if harness.Measuring {
		rounds = 1000
	}
	for range rounds {
		for i, url := range urls {
			start := time.Now()
			s.send(t, "GET", url+"/api/cart", http.Header{"Cookie": {"token=" + token}}, "").want(t, url, 200, "")
			times[i] = append(times[i], time.Since(start))
		}
	}
	p50 := func(i int) time.Duration {
		slices.Sort(times[i])
		return times[i][rounds/2].Round(10 * time.Microsecond)
	}
	added := p50(2) - p50(1)
	t.Logf("p50 of %d requests: directly %s, through nginx %s, through nginx with verify %s: %s more (bar %s)",
		rounds, p50(0), p50(1), p50(2), added, addedBar)
	if harness.Measuring && added > 3*addedBar {
		t.Error("verify adds more than three times the bar")
	}
}
