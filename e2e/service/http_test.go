package service

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"gin-auth/e2e/internal/harness"
)

// dial opens a connection and sends text.
func dial(t *testing.T, s *harness.Service, text string) net.Conn {
	t.Helper()
	conn, err := net.Dial("tcp", strings.TrimPrefix(s.URL, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	if err := conn.SetDeadline(time.Now().Add(20 * time.Second)); err != nil {
		t.Fatal(err)
	}
	if _, err := io.WriteString(conn, text); err != nil {
		t.Fatal(err)
	}
	return conn
}

// answer reads an answer, its body included.
func answer(t *testing.T, conn net.Conn) (*http.Response, string) {
	t.Helper()
	response, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return response, string(body)
}

func TestLimits(t *testing.T) {
	t.Parallel()
	s := harness.StartService(t)
	request := func(header string) string {
		return "GET /api/auth/me HTTP/1.1\r\nHost: x\r\n" + header + "\r\n\r\n"
	}
	for size, status := range map[int]int{15_900: 401, 16_500: 431, 1_000_000: 431} {
		text := request("X: ")
		text = strings.Replace(text, "X: ", "X: "+strings.Repeat("x", size-len(text)), 1)
		conn := dial(t, s, text[:min(len(text), 60_000)]) // the rest may meet a connection that is closed
		if response, body := answer(t, conn); response.StatusCode != status {
			t.Errorf("a head of %d bytes: %d %s", len(text), response.StatusCode, body)
		}
	}
	for size, status := range map[int]int{100 << 10: 401, 100<<10 + 1: 413, 10_000_000: 413} {
		body := `{"email":"a@b.c","password":"`
		body += strings.Repeat("x", min(size, 200_000)-len(body)-2) + `"}`
		head := fmt.Sprintf("POST /api/auth/login HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n", size)
		conn := dial(t, s, head)
		if status != 413 { // a body that is too long is refused before it is read
			_, _ = io.WriteString(conn, body)
		}
		if response, text := answer(t, conn); response.StatusCode != status {
			t.Errorf("a body of %d bytes: %d %s", size, response.StatusCode, text)
		}
	}
	// Without an announced length it is read up to the limit.
	chunk := strings.Repeat("x", 60_000)
	conn := dial(t, s, "POST /api/auth/login HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n"+
		strings.Repeat(fmt.Sprintf("%x\r\n%s\r\n", len(chunk), chunk), 2))
	if response, text := answer(t, conn); response.StatusCode != 413 || text != `{"message":"Request body too large"}` {
		t.Errorf("a long chunked body: %d %s", response.StatusCode, text)
	}
}

// TestSlowClients: nobody is waited for whose request doesn't come.
func TestSlowClients(t *testing.T) {
	t.Parallel()
	s := harness.StartService(t)
	for name, text := range map[string]string{
		"silent":      "",
		"half a head": "GET /api/auth/me HTTP/1.1\r\nHost: x\r\n",
		"half a body": "POST /api/auth/login HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n{",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			start := time.Now()
			conn := dial(t, s, text)
			if _, err := io.ReadAll(conn); err != nil { // until the service closes it
				t.Errorf("the connection is held: %v", err)
			}
			t.Logf("closed after %s", time.Since(start).Round(time.Millisecond))
		})
	}
}

// TestShutdown ends the service while a request is under way: that one is answered, probes are told.
func TestShutdown(t *testing.T) {
	t.Parallel()
	for _, signal := range []syscall.Signal{syscall.SIGTERM, syscall.SIGHUP, syscall.SIGINT} {
		t.Run(signal.String(), func(t *testing.T) {
			t.Parallel()
			shutDown(t, signal)
		})
	}
}

func shutDown(t *testing.T, signal syscall.Signal) {
	t.Helper()
	s := harness.StartService(t, "SHUTDOWN_DELAY=500ms")
	conn := dial(t, s, "POST /api/auth/login HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: "+strconv.Itoa(len(ada))+"\r\n\r\n"+ada[:10])
	login(t, s) // by now the service reads the other one
	if err := s.Process.Process.Signal(signal); err != nil {
		t.Fatal(err)
	}
	s.WaitFor(t, "shutting down")
	status, body, _ := send(t, s, "GET", "/readyz", "", "")
	want(t, "readyz while shutting down", status, body, 503, `{"message":"not ready"}`)
	status, body, _ = send(t, s, "POST", "/api/auth/login", "", ada)
	want(t, "login while shutting down", status, body, 200, "")

	harness.Eventually(t, "the listener is closed", func() error {
		conn, err := net.Dial("tcp", strings.TrimPrefix(s.URL, "http://"))
		if err == nil {
			_ = conn.Close()
			return fmt.Errorf("still open")
		}
		return nil
	})
	if _, err := io.WriteString(conn, ada[10:]); err != nil {
		t.Fatal(err)
	}
	if response, body := answer(t, conn); response.StatusCode != 200 {
		t.Errorf("the request under way: %d %s", response.StatusCode, body)
	}
	if status := s.Exit(t); status != 0 || !strings.Contains(s.Output(), "msg=stopped") {
		t.Errorf("exit status %d\n%s", status, s.Output())
	}
}

// TestShutdownTimeout: a request that does not end does not keep the service running.
func TestShutdownTimeout(t *testing.T) {
	t.Parallel()
	redis := harness.StartRedis(t)
	s := harness.StartService(t, append(redis.Env(), "JWT_SECRET=s", "COOKIE_SECURE=false", "REDIS_TIMEOUT=1m")...)
	token := login(t, s)
	signal(t, redis, syscall.SIGSTOP)
	dial(t, s, "GET /api/auth/me HTTP/1.1\r\nHost: x\r\nCookie: token="+token+"\r\n\r\n")
	time.Sleep(300 * time.Millisecond) // it is under way
	start := time.Now()
	status, took := s.Stop(t), time.Since(start)
	signal(t, redis, syscall.SIGCONT)
	if status != 1 || took < 9*time.Second || !strings.Contains(s.Output(), "some requests did not end within 10s") {
		t.Errorf("exit status %d after %s\n%s", status, took, s.Output())
	}
}

// TestNohup: a service that was started with SIGHUP ignored goes on after it.
func TestNohup(t *testing.T) {
	t.Parallel()
	nohup := harness.Need(t, "nohup")
	p := harness.Start(t, t.TempDir(), []string{"PORT=" + strconv.Itoa(harness.FreePort(t)), "SHUTDOWN_DELAY=0s"}, nohup, harness.Binary(t))
	p.WaitFor(t, "listening")
	if err := p.Process.Signal(syscall.SIGHUP); err != nil {
		t.Fatal(err)
	}
	time.Sleep(300 * time.Millisecond)
	if strings.Contains(p.Output(), "shutting down") {
		t.Error("SIGHUP ends it")
	}
	if status := p.Stop(t); status != 0 {
		t.Errorf("exit status %d", status)
	}
}
