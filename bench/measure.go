package main

import (
	"fmt"
	"math/rand/v2"
	"os"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"
)

// results are all that was measured.
type results struct {
	options
	main     map[string][]sample // at 64 connections, a sample a round
	alone    map[string][]sample // at one
	sweep    map[string]map[int]sample
	revoked  map[int][]sample
	perToken float64 // bytes of Redis a revoked token
	delays   map[time.Duration][]sample
	idle     map[string][]sample // the guard's p99
	flooded  map[string][]sample // the same while others log in
	memory   map[string]float64  // after 256 connections
	first    []time.Duration     // from the start of gin-auth to its first answer
	measured time.Time
}

var sweepConnections = []int{1, 16, 64, 256, 1024}

func (b *bench) measure() (*results, error) {
	r := &results{options: b.options, measured: time.Now(), memory: map[string]float64{}}
	for _, part := range []struct {
		what string
		do   func(*results) error
	}{
		{"64 connections", b.measureMain}, {"one connection", b.measureAlone}, {"connections", b.measureSweep},
		{"revoked tokens", b.measureRevoked}, {"far from Redis", b.measureDelays}, {"a flood of logins", b.measureFlood},
		{"starts", b.measureStarts},
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

// inTurns gives each variant its turn, round by round, so that all meet the same noise, and each in another order,
// so that none always follows the same.
func (b *bench) inTurns(names []string, connections int) (map[string][]sample, error) {
	samples := map[string][]sample{}
	for range b.rounds {
		for _, i := range rand.Perm(len(names)) { //nolint:gosec // G404: an order, not a secret
			name := names[i]
			s, err := b.load(b.variants[name], b.redis, connections)
			if err != nil {
				return nil, fmt.Errorf("%s: %w", name, err)
			}
			samples[name] = append(samples[name], s)
		}
	}
	return samples, nil
}

func (b *bench) measureMain(r *results) (err error) {
	r.main, err = b.inTurns([]string{express1, express2, ours, without, plain, pipelined, logging}, 64)
	return err
}

func (b *bench) measureAlone(r *results) (err error) {
	r.alone, err = b.inTurns([]string{ours, plain, pipelined, without}, 1)
	return err
}

func (b *bench) measureSweep(r *results) error {
	r.sweep = map[string]map[int]sample{}
	for _, name := range []string{express1, express2, ours, without, plain} {
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

// measureRevoked compares Redis servers with so many revoked tokens.
func (b *bench) measureRevoked(r *results) error {
	r.revoked = map[int][]sample{}
	type pair struct{ service, redis *process }
	pairs := map[int]pair{}
	sizes := []int{0, 10_000, 1_000_000}
	for _, size := range sizes {
		server, err := b.startRedis()
		if err != nil {
			return err
		}
		if err := b.revoke(r, server, size); err != nil {
			return err
		}
		service, err := b.start(b.env(server), b.binaries[ours])
		if err != nil {
			return err
		}
		pairs[size] = pair{service, server}
	}
	for range (b.rounds + 1) / 2 {
		for _, size := range sizes {
			s, err := b.load(pairs[size].service, pairs[size].redis, 64)
			if err != nil {
				return err
			}
			r.revoked[size] = append(r.revoked[size], s)
		}
	}
	return nil
}

// revoke puts so many tokens of the usual length on a blacklist.
func (b *bench) revoke(r *results, server *process, n int) error {
	client := redis.NewClient(&redis.Options{Addr: fmt.Sprint("127.0.0.1:", server.port)})
	defer func() { _ = client.Close() }()
	used := func() (bytes float64) {
		info, _ := client.Info(b.ctx, "memory").Result()
		_, value, _ := strings.Cut(info, "used_memory:")
		_, _ = fmt.Sscan(value, &bytes)
		return bytes
	}
	before := used()
	for first := 0; first < n; first += 10_000 {
		pipeline := client.Pipeline()
		for i := first; i < min(n, first+10_000); i++ {
			pipeline.Set(b.ctx, fmt.Sprintf("blacklist:%s%09d", b.token[:len(b.token)-9], i), "true", 24*time.Hour)
		}
		if _, err := pipeline.Exec(b.ctx); err != nil {
			return err
		}
	}
	if n > 0 {
		r.perToken = (used() - before) / float64(n)
	}
	return nil
}

// measureDelays compares round trips to Redis of 0, 1 and 5 ms, all through the same proxy.
func (b *bench) measureDelays(r *results) error {
	self, err := os.Executable()
	if err != nil {
		return err
	}
	r.delays = map[time.Duration][]sample{}
	services := map[time.Duration]*process{}
	delays := []time.Duration{0, time.Millisecond, 5 * time.Millisecond}
	for _, delay := range delays {
		env := []string{"DELAY=" + delay.String(), fmt.Sprint("TARGET=127.0.0.1:", b.redis.port)}
		proxy, err := b.start(env, self, delayed)
		if err != nil {
			return err
		}
		if services[delay], err = b.start(b.env(proxy), b.binaries[ours]); err != nil {
			return err
		}
	}
	for range (b.rounds + 1) / 2 {
		for _, delay := range delays {
			s, err := b.load(services[delay], b.redis, 1024)
			if err != nil {
				return err
			}
			r.delays[delay] = append(r.delays[delay], s)
		}
	}
	return nil
}

func (b *bench) measureFlood(r *results) error {
	r.idle, r.flooded = map[string][]sample{}, map[string][]sample{}
	for range (b.rounds + 1) / 2 {
		for _, name := range []string{ours, express1} {
			idle, err := b.visit(b.variants[name])
			if err != nil {
				return err
			}
			stop := b.flood(b.variants[name])
			time.Sleep(500 * time.Millisecond)
			flooded, err := b.visit(b.variants[name])
			stop()
			if err != nil {
				return fmt.Errorf("%s under a flood of logins: %w", name, err)
			}
			r.idle[name], r.flooded[name] = append(r.idle[name], idle), append(r.flooded[name], flooded)
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
