package main

import (
	"fmt"
	"math/rand/v2"
	"os"
	"time"
)

// results are all measurements.
type results struct {
	options
	main     map[string][]sample // at 64 connections, a sample per round
	tuned    map[string][]sample // like main with gogc; the names are those without it
	many     map[string][]sample // like main with many tokens or sessions
	variants map[string][]sample // like main for the other variants of the service and of Express
	alone    map[string][]sample // at one connection
	sweep    map[string]map[int]sample
	revoked  map[int][]sample
	perToken float64 // bytes of Redis per revoked token
	delays   map[time.Duration][]sample
	idle     map[string][]sample // the guard's p99
	flooded  map[string][]sample // the guard's p99 while others log in
	logins   map[string]loginCount
	hash     map[string]time.Duration // a bcrypt hash at cost 10
	memory   map[string]float64       // after 256 connections
	first    []time.Duration          // from the start of gin-auth to its first response
	scale    scaleResults
	measured time.Time
}

var sweepConnections = []int{1, 16, 64, 256, 1024}

// swept are the variants that are measured at each of sweepConnections.
var swept = []string{express1, express2, ours, without}

func (b *bench) measure() (*results, error) {
	r := &results{options: b.options, measured: time.Now(), memory: map[string]float64{}}
	for _, part := range []struct {
		what string
		do   func(*results) error
	}{
		{"64 connections", b.measureMain}, {gogc, b.measureTuned}, {"many tokens", b.measureMany},
		{"variants", b.measureVariants}, {"one connection", b.measureAlone}, {"connections", b.measureSweep},
		{"revoked tokens", b.measureRevoked}, {"far from Redis", b.measureDelays}, {"a flood of logins", b.measureFlood},
		{"starts", b.measureStarts},
		{"scale", b.measureScale},
	} {
		_, _ = fmt.Fprintln(os.Stdout, part.what)
		if err := part.do(r); err != nil {
			return nil, fmt.Errorf("%s: %w", part.what, err)
		}
		if b.ctx.Err() != nil {
			return nil, b.ctx.Err()
		}
	}
	return r, nil
}

// inTurns gives each variant a turn in every round, so that the machine's noise affects all of them equally. The
// order is random, so that no variant always follows the same other one.
func inTurns(rounds int, names []string, turn func(name string) (sample, error)) (map[string][]sample, error) {
	samples := map[string][]sample{}
	for range rounds {
		for _, i := range rand.Perm(len(names)) { //nolint:gosec // G404: an order, not a secret
			name := names[i]
			s, err := turn(name)
			if err != nil {
				return nil, fmt.Errorf("%s: %w", name, err)
			}
			samples[name] = append(samples[name], s)
		}
	}
	return samples, nil
}

// at returns a function that measures a variant at a number of connections.
func (b *bench) at(connections int) func(name string) (sample, error) {
	return func(name string) (sample, error) { return b.load(b.variants[name], b.redis, connections) }
}

func (b *bench) measureMain(r *results) (err error) {
	r.main, err = inTurns(b.rounds, append(leading(), without), b.at(64))
	return err
}

func (b *bench) measureTuned(r *results) (err error) {
	r.tuned, err = inTurns(b.half(), inGo(), func(name string) (sample, error) {
		return b.load(b.variants[tuned(name)], b.redis, 64)
	})
	return err
}

func (b *bench) measureMany(r *results) (err error) {
	if err := b.makeCookies(); err != nil {
		return err
	}
	r.many, err = inTurns(b.half(), leading(), func(name string) (sample, error) {
		return b.loadMany(b.variants[name], b.redis, 64, b.cookies[name])
	})
	return err
}

func (b *bench) measureVariants(r *results) (err error) {
	r.variants, err = inTurns(b.half(), []string{express2, ours, plain, pipelined, logging}, b.at(64))
	return err
}

func (b *bench) measureAlone(r *results) (err error) {
	r.alone, err = inTurns(b.half(), []string{ours, plain, pipelined, without}, b.at(1))
	return err
}

func (b *bench) measureSweep(r *results) error {
	r.sweep = map[string]map[int]sample{}
	for _, name := range swept {
		r.sweep[name] = map[int]sample{}
		for _, connections := range sweepConnections {
			s, err := b.load(b.variants[name], b.redis, connections)
			if err != nil {
				return fmt.Errorf("%s, %d: %w", name, connections, err)
			}
			r.sweep[name][connections] = s
			if connections == 256 {
				r.memory[name] = b.variants[name].memory()
			}
		}
	}
	return nil
}

func (b *bench) measureStarts(r *results) error {
	for range max(3, b.rounds) {
		p, err := b.start(b.env(b.redis), b.binaries[ours])
		if err != nil {
			return err
		}
		r.first = append(r.first, p.first)
		_ = p.Process.Kill()
	}
	return nil
}
