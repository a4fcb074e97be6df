package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil"

	"gin-auth/config"
)

// gate is a reader of the log that blocks unless it is open.
type gate struct {
	open   chan struct{} // closed to open the gate; nil for a gate that is always open
	pause  time.Duration // before each write
	text   bytes.Buffer
	writes []string
}

func (g *gate) Write(p []byte) (int, error) {
	if g.open != nil {
		<-g.open
	}
	time.Sleep(g.pause)
	g.writes = append(g.writes, string(p))
	return g.text.Write(p)
}

// logged is a line of the log.
type logged struct {
	Msg      string
	I, Count int
	Pad      string
	Writer   int
}

func newTestLog(t *testing.T, out io.Writer) (*logWriter, *slog.Logger) {
	t.Helper()
	cfg, err := config.Load("", []string{"LOG_FORMAT=json"})
	if err != nil {
		t.Fatal(err)
	}
	w := newLogWriter(out)
	log := newLog(cfg, w)
	w.reportTo(log)
	return w, log
}

func parseLog(t *testing.T, text string) (lines []logged) {
	t.Helper()
	for line := range strings.Lines(text) {
		var l logged
		if err := json.Unmarshal([]byte(line), &l); err != nil {
			t.Fatalf("%v: %.99q", err, line)
		}
		lines = append(lines, l)
	}
	return lines
}

// TestLogStuck: if the reader is stuck, lines are dropped and writing does not block. When the reader reads again, the
// queued lines come first, then one report instead of the dropped lines.
func TestLogStuck(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		const perPhase = 10_000
		out := &gate{open: make(chan struct{})}
		w, log := newTestLog(t, out)
		start, next, lost := time.Now(), 0, 0
		for phase := range 2 {
			for range perPhase {
				log.Info("line", "i", next, "pad", strings.Repeat("x", 100))
				next++
			}
			synctest.Wait()
			if time.Since(start) != 0 {
				t.Fatal("writing a line blocked")
			}
			close(out.open)
			synctest.Wait()
			out.open = make(chan struct{})

			lines := parseLog(t, out.text.String())
			out.text.Reset()
			report := slices.IndexFunc(lines, func(l logged) bool { return l.Msg == "log lines were dropped" })
			if report != len(lines)-1 {
				t.Fatalf("phase %d: the report is line %d of %d", phase, report, len(lines))
			}
			for at, line := range lines[:report] {
				if line.I != phase*perPhase+at {
					t.Fatalf("phase %d: line %d is %d", phase, at, line.I)
				}
			}
			lost += lines[report].Count
			if kept := report; lines[report].Count != perPhase-kept || kept < 4_000 {
				t.Errorf("phase %d: %d lines were dropped of %d, %d are there", phase, lines[report].Count, perPhase, kept)
			}
		}
		if got := testutil.ToFloat64(w.dropped); got != float64(lost) {
			t.Errorf("%v lines were counted, %d reported", got, lost)
		}
		close(out.open)
		log.Info("line", "i", next)
		w.Close()
		if lines := parseLog(t, out.text.String()); len(lines) != 1 || lines[0].I != next {
			t.Errorf("at the end there are %+v", lines)
		}
		if took := time.Since(start); took != 0 {
			t.Errorf("closing took %s", took)
		}
	})
}

// TestLogStuckForever: a reader that stays stuck does not prevent the process from ending.
func TestLogStuckForever(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		read, write := io.Pipe()
		w, log := newTestLog(t, write)
		for range 20_000 {
			log.Info("line")
		}
		start := time.Now()
		w.Close()
		if took := time.Since(start); took != logFlushTimeout {
			t.Errorf("it took %s", took)
		}
		_ = read.Close() // ends the goroutine
	})
}

