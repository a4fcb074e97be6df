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
	extend(t, conn)
	if _, err := io.WriteString(conn, text); err != nil {
		t.Fatal(err)
	}
	return conn
}

// extend gives the connection 20 more seconds.
func extend(t *testing.T, conn net.Conn) {
	t.Helper()
	if err := conn.SetDeadline(time.Now().Add(20 * time.Second)); err != nil {
		t.Error(err)
	}
}

// answer reads a response and its body.
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
		conn := dial(t, s, text[:min(len(text), 60_000)]) // the connection may be closed before the rest is sent
		if response, body := answer(t, conn); response.StatusCode != status {
			t.Errorf("a header of %d bytes: got %d %s", len(text), response.StatusCode, body)
		}
	}
	for size, status := range map[int]int{100 << 10: 401, 100<<10 + 1: 413, 10_000_000: 413} {
		body := `{"email":"a@b.c","password":"`
		body += strings.Repeat("x", min(size, 200_000)-len(body)-2) + `"}`
		head := fmt.Sprintf("POST /api/auth/login HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n", size)
		conn := dial(t, s, head)
		if status != 413 { // a body that is too long is rejected before it is read
			_, _ = io.WriteString(conn, body)
		}
		if response, text := answer(t, conn); response.StatusCode != status {
			t.Errorf("a body of %d bytes: got %d %s", size, response.StatusCode, text)
		}
	}
	// A body without a Content-Length is read up to the limit.
	chunk := strings.Repeat("x", 60_000)
	conn := dial(t, s, "POST /api/auth/login HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n"+
		strings.Repeat(fmt.Sprintf("%x\r\n%s\r\n", len(chunk), chunk), 2))
	if response, text := answer(t, conn); response.StatusCode != 413 || text != `{"message":"Request body too large"}` {
		t.Errorf("a long chunked body: got %d %s", response.StatusCode, text)
	}
}

// TestSlowClients checks that the service closes connections whose request does not arrive.
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
			if _, err := io.ReadAll(conn); err != nil { // reads until the service closes the connection
				t.Errorf("the connection was not closed: %v", err)
			}
			t.Logf("closed after %s", time.Since(start).Round(time.Millisecond))
		})
	}
}

// TestShutdown stops the service during a request. The request is answered, and /readyz reports 503.
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
	login(t, s) // by now the service is reading the other request
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
			return fmt.Errorf("the listener still accepts connections")
		}
		return nil
	})
	if _, err := io.WriteString(conn, ada[10:]); err != nil {
		t.Fatal(err)
	}
	if response, body := answer(t, conn); response.StatusCode != 200 {
		t.Errorf("the running request: got %d %s, want 200", response.StatusCode, body)
	}
	if status := s.Exit(t); status != 0 || !strings.Contains(s.Output(), "msg=stopped") {
		t.Errorf("exit status %d, want 0 and msg=stopped in the log:\n%s", status, s.Output())
	}
}

// TestShutdownTimeout checks that the service stops even if a request does not end.
func TestShutdownTimeout(t *testing.T) {
	t.Parallel()
	redis := harness.StartRedis(t)
	s := harness.StartService(t, append(redis.Env(), "JWT_SECRET=s", "COOKIE_SECURE=false", "REDIS_TIMEOUT=1m")...)
	token := login(t, s)
	redis.Signal(t, syscall.SIGSTOP)
	dial(t, s, "GET /api/auth/me HTTP/1.1\r\nHost: x\r\nCookie: token="+token+"\r\n\r\n")
	time.Sleep(300 * time.Millisecond) // the request is now running
	start := time.Now()
	status, took := s.Stop(t), time.Since(start)
	redis.Signal(t, syscall.SIGCONT)
	if status != 1 || took < 9*time.Second || !strings.Contains(s.Output(), "some requests did not end within 10s") {
		t.Errorf("exit status %d after %s, want 1 after 10s and a message:\n%s", status, took, s.Output())
	}
}

// TestNohup checks that a service started with SIGHUP ignored keeps running after a SIGHUP.
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
		t.Error("SIGHUP stopped the service, although it was ignored at the start")
	}
	if status := p.Stop(t); status != 0 {
		t.Errorf("SIGTERM: exit status %d, want 0", status)
	}
}
