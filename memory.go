package main

import (
	"errors"
	"log/slog"
	"math"
	"os"
	"runtime/debug"

	"github.com/KimMachineGun/automemlimit/memlimit"
)

// gcPercent is the value of GOGC unless the environment sets it. Nearly all memory is garbage of requests, and
// collecting it half as often saves 5 to 10 % of the CPU time. See docs/performance.md for the memory that this takes.
const gcPercent = 200

// setMemory sets GOGC to gcPercent, and the Go runtime's memory limit to 90 % of the container's. Near the limit, the
// runtime then collects garbage more often, instead of exceeding the limit and being killed. The environment variables
// GOGC and GOMEMLIMIT take precedence.
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
