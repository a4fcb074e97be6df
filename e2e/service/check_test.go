package service

import (
	"slices"
	"strings"
	"testing"

	"gin-auth/e2e/internal/harness"
)

// TestCheck runs gin-auth check on several Redis servers. It checks the output, and that no key is left in Redis.
func TestCheck(t *testing.T) {
	t.Parallel()
	const (
		user   = "auth on >hush ~blacklist:* ~auth:* -@all +exists +get +set +eval +time +wait +info +pttl +del"
		fine   = "\nProduction can run on this.\n"
		not    = "\nProduction should not run on this:\n"
		lacks  = "  a right is missing: "
		loses  = "  this Redis can lose logouts: "
		noSafe = loses + "its append-only file is off: a restart forgets the logouts since its last snapshot; set appendonly yes\n"
	)
	for name, test := range map[string]struct {
		redis  string   // arguments of redis-server
		env    []string // additional settings
		status int
		says   []string // strings in the output, in this order
	}{
		"safe": {
			"--appendonly yes", nil, 0,
			[]string{"JWT_SECRET                (secret, 38 bytes)\n", ", role master, replicas 0, append-only file on, maxmemory 0B, policy noeviction, round trip ", ", clock in sync\n", fine},
		},
		"forgets and evicts": {
			"--maxmemory 100mb --maxmemory-policy allkeys-lru", nil, 1,
			[]string{"append-only file off, maxmemory 100.00M, policy allkeys-lru, round trip ", not, loses + "it evicts keys", noSafe},
		},
		"just the rights that it needs": {
			"--appendonly yes --user default off --user " + user, []string{"REDIS_USERNAME=auth", "REDIS_PASSWORD=hush"}, 0, []string{fine},
		},
		"waits without the right to": {
			"--appendonly yes --user default off --user " + strings.Replace(user, " +wait", " +role", 1), []string{"REDIS_USERNAME=auth", "REDIS_PASSWORD=hush", "REDIS_WAIT_REPLICAS=1"}, 1,
			[]string{not, lacks + "WAIT is refused: NOPERM"},
		},
		"waits with it": {
			"--appendonly yes --user default off --user " + user, []string{"REDIS_USERNAME=auth", "REDIS_PASSWORD=hush", "REDIS_WAIT_REPLICAS=1"}, 0,
			[]string{fine},
		},
		"few rights": {
			"--appendonly yes --user default off --user auth on >hush ~blacklist:* %R~auth:user* ~auth:epoch -@all +exists +get +set",
			[]string{"REDIS_USERNAME=auth", "REDIS_PASSWORD=hush"}, 1,
			[]string{
				not, lacks + "TIME is refused: NOPERM", lacks + "INFO is refused: NOPERM", lacks + "EVAL blacklist:* is refused: NOPERM",
				lacks + "EXISTS auth:logout-all:* is refused: NOPERM", lacks + "GET auth:logout-all:*", lacks + "EVAL auth:logout-all:*", lacks + "SET auth:logout-all:*",
				lacks + "EVAL auth:user:*", lacks + "SET auth:user:* is refused: NOPERM", lacks + "EVAL auth:epoch",
				lacks + "GET auth:clock", lacks + "EVAL auth:clock", loses + "whether it evicts keys, persists them, or is a replica is unknown",
				loses + "whether it was demoted",
			},
		},
		"no right to count": {
			"--appendonly yes --user default off --user " + strings.TrimSuffix(user, " +pttl +del"),
			[]string{"REDIS_USERNAME=auth", "REDIS_PASSWORD=hush"}, 1,
			[]string{
				not + lacks + "PTTL auth:login-limit:* is refused: NOPERM", lacks + "DEL auth:login-limit:* is refused: NOPERM",
			},
		},
		"auth:* only to read": {
			"--appendonly yes --user default off --user " + strings.Replace(user, "~auth:*", "~auth:user* ~auth:logout-all:* ~auth:login-limit:* ~auth:sessions:* %R~auth:epoch %R~auth:clock", 1),
			[]string{"REDIS_USERNAME=auth", "REDIS_PASSWORD=hush"}, 1, []string{not + lacks + "EVAL auth:epoch is refused: NOPERM", lacks + "EVAL auth:clock is refused: NOPERM"},
		},
		"a wrong password": {
			"--requirepass hush", []string{"REDIS_PASSWORD=rush"}, 1, []string{"nothing is known about it\n", not, "can't be used: trying TIME: WRONGPASS"},
		},
		"not for production": {
			"--appendonly yes", []string{"NODE_ENV=", "TRUSTED_PROXIES=10.0.0.1"}, 1, []string{not + "  NODE_ENV is not production: the rules for production are off\n"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			redis := harness.StartRedis(t, strings.Fields(test.redis)...)
			p := harness.Start(t, t.TempDir(), production(append(redis.Env(), test.env...)...), harness.Binary(t), "check")
			status, said := p.Exit(t), p.Output()
			if status != test.status {
				t.Errorf("exit status %d, want %d", status, test.status)
			}
			for at, rest := 0, said; at < len(test.says); at++ {
				_, after, found := strings.Cut(rest, test.says[at])
				if !found {
					t.Errorf("check printed\n%s\nwant %q in it, in the given order", said, test.says[at])
					break
				}
				rest = after
			}
			for _, hidden := range []string{secret, "hush", "rush"} {
				if strings.Contains(said, hidden) {
					t.Errorf("check printed the secret %q:\n%s", hidden, said)
				}
			}
			if !strings.Contains(test.redis, "default off") && !strings.Contains(test.redis, "requirepass") {
				keys, err := redis.Client(t).Keys(t.Context(), "*").Result()
				if err != nil || !slices.Equal(keys, []string{}) {
					t.Errorf("check left the keys %q, %v, want none", keys, err)
				}
			}
		})
	}

	t.Run("a replica, and nobody", func(t *testing.T) {
		t.Parallel()
		master := harness.StartRedis(t, "--appendonly", "yes")
		replica := harness.StartRedis(t, "--appendonly", "yes", "--replicaof", "127.0.0.1", strings.TrimPrefix(master.Addr(), "127.0.0.1:"))
		p := harness.Start(t, t.TempDir(), production(replica.Env()...), harness.Binary(t), "check")
		if status, said := p.Exit(t), p.Output(); status != 1 || !strings.Contains(said, "role slave") || !strings.Contains(said, "it is a replica: logouts can't be stored") {
			t.Errorf("check of a replica: exit status %d, want 1 and a message about the replica:\n%s", status, said)
		}
		replica.Kill()
		p = harness.Start(t, t.TempDir(), production(replica.Env()...), harness.Binary(t), "check")
		if status, said := p.Exit(t), p.Output(); status != 1 || !strings.Contains(said, "can't be used: trying TIME: dial tcp "+replica.Addr()+": connect: connection refused") {
			t.Errorf("check without Redis: exit status %d, want 1 and a refused connection:\n%s", status, said)
		}
	})
}

// TestHealthcheck checks a service on another port than the default, and then the port of Redis.
func TestHealthcheck(t *testing.T) {
	t.Parallel()
	redis := harness.StartRedis(t)
	port := strings.TrimPrefix(redis.Addr(), "127.0.0.1:")
	s := harness.StartService(t, production(redis.Env()...)...)
	for _, host := range []string{"", "127.0.0.1", "0.0.0.0"} {
		env := production(append(redis.Env(), "HOST="+host, "PORT="+strings.TrimPrefix(s.URL, "http://localhost:"))...)
		if p := harness.Start(t, t.TempDir(), env, harness.Binary(t), "healthcheck"); p.Exit(t) != 0 || p.Output() != "" {
			t.Errorf("healthcheck with HOST=%s failed: %s", host, p.Output())
		}
	}
	p := harness.Start(t, t.TempDir(), production(append(redis.Env(), "PORT="+port)...), harness.Binary(t), "healthcheck") // Redis does not speak HTTP
	if status := p.Exit(t); status != 1 || !strings.Contains(p.Output(), "checking the health") {
		t.Errorf("healthcheck of a port without the service: exit status %d, want 1: %s", status, p.Output())
	}
}
