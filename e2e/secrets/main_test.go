// Package secrets runs the built service with secrets from files, and with each protection of a Redis: TLS, client
// certificates, ACL users and a Unix socket. gin-auth check must name each mistake. If the service starts, its log
// must name it too.
package secrets

import (
	"crypto/rand"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"gin-auth/e2e/internal/harness"
)

func TestMain(m *testing.M) { harness.Main(m) }

const (
	secret   = "a secret of more than thirty-two bytes"
	password = "hush hush hush"
)

// production adds settings to those that every test needs. The secret is in a file.
func production(t *testing.T, more ...string) []string {
	t.Helper()
	return append([]string{
		"NODE_ENV=production", "SHUTDOWN_DELAY=0s", "REDIS_TIMEOUT=2s", "JWT_SECRET_FILE=" + file(t, "jwt", secret+"\n"),
	}, more...)
}

// file writes a file and returns its path.
func file(t *testing.T, name, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// works starts the service, registers a user and logs them out. gin-auth check must find no problem.
func works(t *testing.T, env []string) {
	t.Helper()
	s := harness.StartService(t, env...)
	harness.Eventually(t, "the service is ready", func() error { return ready(s) })
	send := func(method, path, token, body string) (*http.Response, string) {
		header := http.Header{"Content-Type": {"application/json"}, "Cookie": {"token=" + token}}
		return harness.Send(t, http.DefaultClient, method, s.URL+"/api/auth"+path, header, body)
	}
	name := strings.ToLower(rand.Text())
	created, body := send("POST", "/register", "", fmt.Sprintf(`{"username":"%s","email":"%[1]s@example.com","password":"correct horse"}`, name))
	if created.StatusCode != 201 || len(created.Cookies()) != 1 {
		t.Fatalf("register: %d %s", created.StatusCode, body)
	}
	token := created.Cookies()[0].Value
	for _, step := range []struct {
		method, path string
		status       int
	}{{"GET", "/me", 200}, {"POST", "/logout", 200}, {"GET", "/me", 401}} {
		if answer, body := send(step.method, step.path, token, ""); answer.StatusCode != step.status {
			t.Errorf("%s: got %d %s, want %d", step.path, answer.StatusCode, body, step.status)
		}
	}
	hides(t, s.Output())
	check(t, env, 0, "Production can run on this.")
}

// fails starts the service, whose log must say why Redis cannot be used. gin-auth check must say the same.
func fails(t *testing.T, env []string, says string) {
	t.Helper()
	s := harness.StartService(t, env...)
	s.WaitFor(t, "Redis connection failed")
	if err := ready(s); err == nil || !strings.HasPrefix(err.Error(), "503 ") {
		t.Errorf("/readyz: got %v, want 503", err)
	}
	for line := range strings.Lines(s.Output()) {
		text := strings.ReplaceAll(line, `\"`, `"`)
		if strings.Contains(line, "Redis connection failed") {
			t.Log(text)
			if !strings.Contains(text, says) {
				t.Errorf("the log must contain %s", says)
			}
		}
	}
	hides(t, s.Output())
	check(t, env, 1, says)
}

// hides checks that the output of the service contains no secret.
func hides(t *testing.T, output string) {
	t.Helper()
	for _, hidden := range []string{secret, password} {
		if strings.Contains(output, hidden) {
			t.Errorf("the output contains a secret:\n%s", output)
		}
	}
}

// refuses starts the service and gin-auth check. Both must exit with the message and print nothing else.
func refuses(t *testing.T, env []string, message string) {
	t.Helper()
	want := "gin-auth: the configuration is wrong:\n  " + strings.ReplaceAll(message, "\n", "\n  ") + "\n"
	for _, args := range [][]string{nil, {"check"}} {
		p := harness.Start(t, t.TempDir(), env, harness.Binary(t), args...)
		if status, said := p.Exit(t), p.Output(); status != 1 || said != want {
			t.Errorf("gin-auth %s: exit status %d, want 1; it printed\n%swant\n%s", args, status, said, want)
		}
	}
}

// check runs gin-auth check and returns its output. It must exit with the status and print all the strings.
func check(t *testing.T, env []string, status int, says ...string) string {
	t.Helper()
	p := harness.Start(t, t.TempDir(), env, harness.Binary(t), "check")
	if got := p.Exit(t); got != status {
		t.Errorf("check: exit status %d, want %d:\n%s", got, status, p.Output())
	}
	for _, text := range says {
		if !strings.Contains(p.Output(), text) {
			t.Errorf("check printed\n%s\nwant %s", p.Output(), text)
		}
	}
	hides(t, p.Output())
	return p.Output()
}

func ready(s *harness.Service) error {
	response, err := http.Get(s.URL + "/readyz")
	if err != nil {
		return err
	}
	defer response.Body.Close()
	if response.StatusCode != 200 {
		return fmt.Errorf("%d %s", response.StatusCode, s.Output())
	}
	return nil
}
