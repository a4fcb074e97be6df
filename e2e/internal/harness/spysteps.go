package harness

import "time"

// stepQuiet is how long Steps waits for another round trip before it forwards those of a step.
const stepQuiet = 150 * time.Millisecond

// gathering delays the round trips that are sent at the same time.
type gathering struct {
	match    func(RoundTrip) bool
	arrived  chan struct{}
	held     []*RoundTrip
	released chan struct{}
}

// Steps calls run and returns the round trips that match accepts, grouped in steps. The round trips of a step are
// delayed until no more arrive, and are then forwarded. So a round trip that is sent after the reply to another is
// always in a later step. If a client sends a round trip too slowly, it can also be in a later step than necessary.
// So call Steps several times and take the smallest result.
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
	for _, held := range all { // by now each round trip is complete
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

// hold returns the hold for a round trip, or nil if match does not accept it. The Spy must be locked.
func (g *gathering) hold(trip *RoundTrip) *hold {
	if !g.match(*trip) {
		return nil
	}
	g.held = append(g.held, trip)
	select {
	case g.arrived <- struct{}{}:
	default: // wait has not received the previous signal yet
	}
	return &hold{held: make(chan struct{}), released: g.released}
}
