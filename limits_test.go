package main

import (
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// userNamed is ada's registration under another name.
func userNamed(format string, i int) string {
	return strings.ReplaceAll(ada, "ada", fmt.Sprintf(format, i))
}

// TestLoginsWhileManyRegister: 32 clients that register without a pause leave the logins enough time to hash.
func TestLoginsWhileManyRegister(t *testing.T) {
	t.Parallel()
	s := newService(t, "LOGIN_LIMIT=off", "BCRYPT_COST=8")
	s.send(t, s.tls.Client(), "POST", "/api/auth/register", ada)
	var registered, busy, next atomic.Int32
	var done atomic.Bool
	var all sync.WaitGroup
	for range 32 {
		all.Go(func() {
			for !done.Load() {
				got := s.send(t, s.tls.Client(), "POST", "/api/auth/register", userNamed("user%d", int(next.Add(1))))
				switch got.status {
				case 201:
					registered.Add(1)
				case 503:
					busy.Add(1)
				default:
					t.Errorf("a registration: %d %s", got.status, got.body)
				}
			}
		})
	}
	for busy.Load() < 32 {
		time.Sleep(time.Millisecond)
	}
	good := 0
	for range 10 {
		if got := s.send(t, s.tls.Client(), "POST", loginPath, adaLogin); got.status == 200 {
			good++
		}
	}
	done.Store(true)
	all.Wait()
	t.Logf("%d of 10 logins, %d registered, %d told to come again", good, registered.Load(), busy.Load())
	if good != 10 || registered.Load() == 0 {
		t.Errorf("%d of 10 logins and %d registrations were successful", good, registered.Load())
	}
}
