package main

import (
	"fmt"
	"math"
	"slices"
	"time"
)

func ms(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }

func median(values []float64) float64 {
	sorted := slices.Sorted(slices.Values(values))
	n := len(sorted)
	if n == 0 {
		return math.NaN()
	}
	return (sorted[(n-1)/2] + sorted[n/2]) / 2
}

func of(samples []sample, value func(sample) float64) []float64 {
	values := make([]float64, len(samples))
	for i, s := range samples {
		values[i] = value(s)
	}
	return values
}

// ratios divides the values of each round.
func ratios(a, b []sample, value func(sample) float64) []float64 {
	divided := make([]float64, min(len(a), len(b)))
	for i := range divided {
		divided[i] = value(a[i]) / value(b[i])
	}
	return divided
}

func perSecond(s sample) float64 { return s.perSecond }
func p50(s sample) float64       { return ms(s.p50) }
func p99(s sample) float64       { return ms(s.p99) }
func p999(s sample) float64      { return ms(s.p999) }
func cpu(s sample) float64       { return s.cpu }
func redisCPU(s sample) float64  { return s.redisCPU }

// spread returns the median, the smallest and the largest of ratios.
func spread(ratios []float64) string {
	return fmt.Sprintf("%.2f (%.2f to %.2f)", median(ratios), slices.Min(ratios), slices.Max(ratios))
}
