package faults

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/crypto/bcrypt"

	"gin-auth/e2e/internal/harness"
	"gin-auth/e2e/internal/requests"
)

// TestFarAway runs the service on a Redis that is far away. The proxy delays every reply, including those to AUTH
// and SELECT. A call takes one round trip, so the default REDIS_TIMEOUT of 300 ms is enough for a round trip of 150
// ms. It is too short for 250 ms, and then check suggests a timeout.
func TestFarAway(t *testing.T) {
	t.Parallel()
	for _, test := range []struct{ delay, timeout time.Duration }{
		{50 * time.Millisecond, 300 * time.Millisecond},
		{150 * time.Millisecond, 300 * time.Millisecond},
		{250 * time.Millisecond, 700 * time.Millisecond},
	} {
		t.Run(test.delay.String(), func(t *testing.T) {
			t.Parallel()
			r := harness.StartRedis(t, "--requirepass", "hush")
			p := startProxy(t, r.Addr())
			p.set(fault{delay: test.delay})
			env := []string{"REDIS_URL=redis://:hush@" + p.listener.Addr().String() + "/2"}
			check := harness.Start(t, t.TempDir(), requests.Production(env...), harness.Binary(t), "check")
			if status := check.Exit(t); status != 1 || !strings.Contains(check.Output(), "round trip ") {
				t.Errorf("check: exit status %d, want 1 and the round trip time:\n%s", status, check.Output())
			}
			if test.timeout > requests.RedisTimeout && !strings.Contains(check.Output(), "ms: set REDIS_TIMEOUT=") {
				t.Errorf("check does not suggest a REDIS_TIMEOUT:\n%s", check.Output())
			}
			s := requests.Start(t, append(env, "REDIS_TIMEOUT="+test.timeout.String())...)
			harness.Eventually(t, "the service is ready", func() error {
				if got := requests.Send(t, s, "GET", "/readyz", "", ""); got.Status != 200 {
					return fmt.Errorf("%s", got)
				}
				return nil
			})
			live, out := requests.Login(t, s, "ada"), requests.Login(t, s, "ada")
			requests.WantLogout(t, s, out)
			failed := 0
			for range 40 { // in sequence
				got := requests.Send(t, s, "GET", requests.Me, live, "")
				if got.Status != 200 {
					failed++
				}
				if got := requests.Send(t, s, "GET", requests.Me, out, ""); got.Status == 503 {
					failed++
				} else {
					requests.WantRefused(t, "logged out", got)
				}
			}
			var unavailable [64]bool
			harness.Each(64, func(i int) {
				got, err := requests.Try(s, "GET", requests.Me, live, "")
				unavailable[i] = err != nil || got.Status != 200
			})
			for _, is := range unavailable {
				if is {
					failed++
				}
			}
			t.Logf("%d of 144 requests failed", failed)
			if failed > 3 {
				t.Errorf("%d of 144 requests failed, want at most 3", failed)
			}
			if strings.Contains(s.Output(), "i/o timeout") {
				t.Error("the log contains i/o timeout")
			}
		})
	}
}

// TestTooFarAway checks that the log and check suggest a REDIS_TIMEOUT if a round trip takes longer than it.
func TestTooFarAway(t *testing.T) {
	t.Parallel()
	r := harness.StartRedis(t)
	p := startProxy(t, r.Addr())
	p.set(fault{delay: 400 * time.Millisecond})
	s := requests.Start(t, p.url())
	advice := regexp.MustCompile(`a round trip to Redis takes 4\d\dms: set REDIS_TIMEOUT=1\.[1-3]s`)
	harness.Eventually(t, "the log contains the advice", func() error {
		_, _ = requests.Try(s, "GET", requests.Me, requests.OwnToken("ada", time.Now()), "")
		if !advice.MatchString(s.Output()) {
			return fmt.Errorf("%s", s.Output())
		}
		return nil
	})
	check := harness.Start(t, t.TempDir(), requests.Production(p.url()), harness.Binary(t), "check")
	if status := check.Exit(t); status != 1 || !advice.MatchString(check.Output()) {
		t.Errorf("check: exit status %d, want 1 and %s:\n%s", status, advice, check.Output())
	}
	again := requests.Start(t, p.url(), "REDIS_TIMEOUT=1300ms")
	requests.WantLogout(t, again, requests.Login(t, again, "ada"))
}

// farLoginBar limits the time of a login, without its hash, if Redis is 60 ms away: four round trips in sequence.
const farLoginBar = 240 * time.Millisecond

// TestFarLogin prints the time of a login if Redis is 60 ms away, without the time of one hash, which is measured
// in the same run. It also prints the time of /me.
func TestFarLogin(t *testing.T) {
	r := harness.StartRedis(t)
	p := startProxy(t, r.Addr())
	p.set(fault{delay: 60 * time.Millisecond})
	s := requests.Start(t, p.url(), "BCRYPT_COST=10", "LOGIN_LIMIT=10/1m", "REDIS_TIMEOUT=2s")
	token := requests.Login(t, s, "ada")
	hash, err := bcrypt.GenerateFromPassword([]byte("correct horse"), 10)
	if err != nil {
		t.Fatal(err)
	}
	rounds := 3
	if harness.Measuring {
		rounds = 15
	}
	const email, username = "a login by email", "a login by username"
	bodies := map[string]string{
		email:    `{"email":"ada@example.com","password":"correct horse"}`,
		username: `{"username":"ada","password":"correct horse"}`,
	}
	times := map[string][]time.Duration{}
	for range rounds {
		for what, body := range bodies {
			got := requests.Send(t, s, "POST", "/api/auth/login", "", body)
			requests.WantStatus(t, what, got, 200)
			times[what] = append(times[what], got.Took)
		}
		got := requests.Send(t, s, "GET", requests.Me, token, "")
		requests.WantStatus(t, requests.Me, got, 200)
		times[requests.Me] = append(times[requests.Me], got.Took)
		started := time.Now()
		if err := bcrypt.CompareHashAndPassword(hash, []byte("correct horse")); err != nil {
			t.Fatal(err)
		}
		times["hash"] = append(times["hash"], time.Since(started))
	}
	median := func(what string) time.Duration {
		slices.Sort(times[what])
		return times[what][rounds/2]
	}
	t.Logf("Redis 60 ms away, the median of %d: a hash %s, /me %s",
		rounds, median("hash").Round(time.Millisecond), median(requests.Me).Round(time.Millisecond))
	for _, what := range []string{email, username} {
		harness.LogTime(t, fmt.Sprintf("%s %s, without a hash", what, median(what).Round(time.Millisecond)),
			median(what)-median("hash"), farLoginBar)
	}
}
