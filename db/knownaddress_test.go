package db

import (
	"errors"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"gin-auth/user"
)

const (
	home   = "192.0.2.1" // ada's
	office = "2001:db8:1:2::1"
	abroad = "203.0.113.9"
)

// lock makes logins to ada fail from many addresses until her account's counter is full.
func lock(t *testing.T, d *DB) {
	t.Helper()
	if passed := fail(t, d, 100, always("ada"), each("198.51.100.%d")); passed != 100 {
		t.Fatalf("%d failures were counted", passed)
	}
}

// succeed logs ada in.
func succeed(t *testing.T, d *DB, address string, ownAddress bool) {
	t.Helper()
	end, err := d.BeginLogin(t.Context(), "ada", address, ownAddress)
	if err == nil {
		err = end(t.Context(), true, true)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// TestKnownAddress: a full counter of an account does not block addresses from which its user has logged in.
func TestKnownAddress(t *testing.T) {
	t.Parallel()
	d, _, _ := open(t)
	succeed(t, d, home, true)
	succeed(t, d, office, true)
	succeed(t, d, abroad, false)
	for _, ending := range []struct{ checked, right bool }{{true, false}, {false, false}, {false, true}} {
		end, _ := begin(t, d, "ada", "203.0.113.10")
		end(ending.checked, ending.right)
	}
	fail(t, d, 99, always("ada"), each("198.51.100.%d"))
	fail(t, d, 100, always("bob"), each("198.51.101.%d"))
	for name, test := range map[string]struct {
		account, address string
		ownAddress       bool
		passes           bool
	}{
		"known":                                 {"ada", home, true, true},
		"known, as IPv6":                        {"ada", "::ffff:192.0.2.1", true, true},
		"in a known /64":                        {"ada", "2001:db8:1:2:ffff::7", true, true},
		"in another /64":                        {"ada", "2001:db8:1:3::1", true, false},
		"never seen":                            {"ada", "203.0.113.11", true, false},
		"no address":                            {"ada", "", true, false},
		"known, but now it may be a proxy's":    {"ada", home, false, false},
		"where the login was, a proxy's":        {"ada", abroad, false, false},
		"where the login was, then a proxy's":   {"ada", abroad, true, false},
		"where a login failed or was abandoned": {"ada", "203.0.113.10", true, false},
		"known, but to another account":         {"bob", home, true, false},
	} {
		end, err := d.BeginLogin(t.Context(), test.account, test.address, test.ownAddress)
		if limit := (*user.LimitError)(nil); err != nil && (!errors.As(err, &limit) || limit.Wait <= 0) {
			t.Errorf("%s: %v", name, err)
		}
		if (err == nil) != test.passes {
			t.Errorf("%s: %v, want it to pass: %v", name, err, test.passes)
		}
		if err == nil {
			_ = end(t.Context(), false, false)
		}
	}
}

// TestAddressIsForgotten: an address is known until thirty days after the last login from it.
func TestAddressIsForgotten(t *testing.T) {
	t.Parallel()
	d, redis, _ := open(t)
	const day = 24 * time.Hour
	for _, step := range []struct {
		later time.Duration
		known bool
	}{
		{0, false}, {20 * day, true}, {30*day - time.Minute, true}, {30*day + time.Minute, false},
	} {
		redis.FastForward(step.later)
		lock(t, d)
		if end, _ := begin(t, d, "ada", home); (end != nil) != step.known {
			t.Errorf("known %s after the last login: %v", step.later, end != nil)
		} else if end != nil {
			end(false, false)
		}
		redis.FastForward(time.Hour)
		succeed(t, d, home, true) // it is known for another thirty days
	}
}

// TestCountersOfAKnownAddress: guesses from a known address are limited, also many at once, and an attempt is ended
// only in the counters that counted it.
func TestCountersOfAKnownAddress(t *testing.T) {
	t.Parallel()
	d, redis, _ := open(t)
	count := func(when string, want ...string) {
		t.Helper()
		for i, key := range d.counters("ada", home) {
			if got, _ := redis.Get(key); got != want[i] {
				t.Errorf("%s: %s is %q, want %q", when, key, got, want[i])
			}
		}
	}
	succeed(t, d, home, true)
	var ends []func(checked, right bool)
	for i := range 100 { // so many are under way elsewhere that the next one from there would have to wait
		end, _ := begin(t, d, "ada", each("198.51.100.%d")(i))
		ends = append(ends, end)
	}
	if end, wait := begin(t, d, "ada", abroad); end != nil || wait != 0 {
		t.Errorf("not busy: %s", wait)
	}
	end, _ := begin(t, d, "ada", home)
	if end == nil {
		t.Fatal("busy at a known address")
	}
	count("while others are under way", "0 1", "0 1", "0 100")
	end(true, false)
	count("after a failure", "1 0", "1 0", "0 100")
	succeed(t, d, home, true)
	count("after a success", "", "1 0", "0 100")
	for _, end := range ends {
		end(true, false)
	}
	succeed(t, d, home, true)
	count("after a success where the account is full", "", "1 0", "100 0")

	redis.FastForward(time.Minute)
	var passed atomic.Int32
	var all sync.WaitGroup
	for range 10 {
		all.Go(func() {
			for range 10 {
				end, err := d.BeginLogin(t.Context(), "ada", home, true)
				if err == nil {
					passed.Add(1)
					err = end(t.Context(), true, false)
				}
				if err != nil && !errors.As(err, new(*user.LimitError)) {
					t.Error(err)
				}
			}
		})
	}
	all.Wait()
	if passed.Load() != 10 {
		t.Errorf("%d of 100 guesses at once passed at a known address, want 10", passed.Load())
	}
	count("after many at once", "10 0", "10 0", "100 0")
}

// TestRoundTripsOfALogin: a login makes two round trips, with the same commands for every account and every address,
// known or not.
func TestRoundTripsOfALogin(t *testing.T) {
	t.Parallel()
	d, s := openSpy(t, 5*time.Second)
	d.loginLimit = tenAMinute
	succeed(t, d, home, true)
	s.sent()
	commands := func(account, address string) (names []string) {
		end, _ := begin(t, d, account, address)
		end(true, false)
		for _, command := range s.sent() {
			name, _, _ := strings.Cut(command, " ")
			if slices.Contains([]string{"EXISTS", "EVAL", "WAIT"}, name) { // the others are those of the scripts
				names = append(names, name)
			}
		}
		slices.Sort(names)
		return names
	}
	want := commands("ada", abroad)
	if got := strings.Count(strings.Join(want, " "), "WAIT"); got != 2 { // which ends each of them
		t.Errorf("a login has %d round trips: %q", got, want)
	}
	for _, account := range []string{"ada", "nobody"} {
		if got := commands(account, home); !slices.Equal(got, want) {
			t.Errorf("%s: the commands are %q, want %q", account, got, want)
		}
	}
}

// TestHiddenKeys: what is counted cannot be read in any key, nor found without the secret.
func TestHiddenKeys(t *testing.T) {
	t.Parallel()
	redisKeys := func(secret string) []string {
		d, redis, _ := open(t)
		d.limitSecret = []byte(secret)
		succeed(t, d, home, true)
		fail(t, d, 1, always("ada"), always(home))
		if end, err := d.BeginPasswordChange(t.Context(), "665f1f77bcf86cd799439011"); err != nil || end(t.Context(), true, false) != nil {
			t.Error(err)
		}
		if end, err := d.BeginRegistration(t.Context(), home); err != nil || end(t.Context(), true) != nil {
			t.Error(err)
		}
		return slices.DeleteFunc(redis.Keys(), func(key string) bool { return !strings.HasPrefix(key, "auth:login-limit:") })
	}
	keys, again, others := redisKeys("a"), redisKeys("a"), redisKeys("b")
	if len(keys) != 6 || !slices.Equal(keys, again) {
		t.Errorf("the keys are %q and %q", keys, again)
	}
	for _, key := range keys {
		if !hidden.MatchString(key) {
			t.Errorf("%q does not hide what it counts", key)
		}
		if slices.Contains(others, key) {
			t.Errorf("%q is the same with another secret", key)
		}
	}
}

// TestPasswordChangesAndLogins: they are counted separately.
func TestPasswordChangesAndLogins(t *testing.T) {
	t.Parallel()
	d, redis, _ := open(t)
	change := func(id string, right bool) bool {
		end, err := d.BeginPasswordChange(t.Context(), id)
		if err == nil {
			err = end(t.Context(), true, right)
		}
		if err != nil && !errors.As(err, new(*user.LimitError)) {
			t.Fatal(err)
		}
		return err == nil
	}
	lock(t, d)
	for i := range 19 {
		if !change("ada", i == 9) { // the tenth clears the nine before
			t.Errorf("change %d was limited", i)
		}
	}
	change("ada", false)
	if change("ada", true) {
		t.Error("the eleventh after ten failures was not limited")
	}
	if !change("bob", true) {
		t.Error("another user was limited")
	}
	redis.FastForward(time.Hour)
	if passed := fail(t, d, 10, always("ada"), always(home)); passed != 10 {
		t.Errorf("%d logins passed", passed)
	}
	redis.FastForward(time.Minute)
	if !change("ada", true) {
		t.Error("still limited when the failures have expired")
	}
}

// TestRegistrationLimit: no more than the limit are hashed for an address, also if many come at once.
func TestRegistrationLimit(t *testing.T) {
	t.Parallel()
	d, err := Open(Options{Timeout: 20 * time.Second, LoginLimit: tenAMinute, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = d.Close() })
	register := func(address string, hashed bool) bool {
		end, err := d.BeginRegistration(t.Context(), address)
		if err == nil {
			err = end(t.Context(), hashed)
		}
		if err != nil && !errors.As(err, new(*user.LimitError)) {
			t.Error(err)
		}
		return err == nil
	}
	for range 20 {
		if !register(office, false) {
			t.Fatal("one that was not hashed was counted")
		}
	}
	fail(t, d, 20, always("ada"), always(office))
	var passed atomic.Int32
	var all sync.WaitGroup
	for range 20 {
		all.Go(func() {
			for range 20 {
				if register(office, true) {
					passed.Add(1)
				}
			}
		})
	}
	all.Wait()
	if passed.Load() != 10 {
		t.Errorf("%d of 400 registrations at once passed, want 10", passed.Load())
	}
	if register("2001:db8:1:2::7", true) || !register(home, true) {
		t.Error("a /64 is not one address, or another address is limited")
	}
}
