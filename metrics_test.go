package main

import (
	"maps"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	dto "github.com/prometheus/client_model/go"
)

// TestMetrics: each login and each decision of the guard is counted by its outcome.
func TestMetrics(t *testing.T) {
	t.Parallel()
	s := newService(t)
	browser := s.browser(t)
	token := s.login(t, browser)
	wrong := `{"email":"ada@example.com","password":"a wrong horse"}`
	s.send(t, browser, "POST", "/api/auth/login", wrong)
	s.send(t, browser, "POST", "/api/auth/login", wrong, "Sec-Fetch-Site", "cross-site")
	s.send(t, browser, "GET", "/api/auth/me", "")
	s.send(t, browser, "POST", "/api/auth/logout", "")
	s.send(t, browser, "GET", "/api/auth/me", "")
	s.send(t, s.tls.Client(), "GET", "/api/auth/me", "", "Cookie", "token="+token)
	s.send(t, s.tls.Client(), "GET", "/api/auth/me", "", "Cookie", "token=a.b.c")
	s.redis.Close()
	s.send(t, s.tls.Client(), "GET", "/api/auth/me", "", "Cookie", "token="+token).want(t, "without Redis", 503, noRedis)
	s.send(t, s.tls.Client(), "POST", "/api/auth/login", adaLogin)

	want := map[string]float64{"success": 1, "refused": 1, "invalid": 1, "unavailable": 1, "limited": 0, "error": 0}
	if got := counts(t, s.app.metrics, "gin_auth_logins_total"); !maps.Equal(got, want) {
		t.Errorf("logins: %v, want %v", got, want)
	}
	want = map[string]float64{"allowed": 1, "no_token": 1, "revoked": 1, "refused": 1, "unavailable": 1}
	if got := counts(t, s.app.metrics, "gin_auth_guard_decisions_total"); !maps.Equal(got, want) {
		t.Errorf("guard decisions: %v, want %v", got, want)
	}
	problems, err := testutil.GatherAndLint(s.app.metrics)
	if err != nil || len(problems) > 0 {
		t.Errorf("promlint: %v %v", problems, err)
	}
}

// counts returns the values of a counter, by its only label's.
func counts(t *testing.T, registry prometheus.Gatherer, name string) map[string]float64 {
	t.Helper()
	families, err := registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	values := map[string]float64{}
	for _, family := range families {
		if family.GetName() != name || family.GetType() != dto.MetricType_COUNTER {
			continue
		}
		for _, metric := range family.GetMetric() {
			values[metric.GetLabel()[0].GetValue()] = metric.GetCounter().GetValue()
		}
	}
	return values
}
