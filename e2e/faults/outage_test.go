package faults

import (
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"gin-auth/e2e/internal/harness"
	"gin-auth/e2e/internal/requests"
)

// rig is a service on a Redis that persists every write, optionally through a proxy.
type rig struct {
	redis         *harness.Redis
	proxy         *proxy
	service       *harness.Service
	metrics       string // the METRICS_ADDR of the service
	live, revoked string
}

func newRig(t *testing.T, find settings, proxied bool) *rig {
	t.Helper()
	r := &rig{redis: harness.StartRedis(t, "--appendonly", "yes", "--appendfsync", "always")}
	r.metrics = fmt.Sprint("127.0.0.1:", harness.FreePort(t))
	addr := r.redis.Addr()
	if proxied {
		r.proxy = startProxy(t, addr)
		addr = r.proxy.addr()
	}
	r.service = requests.Start(t, append(find(t, addr), "METRICS_ADDR="+r.metrics)...)
	r.live, r.revoked = requests.Login(t, r.service, "ada"), requests.Login(t, r.service, "ada")
	requests.WantLogout(t, r.service, r.revoked)
	return r
}

// outages are the ways in which Redis can fail. take begins an outage and returns a function that ends it.
var outages = []struct {
	name      string
	proxied   bool
	guardOnly bool // a logout is stored even so
	take      func(t *testing.T, r *rig) (back func())
}{
	{"refused", false, false, kill},
	{"hung", false, false, stop},
	{"black hole", true, false, through(fault{swallow: true})},
	{"slow by 2 s", true, false, through(fault{delay: 2 * time.Second})},
	{"reset in the first reply", true, false, through(fault{cut: 3})},
	{"reset in the last reply", true, true, through(fault{cut: 12})}, // ":0" and part of the epoch
}

func kill(t *testing.T, r *rig) (back func()) {
	t.Helper()
	r.redis.Kill()
	return func() { r.redis.Start(t) }
}

func stop(t *testing.T, r *rig) (back func()) {
	t.Helper()
	r.redis.Signal(t, syscall.SIGSTOP)
	return func() { r.redis.Signal(t, syscall.SIGCONT) }
}

func through(f fault) func(*testing.T, *rig) func() {
	return func(_ *testing.T, r *rig) func() {
		r.proxy.set(f)
		return func() { r.proxy.set(fault{}) }
	}
}

// TestOutages sends a thousand concurrent requests during each outage. It measures times, so it does not run in
// parallel.
func TestOutages(t *testing.T) {
	for name, find := range topologies {
		t.Run(name, func(t *testing.T) {
			for _, outage := range outages {
				t.Run(outage.name, func(t *testing.T) {
					r := newRig(t, find, outage.proxied)
					var before footprint
					for range 3 {
						r.burst(t, true, false) // opens all connections, so that their cost is not measured
						before = r.footprintOf(t)
					}
					back := outage.take(t, r)
					harness.LogTimes(t, "without", r.burst(t, outage.guardOnly, true), requests.Bar)
					back()
					since := time.Now()
					harness.Eventually(t, "the service answers again", func() error {
						if got := requests.Send(t, r.service, "GET", requests.Me, r.live, ""); got.Status != 200 {
							return fmt.Errorf("%s", got)
						}
						return nil
					})
					harness.LogTime(t, "first good answer", time.Since(since), time.Second)
					r.waitUntilSteady(t)
					requests.WantRefused(t, "logged out before", requests.Send(t, r.service, "GET", requests.Me, r.revoked, ""))
					requests.WantLogout(t, r.service, requests.Login(t, r.service, "ada"))
					r.wantBack(t, before)
				})
			}
		})
	}
}

// waitUntilSteady waits until requests have been answered for half a second: a connection that was being made during
// the outage can still fail after the first good answer. A revoked token is never accepted.
func (r *rig) waitUntilSteady(t *testing.T) {
	t.Helper()
	since := time.Now()
	harness.Eventually(t, "the service answers every request", func() error {
		for time.Since(since) < 500*time.Millisecond {
			live, revoked := requests.Send(t, r.service, "GET", requests.Me, r.live, ""), requests.Send(t, r.service, "GET", requests.Me, r.revoked, "")
			if !revoked.Refused() && !revoked.Is(503, requests.Away) {
				t.Fatalf("a revoked token: got %s, want 401 or 503", revoked)
			}
			if live.Status != 200 || !revoked.Refused() {
				since = time.Now()
				return fmt.Errorf("%s; a revoked token: %s", live, revoked)
			}
			time.Sleep(10 * time.Millisecond)
		}
		return nil
	})
}

