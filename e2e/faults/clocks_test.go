package faults

import (
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"gin-auth/e2e/internal/harness"
	"gin-auth/e2e/internal/requests"
)

// startAhead starts the service with a clock that is ahead of this machine's clock.
func startAhead(t *testing.T, ahead time.Duration, env ...string) *harness.Service {
	t.Helper()
	s := harness.StartServiceAhead(t, ahead, requests.Production(env...)...)
	s.URL = strings.Replace(s.URL, "localhost", "127.0.0.1", 1)
	return s
}

// short returns a token in the service's format, issued now, that expires after lifetime by this machine's clock.
func short(id string, lifetime time.Duration) string {
	now := time.Now().Unix()
	return requests.Sign(map[string]any{"id": id, "jti": "jti of " + id, "iat": now, "exp": now + int64(lifetime/time.Second)})
}

// asks is the number of requests with tokens that must not be accepted.
const asks = 1000

// wantNever sends requests with the tokens in turn, and fails if any is accepted. Every response must say that the
// token is revoked or, after it has expired, that it is expired. During an outage it may be a 503.
func wantNever(t *testing.T, what string, s *harness.Service, tokens ...string) {
	t.Helper()
	var accepted, asked atomic.Int64
	harness.Each(8, func(worker int) {
		for i := worker; i < asks && !t.Failed(); i += 8 {
			got, err := requests.Try(s, "GET", requests.Me, tokens[i%len(tokens)], "")
			if err != nil {
				t.Errorf("%s: %v", what, err)
			}
			if asked.Add(1); got.Status == 200 {
				accepted.Add(1)
			}
			if got.Status != 401 && !got.Is(503, requests.Away) {
				t.Errorf("%s: token %d: %s", what, i%len(tokens), got)
			}
		}
	})
	t.Logf("%s: %d requests with tokens whose logout was answered 200, %d accepted", what, asked.Load(), accepted.Load())
}

// TestInstancesWithOtherClocks runs three instances on one Redis: one on time, one 300 s ahead, one 300 s behind.
// Every instance uses Redis's clock to issue, check and revoke tokens.
func TestInstancesWithOtherClocks(t *testing.T) {
	t.Parallel()
	r := harness.StartRedis(t)
	metrics := fmt.Sprint("127.0.0.1:", harness.FreePort(t))
	env := append(r.Env(), "JWT_EXPIRES_IN=2m")
	all := map[string]*harness.Service{
		"on time": requests.Start(t, env...),
		"ahead":   startAhead(t, 5*time.Minute, append(env, "METRICS_ADDR="+metrics)...),
		"behind":  startAhead(t, -5*time.Minute, env...),
	}
	var loggedOut []string
	for name, s := range all {
		token := requests.Login(t, s, "ada")
		for other, s := range all {
			requests.WantStatus(t, "a session from the one that is "+name+" at the one that is "+other, requests.Send(t, s, "GET", requests.Me, token, ""), 200)
		}
		for i, token := range []string{
			token, short(name, 30*time.Second), short(name, 200*time.Second), short(name, 252*time.Second), short(name, 400*time.Second),
			requests.NodeToken("Node's "+name, time.Now()),
		} {
			requests.WantStatus(t, fmt.Sprint("token ", i), requests.Send(t, s, "GET", requests.Me, token, ""), 200)
			requests.WantLogout(t, s, token)
			loggedOut = append(loggedOut, token)
		}
	}
	c := r.Client(t)
	for _, token := range loggedOut {
		if n := harness.Command(t, c, "EXISTS", "blacklist:"+token); n != int64(1) {
			t.Errorf("a logout that was answered 200 is not stored: %s", token)
		}
	}
	over := short("expired", -time.Second)
	for name, s := range all {
		got := requests.Send(t, s, "GET", requests.Me, over, "")
		requests.WantStatus(t, "an expired token at the one that is "+name, got, 401)
		wantNever(t, "the one that is "+name, s, loggedOut...)
	}
	for _, name := range []string{"ahead", "behind"} {
		all[name].WaitFor(t, "this instance's clock differs from Redis's: synchronize both (NTP)")
	}
	if strings.Contains(all["on time"].Output(), "clock differs") {
		t.Error("the instance that is on time logged that its clock differs")
	}
	if skew := metric(t, metrics, "gin_auth_clock_skew_seconds"); skew < 298 || skew > 302 {
		t.Errorf("gin_auth_clock_skew_seconds is %v, want about 300", skew)
	}
	check := harness.Start(t, t.TempDir(), append(requests.Production(env...), "CLOCK_OFFSET=300"), all["ahead"].Path, "check")
	if status := check.Exit(t); status != 1 || !strings.Contains(check.Output(), "is 5m0s behind this machine's: synchronize both (NTP)") {
		t.Errorf("check: exit status %d, want 1 and the difference of the clocks:\n%s", status, check.Output())
	}
}

