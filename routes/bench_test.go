package routes

import (
	"context"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"gin-auth/controllers"
	"gin-auth/middleware"
	"gin-auth/session"
)

type nothingRevoked struct{}

func (nothingRevoked) Revoked(context.Context, string, string, func() int64) (bool, time.Time, error) {
	return false, time.Now(), nil
}

// discarded is a response writer that keeps only the status, so that the measurement has only the handler.
type discarded struct {
	header http.Header
	status int
}

func (d *discarded) Header() http.Header                  { return d.header }
func (d *discarded) WriteHeader(status int)               { d.status = status }
func (d *discarded) Write(b []byte) (int, error)          { return len(b), nil }
func (d *discarded) WriteString(text string) (int, error) { return len(text), nil }

// newMe returns a function that requests /me with a valid token, without a lookup in Redis.
func newMe(t testing.TB, log *slog.Logger) (get func()) {
	t.Helper()
	sessions, err := session.New(session.Options{
		Secrets: []string{"secret"}, Lifetime: time.Hour, Cookie: session.Cookie{Name: "token"},
	})
	if err != nil {
		t.Fatal(err)
	}
	metrics, err := middleware.NewMetrics(prometheus.NewRegistry())
	if err != nil {
		t.Fatal(err)
	}
	handler, err := New(Options{
		Prefix: "/api/auth", Auth: &controllers.Auth{Sessions: sessions, Log: log}, Health: &controllers.Health{},
		Guard: middleware.Auth(sessions, nothingRevoked{}), Cookie: *sessions.HTTPCookie(""), Metrics: metrics,
		HTTPSOnly: true, Log: log,
	})
	if err != nil {
		t.Fatal(err)
	}
	s, err := sessions.Issue(session.User{
		ID: "6b054b001c2fac52a10afd91", Email: "ada@example.com", Username: "ada", Role: "user",
	}, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	request := httptest.NewRequest(http.MethodGet, "/api/auth/me", nil)
	request.Header.Set("Cookie", "token="+s.Token)
	return func() {
		answer := &discarded{header: http.Header{}}
		if handler.ServeHTTP(answer, request); answer.status != http.StatusOK {
			t.Fatal("answered", answer.status)
		}
	}
}

// TestGuardedRequestAllocatesLittle counts the allocations of a guarded request without net/http and Redis.
func TestGuardedRequestAllocatesLittle(t *testing.T) {
	const bar = 14 // 9 are needed, two of them by this test; 12 with -race
	n := testing.AllocsPerRun(1000, newMe(t, slog.New(slog.DiscardHandler)))
	t.Logf("%.0f allocations (bar %d)", n, bar)
	if n > bar {
		t.Errorf("%.0f allocations", n)
	}
}

// BenchmarkMe measures a guarded request without net/http and Redis.
func BenchmarkMe(b *testing.B) {
	for name, log := range map[string]*slog.Logger{
		"quiet": slog.New(slog.DiscardHandler),
		//nolint:sloglint // DiscardHandler formats nothing, and the formatting is measured here
		"a log line per request": slog.New(slog.NewJSONHandler(io.Discard, nil)),
	} {
		b.Run(name, func(b *testing.B) {
			get := newMe(b, log)
			b.ReportAllocs()
			for b.Loop() {
				get()
			}
		})
	}
}
