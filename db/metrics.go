package db

import (
	"errors"
	"fmt"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/redis/go-redis/v9"
)

// metrics are the metrics that the DB records.
type metrics struct {
	exchanges   *prometheus.HistogramVec
	batchSize   prometheus.Histogram
	overloaded  prometheus.Counter
	revocations *prometheus.CounterVec
	outages     *prometheus.CounterVec
}

// The reasons why Redis was unavailable.
const (
	outageUnreachable = "unreachable"
	outageRefused     = "refused"
	outageNotMaster   = "not_master"
)

// The outcomes of an exchange with Redis.
const (
	outcomeAnswered   = "answered"
	outcomeRefused    = "refused"
	outcomeUnanswered = "unanswered"
)

func newMetrics() *metrics {
	m := &metrics{
		exchanges: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name:    "gin_auth_redis_exchange_duration_seconds",
			Help:    "Duration of an exchange with Redis, including retries and the wait for a connection, by outcome.",
			Buckets: []float64{.0001, .00025, .0005, .001, .0025, .005, .01, .025, .05, .1, .25, .5, 1},
		}, []string{"outcome"}),
		batchSize: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name:    "gin_auth_redis_lookups_per_batch",
			Help:    "Lookups of tokens that shared one round trip.",
			Buckets: []float64{1, 2, 4, 8, 16, 32, 64, 128, maxBatch},
		}),
		overloaded: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "gin_auth_redis_lookups_shed_total",
			Help: "Lookups of tokens that were rejected because too many waited for Redis.",
		}),
		revocations: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "gin_auth_revocations_total",
			Help: "Revocations of a token (logout) or of all tokens of a user (logout-all), by whether they were stored.",
		}, []string{"of", "outcome"}),
		outages: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "gin_auth_redis_outages_total",
			Help: "How often Redis became unavailable, by the reason: unreachable, refused (an error), not_master.",
		}, []string{"reason"}),
	}
	for _, reason := range []string{outageUnreachable, outageRefused, outageNotMaster} {
		m.outages.WithLabelValues(reason)
	}
	// The first increase of a counter is visible only if the counter existed before.
	for _, outcome := range []string{outcomeAnswered, outcomeRefused, outcomeUnanswered} {
		m.exchanges.WithLabelValues(outcome)
	}
	for _, of := range []string{"token", "user"} {
		m.countRevocations(of, nil, 0)
		m.countRevocations(of, errors.ErrUnsupported, 0)
	}
	return m
}

// Register registers the metrics of the DB and of Redis.
func (d *DB) Register(registry prometheus.Registerer) error {
	m := d.metrics
	collectors := append(d.gauges(), m.exchanges, m.batchSize, m.overloaded, m.revocations, m.outages)
	for _, collector := range collectors {
		if err := registry.Register(collector); err != nil {
			return fmt.Errorf("registering Redis's metrics: %w", err)
		}
	}
	return nil
}

func (d *DB) gauges() []prometheus.Collector {
	return []prometheus.Collector{
		gauge("gin_auth_redis_up", "1 while Redis answers, as far as is known, otherwise 0.", func() float64 {
			d.state.mu.Lock()
			defer d.state.mu.Unlock()
			return number(d.state.up)
		}),
		gauge("gin_auth_redis_breakers_open", "Circuit breakers that are open, so that requests are rejected at once "+
			"because Redis is unavailable: one, or one per node of a cluster.", func() float64 {
			open := number(d.breaker.isOpen())
			d.batchers.Range(func(_, b any) bool {
				open += number(b.(*batcher).breaker.isOpen()) //nolint:forcetypeassert // batchers has no other values
				return true
			})
			return open
		}),
		gauge("gin_auth_redis_risks", "Ways in which Redis can lose logouts, and rights that are missing: "+
			"see the log.", func() float64 {
			d.state.mu.Lock()
			defer d.state.mu.Unlock()
			return float64(len(d.state.risks))
		}),
		gauge("gin_auth_epoch_unprotected", "1 while a lost blacklist would go unnoticed, otherwise 0.", func() float64 {
			_, _, err := d.epochs.current()
			return number(err != nil)
		}),
		knownGauge("gin_auth_revocation_cut_timestamp_seconds", "Tokens issued until this time are rejected: the "+
			"blacklist was lost then, or revoke-all was run; 0 for never. Absent until it is known.", func() (float64, bool) {
			cut, known, _ := d.epochs.current()
			return float64(cut), known
		}),
		knownGauge("gin_auth_clock_skew_seconds", "How far this instance's clock is ahead of Redis's. "+
			"Absent until it is known.", func() (float64, bool) {
			skew, known := d.Skew()
			return skew.Seconds(), known
		}),
	}
}

func gauge(name, help string, value func() float64) prometheus.Collector {
	return prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: name, Help: help}, value)
}

// knownGauge is a gauge that is exported only while its value is known.
func knownGauge(name, help string, value func() (float64, bool)) prometheus.Collector {
	return optionalGauge{prometheus.NewDesc(name, help, nil, nil), value}
}

type optionalGauge struct {
	desc  *prometheus.Desc
	value func() (float64, bool)
}

func (g optionalGauge) Describe(descs chan<- *prometheus.Desc) { descs <- g.desc }

func (g optionalGauge) Collect(metrics chan<- prometheus.Metric) {
	if value, known := g.value(); known {
		metrics <- prometheus.MustNewConstMetric(g.desc, prometheus.GaugeValue, value)
	}
}

func number(b bool) float64 {
	if b {
		return 1
	}
	return 0
}

func (m *metrics) exchanged(took time.Duration, err error) {
	outcome := outcomeAnswered
	switch {
	case unanswered(err) || errors.Is(err, redis.ErrPoolTimeout):
		outcome = outcomeUnanswered
	case err != nil && !errors.Is(err, redis.Nil):
		outcome = outcomeRefused
	}
	m.exchanges.WithLabelValues(outcome).Observe(took.Seconds())
}

// countRevocations counts n revocations with the result err.
func (m *metrics) countRevocations(of string, err error, n float64) {
	outcome := "stored"
	if err != nil {
		outcome = "failed"
	}
	m.revocations.WithLabelValues(of, outcome).Add(n)
}
