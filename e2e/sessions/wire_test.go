package sessions

import (
	"slices"
	"strings"
	"testing"

	"gin-auth/e2e/internal/harness"
)

// spied is gin-auth with a Spy before its Redis.
type spied struct {
	*harness.Spy
	redis *harness.Redis
	auth  string
}

func startSpied(t *testing.T, env ...string) spied {
	t.Helper()
	redis := harness.StartRedis(t)
	spy := harness.StartSpy(t, redis.Addr())
	env = append(append(env, spy.Env()...), "LOG_LEVEL=warn")
	service := harness.StartService(t, settings(secret, env...)...)
	service.WaitFor(t, "this Redis can lose logouts") // it looks for risks once a minute, the first time now
	return spied{spy, redis, routesOf(service)}
}

// background reports whether gin-auth sends a round trip by itself, every second: it asks for the epoch, and whether
// the clock was set back.
func background(trip harness.RoundTrip) bool {
	return strings.HasPrefix(trip[0], "GET auth:clock") || trip[0] == "GET auth:epoch"
}

// tripsOf returns the round trips that run begins.
func (s spied) tripsOf(run func()) []harness.RoundTrip {
	s.Take()
	run()
	return slices.DeleteFunc(s.Take(), background)
}

// TestGuardCommands wants the guard to send what it sent before sessions were stored: the same was seen at 3be5f06.
func TestGuardCommands(t *testing.T) {
	t.Parallel()
	s := startSpied(t)
	p, token := mustRegister(t, s.auth, "ada")
	p.mustLogin(t, s.auth)
	for range 3 {
		got := s.tripsOf(func() { send(t, 200, "GET", s.auth+"/me", token, nil) })
		want := harness.RoundTrip{
			"EXISTS blacklist:" + token + " auth:logout-all:" + p.id, "GET auth:epoch", "TIME", "WAIT 0 0",
		}
		if len(got) != 1 || !slices.Equal(got[0], want) {
			t.Errorf("the guard sends\n%q, want\n%q", got, want)
		}
	}
}

// TestLoginRoundTrips counts those of a login, with the login limit.
func TestLoginRoundTrips(t *testing.T) {
	t.Parallel()
	s := startSpied(t, "LOGIN_LIMIT=10/1m")
	p, _ := mustRegister(t, s.auth, "ada")
	const before = 5 // as counted in the same way at 3be5f06, which did not store sessions
	for range 3 {
		got := s.tripsOf(func() { p.mustLogin(t, s.auth) })
		if len(got) > before+1 {
			t.Errorf("a login has %d round trips, want %d:\n%q", len(got), before+1, got)
		}
		stores := func(trip harness.RoundTrip) bool { return trip[0] == "EVAL auth:sessions:"+p.id }
		if !slices.ContainsFunc(got, stores) {
			t.Errorf("no round trip stores the session:\n%q", got)
		}
	}
}
