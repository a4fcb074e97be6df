package main

import (
	"context"
	_ "embed"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

//go:embed done.lua
var doneLua []byte

// sample is one turn of one variant.
type sample struct {
	perSecond      float64
	p50, p99, p999 time.Duration
	cpu, redisCPU  float64 // microseconds a request
}

// again takes a turn anew that had failed requests, as where the machine stood still for longer than REDIS_TIMEOUT.
func again(turn func() (sample, error)) (s sample, err error) {
	for range 3 {
		if s, err = turn(); err == nil {
			break
		}
		fmt.Fprintln(os.Stderr, "bench: once more:", err)
	}
	return s, err
}

// load has a variant answer GET /me as fast as it can, at so many connections.
func (b *bench) load(p, redis *process, connections int) (sample, error) {
	return again(func() (sample, error) { return b.loadOnce(p, redis, connections) })
}

func (b *bench) loadOnce(p, redis *process, connections int) (sample, error) {
	script := filepath.Join(b.dir, "done.lua")
	if err := os.WriteFile(script, doneLua, 0o600); err != nil {
		return sample{}, err
	}
	cpu, redisCPU := p.cpu(), redis.cpu()
	out, err := exec.CommandContext(b.ctx, "wrk", "-t1", "-c"+strconv.Itoa(connections), "--timeout", "10s",
		fmt.Sprintf("-d%ds", max(1, int(b.turn.Seconds()))), "-s", script, "-H", "Cookie: token="+b.token,
		p.url()+"/api/auth/me").CombinedOutput()
	if err != nil {
		return sample{}, fmt.Errorf("wrk: %w\n%s", err, out)
	}
	var requests, microseconds, failed float64
	var p50, p99, p999 int64
	_, line, _ := strings.Cut(string(out), "RESULT ")
	if _, err := fmt.Sscan(line, &requests, &microseconds, &p50, &p99, &p999, &failed); err != nil || requests == 0 {
		return sample{}, fmt.Errorf("wrk printed %s", out)
	}
	if failed > 0 {
		return sample{}, fmt.Errorf("%.0f of %.0f requests failed", failed, requests)
	}
	us := func(n int64) time.Duration { return time.Duration(n) * time.Microsecond }
	return sample{
		perSecond: requests / microseconds * 1e6,
		p50:       us(p50), p99: us(p99), p999: us(p999),
		cpu:      (p.cpu() - cpu) / requests * 1e6,
		redisCPU: (redis.cpu() - redisCPU) / requests * 1e6,
	}, nil
}

// visit asks for /me as 8 people do, every 20 ms each, and takes the 99th percentile.
func (b *bench) visit(p *process) (sample, error) {
	return again(func() (sample, error) { return b.visitOnce(p) })
}

func (b *bench) visitOnce(p *process) (sample, error) {
	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 8}}
	var mu sync.Mutex
	var times []time.Duration
	var failed error
	var all sync.WaitGroup
	until := time.Now().Add(b.turn)
	for range 8 {
		all.Go(func() {
			for time.Now().Before(until) && b.ctx.Err() == nil {
				request, _ := http.NewRequestWithContext(b.ctx, http.MethodGet, p.url()+"/api/auth/me", nil)
				request.Header.Set("Cookie", "token="+b.token)
				started := time.Now()
				status, err := do(client, request)
				mu.Lock()
				times = append(times, time.Since(started))
				if err != nil {
					failed = err
				} else if status != http.StatusOK {
					failed = fmt.Errorf("me: %d", status)
				}
				mu.Unlock()
				time.Sleep(20 * time.Millisecond)
			}
		})
	}
	all.Wait()
	if len(times) == 0 {
		return sample{}, context.Cause(b.ctx)
	}
	slices.Sort(times)
	return sample{p99: times[len(times)*99/100]}, failed
}

func do(client *http.Client, request *http.Request) (int, error) {
	answer, err := client.Do(request)
	if err != nil {
		return 0, err
	}
	defer func() { _ = answer.Body.Close() }()
	_, err = io.Copy(io.Discard, answer.Body)
	return answer.StatusCode, err
}

// flood logs in from 32 clients, a second after it was told to come again, until stop is called.
func (b *bench) flood(p *process) (stop func()) {
	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 32}}
	ctx, cancel := context.WithCancel(b.ctx)
	var all sync.WaitGroup
	for range 32 {
		all.Go(func() {
			for ctx.Err() == nil {
				request, _ := http.NewRequestWithContext(ctx, http.MethodPost, p.url()+"/api/auth/login", strings.NewReader(ada))
				request.Header.Set("Content-Type", "application/json")
				if status, _ := do(client, request); status != http.StatusOK {
					select {
					case <-time.After(time.Second):
					case <-ctx.Done():
					}
				}
			}
		})
	}
	return func() { cancel(); all.Wait() }
}