// burst sends all requests at once: a third with a valid token, a third with a revoked one, and a third logouts.
func (r *rig) burst(t *testing.T, guardOnly, down bool) []time.Duration {
	t.Helper()
	took := make([]time.Duration, requests.Concurrent)
	var unavailable atomic.Int64
	harness.Each(requests.Concurrent, func(i int) {
		method, path, token, wantAnswer := "GET", requests.Me, r.live, requests.Answer{Status: 503, Body: requests.Away}
		switch {
		case i%3 == 1:
			token = r.revoked
		case i%3 == 2 && !guardOnly:
			method, path, token = "POST", requests.Logout, requests.OwnToken("user "+strconv.Itoa(i), time.Now())
			wantAnswer = requests.Answer{Status: 500, Body: requests.Broken}
		}
		got, err := requests.Try(r.service, method, path, token, "")
		took[i] = got.Took
		unavailableNow := got.Is(wantAnswer.Status, wantAnswer.Body)
		switch {
		case err != nil:
			t.Error(err)
		case unavailableNow:
			unavailable.Add(1)
		case down:
			t.Errorf("%s %s without Redis: got %s, want %d and the cookie kept", method, path, got, wantAnswer.Status)
		case token == r.revoked && !got.Refused(), token != r.revoked && got.Status != 200:
			t.Errorf("%s %s with Redis: got %s", method, path, got)
		}
	})
	if n := unavailable.Load(); !down && n > 0 {
		t.Logf("%d of %d requests were rejected because no connection was free", n, requests.Concurrent)
	}
	return took
}

// TestWrongPassword starts the service with a wrong password, which Redis accepts later.
func TestWrongPassword(t *testing.T) {
	t.Parallel()
	for name, find := range topologies {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := harness.StartRedis(t, "--requirepass", "right")
			c := redis.NewClient(&redis.Options{Addr: r.Addr(), Password: "right"})
			t.Cleanup(func() { _ = c.Close() })
			s := requests.Start(t, append(find(t, r.Addr()), "REDIS_PASSWORD=wrong")...)
			token := requests.OwnToken("ada", time.Now())
			for _, path := range []string{requests.Me, "/readyz"} {
				requests.WantStatus(t, path, requests.Send(t, s, "GET", path, token, ""), 503)
			}
			requests.WantStatus(t, "healthz", requests.Send(t, s, "GET", "/healthz", "", ""), 200)
			if got := requests.Send(t, s, "POST", requests.Logout, token, ""); !got.Is(500, requests.Broken) {
				t.Errorf("logout: got %s, want 500 and the cookie kept", got)
			}
			harness.Command(t, c, "CONFIG", "SET", "requirepass", "wrong")
			since := time.Now()
			harness.Eventually(t, "the service is connected to Redis", func() error {
				if got := requests.Send(t, s, "GET", requests.Me, token, ""); got.Status != 200 {
					return fmt.Errorf("%s", got)
				}
				return nil
			})
			harness.LogTime(t, "recovered", time.Since(since), 2*time.Second)
			requests.WantLogout(t, s, token)
		})
	}
}

// TestReadsOnly makes Redis reject writes. The guard keeps working, and a logout reports its failure. With
// min-replicas-to-write, a master that is cut off from its replicas rejects writes.
func TestReadsOnly(t *testing.T) {
	t.Parallel()
	for name, find := range topologies {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for name, test := range map[string]struct{ take, back []any }{
				"cut off":       {[]any{"CONFIG", "SET", "min-replicas-to-write", "1"}, []any{"CONFIG", "SET", "min-replicas-to-write", "0"}},
				"out of memory": {[]any{"CONFIG", "SET", "maxmemory", "1"}, []any{"CONFIG", "SET", "maxmemory", "0"}},
			} {
				t.Run(name, func(t *testing.T) {
					t.Parallel()
					r := newRig(t, find, false)
					c := r.redis.Client(t)
					harness.Command(t, c, test.take...)
					for range 20 {
						requests.WantStatus(t, "me", requests.Send(t, r.service, "GET", requests.Me, r.live, ""), 200)
						requests.WantRefused(t, "logged out before", requests.Send(t, r.service, "GET", requests.Me, r.revoked, ""))
						if got := requests.Send(t, r.service, "POST", requests.Logout, r.live, ""); !got.Is(500, requests.Broken) {
							t.Fatalf("logout: got %s, want 500 and the cookie kept", got)
						}
					}
					harness.Command(t, c, test.back...)
					since := time.Now()
					harness.Eventually(t, "logout works again", func() error {
						if got := requests.Send(t, r.service, "POST", requests.Logout, r.live, ""); got.Status != 200 {
							return fmt.Errorf("%s", got)
						}
						return nil
					})
					harness.LogTime(t, "recovered", time.Since(since), 2*time.Second)
					requests.WantRefused(t, "logged out after", requests.Send(t, r.service, "GET", requests.Me, r.live, ""))
				})
			}
		})
	}
}

