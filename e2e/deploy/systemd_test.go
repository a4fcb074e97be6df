package deploy

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"gin-auth/config"
	"gin-auth/e2e/internal/harness"
)

// unit has the directives of deploy/gin-auth.service, each with all its values.
type unit map[string][]string

func readUnit(t *testing.T) unit {
	t.Helper()
	u := unit{}
	for line := range strings.Lines(harness.ReadSource(t, "deploy/gin-auth.service")) {
		name, value, found := strings.Cut(strings.TrimSpace(line), "=")
		if found && !strings.HasPrefix(name, "#") {
			u[name] = append(u[name], value)
		}
	}
	return u
}

// one returns the only value of a directive.
func (u unit) one(t *testing.T, name string) string {
	t.Helper()
	if len(u[name]) != 1 {
		t.Fatalf("%s has the values %q, want one", name, u[name])
	}
	return u[name][0]
}

// timeToStop returns the longest time that the service needs to stop with these settings. It includes 10 s for
// running requests and a second for the log.
func timeToStop(t *testing.T, env ...string) time.Duration {
	t.Helper()
	env = slices.DeleteFunc(env, func(setting string) bool {
		name, _, _ := strings.Cut(setting, "=")
		return strings.HasSuffix(name, "_FILE") // the file of a secret, which may not exist
	})
	c, err := config.Load(filepath.Join(t.TempDir(), ".env"), append(env, "REDIS_HOST=redis", "JWT_SECRET="+secret))
	if err != nil {
		t.Fatal(err)
	}
	return c.ShutdownDelay + 10*time.Second + time.Second
}

// TestUnit runs systemd-analyze on the unit, which checks its syntax and rates its permissions.
func TestUnit(t *testing.T) {
	t.Parallel()
	analyze := harness.Need(t, "systemd-analyze")
	u := readUnit(t)
	file := filepath.Join(t.TempDir(), "gin-auth.service")
	text := strings.ReplaceAll(harness.ReadSource(t, "deploy/gin-auth.service"), u.one(t, "ExecStart"), harness.Binary(t))
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, args := range [][]string{
		{"verify", "--man=no", file},
		{"security", "--offline=true", "--no-pager", "--threshold=15", file}, // at most 1.5 of 10
	} {
		out, err := exec.Command(analyze, args...).CombinedOutput()
		if err != nil || args[0] == "verify" && len(out) > 0 {
			t.Errorf("systemd-analyze %s: %v\n%s", strings.Join(args, " "), err, out)
		}
	}
	limit, err := time.ParseDuration(u.one(t, "TimeoutStopSec"))
	if want := timeToStop(t, strings.Fields(u.one(t, "Environment"))...); err != nil || limit < want {
		t.Errorf("systemd kills the service after %s, %v; want at least %s, the time that it may need to stop", limit, err, want)
	}
	for _, socket := range []string{"Sockets", "NotifyAccess", "ExecReload"} {
		if len(u[socket]) > 0 {
			t.Errorf("the unit has the directive %s, which the service does not use", socket)
		}
	}
}
