package service

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"gin-auth/e2e/internal/harness"
)

// TestLogReader runs the service with a log whose reader is blocked or has exited. If it is blocked, requests
// continue, and the lines that cannot be written are dropped and counted. SIGTERM stops the process.
func TestLogReader(t *testing.T) {
	t.Parallel()
	const requests = 1_000
	for name, gone := range map[string]bool{"stuck": false, "gone": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			read, write := pipe(t)
			if gone {
				_ = read.Close()
			}
			s, metrics := startLogged(t, write)
			askMe(t, s, login(t, s), requests)
			if got := droppedLines(t, metrics); gone && got < requests || !gone && got != 0 {
				t.Errorf("%d lines were dropped, want 0", got)
			}
			stop(t, s)
		})
	}

	t.Run("stuck, then back", func(t *testing.T) {
		t.Parallel()
		const requests = 8_000 // their log lines have at least 1 MiB
		read, write := pipe(t)
		s, metrics := startLogged(t, write)
		askMe(t, s, login(t, s), requests)
		dropped := droppedLines(t, metrics)
		if dropped == 0 {
			t.Error("no line was dropped, although nobody reads the log")
		}
		log := drain(read)
		harness.Eventually(t, "the dropped lines are reported", func() error {
			return mention(log, fmt.Sprintf(`"level":"WARN","msg":"log lines were dropped","count":%d}`, dropped))
		})
		send(t, s, "GET", "/no/such/route", "", "")
		harness.Eventually(t, "new lines are written", func() error { return mention(log, `"status":404`) })
		stop(t, s)
		_ = write.Close()
		harness.Eventually(t, "the last line is written", func() error { return mention(log, `"msg":"stopped"`) })

		var reports, answers int
		for line := range strings.Lines(log.String()) {
			var entry struct{ Msg, Path string }
			if err := json.Unmarshal([]byte(line), &entry); err != nil {
				t.Fatalf("%v: %s", err, line)
			}
			if entry.Msg == "log lines were dropped" {
				reports++
			}
			if entry.Path == "/api/auth/me" {
				answers++
			}
		}
		if reports != 1 || answers+dropped != requests {
			t.Errorf("the log has %d reports of dropped lines (want 1), and %d lines of %d requests, of which %d were dropped", reports, answers, requests, dropped)
		}
		t.Logf("%d of %d lines were dropped", dropped, requests)
	})

	t.Run("stuck while it fails to start", func(t *testing.T) {
		t.Parallel()
		_, write := pipe(t)
		if _, err := write.Write(make([]byte, pipeSize)); err != nil {
			t.Fatal(err)
		}
		taken, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		defer taken.Close()
		_, port, _ := net.SplitHostPort(taken.Addr().String())
		p := harness.StartTo(t, write, t.TempDir(), []string{"HOST=127.0.0.1", "PORT=" + port}, harness.Binary(t))
		if status := p.Exit(t); status != 1 {
			t.Errorf("exit status %d, want 1", status)
		}
	})
}

const pipeSize = 4096

// pipe returns the ends of a pipe that holds at most pipeSize bytes. A write to a full pipe blocks, as with a
// shell's pipe.
func pipe(t *testing.T) (read, write *os.File) {
	t.Helper()
	read, write, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _, _ = read.Close(), write.Close() })
	if _, err := unix.FcntlInt(write.Fd(), unix.F_SETPIPE_SZ, pipeSize); err != nil {
		t.Fatal(err)
	}
	if err := syscall.SetNonblock(int(write.Fd()), false); err != nil {
		t.Fatal(err)
	}
	return read, write
}

// startLogged starts the service with its log written to a file. It returns the service and the URL of its metrics.
func startLogged(t *testing.T, log *os.File) (s *harness.Service, metrics string) {
	t.Helper()
	addr := net.JoinHostPort("127.0.0.1", strconv.Itoa(harness.FreePort(t)))
	redis := harness.StartRedis(t)
	env := append(redis.Env(), "METRICS_ADDR="+addr, "REDIS_TIMEOUT=2s") // the machine may be busy
	return harness.StartServiceTo(t, log, production(env...)...), "http://" + addr + "/metrics"
}

// askMe sends a number of requests to /me, eight at a time. Each must be answered 200.
func askMe(t *testing.T, s *harness.Service, token string, requests int) {
	t.Helper()
	client := &http.Client{Timeout: 5 * time.Second, Transport: &http.Transport{MaxIdleConnsPerHost: 8}}
	defer client.CloseIdleConnections()
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			for range requests / 8 {
				if err := me(client, s, token); err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	all.Wait()
}

func me(client *http.Client, s *harness.Service, token string) error {
	request, err := http.NewRequest(http.MethodGet, s.URL+"/api/auth/me", nil)
	if err != nil {
		return err
	}
	request.Header.Set("Cookie", "token="+token)
	request.Header.Set("X-Request-Id", strings.Repeat("x", 64))
	response, err := client.Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	if _, err := io.Copy(io.Discard, response.Body); err != nil || response.StatusCode != http.StatusOK {
		return fmt.Errorf("/me: %s, %w", response.Status, err)
	}
	return nil
}

// droppedLines returns the count of dropped lines in the metrics.
func droppedLines(t *testing.T, metrics string) int {
	t.Helper()
	response, err := http.Get(metrics)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	match := regexp.MustCompile(`(?m)^gin_auth_log_lines_dropped_total (\S+)$`).FindSubmatch(text)
	if err != nil || match == nil {
		t.Fatalf("%v: the metrics have no count of dropped lines:\n%s", err, text)
	}
	value, err := strconv.ParseFloat(string(match[1]), 64)
	if err != nil {
		t.Fatal(err)
	}
	return int(value)
}

// stop stops the service. It fails if the process waits for the ten seconds that running requests are given.
func stop(t *testing.T, s *harness.Service) {
	t.Helper()
	start := time.Now()
	if status, took := s.Stop(t), time.Since(start); status != 0 || took > 9*time.Second {
		t.Errorf("SIGTERM: exit status %d after %s, want 0 soon", status, took)
	}
}

// drain reads everything from a file.
func drain(file *os.File) *syncBuffer {
	var b syncBuffer
	go func() { _, _ = io.Copy(&b, file) }()
	return &b
}

func mention(log *syncBuffer, text string) error {
	if !strings.Contains(log.String(), text) {
		return errors.New("not yet")
	}
	return nil
}

// syncBuffer is a buffer that one goroutine writes while another reads.
type syncBuffer struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (b *syncBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.Write(p)
}

func (b *syncBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.String()
}