// TestLoading checks that a Redis that has restarted but is still loading its data counts as unavailable.
func TestLoading(t *testing.T) {
	t.Parallel()
	for name, find := range topologies {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			redis := harness.StartRedis(t, "--key-load-delay", "1000", "--loading-process-events-interval-bytes", "1024")
			c := redis.Client(t)
			s := requests.Start(t, find(t, redis.Addr())...)
			live, revoked := requests.Login(t, s, "ada"), requests.Login(t, s, "ada")
			requests.WantLogout(t, s, revoked)
			pipeline := c.Pipeline()
			for i := range 5000 {
				pipeline.Set(t.Context(), fmt.Sprint("filler:", i), strings.Repeat("x", 64), 0)
			}
			if _, err := pipeline.Exec(t.Context()); err != nil {
				t.Fatal(err)
			}
			harness.Command(t, c, "SAVE")
			redis.Kill()
			redis.Launch(t)
			harness.Eventually(t, "Redis is loading", func() error {
				if err := c.Get(t.Context(), "x").Err(); err == nil || !strings.HasPrefix(err.Error(), "LOADING") {
					return fmt.Errorf("%w", err)
				}
				return nil
			})
			for range 5 {
				if got := requests.Send(t, s, "GET", requests.Me, live, ""); !got.Is(503, requests.Away) {
					t.Fatalf("me while loading: got %s, want 503 and the cookie kept", got)
				}
				if got := requests.Send(t, s, "POST", requests.Logout, live, ""); !got.Is(500, requests.Broken) {
					t.Fatalf("logout while loading: got %s, want 500 and the cookie kept", got)
				}
			}
			redis.WaitFor(t, "Ready to accept connections")
			since := time.Now()
			harness.Eventually(t, "the service answers again", func() error {
				if got := requests.Send(t, s, "GET", requests.Me, live, ""); got.Status != 200 {
					return fmt.Errorf("%s", got)
				}
				return nil
			})
			harness.LogTime(t, "recovered", time.Since(since), 2*time.Second)
			requests.WantRefused(t, "logged out before", requests.Send(t, s, "GET", requests.Me, revoked, ""))
			requests.WantLogout(t, s, live)
		})
	}
}

// connections is how many connections to Redis the service keeps at most.
var connections = max(32, 10*runtime.GOMAXPROCS(0))

// footprint is the resources that the idle service uses.
type footprint struct{ goroutines, threads, files, megabytes int }

// footprintOf waits until the clients' connections are closed, and returns the footprint of the service.
func (r *rig) footprintOf(t *testing.T) (f footprint) {
	t.Helper()
	requests.CloseIdleConnections()
	harness.Eventually(t, "the clients' connections are closed", func() error {
		f = footprint{}
		response, err := http.Get("http://" + r.metrics + "/metrics")
		if err != nil {
			return err
		}
		defer response.Body.Close()
		text, err := io.ReadAll(response.Body)
		_, goroutines, _ := strings.Cut(string(text), "\ngo_goroutines ")
		_, _ = fmt.Sscan(goroutines, &f.goroutines)
		files, _ := filepath.Glob(fmt.Sprintf("/proc/%d/fd/*", r.service.Process.Process.Pid))
		f.files = len(files)
		if f.files > 36+2*connections || f.goroutines > 40 {
			return fmt.Errorf("%d files, %d goroutines", f.files, f.goroutines)
		}
		return err
	})
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", r.service.Process.Process.Pid))
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(status)) {
		if kb, ok := strings.CutPrefix(line, "VmRSS:"); ok {
			_, _ = fmt.Sscan(kb, &f.megabytes)
			f.megabytes /= 1024
		}
		if threads, ok := strings.CutPrefix(line, "Threads:"); ok {
			_, _ = fmt.Sscan(threads, &f.threads)
		}
	}
	return f
}

// memoryBar limits how much more memory the service may use after an outage than before it, in MB. Go returns memory
// gradually. Three times as much is an error.
const memoryBar = 20

// wantBack waits until the service uses about as much as before the outage, again after many requests. A client that had
// to renew all its connections to Redis keeps as many to a sentinel for a minute.
func (r *rig) wantBack(t *testing.T, before footprint) {
	t.Helper()
	harness.Eventually(t, "the service uses what it used before the outage", func() error {
		r.burst(t, true, false)
		after := r.footprintOf(t)
		if after.goroutines > before.goroutines+30 || after.threads > before.threads+10 ||
			after.files > before.files+2*connections || after.megabytes > before.megabytes+3*memoryBar {
			return fmt.Errorf("%+v before the outage, %+v now", before, after)
		}
		t.Logf("before %+v, after %+v (bar %d MB more)", before, after, memoryBar)
		return nil
	})
}
