package main

import (
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strings"
)

// machine describes the machine and the versions.
func machine() string {
	model := "unknown CPU"
	text, _ := os.ReadFile("/proc/cpuinfo")
	if _, rest, ok := strings.Cut(string(text), "model name\t: "); ok {
		model, _, _ = strings.Cut(rest, "\n")
	}
	version := func(program, flag string) string {
		out, _ := exec.Command(program, flag).CombinedOutput()
		first, _, _ := strings.Cut(strings.TrimSpace(string(out)), "\n")
		return first
	}
	redis := version("redis-server", "--version")
	if fields := strings.Fields(redis); len(fields) > 2 {
		redis = "Redis " + strings.TrimPrefix(fields[2], "v=")
	}
	return fmt.Sprintf("%d cores (%s), %s, node %s, %s",
		runtime.NumCPU(), model, runtime.Version(), version("node", "--version"), redis)
}
