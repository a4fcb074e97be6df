package middleware_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/gin-gonic/gin"

	"gin-auth/middleware"
	"gin-auth/session"
)

// logged serves one request and returns its line in the log and the response.
func logged(t *testing.T, request *http.Request, handlers ...gin.HandlerFunc) (map[string]any, *httptest.ResponseRecorder) {
	t.Helper()
	var log bytes.Buffer
	r := gin.New()
	r.Use(middleware.AccessLog(slog.New(slog.NewJSONHandler(&log, nil))), middleware.Recovery)
	r.Any("/users/:id", handlers...)
	r.Any("/healthz", handlers...)
	answer := httptest.NewRecorder()
	r.ServeHTTP(answer, request)
	if log.Len() == 0 {
		return nil, answer
	}
	var line map[string]any
	if err := json.Unmarshal(log.Bytes(), &line); err != nil {
		t.Fatalf("not one line: %v\n%s", err, log.String())
	}
	return line, answer
}

func TestAccessLog(t *testing.T) {
	t.Parallel()
	const secret = "eyJhbGciOiJIUzI1NiJ9.e30.c2lnbmF0dXJl"
	request := httptest.NewRequest(http.MethodPost, "/users/"+secret+"?token="+secret, strings.NewReader(secret))
	request.Header.Set("Cookie", "token="+secret)
	request.Header.Set("X-Request-Id", "abc-1")
	request.Header.Set("Traceparent", "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01")
	request.RemoteAddr = "203.0.113.7:1234"
	sessions := newSessions(t, "secret")
	s, err := sessions.Issue(session.User{ID: "7"}, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	start := time.Now()
	line, answer := logged(t, request, func(c *gin.Context) {
		time.Sleep(5 * time.Millisecond)
		c.Request = c.Request.WithContext(session.NewContext(c.Request.Context(), s))
		c.Status(http.StatusTeapot)
	})
	for name, want := range map[string]any{
		"level": "INFO", "msg": "request", "method": "POST", "path": "/users/(token)",
		"status": 418.0, "request_id": "abc-1", "user_id": "7", "client_address": "203.0.113.7",
		"trace_id": "4bf92f3577b34da6a3ce929d0e0e4736",
	} {
		if line[name] != want {
			t.Errorf("%s is %v, want %v", name, line[name], want)
		}
	}
	duration, ok := line["duration_ms"].(float64)
	if all := time.Since(start); !ok || duration < 5 || duration > float64(all)/float64(time.Millisecond) {
		t.Errorf("duration_ms is %v of %s", line["duration_ms"], all)
	}
	if text, _ := json.Marshal(line); strings.Contains(string(text), "eyJ") {
		t.Errorf("a token is in the log: %s", text)
	}
	if id := answer.Header().Get("X-Request-Id"); id != "abc-1" {
		t.Errorf("answered request id %q", id)
	}
}

// TestLoggedText checks what is logged of strings that a client chooses.
func TestLoggedText(t *testing.T) {
	t.Parallel()
	for parent, want := range map[string]any{
		"00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01":      "4bf92f3577b34da6a3ce929d0e0e4736",
		"01-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-more": "4bf92f3577b34da6a3ce929d0e0e4736",
		"00-4BF92F3577B34DA6A3CE929D0E0E4736-00f067aa0ba902b7-01":      nil,
		"00-4bf92f3577b34da6a3ce929d0e0e473-00f067aa0ba902b7-01":       nil,
		"eyJhbGciOiJIUzI1NiJ9.e30.c2ln":                                nil,
		"":                                                             nil,
	} {
		request := httptest.NewRequest(http.MethodGet, "/users/"+strings.Repeat("x", 300)+"?q=1", nil)
		request.Header.Set("Traceparent", parent)
		line, _ := logged(t, request, func(*gin.Context) {})
		if line["trace_id"] != want {
			t.Errorf("%q: the trace id is %v", parent, line["trace_id"])
		}
		if want := "/users/" + strings.Repeat("x", 193) + "…"; line["path"] != want {
			t.Errorf("a long path is logged as %v", line["path"])
		}
	}
}

func TestRequestIDIsTakenOnlyIfSane(t *testing.T) {
	t.Parallel()
	for id, sane := range map[string]bool{
		"":                                     false,
		"4bf92f35-77b3-4da6-a3ce-929d0e0e4736": true,
		"a_b.c":                                true,
		strings.Repeat("a", 64):                true,
		strings.Repeat("a", 65):                false,
		"a b":                                  false,
		"a\"b":                                 false,
		"a=b":                                  false,
		"é":                                    false,
	} {
		request := httptest.NewRequest(http.MethodGet, "/users/1", nil)
		request.Header["X-Request-Id"] = []string{id}
		line, answer := logged(t, request, func(*gin.Context) {})
		got := answer.Header().Get("X-Request-Id")
		if (got == id) != sane || got == "" || line["request_id"] != got {
			t.Errorf("%q: answered %q, logged %v", id, got, line["request_id"])
		}
	}
}

func TestLevels(t *testing.T) {
	t.Parallel()
	internal := errors.New("what went wrong")
	for _, test := range []struct {
		path   string
		status int
		level  any // nil: no line
		text   any
	}{
		{"/users/1", 200, "INFO", nil},
		{"/users/1", 401, "INFO", nil},
		{"/users/1", 403, "INFO", "what went wrong"},
		{"/users/1", 500, "ERROR", "what went wrong"},
		{"/users/1", 503, "ERROR", "what went wrong"},
		{"/users/gone", 500, "INFO", nil}, // the client has disconnected
		{"/users/busy", 503, "WARN", "what went wrong"},
		{"/healthz", 200, nil, nil},
		{"/healthz", 503, "WARN", "what went wrong"},
	} {
		line, _ := logged(t, httptest.NewRequest(http.MethodGet, test.path, nil), func(c *gin.Context) {
			_ = c.Error(internal)
			switch test.path {
			case "/users/busy":
				c.Header("Retry-After", "1")
			case "/users/gone":
				gone, cancel := context.WithCancel(c.Request.Context())
				cancel()
				c.Request = c.Request.WithContext(gone)
			}
			c.Status(test.status)
		})
		if line["level"] != test.level || line["error"] != test.text {
			t.Errorf("%s, %d: level %v, error %v", test.path, test.status, line["level"], line["error"])
		}
	}
	request := httptest.NewRequest("eyJhbGciOiJIUzI1NiJ9.e30.c2ln", "/nowhere", nil)
	if line, _ := logged(t, request); line["method"] != "other" {
		t.Errorf("an unknown method is logged as %v", line["method"])
	}
}

func TestRecovery(t *testing.T) {
	t.Parallel()
	var got error
	panics := func(with any) {
		r := gin.New()
		r.Use(func(c *gin.Context) {
			c.Next()
			got = c.Errors.Last().Err
		}, middleware.Recovery)
		r.GET("/", func(*gin.Context) { panic(with) })
		r.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest(http.MethodGet, "/", nil))
	}
	panics("bad token eyJhbGciOiJIUzI1NiJ9.e30.c2ln here")
	if got == nil || !strings.HasPrefix(got.Error(), "panic: bad token (token) here\n") || !strings.Contains(got.Error(), "log_test.go") {
		t.Errorf("the error is %v", got)
	}
	defer func() {
		if p := recover(); p != any(http.ErrAbortHandler) {
			t.Errorf("recovered %v, want the panic of net/http", p)
		}
	}()
	panics(http.ErrAbortHandler)
}

