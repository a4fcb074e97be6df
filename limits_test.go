package main

import (
	"fmt"
	"net/http"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

const registrationsLimited = `{"message":"Too many registrations. Please try again later."}`

// userNamed is ada's registration under another name.
func userNamed(format string, i int) string {
	return strings.ReplaceAll(ada, "ada", fmt.Sprintf(format, i))
}

// from sends a POST through the trusted proxy.
func (s *service) from(t *testing.T, client *http.Client, address, path, body string) answer {
	t.Helper()
	return s.send(t, client, "POST", path, body, "X-Forwarded-For", address)
}

// lockAda makes logins to ada fail from ten addresses, as often as an account may if the limit is three failures.
func (s *service) lockAda(t *testing.T) {
	t.Helper()
	for i := range 30 {
		s.from(t, s.tls.Client(), fmt.Sprintf("203.0.113.%d", i/3), loginPath, wrongLogin).want(t, "a guess", 401, badLogin)
	}
}

// TestLockedOut: guesses from other addresses do not keep a user from logging in from a known address, or from changing
// their password.
func TestLockedOut(t *testing.T) {
	t.Parallel()
	const home, office, hotel = "192.0.2.1", "2001:db8:1:2::1", "198.51.100.7"
	s := newService(t, "LOGIN_LIMIT=3/1m", "TRUSTED_PROXIES=127.0.0.0/8", "JWT_EXPIRES_IN=60d")
	laptop, anybody := s.browser(t), s.tls.Client()
	s.from(t, laptop, home, "/api/auth/register", ada)
	s.from(t, laptop, home, loginPath, adaLogin)
	s.from(t, anybody, office, loginPath, adaLogin)
	s.lockAda(t)

	login := func(when, address, body string, want int) {
		t.Helper()
		if got := s.from(t, anybody, address, loginPath, body); got.status != want {
			t.Errorf("%s: %d %s, want %d", when, got.status, got.body, want)
		}
	}
	s.from(t, anybody, hotel, loginPath, adaLogin).want(t, "an unknown address", 429, limited)
	login("at home", home, adaLogin, 200)
	login("in the network of the office", "2001:db8:1:2:3:4:5:6", adaLogin, 200)
	login("in another network", "2001:db8:1:3::1", adaLogin, 429)
	login("behind a proxy at home", "10.1.2.3, "+home, adaLogin, 429)
	if got := s.from(t, laptop, hotel, passwordPath, newPassword); got.status != 200 {
		t.Errorf("a password change: %d %s", got.status, got.body)
	}
	for range 3 {
		login("a guess at home", home, adaLogin, 401)
	}
	login("a guess too many at home", home, newLogin, 429)
	s.redis.FastForward(time.Minute)
	login("at home a minute later", home, newLogin, 200)
	s.redis.FastForward(30*24*time.Hour + time.Minute)
	s.lockAda(t)
	login("at home a month later", home, newLogin, 429)
}

// TestOwnAddress: a login makes an address known, unless the address may be that of an untrusted proxy.
func TestOwnAddress(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		trusted string
		header  []string
		own     bool
	}{
		"no proxy":                          {"", nil, true},
		"a proxy":                           {"127.0.0.1", []string{"X-Forwarded-For", "192.0.2.1"}, true},
		"two proxies, spaces":               {"127.0.0.1,10.0.0.0/8", []string{"X-Forwarded-For", " 192.0.2.1 , 10.1.2.3 "}, true},
		"two proxies":                       {"127.0.0.1,10.0.0.0/8", []string{"X-Forwarded-For", "192.0.2.1, 10.1.2.3"}, true},
		"two proxies, two lines":            {"127.0.0.1,10.0.0.0/8", []string{"X-Forwarded-For", "192.0.2.1", "X-Forwarded-For", "10.1.2.3"}, true},
		"a proxy, and X-Real-IP":            {"127.0.0.1", []string{"X-Forwarded-For", "192.0.2.1", "X-Real-IP", "192.0.2.1"}, true},
		"an untrusted proxy":                {"", []string{"X-Forwarded-For", "192.0.2.1"}, false},
		"an untrusted proxy before another": {"127.0.0.1", []string{"X-Forwarded-For", "192.0.2.1, 10.1.2.3"}, false},
		"the same in two lines":             {"127.0.0.1", []string{"X-Forwarded-For", "192.0.2.1", "X-Forwarded-For", "10.1.2.3"}, false},
		"no address":                        {"127.0.0.1", []string{"X-Forwarded-For", "unknown"}, false},
		"an empty header":                   {"127.0.0.1", []string{"X-Forwarded-For", ""}, false},
		"a proxy with X-Real-IP":            {"127.0.0.1", []string{"X-Real-IP", "192.0.2.1"}, false},
		"a proxy with Forwarded":            {"", []string{"Forwarded", "for=192.0.2.1"}, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newService(t, "TRUSTED_PROXIES="+test.trusted)
			s.send(t, s.tls.Client(), "POST", "/api/auth/register", ada)
			request, err := http.NewRequestWithContext(t.Context(), "POST", s.url+loginPath, strings.NewReader(adaLogin))
			if err != nil {
				t.Fatal(err)
			}
			request.Header.Set("Content-Type", "application/json")
			for i := 0; i < len(test.header); i += 2 {
				request.Header.Add(test.header[i], test.header[i+1])
			}
			response, err := s.tls.Client().Do(request)
			if err != nil {
				t.Fatal(err)
			}
			_ = response.Body.Close()
			known := strings.Contains(strings.Join(s.redis.Keys(), " "), "auth:login-limit:known:")
			if response.StatusCode != 200 || known != test.own {
				t.Errorf("%d, the address is known: %v, want %v", response.StatusCode, known, test.own)
			}
		})
	}
}

