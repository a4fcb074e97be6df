// Package harness starts what the tests in e2e are made of: the built service, Redis, Node programs.
// Everything listens on a free port of loopback and ends with its test.
package harness

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
)

// Root is the directory of the repository.
func Root() string {
	_, file, _, _ := runtime.Caller(0)
	return filepath.Join(filepath.Dir(file), "..", "..", "..")
}

// Need returns the path of a program. Without it the test is skipped, or fails where E2E=all says that
// everything has to be there.
func Need(t testing.TB, program string) string {
	t.Helper()
	path, err := exec.LookPath(program)
	if err != nil {
		missing(t, program+" is not installed")
	}
	return path
}

// Node returns the path of node, with the packages of e2e/package.json installed beside it.
func Node(t testing.TB) string {
	t.Helper()
	node := Need(t, "node")
	if _, err := os.Stat(filepath.Join(Root(), "e2e", "node_modules")); err != nil {
		missing(t, "the npm packages are not installed: run npm ci in e2e")
	}
	return node
}

func missing(t testing.TB, what string) {
	t.Helper()
	if os.Getenv("E2E") == "all" {
		t.Fatalf("%s (E2E=all)", what)
	}
	t.Skipf("%s", what)
}

// built is where the service is built, once for all tests of a package.
var built struct {
	once sync.Once
	dir  string
	err  error
}

// Binary returns the path of the built service.
func Binary(t testing.TB) string {
	t.Helper()
	built.once.Do(func() {
		if built.dir, built.err = os.MkdirTemp("", "gin-auth-e2e-"); built.err != nil {
			return
		}
		command := exec.Command("go", "build", "-o", built.dir, ".")
		command.Dir = Root()
		if out, err := command.CombinedOutput(); err != nil {
			built.err = fmt.Errorf("go build: %w\n%s", err, out)
		}
	})
	if built.err != nil {
		t.Fatal(built.err)
	}
	return filepath.Join(built.dir, "gin-auth")
}

// Main runs a package's tests and removes what Binary built. It belongs into every TestMain.
func Main(m *testing.M) {
	status := m.Run()
	for _, dir := range []string{built.dir, shifted.dir} {
		if dir != "" {
			_ = os.RemoveAll(dir)
		}
	}
	os.Exit(status)
}

// Process is a program that a test started.
type Process struct {
	*exec.Cmd
	out  output
	done chan struct{}
	err  error // valid when done is closed
}

// Start starts a program in dir with nothing in its environment but PATH, HOME and env, and kills it
// when the test ends.
func Start(t testing.TB, dir string, env []string, program string, args ...string) *Process {
	t.Helper()
	return StartTo(t, nil, dir, env, program, args...)
}

// StartTo is Start with standard error going to a file of the test's, such as a pipe that nobody reads. Output
// does not have it.
func StartTo(t testing.TB, stderr *os.File, dir string, env []string, program string, args ...string) *Process {
	t.Helper()
	p := &Process{Cmd: exec.Command(program, args...), done: make(chan struct{})}
	p.Dir = dir
	p.Env = append([]string{"PATH=" + os.Getenv("PATH"), "HOME=" + os.Getenv("HOME")}, env...)
	p.Stdout, p.Stderr = &p.out, &p.out
	if stderr != nil {
		p.Stderr = stderr
	}
	p.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	// Pdeathsig is sent when the thread that started the process ends.
	started := make(chan error)
	go func() {
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		started <- p.Start()
		p.err = p.Wait()
		close(p.done)
	}()
	if err := <-started; err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		p.Kill()
		if t.Failed() {
			t.Logf("%s printed:\n%s", filepath.Base(program), lastLines(p.Output(), 100))
		}
	})
	return p
}

func lastLines(text string, n int) string {
	lines := strings.SplitAfter(text, "\n")
	return strings.Join(lines[max(0, len(lines)-n):], "")
}

// Output returns what the process has printed so far, on both streams.
func (p *Process) Output() string { return p.out.String() }

// Kill ends the process at once.
func (p *Process) Kill() {
	_ = p.Process.Signal(syscall.SIGCONT)
	_ = p.Process.Kill()
	<-p.done
}

