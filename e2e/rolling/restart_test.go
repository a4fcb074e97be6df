package rolling

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"gin-auth/e2e/internal/harness"
)

// TestRestarts restarts two instances in turn, by SIGTERM alone, under 500 requests a second: haproxy notices by
// /readyz, and no request fails.
func TestRestarts(t *testing.T) {
	redis := harness.StartRedis(t)
	env := append(redis.Env(), "NODE_ENV=production", "JWT_SECRET="+secret, "BCRYPT_COST=4", "SHUTDOWN_DELAY=1s", "LOGIN_LIMIT=off")
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
			t.Errorf("instance %d: exit status %d", i, status)
		}
		port := s.URL[strings.LastIndex(s.URL, ":")+1:]
		harness.StartService(t, append(env, "PORT="+port)...)
		harness.Eventually(t, "haproxy has noticed", func() error {
			if line := p.server(t, i); !strings.Contains(line, ",UP,") {
				return fmt.Errorf("%s", line)
			}
			return nil
		})
	}
	close(ending)
	all.Wait()
	t.Logf("%.0f requests a second", float64(sent)/time.Since(started).Seconds())
	l.report(t)
}

// startChecking starts haproxy as one is run: it asks each instance whether it is ready.
func startChecking(t *testing.T, instances []*harness.Service) proxy {
	t.Helper()
	dir := t.TempDir()
	port := harness.FreePort(t)
	p := proxy{url: "http://127.0.0.1:" + strconv.Itoa(port), socket: filepath.Join(dir, "admin.sock")}
	config := fmt.Sprintf(`global
  stats socket %s level admin
defaults
  mode http
  timeout connect 2s
  timeout client 10s
  timeout server 10s
  default-server inter 100ms fall 2 rise 1 check
frontend web
  bind 127.0.0.1:%d
  default_backend auth
backend auth
  balance roundrobin
  option httpchk GET /readyz
`, p.socket, port)
	for i, s := range instances {
		config += fmt.Sprintf("  server ours%d 127.0.0.1%s\n", i, s.URL[strings.LastIndex(s.URL, ":"):])
	}
	path := filepath.Join(dir, "haproxy.cfg")
	if err := os.WriteFile(path, []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	harness.Start(t, dir, nil, harness.Need(t, "haproxy"), "-db", "-f", path)
	for i := range instances {
		harness.Eventually(t, "haproxy knows the instances", func() error {
			if _, err := os.Stat(p.socket); err != nil {
				return err
			}
			if line := p.server(t, i); !strings.Contains(line, ",UP,") {
				return fmt.Errorf("%s", line)
			}
			return nil
		})
	}
	return p
}

// server returns what haproxy says of an instance.
func (p proxy) server(t *testing.T, i int) string {
	t.Helper()
	for line := range strings.Lines(p.command(t, "show stat")) {
		if strings.HasPrefix(line, fmt.Sprintf("auth,ours%d,", i)) {
			return line
		}
	}
	return ""
}
