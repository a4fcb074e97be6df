package main

import (
	"fmt"
	"os"
	"time"

	"github.com/redis/go-redis/v9"
)

// measureRevoked compares Redis servers with different numbers of revoked tokens.
func (b *bench) measureRevoked(r *results) error {
	r.revoked = map[int][]sample{}
	type pair struct{ service, redis *process }
	pairs := map[int]pair{}
	sizes := []int{0, 10_000, 1_000_000}
	for _, size := range sizes {
		server, err := b.startRedis(false)
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
	for range b.half() {
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

// revoke puts n tokens on the blacklist of a server, and measures the memory that each takes.
func (b *bench) revoke(r *results, server *process, n int) error {
	client := redis.NewClient(&redis.Options{Addr: fmt.Sprint("127.0.0.1:", server.port)})
	defer func() { _ = client.Close() }()
	before := b.usedMemory(client)
	if err := b.revokeTokens(client, n); err != nil {
		return err
	}
	if n > 0 {
		r.perToken = (b.usedMemory(client) - before) / float64(n)
	}
	return nil
}

// revokeTokens puts n tokens of the usual length on a blacklist.
func (b *bench) revokeTokens(client redis.UniversalClient, n int) error {
	for first := 0; first < n; first += 10_000 {
		pipeline := client.Pipeline()
		for i := first; i < min(n, first+10_000); i++ {
			pipeline.Set(b.ctx, fmt.Sprintf("blacklist:%s%09d", b.token[:len(b.token)-9], i), "true", 24*time.Hour)
		}
		if _, err := pipeline.Exec(b.ctx); err != nil {
			return err
		}
	}
	return nil
}

// usedMemory returns how many bytes of memory servers use.
func (b *bench) usedMemory(clients ...*redis.Client) (bytes float64) {
	for _, client := range clients {
		info, _ := client.Info(b.ctx, "memory").Result()
		bytes += parseInfo(info)["used_memory"]
	}
	return bytes
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
	for range b.half() {
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
