package routes

import (
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/gin-gonic/gin"
	"github.com/prometheus/client_golang/prometheus"

	"gin-auth/middleware"
)

// TestErrors checks the response to an error that a handler returns, and to a panic.
func TestErrors(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		handler func(*gin.Context) error
		status  int
		body    string
	}{
		"internal": {
			func(*gin.Context) error { return errors.New("dial tcp 10.0.0.1:6379: refused") },
			http.StatusInternalServerError, `{"message":"Internal server error"}`,
		},
		"panic": {
			func(*gin.Context) error { panic("only for the log") },
			http.StatusInternalServerError, `{"message":"Internal server error"}`,
		},
		"wrapped": {
			func(*gin.Context) error { return errors.Join(errors.New("details"), errNotFound) },
			http.StatusNotFound, `{"message":"Not found"}`,
		},
		"too large": {
			func(*gin.Context) error { return &http.MaxBytesError{Limit: 1} },
			http.StatusRequestEntityTooLarge, `{"message":"Request body too large"}`,
		},
		"none": {
			func(c *gin.Context) error { c.String(http.StatusOK, "fine"); return nil },
			http.StatusOK, "fine",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			metrics, err := middleware.NewMetrics(prometheus.NewRegistry())
			if err != nil {
				t.Fatal(err)
			}
			r, err := newEngine(Options{Metrics: metrics, Log: slog.New(slog.DiscardHandler)})
			if err != nil {
				t.Fatal(err)
			}
			r.GET("/", handle(test.handler))
			for range 2 { // the second request is not affected by the first
				answer := httptest.NewRecorder()
				r.ServeHTTP(answer, httptest.NewRequest(http.MethodGet, "/", nil))
				if answer.Code != test.status || answer.Body.String() != test.body {
					t.Errorf("%d %s, want %d %s", answer.Code, answer.Body, test.status, test.body)
				}
				want := "application/json; charset=utf-8"
				if got := answer.Header().Get("Content-Type"); test.status != http.StatusOK && got != want {
					t.Errorf("Content-Type is %q", got)
				}
			}
		})
	}
}

// TestEveryErrorHasItsAnswer checks that no answer is hidden by an earlier one.
func TestEveryErrorHasItsAnswer(t *testing.T) {
	t.Parallel()
	for _, answer := range answers {
		status, message := answerTo(answer.err)
		if status != answer.status || message != answer.message || strings.TrimSpace(message) == "" {
			t.Errorf("%v is answered %d %q, want %d %q", answer.err, status, message, answer.status, answer.message)
		}
	}
}
