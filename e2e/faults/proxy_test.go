package faults

import (
	"net"
	"sync"
	"testing"
	"time"
)

// fault is what a proxy does to its connections.
type fault struct {
	swallow bool          // drop everything, in both directions
	delay   time.Duration // delay every reply
	cut     int           // if not 0: reset the connection after this many bytes of a reply
}

// proxy is a TCP proxy between the service and a Redis.
type proxy struct {
	listener net.Listener

	mu     sync.Mutex
	target string
	fault  fault
	closed bool
	open   map[*net.TCPConn]bool
	all    sync.WaitGroup
}

func startProxy(t *testing.T, target string) *proxy {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p := &proxy{listener: listener, target: target, open: map[*net.TCPConn]bool{}}
	p.all.Go(p.accept)
	t.Cleanup(p.close)
	return p
}

// url returns the setting that makes the service connect through the proxy.
func (p *proxy) url() string { return "REDIS_URL=redis://" + p.addr() }

func (p *proxy) addr() string { return p.listener.Addr().String() }

// set begins a fault. The zero fault ends it.
func (p *proxy) set(f fault) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.fault = f
}

func (p *proxy) now() fault {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.fault
}

// moveTo resets every connection and connects new ones to another target, as a failover does.
func (p *proxy) moveTo(target string) {
	p.rename(target)
	p.reset()
}

// rename connects new connections to another target. Open connections stay at the old one, as they do when a host
// name moves.
func (p *proxy) rename(target string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.target = target
}

func (p *proxy) reset() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for conn := range p.open {
		_ = conn.SetLinger(0)
		_ = conn.Close()
	}
}

func (p *proxy) close() {
	p.mu.Lock()
	p.closed = true
	p.mu.Unlock()
	_ = p.listener.Close()
	p.reset()
	p.all.Wait()
}

func (p *proxy) accept() {
	for {
		conn, err := p.listener.Accept()
		if err != nil {
			return
		}
		p.all.Go(func() { p.serve(conn.(*net.TCPConn)) })
	}
}

// keep registers connections until forget is called. After close it closes them instead.
func (p *proxy) keep(conns ...*net.TCPConn) (forget func()) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, conn := range conns {
		p.open[conn] = true
		if p.closed {
			_ = conn.Close()
		}
	}
	return func() {
		p.mu.Lock()
		defer p.mu.Unlock()
		for _, conn := range conns {
			_ = conn.Close()
			delete(p.open, conn)
		}
	}
}

func (p *proxy) serve(from *net.TCPConn) {
	p.mu.Lock()
	target := p.target
	p.mu.Unlock()
	conn, err := net.Dial("tcp", target)
	if err != nil {
		_ = from.Close()
		return
	}
	to := conn.(*net.TCPConn)
	defer p.keep(from, to)()
	var both sync.WaitGroup
	both.Go(func() { p.pass(to, from, false) })
	both.Go(func() { p.pass(from, to, true) })
	both.Wait()
}

// chunk is data that was read, and the time at which to pass it on.
type chunk struct {
	data []byte
	due  time.Time
}

// pass copies until either side is closed. After dropping data it also drops the rest of the connection. A delay
// models a long distance: a chunk does not wait for the one before it to arrive.
func (p *proxy) pass(to, from *net.TCPConn, replies bool) {
	chunks := make(chan chunk, 1024)
	var written sync.WaitGroup
	written.Go(func() { p.write(to, from, chunks, replies) })
	defer written.Wait()
	defer close(chunks)
	swallowed := false
	for {
		buffer := make([]byte, 16<<10)
		n, err := from.Read(buffer)
		if err != nil {
			return
		}
		f := p.now()
		if swallowed = swallowed || f.swallow; swallowed {
			continue
		}
		due := time.Time{}
		if replies && f.delay > 0 {
			due = time.Now().Add(f.delay)
		}
		chunks <- chunk{buffer[:n], due}
	}
}

func (p *proxy) write(to, from *net.TCPConn, chunks <-chan chunk, replies bool) {
	defer to.Close()
	defer from.Close()
	for chunk := range chunks {
		if !chunk.due.IsZero() {
			time.Sleep(time.Until(chunk.due))
		}
		if f := p.now(); replies && f.cut > 0 && len(chunk.data) > f.cut {
			_, _ = to.Write(chunk.data[:f.cut])
			time.Sleep(time.Millisecond) // otherwise the reset could overtake the written data
			_ = to.SetLinger(0)
			_ = to.Close()
			_ = from.Close()
			break
		}
		if _, err := to.Write(chunk.data); err != nil {
			_ = from.Close()
			break
		}
	}
	for range chunks { // the reader ends when its connection is closed
	}
}
