package rolling

import (
	"fmt"
	"io"
	"net/http"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"gin-auth/e2e/internal/harness"
)

const freeze = 3 * time.Second

// TestReadiness checks what clients get from haproxy, for each kind of health check, while Redis is stopped, while
// an instance stops and after one is killed. All backends run at the same time, so one stop of Redis tests all of
// them.
func TestReadiness(t *testing.T) {
	redis := harness.StartRedis(t)
	// SHUTDOWN_DELAY has its default in production.
	env := append(redis.Env(), "NODE_ENV=production", "JWT_SECRET="+secret, "BCRYPT_COST=4")
	instances := []*harness.Service{harness.StartService(t, env...), harness.StartService(t, env...)}
	p := startReadiness(t, instances)
	l := &load{url: instances[0].URL}
	token := l.send("POST", "/api/auth/register", "", fmt.Sprintf(`{"username":"ada","email":%q,"password":%q}`, email(0), password)).token

	frozen := p.during(token, func() time.Time {
		redis.Signal(t, syscall.SIGSTOP)
		time.Sleep(freeze)
		redis.Signal(t, syscall.SIGCONT)
		thawed := time.Now()
		p.waitUntilUp(t)
		return thawed
	})
	left := map[string]bool{}
	stopped := p.during(token, func() time.Time {
		instances[0].Stop(t)
		for name := range variants {
			left[name] = strings.Contains(p.server(t, name, 0), ",DOWN,")
		}
		time.Sleep(time.Second)
		return time.Now()
	})
	instances[0] = harness.StartService(t, append(env, "PORT="+portOf(instances[0]))...)
	p.waitUntilUp(t)
	killed := p.during(token, func() time.Time {
		instances[0].Kill()
		time.Sleep(time.Second)
		return time.Now()
	})
	for name, v := range variants {
		t.Logf("%s: Redis frozen for %s: %s; an instance stopped: %s; killed: %s", name, freeze, frozen[name], stopped[name], killed[name])
		if got := frozen[name].balancer > 0; got != v.removesAll || frozen[name].own == 0 {
			t.Errorf("%s: while Redis was stopped, haproxy answered itself: %t, want %t; gin-auth must have answered some requests with 503", name, got, v.removesAll)
		}
		if left[name] != v.notices {
			t.Errorf("%s: the stopped instance was removed before it ended: %t, want %t", name, left[name], v.notices)
		}
		// A request that was running when the instance was killed may fail.
		if stopped[name].balancer > 0 || killed[name].balancer > 2 {
			t.Errorf("%s: requests were sent to an instance that had ended", name)
		}
	}
}

// variants are the ways to check an instance. They are built from the backend and the backup lines of
// docs/operations.md.
var variants = map[string]struct {
	config     func(backend, backups string) string
	removesAll bool // haproxy removes all instances while Redis is stopped
	notices    bool // haproxy removes an instance before it stops
}{
	"recommended": {func(backend, _ string) string { return backend }, false, true},
	"short":       {func(backend, _ string) string { return short(backend) }, true, true},
	"backup":      {func(backend, backups string) string { return short(backend) + backups }, false, true},
	"healthz": {
		func(backend, _ string) string { return strings.Replace(short(backend), "/readyz", "/healthz", 1) }, false, false,
	},
}

func short(backend string) string {
	return regexp.MustCompile(`inter \S+ fall \d+`).ReplaceAllString(backend, "inter 1s fall 2")
}

// readiness is a haproxy with a frontend for each variant.
type readiness struct {
	proxy
	urls map[string]string
}

func startReadiness(t *testing.T, instances []*harness.Service) readiness {
	t.Helper()
	page := harness.ReadSource(t, "docs/operations.md")
	blocks := regexp.MustCompile("(?s)```haproxy\n(?:backend auth\n)?(.*?)```").FindAllStringSubmatch(page, -1)
	if len(blocks) != 2 {
		t.Fatal("docs/operations.md does not have two blocks for haproxy")
	}
	p := readiness{urls: map[string]string{}}
	var config strings.Builder
	for name, v := range variants {
		port := harness.FreePort(t)
		p.urls[name] = "http://127.0.0.1:" + strconv.Itoa(port)
		fmt.Fprintf(&config, "frontend %[1]s-in\n  bind 127.0.0.1:%[2]d\n  default_backend %[1]s\nbackend %[1]s\n%[3]s",
			name, port, v.config(blocks[0][1], blocks[1][1]))
	}
	text := config.String()
	for i, s := range instances {
		text = strings.ReplaceAll(text, fmt.Sprintf("gin-auth-%d:3000", i+1), "127.0.0.1:"+portOf(s))
	}
	p.proxy = startHaproxy(t, text)
	p.waitUntilUp(t)
	return p
}

func (p readiness) waitUntilUp(t *testing.T) {
	t.Helper()
	for name := range variants {
		for i := range 2 {
			p.waitFor(t, name, i, ",UP,")
		}
	}
}

// outcome counts the responses of a backend.
type outcome struct {
	mu                  sync.Mutex
	good, own, balancer int
	last                time.Time     // time of the last response that was not 200
	back                time.Duration // how long after the event last was
}

func (o *outcome) String() string {
	return fmt.Sprintf("%d good, 503 by gin-auth %d, by haproxy %d, good again after %s", o.good, o.own, o.balancer, o.back.Round(10*time.Millisecond))
}

// during sends 50 requests a second to each backend while do runs. do returns the time at which the event ended.
func (p readiness) during(token string, do func() time.Time) map[string]*outcome {
	outcomes, ending := map[string]*outcome{}, make(chan struct{})
	var all sync.WaitGroup
	for name, url := range p.urls {
		o := &outcome{}
		outcomes[name] = o
		all.Go(func() {
			ticks := time.NewTicker(20 * time.Millisecond)
			defer ticks.Stop()
			for {
				select {
				case <-ending:
					return
				case <-ticks.C:
					all.Go(func() { o.ask(url, token) })
				}
			}
		})
	}
	over := do()
	close(ending)
	all.Wait()
	for _, o := range outcomes {
		o.back = max(0, o.last.Sub(over))
	}
	return outcomes
}

// ask sends one request and counts the response. A 503 in JSON that does not change the cookie comes from gin-auth.
// Any other response except 200 is counted as haproxy's.
func (o *outcome) ask(url, token string) {
	request, err := http.NewRequest("GET", url+"/api/auth/me", nil)
	if err != nil {
		panic(err)
	}
	request.Header.Set("Cookie", "token="+token)
	response, err := http.DefaultClient.Do(request)
	o.mu.Lock()
	defer o.mu.Unlock()
	if err == nil {
		defer response.Body.Close()
		_, _ = io.Copy(io.Discard, response.Body)
		if response.StatusCode == http.StatusOK {
			o.good++
			return
		}
	}
	o.last = time.Now()
	if err == nil && response.StatusCode == http.StatusServiceUnavailable && response.Header.Get("Set-Cookie") == "" &&
		strings.HasPrefix(response.Header.Get("Content-Type"), "application/json") {
		o.own++
		return
	}
	o.balancer++
}