// Stop asks the process to end, as an orchestrator does, and returns its exit status.
func (p *Process) Stop(t testing.TB) int {
	t.Helper()
	_ = p.Process.Signal(syscall.SIGTERM)
	return p.Exit(t)
}

// Exit waits for the process to end by itself and returns its exit status.
func (p *Process) Exit(t testing.TB) int {
	t.Helper()
	select {
	case <-p.done:
		return p.ProcessState.ExitCode()
	case <-time.After(30 * time.Second):
		t.Fatalf("%s did not end; it printed:\n%s", p.Path, p.Output())
		return -1
	}
}

// WaitFor waits until the process has printed text, or fails the test if it ended before.
func (p *Process) WaitFor(t testing.TB, text string) {
	t.Helper()
	Eventually(t, fmt.Sprintf("%s printed %q", filepath.Base(p.Path), text), func() error {
		if strings.Contains(p.Output(), text) {
			return nil
		}
		select {
		case <-p.done:
			t.Fatalf("%s ended (%v) before it printed %q; it printed:\n%s", p.Path, p.err, text, p.Output())
		default:
		}
		return errors.New("not yet")
	})
}

// Eventually tries until try returns nil, at most 20 seconds long.
func Eventually(t testing.TB, what string, try func() error) {
	t.Helper()
	var err error
	for deadline := time.Now().Add(20 * time.Second); time.Now().Before(deadline); time.Sleep(10 * time.Millisecond) {
		if err = try(); err == nil {
			return
		}
	}
	t.Fatalf("waited too long until %s: %v", what, err)
}

// Redis is a redis-server of a test.
type Redis struct {
	*Process
	Port int
	dir  string
	args []string
	env  []string
}

// StartRedis starts a redis-server with more arguments, such as "--appendonly", "yes", and waits until
// it answers. Its data live in a directory of the test's.
func StartRedis(t testing.TB, args ...string) *Redis {
	t.Helper()
	r := &Redis{Port: FreePort(t), dir: t.TempDir(), args: args}
	r.Start(t)
	return r
}

// Start starts the server again, on the same port and the same data, and waits until it has loaded them.
func (r *Redis) Start(t testing.TB) {
	t.Helper()
	r.Launch(t)
	r.WaitFor(t, "Ready to accept connections")
}

// Launch is Start without the wait.
func (r *Redis) Launch(t testing.TB) {
	t.Helper()
	args := append([]string{"--port", strconv.Itoa(r.Port), "--bind", "127.0.0.1", "--save", "", "--dir", r.dir}, r.args...)
	r.Process = Start(t, r.dir, r.env, Need(t, "redis-server"), args...)
}

// Addr returns the server's host:port.
func (r *Redis) Addr() string { return net.JoinHostPort("127.0.0.1", strconv.Itoa(r.Port)) }

// Client returns a client of the server, for a test to look at what is stored.
func (r *Redis) Client(t testing.TB) *redis.Client {
	t.Helper()
	client := redis.NewClient(&redis.Options{Addr: r.Addr()})
	t.Cleanup(func() { _ = client.Close() })
	return client
}

// Env returns the settings that point the service, or the original, at the server.
func (r *Redis) Env() []string {
	return []string{"REDIS_HOST=127.0.0.1", "REDIS_PORT=" + strconv.Itoa(r.Port)}
}

// Service is the built service, or a program that takes the same settings.
type Service struct {
	*Process
	// URL is http://localhost:port.
	URL string
}

// StartService starts the built service on a free port and waits until it listens. The test fails if the
// service has printed a token, a password or a secret by its end.
func StartService(t testing.TB, env ...string) *Service {
	t.Helper()
	return startService(t, nil, Binary(t), env...)
}

// StartServiceTo is StartService with the log going to a file of the test's, as with StartTo.
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
	Eventually(t, "the service listens", func() error { // it may not say so
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

// RunNode runs a script of e2e with input and returns what it prints.
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

// output is a buffer that a process writes to while a test reads it.
type output struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.Write(p)
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.String()
}