// TestSecretOfTheLimit: without the secret, nobody can find out which account or address a key belongs to.
func TestSecretOfTheLimit(t *testing.T) {
	t.Parallel()
	keys := func(secret string) (keys []string) {
		s := newService(t, "JWT_SECRET="+secret)
		s.login(t, s.browser(t))
		for _, key := range s.redis.Keys() {
			if strings.HasPrefix(key, "auth:login-limit:") {
				keys = append(keys, key)
			}
		}
		return keys
	}
	one, same, other := keys(testSecret), keys(testSecret), keys(testSecret+"2")
	if len(one) != 2 || !slices.Equal(one, same) || slices.Contains(other, one[0]) || slices.Contains(other, one[1]) {
		t.Errorf("the keys are %q, %q with the same secret, and %q with another", one, same, other)
	}
}

// TestRegistrationLimit: no more passwords than the limit are hashed for registrations from one address.
func TestRegistrationLimit(t *testing.T) {
	t.Parallel()
	s := newService(t, "LOGIN_LIMIT=3/1m", "TRUSTED_PROXIES=127.0.0.0/8")
	const path = "/api/auth/register"
	register := func(address, body string) answer { return s.from(t, s.tls.Client(), address, path, body) }
	for range 5 {
		register("192.0.2.1", `{"username":"ada","email":"ada@example.com","password":"short"}`).
			want(t, "a short password", 400, `{"message":"password must have at least 8 characters and at most 72 bytes"}`)
	}
	for i, status := range []int{201, 409, 201} {
		if got := register("192.0.2.1", userNamed("ada%d", i&2)); got.status != status {
			t.Errorf("registration %d: %d %s, want %d", i, got.status, got.body, status)
		}
	}
	got := register("192.0.2.1", userNamed("ada%d", 3))
	got.want(t, "one too many", 429, registrationsLimited)
	if seconds, err := strconv.Atoi(got.header.Get("Retry-After")); err != nil || seconds < 1 || seconds > 60 {
		t.Errorf("Retry-After is %q", got.header.Get("Retry-After"))
	}
	if got := register("192.0.2.2", userNamed("ada%d", 4)); got.status != 201 {
		t.Errorf("another address: %d %s", got.status, got.body)
	}
	if got := s.from(t, s.tls.Client(), "192.0.2.1", loginPath, strings.ReplaceAll(adaLogin, "ada", "ada0")); got.status != 200 {
		t.Errorf("a login: %d %s", got.status, got.body)
	}
	s.redis.FastForward(time.Minute)
	if got := register("192.0.2.1", userNamed("ada%d", 3)); got.status != 201 {
		t.Errorf("a minute later: %d %s", got.status, got.body)
	}
}

// TestLoginsWhileManyRegister: 32 clients that register without a pause leave the logins enough time to hash.
func TestLoginsWhileManyRegister(t *testing.T) {
	t.Parallel()
	s := newService(t, "LOGIN_LIMIT=off", "BCRYPT_COST=6")
	s.send(t, s.tls.Client(), "POST", "/api/auth/register", ada)
	var registered, busy, next atomic.Int32
	var done atomic.Bool
	var all sync.WaitGroup
	for range 32 {
		all.Go(func() {
			for !done.Load() {
				got := s.send(t, s.tls.Client(), "POST", "/api/auth/register", userNamed("user%d", int(next.Add(1))))
				switch got.status {
				case 201:
					registered.Add(1)
				case 503:
					busy.Add(1)
					time.Sleep(10 * time.Millisecond) // the answer asks for a second
				default:
					t.Errorf("a registration: %d %s", got.status, got.body)
				}
			}
		})
	}
	for busy.Load() < 32 {
		time.Sleep(time.Millisecond)
	}
	good := 0
	for range 10 {
		if got := s.send(t, s.tls.Client(), "POST", loginPath, adaLogin); got.status == 200 {
			good++
		}
	}
	done.Store(true)
	all.Wait()
	t.Logf("%d of 10 logins, %d registered, %d told to come again", good, registered.Load(), busy.Load())
	// If other tests run at the same time, a hash may take a second, which is as long as a login waits.
	if measuring := os.Getenv("MEASURE") != ""; good < 10 && measuring || good == 0 || registered.Load() == 0 {
		t.Errorf("%d of 10 logins and %d registrations were successful", good, registered.Load())
	}
}
