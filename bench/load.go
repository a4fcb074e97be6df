package main

import (
	"cmp"
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

// sample is the result of one turn of one variant.
type sample struct {
	perSecond      float64
	p50, p99, p999 time.Duration
	cpu, redisCPU  float64 // microseconds per request
}

// again repeats a turn in which a request failed or none was answered, for example because the machine paused for
// longer than REDIS_TIMEOUT. Each attempt is twice as long as the one before.
func (b *bench) again(turn func(length time.Duration) (sample, error)) (s sample, err error) {
	for try := range 3 {
		if s, err = turn(b.turn << try); err == nil || b.ctx.Err() != nil {
			break
		}
		fmt.Fprintln(os.Stderr, "bench: repeating a turn:", err)
	}
	return s, err
}

// load sends GET /me to a variant as fast as it can answer, over a number of connections.
func (b *bench) load(p, redis *process, connections int) (sample, error) {
	return b.again(func(length time.Duration) (sample, error) {
		return b.wrk(p, redis, connections, length, doneLua, "-H", "Cookie: "+b.cookieFor(p), p.url()+"/api/auth/me")
	})
}

// loadMany is load with the cookies of a file.
func (b *bench) loadMany(p, redis *process, connections int, cookies string) (sample, error) {
	script := slices.Concat(doneLua, tokensLua)
	return b.again(func(length time.Duration) (sample, error) {
		return b.wrk(p, redis, connections, length, script, p.url()+"/api/auth/me", "--", cookies)
	})
}

// cookieFor returns the cookie for requests to a variant.
func (b *bench) cookieFor(p *process) string {
	return cmp.Or(p.cookie, "token="+b.token)
}

// wrk runs wrk for a time, with a script and additional arguments.
func (b *bench) wrk(
	p, redis *process, connections int, length time.Duration, script []byte, args ...string,
) (sample, error) {
	file := filepath.Join(b.dir, "wrk.lua")
	if err := os.WriteFile(file, script, 0o600); err != nil {
		return sample{}, err
	}
	cpu, redisCPU := p.cpu(), redis.cpu()
	r, err := b.runWrk(connections, length, file, args...)
	if err != nil {
		return sample{}, err
	}
	if r.failed > 0 {
		return sample{}, fmt.Errorf("%.0f of %.0f requests failed", r.failed, r.requests)
	}
	us := func(n float64) time.Duration { return time.Duration(n) * time.Microsecond }
	return sample{
		perSecond: r.perSecond(),
		p50:       us(r.p50), p99: us(r.p99), p999: us(r.p999),
		cpu:      (p.cpu() - cpu) / r.requests * 1e6,
		redisCPU: (redis.cpu() - redisCPU) / r.requests * 1e6,
	}, nil
}

// wrkResult is what done.lua prints. Times are in microseconds.
type wrkResult struct {
	requests, duration, p50, p99, p999, failed float64
	cpu                                        time.Duration // of wrk itself
}

func (r wrkResult) perSecond() float64 { return r.requests / r.duration * 1e6 }

// runWrk runs wrk for a time with the script in a file, which includes done.lua, and with additional arguments.
func (b *bench) runWrk(connections int, length time.Duration, script string, args ...string) (r wrkResult, err error) {
	wrk := exec.CommandContext(b.ctx, "wrk", append([]string{
		"-t1", "-c" + strconv.Itoa(connections), "--timeout", "10s",
		fmt.Sprintf("-d%ds", max(1, int(length.Seconds()))), "-s", script,
	}, args...)...)
	out, err := wrk.CombinedOutput()
	if err != nil {
		return wrkResult{}, fmt.Errorf("wrk: %w\n%s", err, out)
	}
	_, line, _ := strings.Cut(string(out), "RESULT ")
	_, err = fmt.Sscan(line, &r.requests, &r.duration, &r.p50, &r.p99, &r.p999, &r.failed)
	if err != nil || r.requests == 0 {
		return wrkResult{}, fmt.Errorf("wrk printed no result: %s", out)
	}
	r.cpu = wrk.ProcessState.UserTime() + wrk.ProcessState.SystemTime()
	return r, nil
}

// patience is how long a visitor waits for a response. A request without a response by then counts with this time.
const patience = 5 * time.Second

// visit sends /me as 8 users do, each every 20 ms, and returns the 99th percentile.
func (b *bench) visit(p *process) (sample, error) {
	return b.again(func(length time.Duration) (sample, error) { return b.visitOnce(p, length) })
}

func (b *bench) visitOnce(p *process, length time.Duration) (sample, error) {
	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 8}, Timeout: patience}
	defer client.CloseIdleConnections()
	var mu sync.Mutex
	var times []time.Duration
	var failed error
	var all sync.WaitGroup
	until := time.Now().Add(length)
	for range 8 {
		all.Go(func() {
			for time.Now().Before(until) && b.ctx.Err() == nil {
				request, _ := http.NewRequestWithContext(b.ctx, http.MethodGet, p.url()+"/api/auth/me", nil)
				request.Header.Set("Cookie", b.cookieFor(p))
				started := time.Now()
				status, err := do(client, request)
				mu.Lock()
				times = append(times, time.Since(started))
				if err != nil && time.Since(started) < patience {
					failed = err
				} else if err == nil && status != http.StatusOK {
					failed = fmt.Errorf("me: got status %d, want 200", status)
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
