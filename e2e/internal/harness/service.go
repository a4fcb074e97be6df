package harness

import (
	"bytes"
	"context"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

// Service is the built service, or a program with the same settings.
type Service struct {
	*Process
	// URL is http://localhost:port.
	URL string
}

// StartService starts the built service on a free port and waits until it listens. When the test ends, it fails if
// the service has printed a token, a password or a secret.
func StartService(t testing.TB, env ...string) *Service {
	t.Helper()
	return startService(t, nil, Binary(t), env...)
}

// StartServiceTo is StartService with the log written to a file of the test, as with StartTo.
func StartServiceTo(t testing.TB, stderr *os.File, env ...string) *Service {
	t.Helper()
	return startService(t, stderr, Binary(t), env...)
}

func startService(t testing.TB, stderr *os.File, binary string, env ...string) *Service {
	t.Helper()
	port := FreePort(t)
	env = append([]string{"PORT=" + strconv.Itoa(port), "HOST=127.0.0.1"}, env...)
	s := &Service{
		Process: StartTo(t, stderr, t.TempDir(), env, binary),
		URL:     "http://localhost:" + strconv.Itoa(port),
	}
	t.Cleanup(func() {
		s.Kill()
		if secret := leaked(s.Output(), env); secret != "" {
			t.Errorf("the service printed %s", secret)
		}
	})
	quiet := slices.ContainsFunc(env, func(setting string) bool { return strings.HasPrefix(setting, "LOG_LEVEL=") })
	if stderr == nil && !quiet {
		s.WaitFor(t, "listening")
		return s
	}
	Eventually(t, "the service listens", func() error { // the log level may hide its message
		conn, err := net.Dial("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(port)))
		if err == nil {
			err = conn.Close()
		}
		return err
	})
	return s
}

// StartOriginal starts the Express app of e2e/parity on a free port and waits until it listens.
func StartOriginal(t testing.TB, env ...string) *Service {
	t.Helper()
	port := FreePort(t)
	app := filepath.Join(Root(), "e2e", "parity", "express", "server.js")
	env = append([]string{"PORT=" + strconv.Itoa(port), "HOST=127.0.0.1"}, env...)
	s := &Service{
		Process: Start(t, t.TempDir(), env, Node(t), app),
		URL:     "http://localhost:" + strconv.Itoa(port),
	}
	s.WaitFor(t, "listening on")
	return s
}

// RunNode runs a script of e2e with input on standard input and returns its output.
func RunNode(t testing.TB, input []byte, script string, args ...string) []byte {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	command := exec.CommandContext(ctx, Node(t), append([]string{filepath.Join(Root(), "e2e", script)}, args...)...)
	command.Stdin = bytes.NewReader(input)
	var stderr bytes.Buffer
	command.Stderr = &stderr
	out, err := command.Output()
	if err != nil {
		t.Fatalf("node %s: %v\n%s", script, err, stderr.Bytes())
	}
	return out
}
