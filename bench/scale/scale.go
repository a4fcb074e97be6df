// Package scale computes how many requests instances of the service carry that share one Redis or one Redis Cluster.
// It simulates them event by event, from the costs that the bench has measured.
//
// Requests arrive independently of each other (Poisson), each at any instance with the same probability. A request
// takes a core of its instance, waits for its lookup, and takes a core again. A round trip of a batch of lookups takes
// the network's time and, first come first served, the time of the node's only thread, which is the same for all
// batches of a size. Nothing else takes time: the figures are an upper bound for real instances, which have a garbage
// collector, logs and neighbors.
package scale

import (
	"math/rand/v2"
	"slices"
)

// Cost is what a node of Redis spends on a round trip, in seconds.
type Cost struct {
	RoundTrip float64 // whatever the number of lookups
	Lookup    float64 // for each lookup
}

// Of returns the cost of a round trip with so many lookups.
func (c Cost) Of(lookups int) float64 { return c.RoundTrip + c.Lookup*float64(lookups) }

// Setup is what is simulated. Times are in seconds.
type Setup struct {
	Instances     int
	Cores         int     // of each instance
	Before, After float64 // of a core, for each request, before and after its lookup
	Nodes         int     // masters of Redis, each with one thread
	Lookups       int     // of each request: at a Cluster two, each at any node with the same probability
	Cost          Cost
	Network       float64 // the round-trip time between an instance and a node
	Rule          Rule
	Rate          float64 // requests a second that arrive
	Requests      int     // how many arrive before the simulation ends; the first fifth is not measured
	Seed          uint64
}

// Result is what the simulation has shown. Times are in seconds. The counts are of the whole simulation, all else is
// of its measured part.
type Result struct {
	Arrived, Answered, Rejected, Inside int
	PerSecond                           float64   // requests answered
	Growth                              float64   // of the number of requests inside, as a share of those that arrived
	Mean, P50, P99                      float64   // of the lookups of a request
	Redis                               []float64 // the utilization of each node
	CPU                                 float64   // the utilization of the instances' cores
	Batch                               float64   // lookups a round trip
}

// Run simulates a setup. The same setup has the same result.
func Run(setup Setup) Result {
	s := &simulation{
		Setup:  setup,
		random: rand.New(rand.NewPCG(setup.Seed, 0)), //nolint:gosec // G404: arrivals, not secrets
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
