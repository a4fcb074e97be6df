package main

import "time"

// bars compares the figures with their bars.
func (r *results) bars(line func(string, ...any)) {
	line("\n## The bars\n")
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
	atLeast("requests/s of Express, one process: ≥ 28 ×", oursTo(express1, perSecond), 28)
	atLeast("requests/s of express-session: ≥ 9 ×", oursTo(expressSession, perSecond), 9)
	atLeast("requests/s of scs: ≥ 2.2 ×", oursTo(scs, perSecond), 2.2)
	atLeast("requests/s of the Gin guard that never asks Redis: ≥ 1.2 ×", oursTo(ginGuard, perSecond), 1.2)
	atLeast("requests/s of Gin without a guard: ≥ 0.7 ×", oursTo(ginBare, perSecond), 0.7)
	atLeast("requests/s without the lookup: ≥ 0.85 ×", oursTo(without, perSecond), 0.85)
	atMost("CPU time per request without the lookup: ≤ 1.25 ×", oursTo(without, cpu), 1.25)
	atMost("one connection: p50 with a plain GET: ≤ 1.1 ×", median(ratios(r.alone[ours], r.alone[plain], p50)), 1.1)
	far, near := r.delays[5*time.Millisecond], r.delays[0]
	atLeast("5 ms from Redis, 1,024 connections: requests/s of none: ≥ 0.9 ×", median(ratios(far, near, perSecond)), 0.9)
	many, none := r.revoked[1_000_000], r.revoked[0]
	atLeast("10⁶ revoked tokens: requests/s of none: ≥ 0.95 ×", median(ratios(many, none, perSecond)), 0.95)
	atMost("10⁶ revoked tokens: p99 of none: ≤ 1.2 ×", median(ratios(many, none, p99)), 1.2)
	atMost("flood of logins: guard's p99 of idle: ≤ 3 ×", median(ratios(r.flooded[ours], r.idle[ours], p99)), 3)
	atMost("most memory at 256 connections, MB: ≤ 64", r.memory[ours], 64)
	var first []float64
	for _, d := range r.first {
		first = append(first, ms(d))
	}
	atMost("start to first answer, ms: ≤ 50", median(first), 50)
}
