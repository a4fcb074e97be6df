package cli

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"
	"golang.org/x/term"
)

// terminal is a terminal that the test uses as a person would.
type terminal struct {
	program *os.File // the end that a program gets
	person  *os.File // the end that the person types at and looks at
	mu      sync.Mutex
	screen  bytes.Buffer
}

func openTerminal(t *testing.T) *terminal {
	t.Helper()
	person, err := os.OpenFile("/dev/ptmx", os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Skip("no terminals here: ", err)
	}
	t.Cleanup(func() { person.Close() })
	n := unlock(t, person)
	program, err := os.OpenFile(fmt.Sprintf("/dev/pts/%d", n), os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { program.Close() })
	tty := &terminal{program: program, person: person}
	go func() { _, _ = io.Copy(tty, person) }()
	return tty
}

// unlock makes the other end of a terminal usable, and returns its number. The runtime's poller keeps the file, so that
// closing it ends a read.
func unlock(t *testing.T, person *os.File) (number int) {
	t.Helper()
	raw, err := person.SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	controlErr := raw.Control(func(fd uintptr) {
		if err = unix.IoctlSetPointerInt(int(fd), unix.TIOCSPTLCK, 0); err == nil {
			number, err = unix.IoctlGetInt(int(fd), unix.TIOCGPTN)
		}
	})
	if err := errors.Join(controlErr, err); err != nil {
		t.Fatal(err)
	}
	return number
}

// Write records what is shown on the screen.
func (tty *terminal) Write(p []byte) (int, error) {
	tty.mu.Lock()
	defer tty.mu.Unlock()
	return tty.screen.Write(p)
}

func (tty *terminal) seen() string {
	tty.mu.Lock()
	defer tty.mu.Unlock()
	return tty.screen.String()
}

// waitFor waits until text is on the screen.
func (tty *terminal) waitFor(t *testing.T, text string) {
	t.Helper()
	for deadline := time.Now().Add(20 * time.Second); !strings.Contains(tty.seen(), text); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("on the screen is %q, want %q", tty.seen(), text)
		}
	}
}

// answer waits for a question and until the echo is off, and then types an answer.
func (tty *terminal) answer(t *testing.T, question, text string) {
	t.Helper()
	tty.waitFor(t, question)
	for tty.echoes(t) {
		time.Sleep(time.Millisecond)
	}
	if _, err := tty.person.WriteString(text + "\n"); err != nil {
		t.Fatal(err)
	}
}

func (tty *terminal) echoes(t *testing.T) bool {
	t.Helper()
	state, err := unix.IoctlGetTermios(int(tty.program.Fd()), unix.TCGETS)
	if err != nil {
		t.Fatal(err)
	}
	return state.Lflag&unix.ECHO != 0
}

func TestPrompt(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct{ second, want, err string }{
		"alike":  {"correct horse", "correct horse", "<nil>"},
		"differ": {"correct house", "", "the two passwords differ"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			tty := openTerminal(t)
			typed := make(chan bool)
			go func() {
				defer close(typed)
				tty.answer(t, "Password: ", "correct horse")
				tty.answer(t, "again: ", test.second)
			}()
			got, err := promptTwice(t.Context(), tty.program, tty.program)
			<-typed
			if got != test.want || fmt.Sprint(err) != test.err {
				t.Errorf("got %q, %v", got, err)
			}
			if !tty.echoes(t) {
				t.Error("the echo of the terminal is still off")
			}
			if strings.Contains(tty.seen(), "correct") {
				t.Errorf("on the screen is %q", tty.seen())
			}
		})
	}
}

// TestPromptInterrupted: an interrupted prompt turns the echo of the terminal on again.
func TestPromptInterrupted(t *testing.T) {
	t.Parallel()
	tty := openTerminal(t)
	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		tty.waitFor(t, "Password: ")
		for tty.echoes(t) {
			time.Sleep(time.Millisecond)
		}
		cancel()
	}()
	if _, err := promptTwice(ctx, tty.program, tty.program); err == nil {
		t.Error("no error")
	}
	if !tty.echoes(t) {
		t.Error("the echo of the terminal is still off")
	}
}

// TestProgressBar: the bar is drawn only on a terminal, and printed lines do not mix with it.
func TestProgressBar(t *testing.T) {
	t.Parallel()
	tty := openTerminal(t)
	if !term.IsTerminal(int(tty.program.Fd())) {
		t.Fatal("it is not a terminal")
	}
	file, err := os.Create(filepath.Join(t.TempDir(), "log"))
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	for name, test := range map[string]struct {
		out   io.Writer
		quiet bool
		size  int64
		want  bool
	}{
		"terminal":                {tty.program, false, 10, true},
		"terminal, size unknown":  {tty.program, false, -1, true},
		"terminal, nothing there": {tty.program, false, 0, false},
		"quiet":                   {tty.program, true, 10, false},
		"file":                    {file, false, 10, false},
		"buffer":                  {&bytes.Buffer{}, false, 10, false},
	} {
		if got := newProgress(test.out, test.quiet, test.size).bar != nil; got != test.want {
			t.Errorf("%s: a bar: %t", name, got)
		}
	}

	tty = openTerminal(t)
	p := newProgress(tty.program, false, 1_000_000)
	p.add(500_000)
	time.Sleep(110 * time.Millisecond) // the bar is drawn ten times a second
	p.add(100_000)
	tty.waitFor(t, "60% |")
	p.print("line %d: wrong", 7)
	tty.waitFor(t, "\rline 7: wrong\r\n")
	p.clear()
}
