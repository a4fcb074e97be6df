package db

import (
	"context"
	"crypto/tls"
	"fmt"
	"net"
	"time"
)

// dialer returns how connections are made. One that can't be made fails when it is first used, not before:
// go-redis counts failed dials and, after as many as its pool is large, dials no more than once a second, so
// that a Redis that is back would be noticed a second late. How often a Redis that is away is dialled is up to
// the breaker.
func dialer(timeout time.Duration, config *tls.Config) func(ctx context.Context, network, addr string) (net.Conn, error) {
	plain := &net.Dialer{Timeout: timeout}
	dial := plain.DialContext
	if config != nil {
		dial = (&tls.Dialer{NetDialer: plain, Config: config}).DialContext
	}
	return func(ctx context.Context, network, addr string) (net.Conn, error) {
		conn, err := dial(ctx, network, addr)
		if err != nil {
			return failedConn{fmt.Errorf("%w", err)}, nil // go-redis unwraps it once, and the address would be gone
		}
		return conn, nil
	}
}

// failedConn is a connection that could not be made.
type failedConn struct{ err error }

func (c failedConn) Read([]byte) (int, error)         { return 0, c.err }
func (c failedConn) Write([]byte) (int, error)        { return 0, c.err }
func (c failedConn) Close() error                     { return nil }
func (c failedConn) LocalAddr() net.Addr              { return nil }
func (c failedConn) RemoteAddr() net.Addr             { return nil }
func (c failedConn) SetDeadline(time.Time) error      { return nil }
func (c failedConn) SetReadDeadline(time.Time) error  { return nil }
func (c failedConn) SetWriteDeadline(time.Time) error { return nil }
