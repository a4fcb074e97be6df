package middleware

import (
	"errors"
	"net/http"
	"strconv"
	"time"

	"github.com/gin-gonic/gin"
	"github.com/prometheus/client_golang/prometheus"
)

// Metrics measures requests, logins and the guard's decisions. No label holds a string of a client's own choice.
type Metrics struct {
	requests  *prometheus.HistogramVec
	decisions *prometheus.CounterVec
	logins    *prometheus.CounterVec
}

// NewMetrics returns a Metrics and registers what it measures.
func NewMetrics(registry prometheus.Registerer) (*Metrics, error) {
	m := &Metrics{
		requests: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name:    "gin_auth_http_request_duration_seconds",
			Help:    "Time from a request's head to the end of its answer.",
			Buckets: []float64{.0005, .001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5},
		}, []string{"method", "route", "status"}),
		decisions: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "gin_auth_guard_decisions_total",
			Help: "Requests to protected routes, by what the guard decided.",
		}, []string{"outcome"}),
		logins: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "gin_auth_logins_total",
			Help: "Requests to log in, by what became of them.",
		}, []string{"outcome"}),
	}
	for _, collector := range []prometheus.Collector{m.requests, m.decisions, m.logins} {
		if err := registry.Register(collector); err != nil {
			return nil, err
		}
	}
	// Counters that exist from the start show their first increase.
	for _, decision := range decisions {
		m.decisions.WithLabelValues(decision.outcome)
	}
	for _, outcome := range logins {
		m.logins.WithLabelValues(outcome)
	}
	return m, nil
}

// Requests measures every request. Its route is the template that matched, "none" if none did.
func (m *Metrics) Requests(c *gin.Context) {
	start := time.Now()
	c.Next()
	route := c.FullPath()
	if route == "" {
		route = "none"
	}
	m.requests.WithLabelValues(knownMethod(c.Request.Method), route, strconv.Itoa(c.Writer.Status())).
		Observe(time.Since(start).Seconds())
}

// decisions are the guard's, by the error that it stops a request with. nil stands for none.
var decisions = []struct {
	err     error
	outcome string
}{
	{nil, "allowed"},
	{ErrNoToken, "no_token"},
	{ErrRefused, "refused"},
	{ErrRevoked, "revoked"},
	{ErrUnavailable, "unavailable"},
}

// Guard counts what the guard decides.
func (m *Metrics) Guard(guard gin.HandlerFunc) gin.HandlerFunc {
	return func(c *gin.Context) {
		guard(c)
		err := LastError(c)
		for _, decision := range decisions {
			if errors.Is(err, decision.err) {
				m.decisions.WithLabelValues(decision.outcome).Inc()
				return
			}
		}
	}
}

// logins are the outcomes of requests to log in, by status. Any other status is invalid.
var logins = map[int]string{
	http.StatusOK:                  "success",
	http.StatusUnauthorized:        "refused",
	http.StatusTooManyRequests:     "limited",
	http.StatusBadRequest:          "invalid",
	http.StatusServiceUnavailable:  "unavailable",
	http.StatusInternalServerError: "error",
}

// Login counts requests to log in by their outcome. It must come before the handler that renders errors.
func (m *Metrics) Login(route string) gin.HandlerFunc {
	return func(c *gin.Context) {
		c.Next()
		if c.FullPath() != route {
			return
		}
		outcome, ok := logins[c.Writer.Status()]
		if !ok {
			outcome = "invalid" // rejected before it was read: another origin, too large, another type
		}
		m.logins.WithLabelValues(outcome).Inc()
	}
}
