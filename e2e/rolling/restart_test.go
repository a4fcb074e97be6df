package rolling

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"gin-auth/e2e/internal/harness"
)

// TestRestarts restarts two instances in turn with SIGTERM, under 500 requests a second. haproxy removes them
// because of /readyz, and no request fails.
func TestRestarts(t *testing.T) {
	redis := harness.StartRedis(t)
	env := append(redis.Env(), "NODE_ENV=production", "JWT_SECRET="+secret, "BCRYPT_COST=4", "LOGIN_LIMIT=off",
		"SHUTDOWN_DELAY=2s", "REDIS_TIMEOUT=2s") // enough for a busy machine
	instances := []*harness.Service{harness.StartService(t, env...), harness.StartService(t, env...)}
	p := startChecking(t, instances)
	l := &load{url: p.url}
	l.send("POST", "/api/auth/register", "", fmt.Sprintf(`{"username":"ada","email":%q,"password":%q}`, email(0), password))
	token := l.login()
	l.report(t)
	if t.Failed() {
		t.FailNow()
	}

	ending := make(chan struct{})
	var all sync.WaitGroup
	sent, started := 0, time.Now()
	all.Go(func() {
		ticks := time.NewTicker(2 * time.Millisecond)
		defer ticks.Stop()
		for {
			select {
			case <-ending:
				return
			case <-ticks.C:
			}
			sent++
			all.Go(func() { l.want("me", l.send("GET", "/api/auth/me", token, ""), 200, "") })
		}
	})
	for i, s := range instances {
		if status := s.Stop(t); status != 0 {
			t.Errorf("instance %d: exit status %d, want 0", i, status)
		}
		if i == 0 { // the other instance is slow for three checks, as on a busy machine
			instances[1].Signal(t, syscall.SIGSTOP)
			time.Sleep(300 * time.Millisecond)
			instances[1].Signal(t, syscall.SIGCONT)
		}
		harness.StartService(t, append(env, "PORT="+portOf(s))...)
		p.waitFor(t, "auth", i, ",UP,")
	}
	close(ending)
	all.Wait()
	t.Logf("%.0f requests a second", float64(sent)/time.Since(started).Seconds())
	l.report(t)
}

// startChecking starts haproxy with the documented health check: it requests /readyz of each instance. Without
// "timeout check", a check that takes longer than inter would fail. On a busy machine haproxy would then remove
// both instances.
func startChecking(t *testing.T, instances []*harness.Service) proxy {
	t.Helper()
	port := harness.FreePort(t)
	config := fmt.Sprintf(`frontend web
  bind 127.0.0.1:%d
  default_backend auth
backend auth
  balance roundrobin
  option httpchk GET /readyz
  timeout check 5s
  default-server inter 100ms fall 2 rise 1 check
`, port)
	for i, s := range instances {
		config += fmt.Sprintf("  server ours%d 127.0.0.1:%s\n", i, portOf(s))
	}
	p := startHaproxy(t, config)
	p.url = "http://127.0.0.1:" + strconv.Itoa(port)
	for i := range instances {
		p.waitFor(t, "auth", i, ",UP,")
	}
	return p
}

// startHaproxy starts haproxy with these frontends and backends and waits until it accepts commands.
func startHaproxy(t *testing.T, config string) proxy {
	t.Helper()
	dir := t.TempDir()
	p := proxy{socket: filepath.Join(dir, "admin.sock")}
	config = fmt.Sprintf(`global
  stats socket %s level admin
defaults
  mode http
  timeout connect 2s
  timeout client 10s
  timeout server 10s
`, p.socket) + config
	path := filepath.Join(dir, "haproxy.cfg")
	if err := os.WriteFile(path, []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	harness.Start(t, dir, nil, harness.Need(t, "haproxy"), "-db", "-f", path)
	harness.Eventually(t, "haproxy listens", func() error {
		conn, err := net.Dial("unix", p.socket)
		if err == nil {
			err = conn.Close()
		}
		return err
	})
	return p
}

// server returns haproxy's statistics line for the i-th server of a backend.
func (p proxy) server(t *testing.T, backend string, i int) string {
	t.Helper()
	for line := range strings.Lines(p.command(t, "show stat")) {
		if !strings.HasPrefix(line, backend+",") {
			continue
		}
		if i--; i < 0 {
			return line
		}
	}
	return ""
}

// waitFor waits until haproxy reports the status for the i-th server of a backend.
func (p proxy) waitFor(t *testing.T, backend string, i int, status string) {
	t.Helper()
	harness.Eventually(t, "haproxy has removed the instance", func() error {
		if line := p.server(t, backend, i); !strings.Contains(line, status) {
			return fmt.Errorf("%s", line)
		}
		return nil
	})
}

func portOf(s *harness.Service) string { return s.URL[strings.LastIndex(s.URL, ":")+1:] }
