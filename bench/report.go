package main

import (
	"fmt"
	"math"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"strings"
	"time"
)

func (r *results) files() map[string]string {
	series := func(value func(sample) float64) map[string][]float64 {
		lines := map[string][]float64{}
		for name, samples := range r.sweep {
			for _, connections := range sweepConnections {
				lines[name] = append(lines[name], value(samples[connections]))
			}
		}
		return lines
	}
	return map[string]string{
		"RESULTS.md":     r.report(),
		"throughput.svg": plot("Requests per second, by connections", series(func(s sample) float64 { return s.perSecond })),
		"latency.svg":    plot("p99 in milliseconds, by connections", series(func(s sample) float64 { return ms(s.p99) })),
	}
}

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

// ratios divides round by round.
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
func cpu(s sample) float64       { return s.cpu }

// report returns the report in Markdown.
func (r *results) report() string {
	var t strings.Builder
	line := func(format string, args ...any) { fmt.Fprintf(&t, format+"\n", args...) }
	line("# What a request costs\n")
	line("`go run ./bench` on %s; %s. Service, Redis and load share the machine. %d rounds of %s a variant, in turns, "+
		"medians of the rounds; ratios are taken within a round.\n",
		r.measured.Format(time.DateOnly), machine(), r.rounds, r.turn)
	r.bars(line)
	r.reportVariants(line)
	r.reportConnections(line)
	r.reportRedis(line)
	line("\n## The guard while 32 clients log in without pause\n\n| | p99 ms, idle | p99 ms, flooded |\n|---|--:|--:|")
	for _, name := range []string{express1, ours} {
		line("| %s | %.1f | %.1f |", name, median(of(r.idle[name], p99)), median(of(r.flooded[name], p99)))
	}
	return t.String()
}

func (r *results) reportVariants(line func(string, ...any)) {
	line("\n## 64 connections\n")
	line("| | requests/s | p50 ms | p99 ms | p99.9 ms | CPU µs a request | of Redis | of gin-auth's requests/s |")
	line("|---|--:|--:|--:|--:|--:|--:|--:|")
	for _, name := range []string{express1, express2, plain, pipelined, ours, logging, without} {
		s := r.main[name]
		ratio := ratios(s, r.main[ours], perSecond)
		line("| %s | %.0f | %.2f | %.2f | %.2f | %.0f | %.1f | %.2f (%.2f to %.2f) |",
			name, median(of(s, perSecond)), median(of(s, p50)),
			median(of(s, p99)), median(of(s, func(s sample) float64 { return ms(s.p999) })), median(of(s, cpu)),
			median(of(s, func(s sample) float64 { return s.redisCPU })), median(ratio), slices.Min(ratio), slices.Max(ratio))
	}
	line("\n## One connection\n\n| | p50 ms | CPU µs a request |\n|---|--:|--:|")
	for _, name := range []string{plain, pipelined, ours, without} {
		line("| %s | %.3f | %.0f |", name, median(of(r.alone[name], p50)), median(of(r.alone[name], cpu)))
	}
}

func (r *results) reportConnections(line func(string, ...any)) {
	line("\n## By connections: requests/s, and p99 in ms\n")
	line("| connections | %s |", strings.Join([]string{express1, express2, plain, ours, without}, " | "))
	line("|---|--:|--:|--:|--:|--:|")
	for _, connections := range sweepConnections {
		cells := ""
		for _, name := range []string{express1, express2, plain, ours, without} {
			s := r.sweep[name][connections]
			cells += fmt.Sprintf(" %.0f, %.1f |", s.perSecond, p99(s))
		}
		line("| %d |%s", connections, cells)
	}
	line("\n![requests per second](throughput.svg)\n\n![p99](latency.svg)")
}

