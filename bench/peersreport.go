package main

import (
	"fmt"
	"strings"
)

// reportPeers writes the first table of the report.
func (r *results) reportPeers(line func(string, ...any)) {
	tokens := thousands(r.tokens)
	line("`GET /api/auth/me` with a valid session, at 64 connections. ÷ is gin-auth's requests/s divided by those of " +
		"the line: median (least to most).\n")
	line("| | asks Redis | requests/s | p50 ms | p99 ms | CPU µs per request | ÷ | requests/s with `%s` | ÷ | "+
		"requests/s with %s tokens or sessions | ÷ |", gogc, tokens)
	line("|---|---|--:|--:|--:|--:|--:|--:|--:|--:|--:|")
	for _, row := range asks {
		s := r.main[row.name]
		withGOGC := "– | –"
		if t := r.tuned[row.name]; t != nil {
			withGOGC = against(t, r.tuned[ours])
		}
		line("| %s | %s | %.0f | %.2f | %.2f | %.0f | %s | %s | %s |", row.name, row.redis,
			median(of(s, perSecond)), median(of(s, p50)), median(of(s, p99)), median(of(s, cpu)),
			spread(ratios(r.main[ours], s, perSecond)), withGOGC, against(r.many[row.name], r.many[ours]))
	}
	line("\nThe programs run in production mode and write no log line per request. \"Express\" is the original, which "+
		"uses jsonwebtoken and ioredis. The sources of the others in [peers](peers) begin with a description. The first "+
		"figures are those of each program with its default settings, and one token or session. `%s` is the value that "+
		"gin-auth sets itself; with it, the garbage collector of every Go program runs equally rarely. With %s tokens or "+
		"sessions, each request sends a random one of them, so a cache of recent ones helps little. The responses of the "+
		"programs with sessions are shorter, because a session has no jti, iat and exp.\n", gogc, tokens)
	line("![requests per second](peers.svg)")
}

// against returns two cells: the requests/s of a variant, and gin-auth's divided by them.
func against(s, gin []sample) string {
	return fmt.Sprintf("%.0f | %s", median(of(s, perSecond)), spread(ratios(gin, s, perSecond)))
}

// thousands formats a number with a comma before each group of three digits.
func thousands(n int) string {
	digits := fmt.Sprint(n)
	var parts []string
	for len(digits) > 3 {
		parts = append([]string{digits[len(digits)-3:]}, parts...)
		digits = digits[:len(digits)-3]
	}
	return strings.Join(append([]string{digits}, parts...), ",")
}

// peersChart draws the requests/s of the first table.
func (r *results) peersChart() string {
	var bars []bar
	for _, row := range asks {
		bars = append(bars, bar{row.name, median(of(r.main[row.name], perSecond)), row.name == ours})
	}
	return barChart("Requests per second, GET /api/auth/me, 64 connections", bars)
}
