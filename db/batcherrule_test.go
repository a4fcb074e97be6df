package db

import (
	"errors"
	"log/slog"
	"math/rand/v2"
	"testing"
	"time"

	"gin-auth/bench/scale"
)

// TestSimulatedRule: the simulation of bench/scale begins the same round trips as the batcher, with as many lookups,
// and rejects the same lookups. Times of many lookups and of many replies alternate, so that the queue and the round
// trips are sometimes full and sometimes empty.
func TestSimulatedRule(t *testing.T) {
	t.Parallel()
	d, err := Open(Options{Timeout: time.Second, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = d.Close() })
	b := d.newBatcher(d.breaker)
	simulated := scale.Queue[int]{Rule: scale.ServiceRule}
	random := rand.New(rand.NewPCG(1, 2))
	var largest, most, rejected, underWay int
	lookups := 0.5 // how likely the next step is a lookup
	for step := range 200_000 {
		if step%5000 == 0 {
			lookups = []float64{0.5, 0.9, 0.995, 1, 0.1}[random.IntN(5)]
		}
		var began []*lookup
		var same []int
		if random.Float64() < lookups {
			q := &lookup{}
			began = b.enqueue(t.Context(), q)
			var accepted bool
			if same, accepted = simulated.Add(0); accepted == errors.Is(q.err, errOverloaded) {
				t.Fatalf("step %d: accepted in the simulation: %t; the lookup's error: %v", step, accepted, q.err)
			}
			if !accepted {
				rejected++
			}
		} else if underWay > 0 {
			underWay--
			began, same = b.afterRoundTrip(), simulated.RoundTripEnded()
		}
		if len(began) != len(same) {
			t.Fatalf("step %d: a round trip with %d lookups begins, in the simulation one with %d", step, len(began), len(same))
		}
		if began != nil {
			underWay++
		}
		largest, most = max(largest, len(began)), max(most, underWay)
	}
	if largest != maxBatch || most != maxRoundTrips || rejected == 0 {
		t.Errorf("the limits were not met: batches of %d, %d round trips, %d rejected", largest, most, rejected)
	}
}
