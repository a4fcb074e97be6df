package cli

import (
	"fmt"
	"io"
	"os"
	"time"

	"github.com/schollz/progressbar/v3"
)

// progress shows how far an import is, and prints lines above the bar.
type progress struct {
	out io.Writer
	bar *progressbar.ProgressBar // nil for none
}

// newProgress draws a bar for size bytes (-1: unknown) if out is a terminal, unless quiet.
func newProgress(out io.Writer, quiet bool, size int64) *progress {
	p := &progress{out: out}
	if _, ok := terminalOf(out); !ok || quiet || size == 0 {
		return p
	}
	p.bar = progressbar.NewOptions64(size,
		progressbar.OptionSetWriter(out),
		progressbar.OptionSetWidth(20),
		progressbar.OptionShowBytes(true),
		progressbar.OptionShowCount(),
		progressbar.OptionThrottle(100*time.Millisecond),
		progressbar.OptionSetSpinnerChangeInterval(0), // otherwise it draws by itself, between our lines
		progressbar.OptionClearOnFinish(),
		progressbar.OptionSetRenderBlankState(true),
	)
	return p
}

// add moves the bar forward by a number of bytes.
func (p *progress) add(bytes int64) {
	if p.bar != nil {
		_ = p.bar.Add64(bytes)
	}
}

// print replaces the bar by a line. The next add draws the bar again below the line.
func (p *progress) print(format string, args ...any) {
	p.clear()
	_, _ = fmt.Fprintf(p.out, format+"\n", args...)
}

// clear removes the bar.
func (p *progress) clear() {
	if p.bar != nil {
		_ = p.bar.Clear()
	}
}

// sizeOf returns the size of a regular file in bytes, or -1 for any other reader.
func sizeOf(in io.Reader) int64 {
	file, ok := in.(*os.File)
	if !ok {
		return -1
	}
	info, err := file.Stat()
	if err != nil || !info.Mode().IsRegular() {
		return -1
	}
	return info.Size()
}
