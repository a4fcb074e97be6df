package scale

import "math/rand/v2"

// simulation is the state of a setup at one moment.
type simulation struct {
	Setup
	random *rand.Rand
	events events
	now    float64
	cores  [][]float64        // for each instance, the times until which its cores are busy
	queues []*Queue[*request] // for each instance, one queue per node
	free   []float64          // when each node will have finished its round trips
	ended  bool

	inside int // unanswered requests
	result Result

	// These fields are for the measured part.
	measuring        bool
	start            float64
	insideAtStart    int
	answered         int
	sent, roundTrips int
	busy             float64   // core time, in seconds
	times            []float64 // lookup times
}

type request struct {
	instance int
	asked    float64 // when its lookups were added
	pending  int     // lookups without a reply
	rejected bool
}

func (s *simulation) schedule(at float64, do func()) { s.events.push(event{at, do}) }

func (s *simulation) warmUp() int { return s.Requests / 5 }

// arrive adds the nth request.
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

// compute uses the core of an instance that is free first for some time, and then calls do.
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

// send makes a round trip with a batch, unless it is nil, and then the next ones that are due. All batches take the
// same time to a node, so the node serves them in the order in which they are sent.
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

// reply ends one lookup of a request. After the last one, the request continues.
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
