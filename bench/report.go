package main

import (
	"fmt"
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
		"peers.svg":      r.peersChart(),
		"throughput.svg": plot("Requests per second, by connections", series(func(s sample) float64 { return s.perSecond })),
		"latency.svg":    plot("p99 in milliseconds, by connections", series(func(s sample) float64 { return ms(s.p99) })),
	}
}

// report returns the report in Markdown.
func (r *results) report() string {
	var t strings.Builder
	line := func(format string, args ...any) { fmt.Fprintf(&t, format+"\n", args...) }
	line("# What a request costs\n")
	line("`go run ./bench` on %s; %s. Service, Redis and load share the machine. Turns of %s, %d rounds for the first "+
		"figures and %d for the others, medians of the rounds; ratios are taken within a round.\n",
		r.measured.Format(time.DateOnly), machine(), r.turn, r.rounds, r.half())
	r.reportPeers(line)
	r.bars(line)
	r.reportVariants(line)
	r.reportConnections(line)
	r.reportRedis(line)
	r.reportLogins(line)
	r.reportScale(line)
	return t.String()
}

func (r *results) reportVariants(line func(string, ...any)) {
	line("\n## Variants of gin-auth, 64 connections\n")
	line("| | requests/s | p50 ms | p99 ms | p99.9 ms | CPU µs per request | Redis's CPU µs | of gin-auth's requests/s |")
	line("|---|--:|--:|--:|--:|--:|--:|--:|")
	row := func(name string, part map[string][]sample) {
		s := part[name]
		line("| %s | %.0f | %.2f | %.2f | %.2f | %.0f | %.1f | %s |",
			name, median(of(s, perSecond)), median(of(s, p50)), median(of(s, p99)), median(of(s, p999)),
			median(of(s, cpu)), median(of(s, redisCPU)), spread(ratios(s, part[ours], perSecond)))
	}
	for _, name := range []string{express2, plain, pipelined, ours, logging} {
		row(name, r.variants)
	}
	row(without, r.main)
	line("\nThe last line was measured in the rounds of the first table.")
	line("\n## One connection\n\n| | p50 ms | CPU µs per request |\n|---|--:|--:|")
	for _, name := range []string{plain, pipelined, ours, without} {
		line("| %s | %.3f | %.0f |", name, median(of(r.alone[name], p50)), median(of(r.alone[name], cpu)))
	}
}

func (r *results) reportConnections(line func(string, ...any)) {
	line("\n## By connections: requests/s, and p99 in ms\n")
	line("| connections | %s |", strings.Join(swept, " | "))
	line("|---|%s", strings.Repeat("--:|", len(swept)))
	for _, connections := range sweepConnections {
		cells := ""
		for _, name := range swept {
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
	line("\n## By the delay of Redis, 1,024 connections\n")
	line("| added to each answer | requests/s | p50 ms | p99 ms |\n|--:|--:|--:|--:|")
	for _, delay := range []time.Duration{0, time.Millisecond, 5 * time.Millisecond} {
		s := r.delays[delay]
		line("| %s | %.0f | %.1f | %.1f |", delay, median(of(s, perSecond)), median(of(s, p50)), median(of(s, p99)))
	}
}

func (r *results) reportLogins(line func(string, ...any)) {
	line("\n## While 32 clients log in without pause, bcrypt cost %d\n", bcryptCost)
	line("| | guard's p99 ms, idle | flooded | logins/s | logins per CPU second | hashes per CPU second |")
	line("|---|--:|--:|--:|--:|--:|")
	for _, name := range []string{express1, ours} {
		line("| %s | %.1f | %.1f | %.1f | %.1f | %.1f |", name,
			median(of(r.idle[name], p99)), median(of(r.flooded[name], p99)), r.logins[name].perSecond(),
			r.logins[name].perCore(), 1000/ms(r.hash[name]))
	}
	line("\nA CPU second is a second of one core. A login needs one hash, so the last column is the theoretical maximum "+
		"of logins per core: one bcrypt hash of cost %d takes %.1f ms of CPU time here with golang.org/x/crypto, and %.1f "+
		"ms with bcryptjs, which Express uses. The CPU time of the logins is all that the service used during the flood, "+
		"including the guard's requests. gin-auth hashes on half of the cores at most, and leaves the others to the guard. "+
		"A request to the guard that was not answered within %s counts with that time.",
		bcryptCost, ms(r.hash[ours]), ms(r.hash[express1]), patience)
}
