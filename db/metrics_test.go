package db

import (
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	dto "github.com/prometheus/client_model/go"
)

// TestMetrics checks the metrics after an answer, a refusal, an outage and a loss.
func TestMetrics(t *testing.T) {
	t.Parallel()
	d, s := openSpy(t, 300*time.Millisecond)
	registry := prometheus.NewRegistry()
	if err := d.Register(registry); err != nil {
		t.Fatal(err)
	}
	if err := d.Register(registry); err == nil {
		t.Error("registering twice is no error")
	}
	outcome := func(of string) uint64 {
		var histogram dto.Metric
		if err := d.metrics.exchanges.WithLabelValues(of).(prometheus.Histogram).Write(&histogram); err != nil {
			t.Fatal(err)
		}
		return histogram.GetHistogram().GetSampleCount()
	}
	value := func(of, outcome string) float64 {
		return testutil.ToFloat64(d.metrics.revocations.WithLabelValues(of, outcome))
	}
	answered := outcome(outcomeAnswered)
	_ = d.Revoke(t.Context(), "token", time.Time{})
	_ = d.LogoutAll(t.Context(), "user")
	s.SetError("OOM no")
	_ = d.Revoke(t.Context(), "token", time.Time{})
	s.SetError("")
	if outcome(outcomeAnswered) != answered+3 || outcome(outcomeRefused) != 1 || outcome(outcomeUnanswered) != 0 {
		t.Errorf("exchanges: %v answered, %v refused, %v unanswered", outcome(outcomeAnswered)-answered, outcome(outcomeRefused), outcome(outcomeUnanswered))
	}
	if value("token", "stored") != 1 || value("token", "failed") != 1 || value("user", "stored") != 1 {
		t.Error("the revocations are miscounted")
	}
	s.FlushAll()
	_, cut, err := d.findCut(t.Context(), "token", "")
	if err != nil {
		t.Fatal(err)
	}
	gauges := func() map[string]float64 {
		families, err := registry.Gather()
		if err != nil {
			t.Fatal(err)
		}
		values := map[string]float64{}
		for _, family := range families {
			if gauge := family.GetMetric()[0].GetGauge(); gauge != nil {
				values[family.GetName()] = gauge.GetValue()
			}
		}
		return values
	}
	if got := gauges()["gin_auth_revocation_cut_timestamp_seconds"]; got != float64(cut) || cut == 0 {
		t.Errorf("the cut is %v, want %d", got, cut)
	}
	s.Close()
	_, _, _ = d.findCut(t.Context(), "token", "")
	if got := gauges(); got["gin_auth_redis_breakers_open"] != 1 || got["gin_auth_redis_up"] != 0 {
		t.Errorf("without Redis: %v", got)
	}
	problems, err := testutil.GatherAndLint(registry)
	if err != nil || len(problems) > 0 {
		t.Errorf("promlint: %v %v", problems, err)
	}
}