func TestMaxBody(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name     string
		length   int
		announce bool
		ran      bool
	}{
		{"short", 10, true, true},
		{"short and not announced", 10, false, true},
		{"long and announced", 11, true, false},
		{"long and not announced", 11, false, true},
	} {
		var ran bool
		var failed error
		r := gin.New()
		r.POST("/", func(c *gin.Context) {
			c.Next()
			if last := c.Errors.Last(); last != nil {
				failed = last.Err
			}
		}, middleware.MaxBody(10), func(c *gin.Context) {
			ran = true
			_, failed = io.ReadAll(c.Request.Body)
		})
		request := httptest.NewRequest(http.MethodPost, "/", strings.NewReader(strings.Repeat("x", test.length)))
		if !test.announce {
			request.ContentLength = -1
		}
		answer := httptest.NewRecorder()
		r.ServeHTTP(answer, request)
		var tooLarge *http.MaxBytesError
		if ran != test.ran || errors.As(failed, &tooLarge) != (test.length > 10) {
			t.Errorf("%s: the handler ran: %v; error %v", test.name, ran, failed)
		}
		if closes := answer.Header().Get("Connection") == "close"; closes == test.ran {
			t.Errorf("%s: the connection is closed: %v", test.name, closes)
		}
	}
}

// TestMaxBodyDoesNotWait checks that a client that has sent too much gets the response before it has sent the rest,
// and that the connection is closed.
func TestMaxBodyDoesNotWait(t *testing.T) {
	t.Parallel()
	r := gin.New()
	r.POST("/", middleware.MaxBody(10), func(c *gin.Context) {
		_, _ = io.ReadAll(c.Request.Body)
		c.Status(http.StatusRequestEntityTooLarge)
	})
	server := httptest.NewServer(r)
	t.Cleanup(server.Close)
	conn, err := net.Dial("tcp", server.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	_, _ = io.WriteString(conn, "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nb\r\n12345678901\r\n")
	_ = conn.SetReadDeadline(time.Now().Add(10 * time.Second))
	answer, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		t.Fatal(err)
	}
	if answer.StatusCode != http.StatusRequestEntityTooLarge || !answer.Close {
		t.Errorf("%d, the connection is closed: %v", answer.StatusCode, answer.Close)
	}
}
