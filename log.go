package main

import (
	"bytes"
	"io"
	"log/slog"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"gin-auth/config"
)

const (
	// maxLogQueue is how many bytes of lines may wait for the log's reader: the lines of about 5,000 requests.
	maxLogQueue = 1 << 20
	// maxLogWrite is how many bytes are written at once. A pipe accepts up to PIPE_BUF bytes atomically, so the lines
	// of several processes that share a pipe are never mixed.
	maxLogWrite = 4096
	// logFlushTimeout is how long the end of the process waits for the log's reader.
	logFlushTimeout = time.Second
)

// newLog returns a logger that writes to out, with the format and the level that cfg sets.
func newLog(cfg *config.Config, out io.Writer) *slog.Logger {
	options := &slog.HandlerOptions{Level: slog.Level(cfg.LogLevel)}
	if cfg.LogFormat == config.LogJSON {
		return slog.New(slog.NewJSONHandler(out, options))
	}
	return slog.New(slog.NewTextHandler(out, options))
}

// newNoticeLog returns a logger for warnings that are logged at every LOG_LEVEL, because whoever starts the service has
// to see them.
func newNoticeLog(cfg *config.Config, out io.Writer) *slog.Logger {
	notices := *cfg
	notices.LogLevel = min(cfg.LogLevel, config.Level(slog.LevelWarn))
	return newLog(&notices, out)
}

// logWriter writes lines to out, in order and without blocking: one goroutine writes them. Lines that do not fit into
// the queue, or that cannot be written, are dropped and counted.
type logWriter struct {
	out     io.Writer
	dropped prometheus.Counter
	inLine  bool          // out ends in the middle of a line; only run uses it
	done    chan struct{} // closed when all lines are written after Close

	mu      sync.Mutex
	wake    sync.Cond    // there is a line, or closing is set
	log     *slog.Logger // reports dropped lines, nil for none
	queue   []byte
	writing int  // bytes that were taken from the queue and are not yet written
	full    bool // a line did not fit, and more than half of the queue is still to be written
	lost    int  // lines dropped since the last report
	closing bool
}

// newLogWriter returns a logWriter to out. Close it before the process ends.
func newLogWriter(out io.Writer) *logWriter {
	w := &logWriter{
		out: out,
		dropped: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "gin_auth_log_lines_dropped_total",
			Help: "Lines of the log that were dropped because nothing read them in time, or writing them failed.",
		}),
		done: make(chan struct{}),
	}
	w.wake.L = &w.mu
	go w.run()
	return w
}

// reportTo makes w report the number of dropped lines to log, once each time the reader reads again.
func (w *logWriter) reportTo(log *slog.Logger) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.log = log
}

// Write queues one line, or several that belong together. It never returns an error.
//
// A full queue accepts lines again when half of it is written. So a slow reader causes a few long gaps, each with a
// report, instead of a gap after every few lines.
func (w *logWriter) Write(lines []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	waiting := len(w.queue) + w.writing
	if w.full || waiting+len(lines) > maxLogQueue {
		w.full = waiting > 0 // if nothing is being written, no write would reset full
		w.drop(lines)
		return len(lines), nil
	}
	w.queue = append(w.queue, lines...)
	w.wake.Signal()
	return len(lines), nil
}

// Close waits until all lines are written, for logFlushTimeout at most.
func (w *logWriter) Close() {
	w.mu.Lock()
	w.closing = true
	w.wake.Signal()
	w.mu.Unlock()
	select {
	case <-w.done:
	case <-time.After(logFlushTimeout):
	}
}

// drop counts lines that are not written. The caller holds mu.
func (w *logWriter) drop(lines []byte) {
	n := max(1, bytes.Count(lines, newline))
	w.lost += n
	w.dropped.Add(float64(n))
}

var newline = []byte("\n")

// run writes what is queued until the queue is empty after Close.
func (w *logWriter) run() {
	defer close(w.done)
	var batch []byte
	for {
		if batch = w.dequeue(batch); len(batch) == 0 {
			return
		}
		for rest := batch; len(rest) > 0; {
			lines := rest[:writeLen(rest)]
			rest = rest[len(lines):]
			w.wrote(lines, w.writeOut(lines))
		}
	}
}

// dequeue waits for lines and returns them, or none after Close. The queue then uses the memory of spare.
func (w *logWriter) dequeue(spare []byte) []byte {
	w.mu.Lock()
	defer w.mu.Unlock()
	for len(w.queue) == 0 && !w.closing {
		w.wake.Wait()
	}
	batch := w.queue
	w.queue, w.writing = spare[:0], len(batch)
	return batch
}

// writeLen returns how many bytes of lines to write at once: as many whole lines as fit into maxLogWrite, at least one.
func writeLen(lines []byte) int {
	if len(lines) <= maxLogWrite {
		return len(lines)
	}
	if end := bytes.LastIndexByte(lines[:maxLogWrite], '\n'); end >= 0 {
		return end + 1
	}
	if end := bytes.IndexByte(lines, '\n'); end >= 0 {
		return end + 1
	}
	return len(lines)
}

// writeOut writes lines and returns how many bytes were written. If a part of a line was written, the next lines begin
// on a new line.
func (w *logWriter) writeOut(lines []byte) int {
	if w.inLine {
		if _, err := w.out.Write(newline); err != nil {
			return 0
		}
	}
	n, _ := w.out.Write(lines) // bytes that were not written count as dropped
	w.inLine = n > 0 && n < len(lines) && lines[n-1] != '\n'
	return n
}

// wrote records that the first n bytes of lines are written and the rest is lost. When the reader reads again, it
// reports the lines that were dropped.
func (w *logWriter) wrote(lines []byte, n int) {
	w.mu.Lock()
	w.writing -= len(lines)
	if n < len(lines) {
		w.drop(lines[n:])
	}
	w.full = w.full && len(w.queue)+w.writing > maxLogQueue/2
	lost, log := w.lost, w.log
	if n < len(lines) || w.full || log == nil {
		lost = 0
	}
	w.lost -= lost
	w.mu.Unlock()
	if lost > 0 {
		log.Warn("log lines were dropped", "count", lost)
	}
}