// TestLogSlow: with several writers, no line is lost or split if the lines fit into the queue. Lines that wait are
// written together.
func TestLogSlow(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		const writers, each = 8, 500
		out := &gate{pause: time.Millisecond}
		w, log := newTestLog(t, out)
		var all sync.WaitGroup
		for writer := range writers {
			all.Go(func() {
				for i := range each {
					log.Info("line", "writer", writer, "i", i)
				}
			})
		}
		all.Wait()
		log.Info("long", "pad", strings.Repeat("x", 3*maxLogWrite))
		w.Close()

		lines := parseLog(t, out.text.String())
		var next [writers]int
		for _, line := range lines[:len(lines)-1] {
			if line.I != next[line.Writer] {
				t.Fatalf("line %d of writer %d comes after %d lines", line.I, line.Writer, next[line.Writer])
			}
			next[line.Writer]++
		}
		if len(lines) != writers*each+1 || len(lines[len(lines)-1].Pad) != 3*maxLogWrite {
			t.Errorf("%d lines of %d, the last one has %d bytes", len(lines), writers*each+1, len(lines[len(lines)-1].Pad))
		}
		for _, lines := range out.writes {
			if !strings.HasSuffix(lines, "\n") || len(lines) > maxLogWrite && strings.Count(lines, "\n") > 1 {
				t.Errorf("these %d bytes are written together: …%q", len(lines), lines[max(0, len(lines)-50):])
			}
		}
		if got := len(out.writes); got > len(lines)/20 {
			t.Errorf("%d writes of %d lines", got, len(lines))
		}
		if got := testutil.ToFloat64(w.dropped); got != 0 {
			t.Errorf("%v lines were dropped", got)
		}
	})
}

// TestLogOverload: a reader that is too slow for a long time causes few gaps, each with a report.
func TestLogOverload(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		const ticks, perTick = 500, 100
		out := &gate{pause: time.Millisecond}
		w, log := newTestLog(t, out)
		for range ticks {
			for range perTick {
				log.Info("line", "pad", strings.Repeat("x", 100))
			}
			time.Sleep(time.Millisecond)
		}
		w.Close()
		kept, reports, reported := 0, 0, 0
		for _, line := range parseLog(t, out.text.String()) {
			if line.Msg == "line" {
				kept++
				continue
			}
			reports++
			reported += line.Count
		}
		if kept+reported != ticks*perTick || reported == 0 || reports > 10 {
			t.Errorf("%d lines of %d, %d dropped in %d reports", kept, ticks*perTick, reported, reports)
		}
	})
}

// failing accepts the given number of bytes in each write, and then all bytes.
type failing struct {
	takes []int
	text  bytes.Buffer
}

func (f *failing) Write(p []byte) (int, error) {
	if len(f.takes) == 0 {
		return f.text.Write(p)
	}
	n := f.takes[0]
	f.takes = f.takes[1:]
	f.text.Write(p[:n])
	return n, errors.New("no space left on device")
}

// TestLogFails: lines that could not be written count as dropped, and a part of one is not continued by another.
func TestLogFails(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		out := &failing{takes: []int{0, 3, 0, 0}} // the third is the line break after the line that was cut
		w := newLogWriter(out)
		write := func(lines string) {
			if n, err := io.WriteString(w, lines); n != len(lines) || err != nil {
				t.Errorf("%q: %d, %v", lines, n, err)
			}
			synctest.Wait()
		}
		for _, lines := range []string{"lost\n", "cut\nlost\n", "lost\n", "lost\nlost\n", "kept\n", "kept\n"} {
			write(lines)
		}
		var report bytes.Buffer
		w.reportTo(slog.New(slog.NewTextHandler(&report, nil)))
		write(strings.Repeat("x", maxLogQueue) + "\n")
		write("kept\n")
		if got, want := out.text.String(), "cut\nkept\nkept\nkept\n"; got != want {
			t.Errorf("got %.99q, want %q", got, want)
		}
		if !strings.HasSuffix(report.String(), "level=WARN msg=\"log lines were dropped\" count=7\n") {
			t.Errorf("the report is %q", &report)
		}
		if got := testutil.ToFloat64(w.dropped); got != 7 {
			t.Errorf("%v lines were dropped, want 7", got)
		}
		w.Close()
	})
}
