package rolling

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"gin-auth/e2e/internal/harness"
)

// TestSideBySide runs nginx with the configuration of docs/migration.md.
func TestSideBySide(t *testing.T) {
	t.Parallel()
	nginx := harness.Need(t, "nginx")
	redis := harness.StartRedis(t)
	env := append(redis.Env(), "NODE_ENV=production", "JWT_SECRET="+secret, "BCRYPT_COST=4", "SHUTDOWN_DELAY=0s")
	original := harness.StartOriginal(t, append(env, "USERS_FILE="+usersFile(t))...)
	ours := harness.StartService(t, append(env, "REGISTRATION=closed")...)
	l := &load{url: startNginx(t, nginx, original, ours)}

	for range 10 {
		l.story(l.login())
	}
	if l.original.Load() == 0 || l.ours.Load() == 0 {
		t.Errorf("%d requests reached the Express app and %d this service", l.original.Load(), l.ours.Load())
	}
	before := l.original.Load()
	l.want("register", l.send("POST", "/api/auth/register", "", `{"username":"ada","email":"ada@example.com","password":"correct horse"}`), 201, "")
	if l.original.Load() != before+1 {
		t.Error("a registration did not reach the Express app")
	}
	l.report(t)
}

// startNginx starts nginx with the configuration of the page and other ports, and returns its URL.
func startNginx(t *testing.T, nginx string, original, ours *harness.Service) string {
	t.Helper()
	page := harness.ReadSource(t, "docs/migration.md")
	block := regexp.MustCompile("(?s)```nginx\n(.*?)```").FindStringSubmatch(page)
	if block == nil {
		t.Fatal("docs/migration.md has no configuration for nginx")
	}
	port := strconv.Itoa(harness.FreePort(t))
	config := strings.NewReplacer(
		"127.0.0.1:3001", strings.TrimPrefix(original.URL, "http://localhost:"),
		"127.0.0.1:3000", strings.TrimPrefix(ours.URL, "http://localhost:"),
		"listen 8080", "listen 127.0.0.1:"+port,
		"weight=9", "weight=1", // so that a few requests reach both
	).Replace(block[1])
	config = regexp.MustCompile(`server (\d+)`).ReplaceAllString(config, "server 127.0.0.1:$1")

	dir := t.TempDir()
	config = fmt.Sprintf("daemon off;\npid %[1]s/nginx.pid;\nerror_log stderr;\nevents {}\nhttp {\naccess_log off;\n"+
		"client_body_temp_path %[1]s;\nproxy_temp_path %[1]s;\nfastcgi_temp_path %[1]s;\nuwsgi_temp_path %[1]s;\nscgi_temp_path %[1]s;\n%[2]s}\n", dir, config)
	path := filepath.Join(dir, "nginx.conf")
	if err := os.WriteFile(path, []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	p := harness.Start(t, dir, nil, nginx, "-c", path, "-p", dir)
	harness.Eventually(t, "nginx listens", func() error {
		conn, err := net.Dial("tcp", "127.0.0.1:"+port)
		if err != nil {
			return fmt.Errorf("%w: %s", err, p.Output())
		}
		return conn.Close()
	})
	// The workers end only if the master is asked to end. If it is killed, they keep running.
	t.Cleanup(func() { p.Stop(t) })
	return "http://127.0.0.1:" + port
}
