package users

import (
	"bufio"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"gin-auth/e2e/internal/harness"
)

// These are the bars of an import of a million users.
const (
	millionTime   = 60 * time.Second
	millionMemory = 100_000 // KiB
)

// TestMillion imports a million users. The memory must not grow with their number.
func TestMillion(t *testing.T) {
	if testing.Short() {
		t.Skip("a million users take too long for -short")
	}
	redis := harness.StartRedis(t)
	export := filepath.Join(t.TempDir(), "users.json")
	writeUsers(t, export, 1_000_000)

	cmd := prepare(t, redis.Env(), nil, "import-users", export)
	var stdout, stderr strings.Builder
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	start := time.Now()
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	peak := make(chan int)
	go func() { peak <- peakMemory(cmd.Process.Pid, done) }()
	_ = cmd.Wait()
	took := time.Since(start)
	close(done)
	memory := <-peak

	result{cmd.ProcessState.ExitCode(), stdout.String(), stderr.String()}.is(t, 0, "imported 1,000,000, kept 0 existing, 1,000,000 documents read in ", "")
	if out := cli(t, redis, "dbsize"); out != "3000000\n" {
		t.Errorf("Redis has %s keys, want 3000000", out)
	}
	t.Logf("a million users in %s (bar %s; own CPU %s), peak memory %d KiB (bar %d)", took.Round(10*time.Millisecond), millionTime,
		(cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()).Round(10*time.Millisecond), memory, millionMemory)
	if harness.Measuring && took > 3*millionTime {
		t.Error("the import took more than three times the bar")
	}
	if memory == 0 || memory > millionMemory {
		t.Error("the peak memory is above the bar, or could not be read")
	}
}

// writeUsers writes an export in the format of mongoexport.
func writeUsers(t *testing.T, name string, n int) {
	t.Helper()
	hash := goHash(t)
	file, err := os.Create(name)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	out := bufio.NewWriterSize(file, 1<<20)
	for i := range n {
		fmt.Fprintf(out, `{"_id":{"$oid":"65a1b2c3%016x"},"username":"user number %d","email":"user%d@example.com","password":"%s","role":"user","createdAt":{"$date":"2024-01-12T21:44:35.120Z"},"updatedAt":{"$date":"2024-01-12T21:44:35.120Z"},"__v":0}`+"\n",
			i, i, i, hash)
	}
	if err := out.Flush(); err != nil {
		t.Fatal(err)
	}
}

var highWater = regexp.MustCompile(`VmHWM:\s+(\d+) kB`)

// peakMemory returns the peak resident memory of a process, in KiB, until done is closed. The maximum reported by
// wait is not used, because it includes the memory of this process before the exec.
func peakMemory(pid int, done <-chan struct{}) (peak int) {
	for {
		select {
		case <-done:
			return peak
		case <-time.After(20 * time.Millisecond):
		}
		status, _ := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
		if found := highWater.FindSubmatch(status); found != nil {
			peak, _ = strconv.Atoi(string(found[1]))
		}
	}
}
