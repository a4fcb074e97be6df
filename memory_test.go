package main

import (
	"bytes"
	"errors"
	"log/slog"
	"math"
	"runtime/debug"
	"strings"
	"testing"

	"github.com/KimMachineGun/automemlimit/memlimit"
)

// TestSetMemory is not parallel: it changes the process's own settings.
func TestSetMemory(t *testing.T) {
	percent, limit := debug.SetGCPercent(100), debug.SetMemoryLimit(-1)
	t.Cleanup(func() { debug.SetGCPercent(percent); debug.SetMemoryLimit(limit) })
	failing := func(err error) memlimit.Provider { return func() (uint64, error) { return 0, err } }
	for name, test := range map[string]struct {
		gogc, gomemlimit string
		container        memlimit.Provider
		percent          int
		limit            int64
		log              string // a part of it, "" for no line
	}{
		"no container":         {"", "", failing(memlimit.ErrNoCgroup), 200, math.MaxInt64, ""},
		"no limit":             {"", "", failing(memlimit.ErrNoLimit), 200, math.MaxInt64, ""},
		"not Linux":            {"", "", failing(memlimit.ErrCgroupsNotSupported), 200, math.MaxInt64, ""},
		"a container":          {"", "", memlimit.Limit(100 << 20), 200, 90 << 20, `"memory limit","megabytes":90`},
		"GOGC":                 {"50", "", memlimit.Limit(100 << 20), 100, 90 << 20, `"megabytes":90`},
		"GOMEMLIMIT":           {"", "1GiB", memlimit.Limit(100 << 20), 200, math.MaxInt64, ""},
		"unreadable container": {"", "", failing(errors.New("permission denied")), 200, math.MaxInt64, "set GOMEMLIMIT"},
	} {
		t.Run(name, func(t *testing.T) {
			debug.SetGCPercent(100)
			debug.SetMemoryLimit(math.MaxInt64)
			t.Setenv("GOGC", test.gogc)
			if test.gomemlimit != "" {
				t.Setenv("GOMEMLIMIT", test.gomemlimit)
			}
			var log bytes.Buffer
			setMemory(test.container, slog.New(slog.NewJSONHandler(&log, nil)))
			if got := debug.SetGCPercent(100); got != test.percent {
				t.Errorf("GOGC is %d, want %d", got, test.percent)
			}
			if got := debug.SetMemoryLimit(-1); got != test.limit {
				t.Errorf("GOMEMLIMIT is %d, want %d", got, test.limit)
			}
			if got := log.String(); !strings.Contains(got, test.log) || (got == "") != (test.log == "") {
				t.Errorf("the log has %q, want %q", got, test.log)
			}
		})
	}
}
