package scale

import "math/rand/v2"

// simulation is the state of a setup at one moment.
type simulation struct {
	Setup
	random *rand.Rand
	events events
	now    float64
	cores  [][]float64        // of each instance, until when each is busy
	queues []*Queue[*request] // instance by instance, one for each node
	free   []float64          // when each node will have finished all that was sent to it
	ended  bool

	inside int // requests
	result Result

	// The measured part.
	measuring        bool
	start            float64
	insideAtStart    int
	answered         int
	sent, roundTrips int
	busy             float64   // seconds of cores
	times            []float64 // of lookups
}

type request struct {
	instance int
	asked    float64 // when
	pending  int     // lookups
	rejected bool
}

func (s *simulation) schedule(at float64, do func()) { s.events.push(event{at, do}) }

func (s *simulation) warmUp() int { return s.Requests / 5 }

// arrive has the nth request arrive.
func (s *simulation) arrive(n int) {
	if n == s.warmUp() {
		s.measuring, s.start, s.insideAtStart = true, s.now, s.inside
	}
	if s.result.Arrived++; n < s.Requests {
		s.schedule(s.now+s.random.ExpFloat64()/s.Rate, func() { s.arrive(n + 1) })
	}
	s.inside++
	q := &request{instance: s.random.IntN(s.Instances)}
	s.compute(q.instance, s.Before, func() { s.ask(q) })
	s.ended = n == s.Requests
}

// compute takes a core of an instance for a time, the one that is free first, and then continues with do.
func (s *simulation) compute(instance int, seconds float64, do func()) {
	cores := s.cores[instance]
	first := 0
	for i := range cores {
		if cores[i] < cores[first] {
			first = i
		}
	}
	cores[first] = max(cores[first], s.now) + seconds
	s.schedule(cores[first], func() {
		if s.measuring {
			s.busy += seconds
		}
		do()
	})
}

// ask adds the lookups of a request to the queues of their nodes.
func (s *simulation) ask(q *request) {
	q.asked, q.pending = s.now, s.Lookups
	for range s.Lookups {
		node := 0
		if s.Nodes > 1 {
			node = s.random.IntN(s.Nodes)
		}
		batch, accepted := s.queues[q.instance*s.Nodes+node].Add(q)
		if !accepted {
			q.rejected = true
			s.reply(q)
		}
		s.send(q.instance, node, batch)
	}
}

// send makes a round trip with a batch, nil for none, and then those that are due. Batches take the same time to a
// node, so the one sent first is served first.
func (s *simulation) send(instance, node int, batch []*request) {
	if batch == nil {
		return
	}
	cost := s.Cost.Of(len(batch))
	s.free[node] = max(s.free[node], s.now+s.Network/2) + cost
	s.schedule(s.free[node]+s.Network/2, func() {
		if s.measuring {
			s.result.Redis[node] += cost
			s.sent += len(batch)
			s.roundTrips++
		}
		for _, q := range batch {
			s.reply(q)
		}
		s.send(instance, node, s.queues[instance*s.Nodes+node].RoundTripEnded())
	})
}

// reply ends one lookup of a request. With the last one, the request goes on.
func (s *simulation) reply(q *request) {
	if q.pending--; q.pending > 0 {
		return
	}
	if q.rejected {
		s.result.Rejected++
		s.inside--
		return
	}
	if s.measuring {
		s.times = append(s.times, s.now-q.asked)
	}
	s.compute(q.instance, s.After, func() {
		s.result.Answered++
		s.inside--
		if s.measuring {
			s.answered++
		}
	})
}
