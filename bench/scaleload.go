package main

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
)

// loaded is what the programs that send requests to an arrangement measured.
type loaded struct {
	perSecond float64 // of all instances
	p50, p99  float64 // of the slowest instance, in microseconds
	cpu       float64 // of the programs themselves, in seconds
}

// loadAll sends requests to all instances at the same time, over a number of connections each.
func (b *bench) loadAll(a *arrangement, tokens string, connections int) (sum loaded, err error) {
	script := filepath.Join(b.dir, "scale.lua")
	if err := os.WriteFile(script, slices.Concat(doneLua, tokensLua), 0o600); err != nil {
		return loaded{}, err
	}
	var mu sync.Mutex
	var errs []error
	var all sync.WaitGroup
	for _, instance := range a.instances {
		all.Go(func() {
			r, err := b.loadTokens(instance, script, tokens, connections)
			mu.Lock()
			defer mu.Unlock()
			sum.add(r)
			errs = append(errs, err)
		})
	}
	all.Wait()
	return sum, errors.Join(errs...)
}

// add adds the requests to another instance, which were sent at the same time.
func (l *loaded) add(r wrkResult) {
	if r.requests == 0 {
		return
	}
	l.perSecond += r.perSecond()
	l.p50, l.p99 = max(l.p50, r.p50), max(l.p99, r.p99)
	l.cpu += r.cpu.Seconds()
}

func (b *bench) loadTokens(p *process, script, tokens string, connections int) (wrkResult, error) {
	r, err := b.runWrk(connections, b.turn, script, p.url()+"/api/auth/me", "--", tokens)
	if err != nil {
		return wrkResult{}, err
	}
	if r.failed > r.requests/1000 {
		return wrkResult{}, fmt.Errorf("%.0f of %.0f requests failed", r.failed, r.requests)
	}
	return r, nil
}

// readMetrics reads the Prometheus metrics without labels of an instance.
func (b *bench) readMetrics(address string) (map[string]float64, error) {
	request, err := http.NewRequestWithContext(b.ctx, http.MethodGet, "http://"+address+"/metrics", nil)
	if err != nil {
		return nil, err
	}
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		return nil, err
	}
	defer func() { _ = answer.Body.Close() }()
	text, err := io.ReadAll(answer.Body)
	if err != nil {
		return nil, err
	}
	metrics := parseMetrics(string(text))
	if _, ok := metrics["gin_auth_redis_lookups_per_batch_count"]; !ok {
		return nil, fmt.Errorf("%s has no metrics of lookups", address)
	}
	return metrics, nil
}

func parseMetrics(text string) map[string]float64 {
	metrics := map[string]float64{}
	for line := range strings.Lines(text) {
		name, value, _ := strings.Cut(strings.TrimSpace(line), " ")
		if n, err := strconv.ParseFloat(value, 64); err == nil {
			metrics[name] = n
		}
	}
	return metrics
}

// parseInfo parses the numbers of Redis's INFO. For a command it returns the number of calls.
func parseInfo(text string) map[string]float64 {
	values := map[string]float64{}
	for line := range strings.Lines(text) {
		name, value, _ := strings.Cut(strings.TrimSpace(line), ":")
		if calls, ok := strings.CutPrefix(value, "calls="); ok {
			value, _, _ = strings.Cut(calls, ",")
		}
		if n, err := strconv.ParseFloat(value, 64); err == nil {
			values[name] = n
		}
	}
	return values
}
