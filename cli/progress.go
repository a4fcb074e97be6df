package cli

import (
	"fmt"
	"io"
	"os"
	"time"

	"github.com/schollz/progressbar/v3"
)

// progress shows how far an import is, and prints lines beside that.
type progress struct {
	out io.Writer
	bar *progressbar.ProgressBar // nil for none
}

// newProgress draws a bar on out if that is a terminal, unless quiet: for size bytes, or -1 if nobody
// knows how many there are.
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
		progressbar.OptionSetSpinnerChangeInterval(0), // else it draws by itself, between our lines
		progressbar.OptionClearOnFinish(),
		progressbar.OptionSetRenderBlankState(true),
	)
	return p
}

// add moves the bar on by a number of bytes.
func (p *progress) add(bytes int64) {
	if p.bar != nil {
		_ = p.bar.Add64(bytes)
	}
}

// print prints a line where the bar was, which the next step draws again below.
func (p *progress) print(format string, args ...any) {
	p.clear()
	_, _ = fmt.Fprintf(p.out, format+"\n", args...)
}

// clear takes the bar away.
func (p *progress) clear() {
	if p.bar != nil {
		_ = p.bar.Clear()
	}
}

// sizeOf returns how many bytes a reader of the file will find, or -1 if that is no regular file.
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
