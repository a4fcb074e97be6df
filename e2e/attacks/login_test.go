package attacks

import (
	"bytes"
	"net/http"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"gin-auth/e2e/internal/harness"
)

// loginSend sends a request and returns the response and its body.
func loginSend(t *testing.T, method, url, body string, header ...string) (*http.Response, string) {
	t.Helper()
	headers := http.Header{"Content-Type": {"application/json"}}
	for pair := range slices.Chunk(header, 2) {
		headers.Set(pair[0], pair[1])
	}
	return harness.Send(t, loginClient, method, url, headers, body)
}

var loginClient = &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 64}, Timeout: time.Minute}

func startLogins(t *testing.T, env ...string) *harness.Service {
	t.Helper()
	redis := harness.StartRedis(t)
	return harness.StartService(t, append(append(redis.Env(),
		"NODE_ENV=production", "JWT_SECRET=the secret of those who log in, which is long", "SHUTDOWN_DELAY=0s",
		"REDIS_TIMEOUT=5s"), env...)...)
}

const (
	loginLimited = `{"message":"Too many failed logins. Please try again later."}`
	loginBad     = `{"message":"Invalid credentials"}`
	loginBusy    = `{"message":"Too many logins at once. Please try again."}`
	loginAda     = `{"username":"ada","email":"ada@example.com","password":"correct horse"}`
)

// TestGuessing guesses passwords with 16 clients at once.
func TestGuessing(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		proxies        string
		email, address string // # is replaced by the number of the guess
		guesses, bar   int
	}{
		"one account from one address":                    {"127.0.0.1", "ada@example.com", "192.0.2.1", 1000, 10},
		"many accounts from one address":                  {"127.0.0.1", "user#@example.com", "192.0.2.1", 1000, 10},
		"many accounts from one IPv6 network":             {"127.0.0.1", "user#@example.com", "2001:db8::#", 1000, 10},
		"one account from many addresses":                 {"127.0.0.1", "ada@example.com", "2001:db8:#::1", 1000, 100},
		"one account, addresses forged, no proxy trusted": {"", "ada@example.com", "2001:db8:#::1", 1000, 10},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := startLogins(t, "BCRYPT_COST=4", "LOGIN_LIMIT=10/10m", "TRUSTED_PROXIES="+test.proxies)
			loginSend(t, "POST", s.URL+"/api/auth/register", loginAda)
			var passed, stopped, busy, next atomic.Int32
			var all sync.WaitGroup
			for range 16 {
				all.Go(func() {
					for i := int(next.Add(1)); i <= test.guesses; i = int(next.Add(1)) {
						address := strings.ReplaceAll(test.address, "#", strconv.Itoa(i))
						answer, body := loginSend(t, "POST", s.URL+"/api/auth/login",
							`{"email":"`+strings.ReplaceAll(test.email, "#", strconv.Itoa(i))+`","password":"wrong horse"}`,
							"X-Forwarded-For", address, "X-Real-IP", address)
						switch retry := answer.Header.Get("Retry-After"); {
						case answer.StatusCode == 401 && body == loginBad && retry == "":
							passed.Add(1)
						case answer.StatusCode == 429 && body == loginLimited && retry != "":
							stopped.Add(1)
						case answer.StatusCode == 503 && body == loginBusy && retry == "1":
							busy.Add(1)
						default:
							t.Errorf("guess %d: unexpected response %d %s, Retry-After %q", i, answer.StatusCode, body, retry)
						}
					}
				})
			}
			all.Wait()
			t.Logf("%d of %d passwords were compared (limit %d), %d rejected by the limit, %d asked to retry", passed.Load(), test.guesses, test.bar, stopped.Load(), busy.Load())
			if int(passed.Load()) > test.bar || int(passed.Load()) < test.bar-3 { // a rejected attempt briefly counts against the limit
				t.Errorf("%d passwords were compared, want %d to %d", passed.Load(), test.bar-3, test.bar)
			}
		})
	}
}

