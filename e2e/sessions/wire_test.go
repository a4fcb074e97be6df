package sessions

import (
	"slices"
	"strings"
	"testing"

	"gin-auth/e2e/internal/harness"
)

// spied is gin-auth with a Spy in front of its Redis.
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
	service.WaitFor(t, "this Redis can lose logouts") // the check for risks runs once a minute; this was the first
	return spied{spy, redis, routesOf(service)}
}

// background reports whether gin-auth sends a round trip every second by itself: it reads the epoch, and checks
// whether Redis's clock was set back.
func background(trip harness.RoundTrip) bool {
	return strings.HasPrefix(trip[0], "GET auth:clock") || trip[0] == "GET auth:epoch"
}

// tripsOf returns the round trips during run, without those of the background.
func (s spied) tripsOf(run func()) []harness.RoundTrip {
	s.Take()
	run()
	return slices.DeleteFunc(s.Take(), background)
}

// TestGuardCommands checks that the guard sends the same commands as before sessions were stored (commit 3be5f06).
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

// TestLoginRoundTrips counts the round trips of a login, with the login limit: all of them, and those in sequence.
// A round trip is in sequence if it is sent after the reply to the one before. An unknown user and a wrong password
// have the same numbers.
func TestLoginRoundTrips(t *testing.T) {
	t.Parallel()
	s := startSpied(t, "LOGIN_LIMIT=1000/1m")
	p, _ := mustRegister(t, s.auth, "ada")
	const tries = 5 // the smallest result counts: see Steps
	for _, test := range []struct {
		field, name, password string
		status, inSequence    int
	}{
		{"email", p.email, password, 200, 3}, {"username", "ada", password, 200, 4},
		{"email", p.email, "wrong", 401, 2}, {"username", "ada", "wrong", 401, 3},
		{"email", "nobody@example.com", "wrong", 401, 2}, {"username", "nobody", "wrong", 401, 3},
	} {
		var steps [][]harness.RoundTrip
		for range tries {
			var err error
			got := s.Steps(func(trip harness.RoundTrip) bool { return !background(trip) }, func() {
				body := map[string]string{test.field: test.name, "password": test.password}
				_, err = tryFor(test.status, "POST", s.auth+"/login", "", body)
			})
			if err != nil {
				t.Fatal(err)
			}
			if steps == nil || len(got) < len(steps) {
				steps = got
			}
			if len(steps) <= test.inSequence {
				break
			}
		}
		all := slices.Concat(steps...)
		total := map[int]int{200: 6, 401: 3}[test.status] // of a login by email
		if test.field == "username" {
			total++
		}
		if len(steps) != test.inSequence || len(all) != total {
			t.Errorf("%+v: got %d round trips, %d in sequence, want %d and %d:\n%q",
				test, len(all), len(steps), total, test.inSequence, steps)
		}
		stores := func(trip harness.RoundTrip) bool { return trip[0] == "EVAL auth:sessions:"+p.id }
		if slices.ContainsFunc(all, stores) != (test.status == 200) {
			t.Errorf("%+v: the session must be stored exactly if the login succeeds:\n%q", test, steps)
		}
	}
}
