// Package metrics checks the service's metrics with promtool, and tests the alert rules in deploy.
package metrics

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"gin-auth/e2e/internal/harness"
)

func TestMain(m *testing.M) { harness.Main(m) }

func TestMetrics(t *testing.T) {
	t.Parallel()
	promtool := harness.Need(t, "promtool")
	addr := net.JoinHostPort("127.0.0.1", strconv.Itoa(harness.FreePort(t)))
	s := harness.StartService(t, "METRICS_ADDR="+addr)
	get(t, s.URL+"/api/auth/me", http.StatusUnauthorized)
	get(t, s.URL+"/no/such/route", http.StatusNotFound)
	get(t, s.URL+"/metrics", http.StatusNotFound)
	text := get(t, "http://"+addr+"/metrics", http.StatusOK)
	for _, line := range []string{
		`gin_auth_guard_decisions_total{outcome="no_token"} 1`,
		`gin_auth_guard_decisions_total{outcome="revoked"} 0`,
		`gin_auth_logins_total{outcome="success"} 0`,
		`gin_auth_http_request_duration_seconds_count{method="GET",route="/api/auth/me",status="401"} 1`,
		`gin_auth_http_request_duration_seconds_count{method="GET",route="none",status="404"} 2`,
		`gin_auth_redis_up 1`,
		`gin_auth_redis_breakers_open 0`,
		`gin_auth_redis_risks 0`,
		`gin_auth_revocation_cut_timestamp_seconds 0`,
		`gin_auth_revocations_total{of="token",outcome="stored"} 0`,
		`gin_auth_redis_exchange_duration_seconds_count{outcome="unanswered"} 0`,
		`gin_auth_log_lines_dropped_total 0`,
		`# TYPE go_goroutines gauge`,
		`# TYPE process_cpu_seconds_total counter`,
	} {
		if !strings.Contains(text, line+"\n") {
			t.Errorf("%s is missing in\n%s", line, text)
		}
	}
	check := exec.Command(promtool, "check", "metrics")
	check.Stdin = strings.NewReader(text)
	if out, err := check.CombinedOutput(); err != nil {
		t.Errorf("promtool check metrics: %v\n%s", err, out)
	}

	rules := filepath.Join(harness.Root(), "deploy", "alerts.yaml")
	if out, err := exec.Command(promtool, "check", "rules", rules).CombinedOutput(); err != nil {
		t.Errorf("promtool check rules: %v\n%s", err, out)
	}
	var names []string
	for _, alert := range readAlerts(t) {
		names = append(names, regexp.MustCompile(`gin_auth_\w+`).FindAllString(alert.Expr, -1)...)
	}
	if len(names) == 0 {
		t.Error("the alerts use none of the service's metrics")
	}
	harness.Eventually(t, "all metrics of the alerts exist", func() error { // some appear only after a reply from Redis
		text := get(t, "http://"+addr+"/metrics", http.StatusOK)
		for _, name := range names {
			if !strings.Contains(text, "\n"+name) {
				return fmt.Errorf("an alert uses the metric %s, which does not exist", name)
			}
		}
		return nil
	})
	if status := s.Stop(t); status != 0 {
		t.Errorf("SIGTERM: exit status %d, want 0", status)
	}
}

func get(t *testing.T, url string, status int) string {
	t.Helper()
	response, err := http.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err != nil || response.StatusCode != status {
		t.Fatalf("%s: got %d %v, want %d", url, response.StatusCode, err, status)
	}
	return string(text)
}
