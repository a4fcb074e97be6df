package middleware

import (
	"errors"
	"net/http"
	"strconv"
	"time"

	"github.com/gin-gonic/gin"
	"github.com/prometheus/client_golang/prometheus"
)

// Metrics measures requests, logins and the guard's decisions. Clients cannot choose the value of any label.
type Metrics struct {
	requests  *prometheus.HistogramVec
	decisions *prometheus.CounterVec
	logins    *prometheus.CounterVec
}

// NewMetrics returns a Metrics whose metrics are registered.
func NewMetrics(registry prometheus.Registerer) (*Metrics, error) {
	m := &Metrics{
		requests: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name:    "gin_auth_http_request_duration_seconds",
			Help:    "Time from reading a request's headers to the end of its response.",
			Buckets: []float64{.0005, .001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5},
		}, []string{"method", "route", "status"}),
		decisions: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "gin_auth_guard_decisions_total",
			Help: "Requests to protected routes, by the guard's decision.",
		}, []string{"outcome"}),
		logins: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "gin_auth_logins_total",
			Help: "Login requests, by outcome.",
		}, []string{"outcome"}),
	}
	for _, collector := range []prometheus.Collector{m.requests, m.decisions, m.logins} {
		if err := registry.Register(collector); err != nil {
			return nil, err
		}
	}
	// A counter must exist before its first increase. Otherwise Prometheus does not see that increase.
	for _, decision := range decisions {
		m.decisions.WithLabelValues(decision.outcome)
	}
	for _, outcome := range logins {
		m.logins.WithLabelValues(outcome)
	}
	return m, nil
}

// Requests measures every request. The route is the template that matched, or "none".
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

// decisions are the possible decisions of the guard, by the error with which it stops a request. nil means that it
// does not.
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

// Guard counts the decisions of guard.
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

// logins are the outcomes of login requests, by status. Any other status counts as invalid.
var logins = map[int]string{
	http.StatusOK:                  "success",
	http.StatusUnauthorized:        "refused",
	http.StatusTooManyRequests:     "limited",
	http.StatusBadRequest:          "invalid",
	http.StatusServiceUnavailable:  "unavailable",
	http.StatusInternalServerError: "error",
}

// Login counts login requests by outcome. It must come before the handler that renders errors.
func (m *Metrics) Login(route string) gin.HandlerFunc {
	return func(c *gin.Context) {
		c.Next()
		if c.FullPath() != route {
			return
		}
		outcome, ok := logins[c.Writer.Status()]
		if !ok {
			outcome = "invalid" // rejected before it was read: another origin, a large body, another type
		}
		m.logins.WithLabelValues(outcome).Inc()
	}
}
