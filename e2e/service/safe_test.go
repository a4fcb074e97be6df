package service

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"gin-auth/e2e/internal/harness"
)

// TestUnsafeRedis: a Redis that can lose logouts is spoken of, once each, and refused where that is asked for.
func TestUnsafeRedis(t *testing.T) {
	t.Parallel()
	const (
		evicts = "it evicts keys when its memory is full, logouts among them: set maxmemory-policy noeviction, not allkeys-lru"
		noAOF  = "its append-only file is off: a restart forgets the logouts since its last snapshot; set appendonly yes"
	)
	redis := harness.StartRedis(t, "--maxmemory", "100mb", "--maxmemory-policy", "allkeys-lru")
	s := harness.StartService(t, production(redis.Env()...)...)
	for _, risk := range []string{evicts, noAOF} {
		s.WaitFor(t, "this Redis can lose logouts: "+risk)
	}
	flow(t, s)
	time.Sleep(1500 * time.Millisecond) // a watch later
	if n := strings.Count(s.Output(), "can lose logouts"); n != 2 {
		t.Errorf("%d warnings, want 2:\n%s", n, s.Output())
	}

	refused := harness.Start(t, t.TempDir(), production(append(redis.Env(), "REDIS_REQUIRE_SAFE=true")...), harness.Binary(t))
	status := refused.Exit(t)
	want := fmt.Sprintf("gin-auth: this Redis can lose logouts (REDIS_REQUIRE_SAFE): %s; %s\n", evicts, noAOF)
	if status != 1 || !strings.HasSuffix(refused.Output(), want) {
		t.Errorf("exit %d, %s; want 1, %s", status, refused.Output(), want)
	}
}

// TestRequireSafe: a safe Redis will do, and one that comes late and isn't safe keeps the service from being
// ready.
func TestRequireSafe(t *testing.T) {
	t.Parallel()
	safe := harness.StartRedis(t, "--appendonly", "yes")
	flow(t, harness.StartService(t, production(append(safe.Env(), "REDIS_REQUIRE_SAFE=true")...)...))

	redis := harness.StartRedis(t)
	redis.Kill()
	s := harness.StartService(t, production(append(redis.Env(), "REDIS_REQUIRE_SAFE=true")...)...)
	redis.Start(t)
	s.WaitFor(t, "this Redis can lose logouts: its append-only file is off")
	ready := func(want int) func() error {
		return func() error {
			response, err := http.Get(s.URL + "/readyz")
			if err != nil {
				return err
			}
			defer response.Body.Close()
			if response.StatusCode != want {
				return errors.New(response.Status)
			}
			return nil
		}
	}
	harness.Eventually(t, "/readyz says 503", ready(503))
	if err := redis.Client(t).ConfigSet(t.Context(), "appendonly", "yes").Err(); err != nil {
		t.Fatal(err)
	}
	harness.Eventually(t, "/readyz says 200", ready(200))
}
