package main

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"gin-auth/bench/scale"
)

func TestParseCounters(t *testing.T) {
	t.Parallel()
	metrics := parseMetrics("# TYPE x histogram\nx_bucket{le=\"1\"} 2\nx_sum 12.5\nx_count 1.5e+06\n")
	if metrics["x_sum"] != 12.5 || metrics["x_count"] != 1.5e6 {
		t.Errorf("parseMetrics returned the wrong metrics %v", metrics)
	}
	info := parseInfo("# CPU\r\nused_cpu_sys:1.25\r\n\r\n# Commandstats\r\n" +
		"cmdstat_time:calls=42,usec=7,usec_per_call=0.17,rejected_calls=0,failed_calls=0\r\n")
	if info["used_cpu_sys"] != 1.25 || info["cmdstat_time"] != 42 {
		t.Errorf("parseInfo returned the wrong numbers %v", info)
	}
}

// pointOf returns the point of requests for which Redis spent exactly c and two cores were busy.
func pointOf(c scale.Cost, batch, lookups float64, nodes int) *scalePoint {
	const requests, service, load = 10_000, 100e-6, 20e-6
	p := &scalePoint{requests: requests, load: requests * load}
	p.service, p.lookups = requests*service, requests*lookups
	p.roundTrips = p.lookups / batch
	for i := range nodes { // three nodes have 1/6, 2/6 and 3/6 of the lookups
		share := float64(i+1) / float64(nodes*(nodes+1)/2)
		node := nodeCounters{lookups: p.lookups * share, roundTrips: p.roundTrips * share}
		node.cpu = c.RoundTrip*node.roundTrips + c.Lookup*node.lookups
		p.nodes = append(p.nodes, node)
	}
	p.turns = []loaded{{perSecond: 2 / (service + load + p.redis()/requests)}}
	return p
}

// TestReportPoint checks that measurements differ from predictions by the same factor as the costs.
func TestReportPoint(t *testing.T) {
	t.Parallel()
	cost := scale.Cost{RoundTrip: 20e-6, Lookup: 2e-6}
	points := map[int]*scalePoint{}
	for _, connections := range scaleConnections {
		points[connections] = pointOf(cost, float64(connections)/2+0.5, 2, 1)
	}
	costs := costsOf(points, scaleConnections)
	for factor, want := range map[float64][]string{
		1: {
			"Redis's µs a request | 9.71 | 9.71 |", "node 1 | 1.62 | 1.62 |", "node 2 | 3.24 | 3.24 |", "node 3 | 4.86 | 4.86 |",
			"requests/s | 15419 | 15419 |",
		},
		1.25: {
			"Redis's µs a request | 9.71 | 12.14 | +25.0 % |", "node 1 | 1.62 | 2.02 | +25.0 % |",
			"requests/s | 15419 | 15135 | -1.8 % |",
		},
	} {
		p := pointOf(scale.Cost{RoundTrip: cost.RoundTrip * factor, Lookup: cost.Lookup * factor}, 7, 2, 3)
		var text strings.Builder
		reportPoint(func(format string, args ...any) { fmt.Fprintf(&text, format+"\n", args...) },
			"a Cluster", p, points[scaleAt], 100e-6, costs)
		for _, row := range want {
			if !strings.Contains(text.String(), row) {
				t.Errorf("with Redis at %.2f times its predicted cost, the report has no %q:\n%s", factor, row, &text)
			}
		}
	}
}

// TestCountersOf checks that the lookups of a Cluster's node are not counted twice because of the epochs.
func TestCountersOf(t *testing.T) {
	t.Parallel()
	got := countersOf(parseInfo("used_cpu_sys:1\r\nused_cpu_user:2\r\n" +
		"cmdstat_exists:calls=30,usec=1\r\ncmdstat_get:calls=50,usec=1\r\ncmdstat_time:calls=7,usec=1\r\n"))
	if want := (nodeCounters{cpu: 3, lookups: 40, roundTrips: 7}); got != want {
		t.Errorf("the counters are %v; want %v", got, want)
	}
}

// TestReportRequests checks that one Redis and a Cluster are compared at the same number of connections.
func TestReportRequests(t *testing.T) {
	t.Parallel()
	s := scaleResults{storing: 300e6, reading: 40e6}
	s.single, s.cluster = map[int]*scalePoint{}, map[int]*scalePoint{}
	for _, n := range scaleConnections {
		s.single[n] = pointOf(scale.Cost{RoundTrip: 20e-6, Lookup: 2e-6}, 10, 1, 1)
		s.cluster[n] = pointOf(scale.Cost{RoundTrip: 20e-6, Lookup: 2e-6}, 10, 2, 3)
		s.single[n].turns = []loaded{{1, 2000, 300, 0}, {3, 1000, 100, 0}, {2, 3000, 200, 0}}
		s.cluster[n].turns = []loaded{{1, 4000, 5000, 0}}
	}
	var text strings.Builder
	s.reportRequests(func(format string, args ...any) { fmt.Fprintf(&text, format+"\n", args...) })
	want := "| 64 | one Redis | 2 | 2.00 | 0.20 | 100.0 | 4.00 |\n| 64 | a Cluster | 1 | 4.00 | 5.00 | 100.0 | 8.00 |\n"
	for _, want := range []string{want, "300 ms on a Cluster whose", "40 ms on one that has them."} {
		if !strings.Contains(text.String(), want) {
			t.Errorf("the report has no %q:\n%s", want, &text)
		}
	}
}

// TestLoadedAdd checks that the requests of two instances are added, and that the slower one counts.
func TestLoadedAdd(t *testing.T) {
	t.Parallel()
	var l loaded
	l.add(wrkResult{requests: 100, duration: 1e6, p50: 5, p99: 9, cpu: time.Second})
	l.add(wrkResult{requests: 200, duration: 1e6, p50: 4, p99: 10, cpu: time.Second})
	if want := (loaded{300, 5, 10, 2}); l != want {
		t.Errorf("the sum is %v; want %v", l, want)
	}
}

func TestCountersAdd(t *testing.T) {
	t.Parallel()
	var c counters
	c.add(counters{3, 30, 10, []nodeCounters{{1, 20, 5}, {2, 10, 5}}}, 1)
	c.add(counters{1, 10, 5, []nodeCounters{{0.5, 5, 2}, {1, 5, 3}}}, -1)
	want := counters{2, 20, 5, []nodeCounters{{0.5, 15, 3}, {1, 5, 2}}}
	if fmt.Sprint(c) != fmt.Sprint(want) {
		t.Errorf("the costs are %v; want %v", c, want)
	}
}
