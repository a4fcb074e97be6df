package scale

import (
	"math"
	"reflect"
	"testing"
)

const us = 1e-6

// alone sends each lookup immediately, in its own round trip.
var alone = Rule{MaxRoundTrips: math.MaxInt, MaxBatch: 1, MinBatch: 1, MaxQueue: math.MaxInt}

// one is a single instance with two cores on one Redis. Its CPU is the limit.
var one = Setup{
	Instances: 1, Cores: 2, Before: 25 * us, After: 15 * us, Nodes: 1, Lookups: 1,
	Cost: Cost{RoundTrip: 20 * us, Lookup: 1 * us}, Network: 200 * us, Rule: ServiceRule, Seed: 1,
}

func near(t *testing.T, what string, got, want, share float64) {
	t.Helper()
	if math.Abs(got-want) > share*math.Abs(want) {
		t.Errorf("%s is %g; want %g ± %g %%", what, got, want, 100*share)
	}
}

// TestQueueingTheory checks that without batches a node is a queue with random arrivals and a constant service time
// (M/D/1).
func TestQueueingTheory(t *testing.T) {
	t.Parallel()
	for _, utilization := range []float64{0.3, 0.6, 0.8} {
		s := one
		s.Instances, s.Before, s.After, s.Network, s.Rule = 7, 0, 0, 0, alone
		s.Cost = Cost{RoundTrip: 8 * us, Lookup: 2 * us}
		s.Rate, s.Requests = utilization/(10*us), 300_000
		r := Run(s)
		near(t, "the mean", r.Mean, 10*us+10*us*utilization/(2*(1-utilization)), 0.03)
		near(t, "the utilization", r.Redis[0], utilization, 0.01)
		near(t, "the batch", r.Batch, 1, 0)
	}
}

// TestCores checks that two cores share one queue, and are as busy at twice the rate as one core.
func TestCores(t *testing.T) {
	t.Parallel()
	s := one
	s.Cost, s.Network, s.Cores = Cost{}, 0, 1
	s.Rate, s.Requests = 0.8/(s.Before+s.After), 100_000
	near(t, "the utilization of one core", Run(s).CPU, 0.8, 0.01)
	s.Cores, s.Rate = 2, 2*s.Rate
	near(t, "the utilization of two cores", Run(s).CPU, 0.8, 0.01)
	s.Rate *= 2
	near(t, "the utilization of two cores that are not enough", Run(s).CPU, 1, 0.01)
}

// TestNothingIsLost checks that every arrived request is answered, rejected or still in the simulation, even under
// overload.
func TestNothingIsLost(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		change   func(*Setup)
		rejected bool
	}{
		"few":             {change: func(s *Setup) { s.Rate = 1000 }},
		"many":            {change: func(s *Setup) { s.Rate = 45_000 }},
		"more than cores": {change: func(s *Setup) { s.Rate = 100_000 }},
		"more than Redis": {change: func(s *Setup) { s.Rate, s.Cores, s.Cost.Lookup = 200_000, 16, 20*us }, rejected: true},
		"a Cluster":       {change: func(s *Setup) { s.Rate, s.Nodes, s.Lookups = 40_000, 3, 2 }},
		"too small a Cluster": {change: func(s *Setup) {
			s.Rate, s.Cores, s.Nodes, s.Lookups, s.Cost.Lookup = 300_000, 32, 3, 2, 20*us
		}, rejected: true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := one
			s.Requests = 50_000
			test.change(&s)
			r := Run(s)
			if r.Arrived != s.Requests || r.Answered+r.Rejected+r.Inside != r.Arrived || r.Answered == 0 {
				t.Errorf("of %d requests, %d were answered, %d rejected and %d are unanswered: the sum is wrong",
					r.Arrived, r.Answered, r.Rejected, r.Inside)
			}
			if r.Rejected > 0 != test.rejected {
				t.Errorf("%d requests were rejected", r.Rejected)
			}
		})
	}
}

// TestUtilizationIsRateTimesCost checks the utilization of the cores and of each node.
func TestUtilizationIsRateTimesCost(t *testing.T) {
	t.Parallel()
	for _, nodes := range []int{1, 3} {
		s := one
		s.Instances, s.Nodes, s.Rate, s.Requests = 4, nodes, 120_000, 100_000
		if nodes > 1 {
			s.Lookups = 2
		}
		r := Run(s)
		near(t, "what is answered", r.PerSecond, s.Rate, 0.02)
		near(t, "the CPU's utilization", r.CPU, s.Rate*(s.Before+s.After)/8, 0.02)
		for _, utilization := range r.Redis {
			lookups := s.Rate * float64(s.Lookups) / float64(nodes)
			near(t, "Redis's utilization", utilization, lookups*s.Cost.PerLookup(r.Batch), 0.03)
		}
	}
}

