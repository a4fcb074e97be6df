package harness

import (
	"net"
	"strconv"
	"sync"
	"testing"
)

// The ports that tests hand out lie below those that the kernel gives to connections, where a free one may
// be taken before the program that it is for listens on it. Each process of tests has a block of them for
// itself: it holds the block's first port.
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

// FreePort returns a port of loopback that nothing listens on, and that no other test is given.
func FreePort(t testing.TB) int {
	t.Helper()
	ports.mu.Lock()
	defer ports.mu.Unlock()
	for first := firstPort; ports.block == nil; first += blockSize {
		if first >= lastPort {
			t.Fatal("no block of ports is free")
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
