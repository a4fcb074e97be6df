package middleware_test

import (
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/gin-gonic/gin"
	"github.com/prometheus/client_golang/prometheus"

	"gin-auth/middleware"
)

// counted returns the count of each combination of labels of a metric.
func counted(t *testing.T, registry prometheus.Gatherer, name string) map[string]int {
	t.Helper()
	families, err := registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	counts := map[string]int{}
	for _, family := range families {
		if family.GetName() != name {
			continue
		}
		for _, metric := range family.GetMetric() {
			labels := ""
			for _, label := range metric.GetLabel() {
				labels += label.GetValue() + " "
			}
			counts[labels] = int(metric.GetCounter().GetValue()) + int(metric.GetHistogram().GetSampleCount())
		}
	}
	return counts
}

// TestMetrics checks that every request, every outcome of a login and every decision of the guard is counted once.
func TestMetrics(t *testing.T) {
	t.Parallel()
	registry := prometheus.NewRegistry()
	metrics, err := middleware.NewMetrics(registry)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := middleware.NewMetrics(registry); err == nil {
		t.Error("the same metrics were registered twice")
	}
	var decision error
	status := http.StatusOK
	r := gin.New()
	r.Use(metrics.Requests, metrics.Login("/login"), func(c *gin.Context) { c.Next(); c.Status(status) })
	r.POST("/login", func(*gin.Context) {})
	r.GET("/guarded/:id", metrics.Guard(func(c *gin.Context) {
		if decision != nil {
			_ = c.Error(fmt.Errorf("%w: details", decision))
			c.Abort()
		}
	}))
	send := func(method, path string) {
		r.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest(method, path, nil))
	}
	for _, status = range []int{200, 401, 403, 413, 429, 429, 503, 500} {
		send(http.MethodPost, "/login")
	}
	status = http.StatusOK
	for _, decision = range []error{
		nil, nil, middleware.ErrNoToken, middleware.ErrRefused, middleware.ErrRevoked, middleware.ErrUnavailable,
		errors.New("no decision of the guard"),
	} {
		send(http.MethodGet, "/guarded/7")
	}
	status = http.StatusNotFound
	send("eyJhbGciOiJIUzI1NiJ9.e30.c2ln", "/nowhere")

	for name, want := range map[string]map[string]int{
		"gin_auth_logins_total": {
			"success ": 1, "refused ": 1, "invalid ": 2, "limited ": 2, "unavailable ": 1, "error ": 1,
		},
		"gin_auth_guard_decisions_total": {
			"allowed ": 2, "no_token ": 1, "refused ": 1, "revoked ": 1, "unavailable ": 1,
		},
		"gin_auth_http_request_duration_seconds": {
			"POST /login 200 ": 1, "POST /login 401 ": 1, "POST /login 403 ": 1, "POST /login 413 ": 1,
			"POST /login 429 ": 2, "POST /login 500 ": 1, "POST /login 503 ": 1, "GET /guarded/:id 200 ": 7,
			"other none 404 ": 1,
		},
	} {
		if got := counted(t, registry, name); !maps.Equal(got, want) {
			t.Errorf("%s is %v, want %v", name, got, want)
		}
	}
}
