package harness

import "time"

// stepQuiet is how long no further round trip has to begin before those that are held are passed on.
const stepQuiet = 150 * time.Millisecond

// gathering is an order to hold round trips back, all that are sent at the same time.
type gathering struct {
	match    func(RoundTrip) bool
	arrived  chan struct{}
	held     []*RoundTrip
	released chan struct{}
}

// Steps runs run and returns the round trips that match accepts, in steps. Those of a step are held back until no more
// arrive, and then passed on. So one that is sent only after the reply to another is always in a later step. One that
// could be in the same step is in it unless its client was too slow to send it: the smallest of several results counts.
func (s *Spy) Steps(match func(RoundTrip) bool, run func()) (steps [][]RoundTrip) {
	g := &gathering{match: match, arrived: make(chan struct{}, 1), released: make(chan struct{})}
	s.mu.Lock()
	s.gathering = g
	s.mu.Unlock()
	done := make(chan struct{})
	go func() {
		defer close(done)
		run()
	}()
	var all [][]*RoundTrip
	for running := true; running; {
		select {
		case <-g.arrived:
			g.wait()
		case <-done:
			running = false
		}
		s.mu.Lock()
		if len(g.held) > 0 {
			all = append(all, g.held)
		}
		close(g.released)
		g.held, g.released = nil, make(chan struct{})
		if !running {
			s.gathering = nil
		}
		s.mu.Unlock()
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, held := range all { // the rest of each has arrived since
		var step []RoundTrip
		for _, trip := range held {
			step = append(step, *trip)
		}
		steps = append(steps, step)
	}
	return steps
}

// wait waits until no round trip has arrived for stepQuiet.
func (g *gathering) wait() {
	for {
		select {
		case <-g.arrived:
		case <-time.After(stepQuiet):
			return
		}
	}
}

// hold returns what holds a round trip back, nil for one that match does not accept. The Spy is locked.
func (g *gathering) hold(trip *RoundTrip) *hold {
	if !g.match(*trip) {
		return nil
	}
	g.held = append(g.held, trip)
	select {
	case g.arrived <- struct{}{}:
	default: // wait has not seen the last one yet
	}
	return &hold{held: make(chan struct{}), released: g.released}
}