func (r *results) reportRedis(line func(string, ...any)) {
	line("\n## By revoked tokens, 64 connections\n\n| revoked | requests/s | p99 ms |\n|--:|--:|--:|")
	for _, size := range []int{0, 10_000, 1_000_000} {
		line("| %d | %.0f | %.2f |", size, median(of(r.revoked[size], perSecond)), median(of(r.revoked[size], p99)))
	}
	line("\nA revoked token takes %.0f bytes of Redis.", r.perToken)
	line("\n## By the way to Redis, 1,024 connections\n")
	line("| added to each answer | requests/s | p50 ms | p99 ms |\n|--:|--:|--:|--:|")
	for _, delay := range []time.Duration{0, time.Millisecond, 5 * time.Millisecond} {
		s := r.delays[delay]
		line("| %s | %.0f | %.1f | %.1f |", delay, median(of(s, perSecond)), median(of(s, p50)), median(of(s, p99)))
	}
}

// bars holds the figures against what they should be.
func (r *results) bars(line func(string, ...any)) {
	line("| bar | figure | |\n|---|--:|---|")
	bar := func(what string, figure float64, met bool) {
		verdict := "met"
		if !met {
			verdict = "**not met**"
		}
		line("| %s | %.2f | %s |", what, figure, verdict)
	}
	atLeast := func(what string, figure, least float64) { bar(what, figure, figure >= least) }
	atMost := func(what string, figure, most float64) { bar(what, figure, figure <= most) }
	oursTo := func(other string, value func(sample) float64) float64 {
		return median(ratios(r.main[ours], r.main[other], value))
	}
	atLeast("requests/s of Express, one process: ≥ 16 ×", oursTo(express1, perSecond), 16)
	atMost("p99 in p50s of Express: ≤ 1/3", median(of(r.main[ours], p99))/median(of(r.main[express1], p50)), 1.0/3)
	atLeast("requests/s without the look-up: ≥ 0.8 ×", oursTo(without, perSecond), 0.8)
	atMost("CPU a request without the look-up: ≤ 1.25 ×", oursTo(without, cpu), 1.25)
	atLeast("requests/s with a plain GET: ≥ 1.3 ×", oursTo(plain, perSecond), 1.3)
	atMost("one connection: p50 with a plain GET: ≤ 1.1 ×", median(ratios(r.alone[ours], r.alone[plain], p50)), 1.1)
	far, near := r.delays[5*time.Millisecond], r.delays[0]
	atLeast("5 ms from Redis, 1,024 connections: requests/s of none: ≥ 0.8 ×", median(ratios(far, near, perSecond)), 0.8)
	many, none := r.revoked[1_000_000], r.revoked[0]
	atLeast("10⁶ revoked tokens: requests/s of none: ≥ 0.9 ×", median(ratios(many, none, perSecond)), 0.9)
	atMost("10⁶ revoked tokens: p99 of none: ≤ 1.5 ×", median(ratios(many, none, p99)), 1.5)
	atMost("flood of logins: guard's p99 of idle: ≤ 3 ×", median(ratios(r.flooded[ours], r.idle[ours], p99)), 3)
	atMost("most memory at 256 connections, MB: ≤ 40", r.memory[ours], 40)
	var first []float64
	for _, d := range r.first {
		first = append(first, ms(d))
	}
	atMost("start to first answer, ms: ≤ 100", median(first), 100)
}

func machine() string {
	model := "unknown CPU"
	text, _ := os.ReadFile("/proc/cpuinfo")
	if _, rest, ok := strings.Cut(string(text), "model name\t: "); ok {
		model, _, _ = strings.Cut(rest, "\n")
	}
	version := func(program, flag string) string {
		out, _ := exec.Command(program, flag).CombinedOutput()
		first, _, _ := strings.Cut(strings.TrimSpace(string(out)), "\n")
		return first
	}
	redis := version("redis-server", "--version")
	if fields := strings.Fields(redis); len(fields) > 2 {
		redis = "Redis " + strings.TrimPrefix(fields[2], "v=")
	}
	return fmt.Sprintf("%d cores (%s), %s, node %s, %s",
		runtime.NumCPU(), model, runtime.Version(), version("node", "--version"), redis)
}
