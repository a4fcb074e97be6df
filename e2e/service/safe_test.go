package service

import (
	"strings"
	"testing"
	"time"

	"gin-auth/e2e/internal/harness"
)

const (
	evicts = "it evicts keys when its memory is full, logouts among them: set maxmemory-policy noeviction, not allkeys-lru"
	noAOF  = "its append-only file is off: a restart forgets the logouts since its last snapshot; set appendonly yes"
)

// TestUnsafeRedis checks that each way in which Redis can lose logouts is logged once and does not stop the
// service.
func TestUnsafeRedis(t *testing.T) {
	t.Parallel()
	redis := harness.StartRedis(t, "--maxmemory", "100mb", "--maxmemory-policy", "allkeys-lru")
	s := harness.StartService(t, production(redis.Env()...)...)
	for _, risk := range []string{evicts, noAOF} {
		s.WaitFor(t, risk)
	}
	flow(t, s)
	time.Sleep(1500 * time.Millisecond) // the watch has run again
	if n := strings.Count(s.Output(), "can lose logouts"); n != 2 {
		t.Errorf("%d warnings, want 2:\n%s", n, s.Output())
	}
}

// TestUnknownIsUnsafe checks that anything that cannot be determined is reported as a risk, at startup and by
// gin-auth check.
func TestUnknownIsUnsafe(t *testing.T) {
	t.Parallel()
	const denied = " -@all +exists +get +set +eval +time +info +wait +pttl +del "
	for name, test := range map[string]struct {
		redis string
		env   []string
		says  []string
	}{
		"INFO is renamed": {
			`--appendonly yes --rename-command INFO ""`, nil,
			[]string{"whether it evicts keys, persists them, or is a replica is unknown, because INFO is refused"},
		},
		"INFO is denied": {
			acl(strings.Replace(denied, " +info", "", 1)), asUser,
			[]string{"whether it evicts keys, persists them, or is a replica is unknown, because INFO is refused"},
		},
		"EVAL is renamed": {
			`--appendonly yes --rename-command EVAL ""`, nil,
			[]string{"EVAL auth:epoch is refused: ERR unknown command"},
		},
		"WAIT and ROLE are denied": {
			acl(strings.Replace(denied, " +wait", "", 1)), asUser,
			[]string{"whether it was demoted to a replica cannot be recognized, because WAIT and ROLE are both refused"},
		},
		"auth:clock is denied": {
			strings.Replace(acl(denied), "~auth:*", "~auth:epoch ~auth:user* ~auth:logout-all:* ~auth:login-limit:* ~auth:sessions:*", 1), asUser,
			[]string{"GET auth:clock is refused"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			redis := harness.StartRedis(t, strings.Fields(strings.ReplaceAll(test.redis, `""`, "''"))...)
			env := production(append(redis.Env(), test.env...)...)
			s := harness.StartService(t, env...)
			check := harness.Start(t, t.TempDir(), env, harness.Binary(t), "check")
			if status := check.Exit(t); status != 1 {
				t.Errorf("check: exit status %d, want 1", status)
			}
			for _, said := range test.says {
				s.WaitFor(t, said)
				if !strings.Contains(check.Output(), said) {
					t.Errorf("check printed\n%s\nwant %q in it", check.Output(), said)
				}
			}
			if !strings.Contains(name, "EVAL") {
				flow(t, s)
			}
		})
	}

	t.Run("WAIT is denied, ROLE is not", func(t *testing.T) {
		t.Parallel()
		redis := harness.StartRedis(t, strings.Fields(acl(strings.Replace(denied, " +wait", " +role", 1)))...)
		env := production(append(redis.Env(), asUser...)...)
		flow(t, harness.StartService(t, env...))
		check := harness.Start(t, t.TempDir(), env, harness.Binary(t), "check")
		if status := check.Exit(t); status != 0 {
			t.Errorf("check: exit status %d, want 0:\n%s", status, check.Output())
		}
	})
}

// asUser are the settings for the user that acl creates.
var asUser = []string{"REDIS_USERNAME=auth", "REDIS_PASSWORD=hush"}

// acl returns arguments of redis-server that create a user with these permissions.
func acl(rights string) string {
	return "--appendonly yes --user default off --user auth on >hush ~blacklist:* ~auth:*" + rights
}
