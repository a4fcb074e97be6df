package main

import (
	"errors"
	"log/slog"
	"math"
	"os"
	"runtime/debug"

	"github.com/KimMachineGun/automemlimit/memlimit"
)

// gcPercent is GOGC unless the environment sets it. Nearly all memory is the garbage of requests, so that a collection
// that comes twice as late saves 5 % of the CPU time. See docs/performance.md for the memory it takes.
const gcPercent = 200

// setMemory sets how much garbage may collect, and 90 % of the container's memory limit as the one of the Go runtime,
// which then collects earlier instead of being killed. The environment variables GOGC and GOMEMLIMIT take precedence.
func setMemory(container memlimit.Provider, log *slog.Logger) {
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(gcPercent)
	}
	limit, err := memlimit.Set(memlimit.WithProvider(container))
	switch {
	case errors.Is(err, memlimit.ErrNoCgroup), errors.Is(err, memlimit.ErrCgroupsNotSupported):
	case err != nil:
		log.Warn("the memory limit of the container is unknown: set GOMEMLIMIT if there is one", "error", err.Error())
	case limit < math.MaxInt64:
		log.Info("memory limit", "megabytes", limit>>20)
	}
}
