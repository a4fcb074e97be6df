package scale

import (
	"slices"
	"testing"
)

// TestRule follows one queue. Each step adds lookups or ends a round trip, and has the sizes of the batches that
// begin.
func TestRule(t *testing.T) {
	t.Parallel()
	type step struct {
		add     int // lookups, in sequence
		end     bool
		batches []int
		reject  int
	}
	for name, steps := range map[string][]step{
		"a lone lookup is sent at once, the next after it": {
			{add: 1, batches: []int{1}}, {add: 1}, {end: true, batches: []int{1}}, {end: true}, {add: 1, batches: []int{1}},
		},
		"those that wait share the next round trip": {
			{add: 1, batches: []int{1}}, {add: 63}, {end: true, batches: []int{63}}, {add: 5}, {end: true, batches: []int{5}},
		},
		"64 that wait don't wait for the first to end, up to four at once": {
			{add: 1, batches: []int{1}}, {add: 63}, {add: 1, batches: []int{64}}, {add: 64, batches: []int{64}},
			{add: 64, batches: []int{64}}, {add: 64}, {end: true, batches: []int{64}}, {add: 10}, {end: true},
			{end: true}, {end: true}, {end: true, batches: []int{10}}, {end: true},
		},
		"a round trip has 256 at most, and what is left waits": {
			{add: 193, batches: []int{1, 64, 64, 64}}, {add: 300}, {end: true, batches: []int{256}}, {end: true}, {end: true},
			{end: true}, {end: true, batches: []int{44}},
		},
		"4096 may wait": {
			{add: 193, batches: []int{1, 64, 64, 64}}, {add: 4096}, {add: 2, reject: 2}, {end: true, batches: []int{256}},
			{add: 257, reject: 1},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			q := Queue[int]{Rule: ServiceRule}
			for i, step := range steps {
				var batches []int
				rejected := 0
				began := func(batch []int) {
					if batch != nil {
						batches = append(batches, len(batch))
					}
				}
				for range step.add {
					batch, accepted := q.Add(0)
					began(batch)
					if !accepted {
						rejected++
					}
				}
				if step.end {
					began(q.RoundTripEnded())
				}
				if !slices.Equal(batches, step.batches) || rejected != step.reject {
					t.Fatalf("step %d: batches of %d began and %d were rejected; want %d and %d",
						i+1, batches, rejected, step.batches, step.reject)
				}
			}
		})
	}
}
