package parity

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"gin-auth/e2e/internal/harness"
)

// pair is the original and this service on one Redis.
type pair struct {
	express        string
	combination    combination
	original, ours *harness.Service
	server         *harness.Redis
	redis          *redis.Client
	// cases is the number of cases so far. differ is the number of those whose responses differ.
	cases, differ int
}

// pairOptions are the options of a pair.
type pairOptions struct {
	express          string // 4 or 5
	combination      combination
	redisArgs        []string
	env, originalEnv []string // env is for both sides
}

// startPair starts the processes of a pair.
func startPair(t *testing.T, o pairOptions) *pair {
	t.Helper()
	l := &pair{express: o.express, combination: o.combination, server: harness.StartRedis(t, o.redisArgs...)}
	password := ""
	if i := slices.Index(o.redisArgs, "--requirepass"); i >= 0 {
		password = o.redisArgs[i+1]
	}
	l.redis = redis.NewClient(&redis.Options{Addr: l.server.Addr(), Password: password})
	t.Cleanup(func() { l.redis.Close() })
	seedUsers(t, l.server.Addr(), password)
	env := slices.Concat(common, l.server.Env(), o.env)
	l.original = harness.StartOriginal(t, slices.Concat(env, o.originalEnv, o.combination.original,
		[]string{"EXPRESS=" + o.express, "USERS_FILE=" + usersFile(t)})...)
	l.ours = harness.StartService(t, slices.Concat(env, o.combination.ours)...)
	return l
}

// common is the environment of both sides in every pair. The long REDIS_TIMEOUT prevents failures on a busy
// machine.
var common = []string{"NODE_ENV=production", "JWT_SECRET=" + secret, "BCRYPT_COST=4", "LOGIN_LIMIT=off", "REDIS_TIMEOUT=10s"}

// compare runs a case on both sides and compares the responses. If a second can change the result, both requests
// are sent within the same second.
func (l *pair) compare(t *testing.T, c testCase) {
	t.Helper()
	for try := 1; ; try++ {
		now := time.Now()
		if next := now.Truncate(time.Second).Add(time.Second); c.token.onEdge() && next.Sub(now) < time.Second/5 {
			time.Sleep(time.Until(next))
			now = next
		}
		r := c.prepare(now)
		original := l.run(t, l.original, r)
		ours := l.run(t, l.ours, r)
		if c.token.onEdge() && time.Now().Unix() != now.Unix() {
			if try == 5 {
				t.Fatal("the machine is too busy to send both requests within one second")
			}
			continue
		}
		l.judgeCase(t, outcome{r, original, ours, l.combination})
		return
	}
}

// run runs a case on one side and removes its changes from Redis.
func (l *pair) run(t *testing.T, side *harness.Service, r ready) answer {
	t.Helper()
	defer clean(t, l.redis)
	l.apply(t, r.redis)
	for _, request := range r.before {
		exchange(address(side), request, answersWithin)
	}
	before := snapshot(t, l.redis)
	a := exchange(address(side), r.request, answersWithin)
	a.before, a.after = before, snapshot(t, l.redis)
	return a
}

// answersWithin is the time limit for a response that is expected.
const answersWithin = 15 * time.Second

// apply runs the commands that prepare a case's data in Redis.
func (l *pair) apply(t *testing.T, commands []command) {
	t.Helper()
	for _, words := range commands {
		var args []any
		for _, word := range words {
			args = append(args, word)
		}
		if err := l.redis.Do(t.Context(), args...).Err(); err != nil {
			t.Fatalf("%.80q: %v", words, err)
		}
	}
}

func address(s *harness.Service) string {
	return strings.Replace(strings.TrimPrefix(s.URL, "http://"), "localhost", "127.0.0.1", 1)
}
