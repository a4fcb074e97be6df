package harness

import (
	"net"
	"strconv"
	"sync"
	"testing"
)

// The ports of the tests are below those that the kernel assigns to outgoing connections. Otherwise a connection
// could take a free port before the program listens on it. Each test process has its own block of ports and
// reserves it by listening on the first one.
const (
	firstPort = 10_000
	lastPort  = 32_000
	blockSize = 200
)

var ports struct {
	mu    sync.Mutex
	block net.Listener
	first int
	next  int
}

// FreePort returns a loopback port that nothing listens on. No other test gets the same port.
func FreePort(t testing.TB) int {
	t.Helper()
	ports.mu.Lock()
	defer ports.mu.Unlock()
	for first := firstPort; ports.block == nil; first += blockSize {
		if first >= lastPort {
			t.Fatal("no block of ports is free: stop other test runs")
		}
		if block, err := listen(first); err == nil {
			ports.block, ports.first = block, first
		}
	}
	for range blockSize - 1 {
		ports.next = ports.next%(blockSize-1) + 1
		port := ports.first + ports.next
		if listener, err := listen(port); err == nil {
			_ = listener.Close()
			return port
		}
	}
	t.Fatalf("no port from %d to %d is free", ports.first, ports.first+blockSize-1)
	return 0
}

func listen(port int) (net.Listener, error) {
	return net.Listen("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(port)))
}
