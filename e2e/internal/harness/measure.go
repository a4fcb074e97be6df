package harness

import (
	"os"
	"slices"
	"testing"
	"time"
)

// Measuring reports whether nothing else runs, so that times can be compared. The serial step of .ci/run sets
// MEASURE.
var Measuring = os.Getenv("MEASURE") != ""

// LogTime prints a time. When measuring, it fails if it is more than three times the bar.
func LogTime(t testing.TB, what string, took, bar time.Duration) {
	t.Helper()
	t.Logf("%s: %s (bar %s)", what, took.Round(time.Millisecond), bar)
	if Measuring && took > 3*bar {
		t.Errorf("%s took %s, more than three times the bar of %s", what, took, bar)
	}
}

// LogTimes prints the response times. When measuring, it fails if the longest is more than three times the bar.
func LogTimes(t testing.TB, what string, times []time.Duration, bar time.Duration) {
	t.Helper()
	slices.Sort(times)
	at := func(part float64) time.Duration {
		return times[int(part*float64(len(times)-1))].Round(100 * time.Microsecond)
	}
	t.Logf("%s, %d: p50 %s, p99 %s, max %s (bar %s)", what, len(times), at(0.5), at(0.99), at(1), bar)
	if Measuring && at(1) > 3*bar {
		t.Errorf("%s took %s, more than three times the bar of %s", what, at(1), bar)
	}
}
