// Package scale computes how many requests can be served by instances that share one Redis or one Redis Cluster. It
// is a discrete-event simulation with the costs measured by the bench.
//
// Requests arrive independently of each other (Poisson), each at any instance with the same probability. A request
// uses a core of its instance, waits for its lookup, and uses a core again. A round trip of a batch of lookups
// takes the network's time and then the time of the node's only thread, in order of arrival. All batches of a size
// take the same time. Nothing else takes time. Real instances have a garbage collector, logs and neighbors, so the
// figures are upper bounds.
package scale

import (
	"math/rand/v2"
	"slices"
)

// Cost is the time that a Redis node spends on a round trip, in seconds.
type Cost struct {
	RoundTrip float64 // regardless of the number of lookups
	Lookup    float64 // for each lookup; on a Cluster this includes the GET of its epoch
}

// Of returns the cost of a round trip with this many lookups.
func (c Cost) Of(lookups int) float64 { return c.RoundTrip + c.Lookup*float64(lookups) }

// Setup describes a simulation. Times are in seconds.
type Setup struct {
	Instances     int
	Cores         int     // of each instance
	Before, After float64 // core time of each request, before and after its lookup
	Nodes         int     // masters of Redis, each with one thread
	Lookups       int     // per request: two on a Cluster, each at a random node
	Cost          Cost
	Network       float64 // the round-trip time between an instance and a node
	Rule          Rule
	Rate          float64 // requests a second that arrive
	Requests      int     // number of arrivals; the first fifth is not measured
	Seed          uint64
}

// Result is the result of a simulation. Times are in seconds. The counts are for the whole simulation, and
// everything else for its measured part.
type Result struct {
	Arrived, Answered, Rejected, Inside int
	PerSecond                           float64   // requests answered
	Growth                              float64   // of unanswered requests, as a share of the arrived ones
	Mean, P50, P99                      float64   // of the lookups of a request
	Redis                               []float64 // the utilization of each node
	CPU                                 float64   // the utilization of the instances' cores
	Batch                               float64   // lookups per round trip
}

// Run simulates a setup. The same setup always has the same result.
func Run(setup Setup) Result {
	s := &simulation{
		Setup:  setup,
		random: rand.New(rand.NewPCG(setup.Seed, 0)), //nolint:gosec // G404: random arrivals, not secrets
		cores:  make([][]float64, setup.Instances),
		free:   make([]float64, setup.Nodes),
	}
	for i := range setup.Instances {
		s.cores[i] = make([]float64, setup.Cores)
		for range setup.Nodes {
			s.queues = append(s.queues, &Queue[*request]{Rule: setup.Rule})
		}
	}
	s.result.Redis = make([]float64, setup.Nodes)
	s.schedule(s.random.ExpFloat64()/s.Rate, func() { s.arrive(1) })
	for !s.ended {
		next := s.events.pop()
		s.now = next.at
		next.do()
	}
	return s.summary()
}

func (s *simulation) summary() Result {
	r := s.result
	r.Inside = s.inside
	seconds := s.now - s.start
	r.PerSecond = float64(s.answered) / seconds
	r.Growth = float64(s.inside-s.insideAtStart) / float64(s.Requests-s.warmUp())
	if s.roundTrips > 0 {
		r.Batch = float64(s.sent) / float64(s.roundTrips)
	}
	for node := range r.Redis {
		r.Redis[node] /= seconds
	}
	r.CPU = s.busy / seconds / float64(s.Instances*s.Cores)
	if n := len(s.times); n > 0 {
		slices.Sort(s.times)
		r.P50, r.P99 = s.times[n/2], s.times[n*99/100]
		for _, t := range s.times {
			r.Mean += t / float64(n)
		}
	}
	return r
}