// TestUnknownUser compares the responses to logins with an unknown user, with a wrong password, and with a user
// whose hash has a lower cost: the bytes are equal, and the times are about equal.
func TestUnknownUser(t *testing.T) {
	redis := harness.StartRedis(t)
	env := append(redis.Env(), "NODE_ENV=production", "JWT_SECRET=the secret of those who log in, which is long",
		"SHUTDOWN_DELAY=0s", "LOGIN_LIMIT=off", "REDIS_TIMEOUT=5s")
	low := harness.StartService(t, append(env, "BCRYPT_COST=6")...)
	loginSend(t, "POST", low.URL+"/api/auth/register", strings.ReplaceAll(loginAda, "ada", "low"))
	s := harness.StartService(t, append(env, "BCRYPT_COST=10")...)
	loginSend(t, "POST", s.URL+"/api/auth/register", loginAda)
	loginSend(t, "POST", s.URL+"/api/auth/register", strings.ReplaceAll(loginAda, "ada", "off"))
	disable := harness.Start(t, t.TempDir(), env, harness.Binary(t), "user", "disable", "off@example.com")
	if status := disable.Exit(t); status != 0 {
		t.Fatalf("user disable: exit status %d, want 0\n%s", status, disable.Output())
	}

	bodies := map[string]string{
		"unknown":       `{"email":"bob@example.com","password":"wrong horse"}`,
		"wrong":         `{"email":"ada@example.com","password":"wrong horse"}`,
		"of lower cost": `{"email":"low@example.com","password":"wrong horse"}`,
		"disabled":      `{"email":"off@example.com","password":"correct horse"}`,
		"unknown name":  `{"username":"bob","password":"wrong horse"}`,
		"a name":        `{"username":"ADA","password":"wrong horse"}`,
		"disabled name": `{"username":"off","password":"correct horse"}`,
	}
	times := map[string][]time.Duration{}
	for range 9 {
		for name, body := range bodies {
			start := time.Now()
			answer, text := loginSend(t, "POST", s.URL+"/api/auth/login", body)
			times[name] = append(times[name], time.Since(start))
			answer.Header.Del("Date")
			answer.Header.Del("X-Request-Id")
			var header bytes.Buffer
			_ = answer.Header.Write(&header)
			const want = "Cache-Control: no-store\r\nContent-Length: 33\r\nContent-Type: application/json; charset=utf-8\r\n" +
				"Strict-Transport-Security: max-age=31536000\r\nX-Content-Type-Options: nosniff\r\n"
			if answer.StatusCode != 401 || text != loginBad || header.String() != want {
				t.Errorf("%s: the response differs: %d %s\n%s", name, answer.StatusCode, text, header.String())
			}
		}
	}
	wrong := slices.Min(times["wrong"])
	for name := range bodies {
		least := slices.Min(times[name])
		t.Logf("%-13s at least %s, %.2f × the time for a wrong password (bar 0.8 to 1.25)", name, least.Round(time.Microsecond), float64(least)/float64(wrong))
		if harness.Measuring && (least*3 < wrong || least > 3*wrong) {
			t.Errorf("%s: a login takes %s, with a wrong password %s: want about the same time", name, least, wrong)
		}
	}
}

// TestLoginStorm logs in with 32 clients without a pause. Half of the cores compute hashes, the guard keeps
// working, and logins that cannot be served soon are asked to retry.
func TestLoginStorm(t *testing.T) {
	s := startLogins(t, "LOGIN_LIMIT=off")
	loginSend(t, "POST", s.URL+"/api/auth/register", loginAda)
	start := time.Now()
	answer, body := loginSend(t, "POST", s.URL+"/api/auth/login", loginAda)
	alone := time.Since(start)
	if answer.StatusCode != 200 {
		t.Fatalf("login: %d %s", answer.StatusCode, body)
	}
	cookie, _, _ := strings.Cut(answer.Header.Get("Set-Cookie"), ";")
	// This client sends requests as a user does: one every few milliseconds.
	guard := func(requests int) time.Duration {
		times := make([]time.Duration, requests)
		for i := range times {
			start := time.Now()
			if answer, body := loginSend(t, "GET", s.URL+"/api/auth/me", "", "Cookie", cookie); answer.StatusCode != 200 {
				t.Errorf("me: %d %s", answer.StatusCode, body)
			}
			times[i] = time.Since(start)
			time.Sleep(5 * time.Millisecond)
		}
		slices.Sort(times)
		return times[len(times)*99/100]
	}
	const requests = 500
	idle := guard(requests)

	var good, busy atomic.Int32
	var longest atomic.Int64
	var done atomic.Bool
	var all sync.WaitGroup
	start = time.Now()
	for range 32 {
		all.Go(func() {
			for !done.Load() {
				start := time.Now()
				answer, body := loginSend(t, "POST", s.URL+"/api/auth/login", loginAda)
				took := int64(time.Since(start))
				for most := longest.Load(); took > most && !longest.CompareAndSwap(most, took); most = longest.Load() {
				}
				switch {
				case answer.StatusCode == 200:
					good.Add(1)
				case answer.StatusCode == 503 && body == loginBusy && answer.Header.Get("Retry-After") == "1":
					busy.Add(1)
					time.Sleep(20 * time.Millisecond) // shorter than the second that Retry-After asks for
				default:
					t.Errorf("login: %d %s", answer.StatusCode, body)
				}
			}
		})
	}
	loaded := guard(requests)
	done.Store(true)
	all.Wait()

	half := max(1, runtime.GOMAXPROCS(0)/2)
	hashing := float64(good.Load()) * alone.Seconds() / time.Since(start).Seconds()
	t.Logf("guard p99 %s idle, %s with 32 clients logging in (bar 3 × idle)", idle, loaded)
	t.Logf("%d logins, %d asked to retry, %.2f cores computed hashes (bar %d), the longest response took %s (bar 2s)",
		good.Load(), busy.Load(), hashing, half, time.Duration(longest.Load()))
	if harness.Measuring && loaded > 9*max(idle, 2*time.Millisecond) {
		t.Errorf("guard p99 is %s under load and %s when idle: want at most 9 × idle", loaded, idle)
	}
	if good.Load() == 0 || busy.Load() == 0 || harness.Measuring && (hashing > 3*float64(half) || time.Duration(longest.Load()) > 6*time.Second) {
		t.Errorf("%d logins succeeded and %d were asked to retry, want at least one of each; see the times above", good.Load(), busy.Load())
	}
}
