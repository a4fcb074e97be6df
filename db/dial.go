package db

import (
	"context"
	"crypto/tls"
	"fmt"
	"net"
	"slices"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

// connectTimeout bounds connecting: TCP, TLS, HELLO and SELECT. It is separate from the timeout of a call, because
// connecting takes several round trips, which is long if Redis is far away. A caller waits no longer than its own
// timeout; the connection is then finished in the background and used by a later call.
const connectTimeout = 2 * time.Second

// dialer makes the connections to Redis, and records them so that it can close them all.
type dialer struct {
	tls      func() (*tls.Config, error) // nil for none
	greeting []exchange
	// sentinels are the addresses that are sent sentinelGreeting instead of greeting.
	sentinels        []string
	sentinelGreeting []exchange
	// advice is appended to the error if nothing listens at the address.
	advice string

	seeds []string // the configured nodes of a Cluster, none otherwise

	mu         sync.Mutex
	open       map[*conn]bool
	nodes      map[string]bool      // the nodes of a Cluster that have answered, by address: whether they accept the user
	distrusted map[string]time.Time // sentinels that have named a replica, and until when they are not asked

	asking atomic.Int64           // how many connections wait until a sentinel names the master
	master atomic.Pointer[string] // the address that a sentinel named last, nil without sentinels

	failed    atomic.Pointer[connectError] // why the latest attempt to connect to Redis failed, nil if it did not
	roundTrip atomic.Int64                 // the latest estimate, in nanoseconds, 0 before the first
}

// connectError is why no connection to Redis could be made.
type connectError struct {
	err    error
	advice string
}

func (e *connectError) Error() string {
	if e.advice == "" {
		return e.err.Error()
	}
	return e.err.Error() + ": " + e.advice
}

func (e *connectError) Unwrap() error { return e.err }

// dial connects. If that fails, it returns a connection that fails when it is first used, and no error. go-redis counts
// errors of dial: after as many as its pool has connections, it would dial only once a second, and notice up to a
// second late that Redis is available again. The breaker limits how often an unavailable Redis is dialed.
func (d *dialer) dial(ctx context.Context, network, addr string) (net.Conn, error) {
	d.foundMaster(ctx, addr)
	ctx, cancel := context.WithTimeout(ctx, connectTimeout)
	defer cancel()
	c, err := d.connect(ctx, network, addr)
	if !d.isSentinel(addr) { // the others may answer
		d.failed.Store(err)
	}
	if err != nil {
		return failedConn{fmt.Errorf("%w", err)}, nil // go-redis unwraps it once
	}
	return c, nil
}

func (d *dialer) isSentinel(addr string) bool { return slices.Contains(d.sentinels, addr) }

func (d *dialer) connect(ctx context.Context, network, addr string) (*conn, *connectError) {
	if d.isSentinel(addr) && !d.trusts(addr) {
		return nil, &connectError{fmt.Errorf("the sentinel at %s has named a replica", addr), ""}
	}
	var encryption *tls.Config
	if d.tls != nil {
		var err error
		if encryption, err = d.tls(); err != nil {
			return nil, &connectError{err, ""}
		}
	}
	raw, err := new(net.Dialer).DialContext(ctx, network, addr)
	if err != nil {
		if seed := d.announcedBy(addr); seed != "" {
			return nil, &connectError{&unreachableError{seed, addr, err}, d.adviceOnAnnounced()}
		}
		return nil, &connectError{err, d.adviceOnDial(err, network, addr)}
	}
	c := &conn{Conn: raw, dialer: d}
	if encryption != nil {
		if err := c.startTLS(ctx, encryption, addr); err != nil {
			_ = raw.Close()
			return nil, err
		}
	}
	greeting := d.greeting
	if d.isSentinel(addr) {
		c.sentinel, greeting = addr, d.sentinelGreeting
	}
	if err := c.greet(ctx, greeting); err != nil {
		_ = raw.Close()
		return nil, &connectError{fmt.Errorf("%s: %w", addr, err), adviceOnGreeting(err, network, encryption)}
	}
	refusal := c.refusal()
	if refusal != "" && c.sentinel != "" {
		_ = raw.Close()
		err := fmt.Errorf("the sentinel at %s: %s", addr, refusal)
		return nil, &connectError{err, "see REDIS_SENTINEL_USERNAME and REDIS_SENTINEL_PASSWORD"}
	}
	d.recordNode(addr, refusal == "")
	return d.keep(c), nil
}

// startTLS encrypts the connection. It changes config, which is used for this connection only.
func (c *conn) startTLS(ctx context.Context, config *tls.Config, addr string) *connectError {
	named := config.ServerName != ""
	if !named {
		config.ServerName, _, _ = net.SplitHostPort(addr)
	}
	client := tls.Client(c.Conn, config)
	if err := client.HandshakeContext(ctx); err != nil {
		return &connectError{fmt.Errorf("TLS with %s: %w", addr, err), adviceOnTLS(err, config, named)}
	}
	c.Conn = client
	return nil
}

// measured records how long a round trip took. If it was longer than the estimate, the estimate rises by an eighth of
// the difference only, because this machine may have been busy.
func (d *dialer) measured(roundTrip time.Duration) {
	before := time.Duration(d.roundTrip.Load())
	if before > 0 && roundTrip > before {
		roundTrip = before + (roundTrip-before)/8
	}
	d.roundTrip.Store(int64(roundTrip))
}

// keep records a connection until it is closed.
func (d *dialer) keep(c *conn) *conn {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.open[c] = true
	return c
}

// closeAll closes every connection. Commands under way fail, and go-redis discards the connections that are idle.
func (d *dialer) closeAll() {
	d.mu.Lock()
	all := d.open
	d.open = map[*conn]bool{}
	d.mu.Unlock()
	for c := range all {
		_ = c.Close()
	}
}

// conn is a connection to Redis that has been greeted.
type conn struct {
	net.Conn
	dialer   *dialer
	sentinel string // its address, "" if this is not one
	closed   atomic.Bool
	greeted  []exchange // done by greet, and not yet requested by go-redis
	replies  []byte     // that go-redis has not yet read
}

// Close closes the connection.
func (c *conn) Close() error {
	c.closed.Store(true)
	c.dialer.mu.Lock()
	delete(c.dialer.open, c)
	c.dialer.mu.Unlock()
	return c.Conn.Close()
}

// SyscallConn lets go-redis see whether the connection is still open before it is used.
func (c *conn) SyscallConn() (syscall.RawConn, error) {
	if c.closed.Load() {
		return nil, net.ErrClosed
	}
	if plain, ok := c.Conn.(syscall.Conn); ok {
		return plain.SyscallConn()
	}
	return uncheckedConn{}, nil // with TLS, bytes that can be read may not be meant for go-redis
}

// uncheckedConn is the syscall.RawConn of a connection whose socket go-redis must not examine.
type uncheckedConn struct{}

func (uncheckedConn) Control(func(uintptr)) error    { return nil }
func (uncheckedConn) Read(func(uintptr) bool) error  { return nil }
func (uncheckedConn) Write(func(uintptr) bool) error { return nil }

// failedConn is a connection that could not be made.
type failedConn struct{ err error }

func (c failedConn) Read([]byte) (int, error)              { return 0, c.err }
func (c failedConn) Write([]byte) (int, error)             { return 0, c.err }
func (c failedConn) Close() error                          { return nil }
func (c failedConn) LocalAddr() net.Addr                   { return nowhere{} }
func (c failedConn) RemoteAddr() net.Addr                  { return nowhere{} }
func (c failedConn) SetDeadline(time.Time) error           { return nil }
func (c failedConn) SetReadDeadline(time.Time) error       { return nil }
func (c failedConn) SetWriteDeadline(time.Time) error      { return nil }
func (c failedConn) SyscallConn() (syscall.RawConn, error) { return nil, c.err }

// nowhere is the address of a connection that could not be made. After a failover go-redis compares the address of
// every connection.
type nowhere struct{}

func (nowhere) Network() string { return "tcp" }
func (nowhere) String() string  { return "nowhere" }