// TestRedisWithAnotherClock checks that sessions are issued and checked by Redis's clock, and that they last for
// JWT_EXPIRES_IN.
func TestRedisWithAnotherClock(t *testing.T) {
	t.Parallel()
	for _, offset := range []time.Duration{-5 * time.Minute, -150 * time.Second, 150 * time.Second, 5 * time.Minute} {
		t.Run(offset.String(), func(t *testing.T) {
			t.Parallel()
			r, _ := harness.StartRedisWithClock(t, offset)
			s := requests.Start(t, append(r.Env(), "JWT_EXPIRES_IN=8s")...)
			token, out := requests.Login(t, s, "ada"), requests.Login(t, s, "ada")
			requests.WantStatus(t, "me after login", requests.Send(t, s, "GET", requests.Me, token, ""), 200)
			requests.WantLogout(t, s, out)
			issued := time.Now()
			wantNever(t, "a Redis whose clock is off by "+offset.String(), s, out)
			var until time.Time
			harness.Eventually(t, "the session expires", func() error {
				if got := requests.Send(t, s, "GET", requests.Me, token, ""); got.Status == 200 {
					until = time.Now()
					return fmt.Errorf("%s", got)
				}
				return nil
			})
			if lived := until.Sub(issued); lived > 9*time.Second {
				t.Errorf("a session of 8 s was accepted for %s, want at most 9 s", lived)
			}
		})
	}
}

// TestRedisClockSteps moves Redis's clock forward, so that entries expire, and then sets it back. Their tokens are
// still rejected by a busy instance, an idle one, and one that starts later.
func TestRedisClockSteps(t *testing.T) {
	t.Parallel()
	for name, find := range topologies {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for name, steps := range map[string][]time.Duration{
				"forward and back":         {5 * time.Minute, 0},
				"forward, twice, and back": {5 * time.Minute, 10 * time.Minute, 0},
				"back":                     {-5 * time.Minute},
				"back and forward":         {-5 * time.Minute, 0},
				"forward":                  {5 * time.Minute},
			} {
				t.Run(name, func(t *testing.T) {
					t.Parallel()
					r, clock := harness.StartRedisWithClock(t, 0)
					c := r.Client(t)
					env := find(t, r.Addr())
					busy, idle := requests.Start(t, env...), requests.Start(t, env...)
					live := requests.Login(t, busy, "ada")
					loggedOut := []string{requests.Login(t, busy, "ada"), requests.NodeToken("Node's", time.Now())}
					for i, lifetime := range []time.Duration{30, 100, 200, 230, 250, 299, 301, 400, 650} {
						loggedOut = append(loggedOut, short(fmt.Sprint("short ", i), lifetime*time.Second))
					}
					for _, token := range loggedOut {
						requests.WantLogout(t, busy, token)
					}
					for _, step := range steps {
						clock.Set(t, step)
						for _, token := range loggedOut {
							harness.Command(t, c, "EXISTS", "blacklist:"+token) // Redis now removes the expired entries
						}
						if got := requests.Send(t, busy, "GET", requests.Me, loggedOut[0], ""); got.Status != 401 {
							t.Errorf("a revoked token: got %s, want 401", got)
						}
						time.Sleep(1500 * time.Millisecond) // the idle instance queries Redis once a second
					}
					young := requests.Start(t, env...)
					for what, s := range map[string]*harness.Service{"the busy instance": busy, "the idle one": idle, "a new one": young} {
						wantNever(t, what, s, loggedOut...)
						requests.WantStatus(t, "a session from before at "+what, requests.Send(t, s, "GET", requests.Me, live, ""), 200)
						for other, o := range map[string]*harness.Service{"the busy instance": busy, "the idle one": idle, "a new one": young} {
							requests.WantStatus(t, "a login at "+what+", asked at "+other, requests.Send(t, o, "GET", requests.Me, requests.Login(t, s, "ada"), ""), 200)
						}
					}
					if steps[len(steps)-1] < max(0, steps[0]) {
						for _, s := range []*harness.Service{busy, idle} {
							s.WaitFor(t, "Redis's clock was set back")
						}
					}
				})
			}
		})
	}
}

// TestShortSessionsAfterAStep checks that sessions issued after the clock was set back are accepted, even if they
// expire before the highest time that the clock had shown.
func TestShortSessionsAfterAStep(t *testing.T) {
	t.Parallel()
	r, clock := harness.StartRedisWithClock(t, 0)
	s := requests.Start(t, append(r.Env(), "JWT_EXPIRES_IN=2m")...)
	other := requests.Start(t, append(r.Env(), "JWT_EXPIRES_IN=2m")...)
	before := requests.Login(t, s, "ada")
	clock.Set(t, 5*time.Minute)
	ahead := requests.Login(t, s, "ada")
	requests.WantLogout(t, s, ahead)
	time.Sleep(1500 * time.Millisecond)
	clock.Set(t, 0)
	for range 20 {
		token := requests.Login(t, s, "ada")
		for _, s := range []*harness.Service{s, other} {
			requests.WantStatus(t, "a session from after the step", requests.Send(t, s, "GET", requests.Me, token, ""), 200)
		}
	}
	for _, s := range []*harness.Service{s, other} {
		requests.WantStatus(t, "a session that expired meanwhile", requests.Send(t, s, "GET", requests.Me, before, ""), 401)
		wantNever(t, "a session from the time with the clock ahead", s, ahead)
	}
}
