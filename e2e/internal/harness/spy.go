package harness

import (
	"net"
	"sync"
	"testing"
)

// Spy is a TCP proxy in front of a redis-server. It records the commands that its clients send, and can delay them.
type Spy struct {
	listener net.Listener
	target   string
	closed   chan struct{}

	mu        sync.Mutex
	trips     []*RoundTrip
	next      *hold
	gathering *gathering // see Steps
	conns     []net.Conn
}

// RoundTrip has the commands that a client sent on a connection before it waited for a reply. A script is recorded
// by its keys: EVAL key key.
type RoundTrip []string

// hold delays a round trip.
type hold struct {
	match    func(RoundTrip) bool
	held     chan struct{}
	released chan struct{}
}

// StartSpy starts a Spy in front of the server at an address, host:port.
func StartSpy(t testing.TB, target string) *Spy {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := &Spy{listener: listener, target: target, closed: make(chan struct{})}
	var all sync.WaitGroup
	all.Go(func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			all.Go(func() { s.serve(conn) })
		}
	})
	t.Cleanup(func() {
		_ = listener.Close()
		close(s.closed)
		s.mu.Lock()
		for _, conn := range s.conns {
			_ = conn.Close()
		}
		s.mu.Unlock()
		all.Wait()
	})
	return s
}

// Addr returns the host:port of the Spy.
func (s *Spy) Addr() string { return s.listener.Addr().String() }

// Env returns the setting that connects the service to the Spy.
func (s *Spy) Env() []string { return []string{"REDIS_URL=redis://" + s.Addr()} }

// Take returns the round trips since the last call, except those that open a connection.
func (s *Spy) Take() []RoundTrip {
	s.mu.Lock()
	defer s.mu.Unlock()
	var trips []RoundTrip
	for _, trip := range s.trips {
		if len(*trip) > 0 && !greets((*trip)[0]) {
			trips = append(trips, *trip)
		}
	}
	s.trips = nil
	return trips
}

// Hold delays only the next round trip that match accepts. held is closed when that round trip has arrived. release
// forwards it, and must be called exactly once, even if no round trip arrived.
func (s *Spy) Hold(match func(RoundTrip) bool) (held <-chan struct{}, release func()) {
	h := &hold{match, make(chan struct{}), make(chan struct{})}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.next = h
	return h.held, func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		if s.next == h {
			s.next = nil
		}
		close(h.released)
	}
}

func (s *Spy) serve(client net.Conn) {
	server, err := net.Dial("tcp", s.target)
	if err != nil {
		_ = client.Close()
		return
	}
	s.mu.Lock()
	s.conns = append(s.conns, client, server)
	s.mu.Unlock()
	select {
	case <-s.closed: // the Spy was closed before the connections were in conns
		_, _ = client.Close(), server.Close()
	default:
	}
	c := &spiedConn{spy: s, replied: true}
	var both sync.WaitGroup
	both.Go(func() { c.pass(server, client, c.sent) })
	both.Go(func() { c.pass(client, server, c.received) })
	both.Wait()
}

// spiedConn is a connection through a Spy.
type spiedConn struct {
	spy     *Spy
	replied bool // the server has replied since the client last sent something
	trip    *RoundTrip
	unread  string // the received part of an incomplete command
}

// pass copies data from one side to the other until either is closed. look sees the data before it is forwarded.
func (c *spiedConn) pass(to, from net.Conn, look func(string)) {
	defer func() { _, _ = to.Close(), from.Close() }()
	buffer := make([]byte, 64<<10)
	for {
		n, err := from.Read(buffer)
		if err != nil {
			return
		}
		look(string(buffer[:n]))
		if _, err := to.Write(buffer[:n]); err != nil {
			return
		}
	}
}

func (c *spiedConn) received(string) {
	c.spy.mu.Lock()
	defer c.spy.mu.Unlock()
	c.replied = true
}

// sent records what a client sent, and returns when it may be forwarded.
func (c *spiedConn) sent(text string) {
	if h := c.record(text); h != nil {
		close(h.held)
		select {
		case <-h.released:
		case <-c.spy.closed:
		}
	}
}

func (c *spiedConn) record(text string) *hold {
	s := c.spy
	s.mu.Lock()
	defer s.mu.Unlock()
	begins := c.replied
	if begins {
		c.trip = &RoundTrip{}
		s.trips = append(s.trips, c.trip)
	}
	c.replied, c.unread = false, c.unread+text
	for args, rest := readCommand(c.unread); args != nil; args, rest = readCommand(c.unread) {
		*c.trip, c.unread = append(*c.trip, describe(args)), rest
	}
	if !begins || len(*c.trip) == 0 || greets((*c.trip)[0]) {
		return nil
	}
	if s.gathering != nil {
		return s.gathering.hold(c.trip)
	}
	h := s.next
	if h == nil || !h.match(*c.trip) {
		return nil
	}
	s.next = nil
	return h
}
