package harness

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// Process is a program started by a test.
type Process struct {
	*exec.Cmd
	out  output
	done chan struct{}
	err  error // valid when done is closed
}

// Start starts a program in dir and kills it when the test ends. Its environment has only PATH, HOME and env.
func Start(t testing.TB, dir string, env []string, program string, args ...string) *Process {
	t.Helper()
	return StartTo(t, nil, dir, env, program, args...)
}

// StartTo is Start with standard error written to a file of the test, such as a pipe that nobody reads. Output does
// not contain it.
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
	// The kernel sends Pdeathsig when the thread that started the process ends.
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

// Signal sends a signal to the process, such as SIGSTOP.
func (p *Process) Signal(t testing.TB, sig syscall.Signal) {
	t.Helper()
	if err := p.Process.Signal(sig); err != nil {
		t.Fatal(err)
	}
}

// Stop sends SIGTERM, as an orchestrator does, and returns the exit status of the process.
func (p *Process) Stop(t testing.TB) int {
	t.Helper()
	_ = p.Process.Signal(syscall.SIGTERM)
	return p.Exit(t)
}

// Exit waits until the process ends by itself and returns its exit status.
func (p *Process) Exit(t testing.TB) int {
	t.Helper()
	select {
	case <-p.done:
		return p.ProcessState.ExitCode()
	case <-time.After(30 * time.Second):
		t.Fatalf("%s did not end in time; it printed:\n%s", p.Path, p.Output())
		return -1
	}
}

// WaitFor waits until the process has printed text. It fails the test if the process ends first.
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
