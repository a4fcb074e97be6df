package service

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"gin-auth/e2e/internal/harness"
)

// TestHostileClients connects many clients that send incomplete requests, too much data or garbage. No connection
// stays open, Redis receives no command, and the memory does not grow.
func TestHostileClients(t *testing.T) {
	t.Parallel()
	redis := harness.StartRedis(t)
	s := harness.StartService(t, production(append(redis.Env(), "LOG_LEVEL=warn")...)...)
	s.WaitFor(t, "this Redis can lose logouts") // the check for rights and risks runs once a minute; this was the first
	client := redis.Client(t)
	if err := client.ConfigResetStat(t.Context()).Err(); err != nil {
		t.Fatal(err)
	}
	before := memory(t, s)

	t.Run("long", func(t *testing.T) { // not in parallel with the others: each sends up to 200 MB
		for text, status := range map[string]string{
			"GET /api/auth/me HTTP/1.1\r\nHost: x\r\nX: " + strings.Repeat("x", 1_000_000) + "\r\n\r\n":                                                        "431",
			"POST /api/auth/login HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 10000000\r\n\r\n" + strings.Repeat("x", 10_000_000): "413",
		} {
			tooLong(t, s, text, status)
		}
	})
	t.Run("slow", func(t *testing.T) {
		t.Parallel()
		texts := []string{
			"", "GET /api/auth/me HTTP/1.1\r\nHost: x\r\n",
			"POST /api/auth/login HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n{",
		}
		const clients = 500
		var late atomic.Int64
		var all sync.WaitGroup
		for i := range clients {
			conn := dial(t, s, texts[i%len(texts)])
			start := time.Now()
			all.Go(func() {
				if _, err := io.Copy(io.Discard, conn); err != nil {
					t.Errorf("a connection was not closed: %v", err)
				}
				if time.Since(start) > 5500*time.Millisecond {
					late.Add(1)
				}
			})
		}
		all.Wait()
		t.Logf("%d of %d connections were open after 5 s (bar 0)", late.Load(), clients)
	})
	t.Run("garbage", func(t *testing.T) {
		t.Parallel()
		const clients, rounds, atOnce = 8, 125, 100
		var all sync.WaitGroup
		for client := range clients {
			all.Go(func() {
				conn := dial(t, s, "")
				in := bufio.NewReader(conn)
				for round := range rounds {
					extend(t, conn)
					garbage(t, conn, in, client*rounds+round, atOnce)
				}
			})
		}
		all.Wait()
		t.Logf("%d garbage cookies", clients*rounds*atOnce)
	})
	t.Cleanup(func() {
		stats, err := client.Info(context.Background(), "commandstats").Result() // t.Context has ended
		if err != nil || strings.Contains(stats, "cmdstat_exists:") || strings.Contains(stats, "cmdstat_set:") {
			t.Errorf("hostile requests sent commands to Redis: %v\n%s", err, stats)
		}
		after := memory(t, s)
		t.Logf("memory: %d MB before, at most %d MB later (bar: 50 more)", before, after)
		if after > before+150 {
			t.Errorf("the memory grew from %d to %d MB, want at most 150 MB more", before, after)
		}
	})
}

// tooLong sends a request that is too long on 20 connections at once. Each must be answered with the status, or be
// closed without a response that the client can read. The service closes the connection half a second after its
// response. TCP then discards a response that the client has not read yet, if part of its request is also unread
// (RFC 9112, 9.6).
func tooLong(t *testing.T, s *harness.Service, text, status string) {
	t.Helper()
	var answered atomic.Int64
	var all sync.WaitGroup
	for range 20 {
		conn := dial(t, s, "")
		all.Go(func() {
			go func() { _, _ = io.WriteString(conn, text) }() // the connection may be closed before all is sent
			switch line, err := bufio.NewReader(conn).ReadString('\n'); {
			case strings.Contains(line, " "+status+" "):
				answered.Add(1)
			case line != "" || !errors.Is(err, syscall.ECONNRESET):
				t.Errorf("%.20s…: got %s, %v; want %s", text, line, err, status)
			}
		})
	}
	all.Wait()
	if answered.Load() == 0 {
		t.Errorf("%.20s…: none of 20 requests was answered %s", text, status)
	}
}

// garbage sends pipelined requests, each with a cookie that is not a token of the service, and reads the responses.
func garbage(t *testing.T, conn net.Conn, in *bufio.Reader, seed, n int) {
	t.Helper()
	var text strings.Builder
	for i := range n {
		fmt.Fprintf(&text, "GET /api/auth/me HTTP/1.1\r\nHost: x\r\nCookie: token=eyJhbGciOiJIUzI1NiJ9.e%dX%d.%043d\r\n\r\n", seed, i, seed*n+i)
	}
	if _, err := io.WriteString(conn, text.String()); err != nil {
		t.Error(err)
		return
	}
	for range n {
		status, err := in.ReadString('\n')
		if err != nil || !strings.HasPrefix(status, "HTTP/1.1 401 ") {
			t.Errorf("a garbage cookie: got %q, %v, want 401", status, err)
			return
		}
		length := 0
		for line := status; strings.TrimSpace(line) != ""; {
			if line, err = in.ReadString('\n'); err != nil {
				t.Error(err)
				return
			}
			_, _ = fmt.Sscanf(line, "Content-Length: %d", &length)
		}
		if _, err := in.Discard(length); err != nil {
			t.Error(err)
			return
		}
	}
}

// memory returns the peak memory of the service, in MB.
func memory(t *testing.T, s *harness.Service) (megabytes int) {
	t.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", s.Process.Process.Pid))
	if err != nil {
		t.Fatal(err)
	}
	_, peak, _ := strings.Cut(string(text), "VmHWM:")
	_, _ = fmt.Sscan(peak, &megabytes)
	return megabytes / 1024
}