// TestLoneLookup checks that a lone lookup takes only the network's time and the cost of its round trip.
func TestLoneLookup(t *testing.T) {
	t.Parallel()
	s := one
	s.Rate, s.Requests = 10, 1000
	r := Run(s)
	near(t, "the median", r.P50, 221*us, 1e-6)
	near(t, "the batch", r.Batch, 1, 0.01)
	s.Nodes, s.Lookups, s.Requests = 1000, 2, 10_000 // both lookups rarely go to the same node
	near(t, "the median at a Cluster", Run(s).P50, 221*us, 1e-6)
	s.Nodes = 1 // the second lookup waits for the first
	near(t, "the median of two lookups of a node", Run(s).P50, 442*us, 1e-6)
}

func TestSameSeedSameResult(t *testing.T) {
	t.Parallel()
	s := one
	s.Rate, s.Requests = 30_000, 20_000
	first, again := Run(s), Run(s)
	if !reflect.DeepEqual(first, again) {
		t.Errorf("the same setup gave %+v and then %+v", first, again)
	}
	s.Seed++
	if other := Run(s); other.Mean == first.Mean {
		t.Errorf("another seed gave the same mean, %g", other.Mean)
	}
}

// TestCarried checks that with few instances their CPU is the limit, and two serve twice as many requests as one.
// With many instances Redis is the limit, and more instances serve fewer requests, because their batches are
// smaller.
func TestCarried(t *testing.T) {
	t.Parallel()
	const limit = 5e-3
	carried := func(instances, nodes int) Capacity {
		s := one
		if s.Instances, s.Nodes = instances, nodes; nodes > 1 {
			s.Lookups = 2
		}
		return Carried(s, limit)
	}
	c1, c2, c32, c64 := carried(1, 1), carried(2, 1), carried(32, 1), carried(64, 1)
	near(t, "one instance", c1.PerSecond, 2/(40*us), 0.03)
	near(t, "two instances", c2.PerSecond, 2*c1.PerSecond, 0.03)
	if !c1.CPUFirst || !c2.CPUFirst || c32.CPUFirst || c64.CPUFirst {
		t.Errorf("the CPU is the first limit of 1, 2, 32 and 64: %t, %t, %t, %t",
			c1.CPUFirst, c2.CPUFirst, c32.CPUFirst, c64.CPUFirst)
	}
	if c64.PerSecond > 0.9*c32.PerSecond || c64.P99 > limit || c64.P99 < 0.9*limit || c64.Redis[0] < 0.98 {
		t.Errorf("64 instances serve %.0f with a p99 of %g and Redis at %.2f; 32 serve %.0f",
			c64.PerSecond, c64.P99, c64.Redis[0], c32.PerSecond)
	}
	// A Cluster divides the two lookups of each request among its nodes, in smaller batches. So three nodes serve
	// fewer requests than 3/2 of one node.
	three, six := carried(64, 3), carried(64, 6)
	if three.PerSecond < 1.1*c64.PerSecond || three.PerSecond > 1.5*c64.PerSecond ||
		six.PerSecond < 1.3*three.PerSecond || six.CPUFirst {
		t.Errorf("one node serves %.0f, three %.0f and six %.0f", c64.PerSecond, three.PerSecond, six.PerSecond)
	}
	// A queue that is too short rejects lookups far below the capacity.
	s := one
	s.Rule.MaxQueue = 5
	if short := Carried(s, limit); short.Rejected > 0 || short.CPUFirst || short.PerSecond > 0.9*c1.PerSecond {
		t.Errorf("with a short queue, %d of %d are rejected at %.0f requests/s; the CPU is the limit: %t",
			short.Rejected, short.Arrived, short.PerSecond, short.CPUFirst)
	}
}

func TestFit(t *testing.T) {
	t.Parallel()
	want := Cost{RoundTrip: 20 * us, Lookup: 1.5 * us}
	var points []Point
	for _, batch := range []float64{1, 4, 15, 60} {
		points = append(points, Point{batch, want.PerLookup(batch)})
	}
	got, deviation := Fit(points)
	near(t, "the cost of a round trip", got.RoundTrip, want.RoundTrip, 1e-9)
	near(t, "the cost of a lookup", got.Lookup, want.Lookup, 1e-9)
	if deviation > 1e-9 {
		t.Errorf("the line deviates by %g from exact points", deviation)
	}
	points[1].PerLookup *= 1.1
	got, deviation = Fit(points)
	near(t, "the cost of a lookup beside a wrong point", got.Lookup, want.Lookup, 0.1)
	if deviation < 0.03 || deviation > 0.1 {
		t.Errorf("the line deviates by %g from points of which one is 10 %% too high", deviation)
	}
}
