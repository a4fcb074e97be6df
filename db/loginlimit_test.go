package db

import (
	"errors"
	"fmt"
	"log/slog"
	"regexp"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"gin-auth/user"
)

var tenAMinute = LoginLimit{Failures: 10, Per: time.Minute}

// begin begins a login from the client's own address. If the limit is reached, the test does not fail: end is nil, and
// wait is how long the limit lasts.
func begin(t *testing.T, d *DB, account, address string) (end func(checked, right bool), wait time.Duration) {
	t.Helper()
	ended, err := d.BeginLogin(t.Context(), account, address, true)
	if limit := (*user.LimitError)(nil); errors.As(err, &limit) {
		return nil, limit.Wait
	}
	if err != nil {
		t.Fatal(err)
	}
	return func(checked, right bool) {
		t.Helper()
		if err := ended(t.Context(), checked, right); err != nil {
			t.Fatal(err)
		}
	}, 0
}

// counters returns the keys of the counters of a login.
func (d *DB) counters(account, address string) (keys []string) {
	for _, c := range d.loginCounters(account, networkOf(address)) {
		keys = append(keys, c.key)
	}
	return keys
}

// fail makes n tries fail, one by one, and returns how many were not blocked.
func fail(t *testing.T, d *DB, n int, account, address func(i int) string) int {
	t.Helper()
	passed := 0
	for i := range n {
		end, wait := begin(t, d, account(i), address(i))
		if end == nil {
			if wait <= 0 || wait > time.Hour {
				t.Errorf("wait is %s", wait)
			}
			continue
		}
		passed++
		end(true, false)
	}
	return passed
}

func always(text string) func(int) string { return func(int) string { return text } }

func each(format string) func(int) string {
	return func(i int) string { return fmt.Sprintf(format, i) }
}

// hidden matches the keys that show nothing of an account or an address.
var hidden = regexp.MustCompile(`^auth:login-limit:[a-z]+:[0-9a-f]{32}$`)

func TestLoginLimit(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		account, address func(int) string
		tries, passed    int
	}{
		"one account from one address":          {always("a"), always("192.0.2.1"), 300, 10},
		"many accounts from one address":        {each("a%d"), always("192.0.2.1"), 300, 10},
		"one account from many addresses":       {always("a"), each("192.0.2.%d"), 256, 100},
		"many accounts from many addresses":     {each("a%d"), each("192.0.2.%d"), 256, 256},
		"many accounts from one /64":            {each("a%d"), each("2001:db8:1:2::%x"), 300, 10},
		"many accounts from many /64":           {each("a%d"), each("2001:db8:1:%x::1"), 300, 300},
		"IPv4 in IPv6 is IPv4":                  {each("a%d"), each("::ffff:192.0.2.%d"), 256, 256},
		"many accounts from one zone":           {each("a%d"), each("fe80::1%%eth%d"), 30, 10},
		"many accounts from no address":         {each("a%d"), each("nowhere %d"), 30, 10},
		"accounts of any length and characters": {func(i int) string { return strings.Repeat("\r\n:{}", i) }, each("192.0.2.%d"), 100, 100},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d, redis, _ := open(t)
			if passed := fail(t, d, test.tries, test.account, test.address); passed != test.passed {
				t.Errorf("%d of %d tries passed, want %d", passed, test.tries, test.passed)
			} else {
				t.Logf("%d of %d tries passed", passed, test.tries)
			}
			for _, key := range redis.Keys() {
				if !strings.HasPrefix(key, "auth:login-limit:") {
					continue
				}
				if ttl := redis.TTL(key); ttl <= 0 || ttl > time.Hour {
					t.Errorf("%q expires in %s", key, ttl)
				}
				if !hidden.MatchString(key) {
					t.Errorf("%q does not hide what it counts", key)
				}
			}
		})
	}
}

// TestRefusedTriesAreNotCounted: a try that one of the three counters blocks is not counted in the others.
func TestRefusedTriesAreNotCounted(t *testing.T) {
	t.Parallel()
	d, redis, _ := open(t)
	fail(t, d, 50, always("a"), always("192.0.2.1"))
	for _, key := range d.counters("a", "192.0.2.1") {
		if got, err := redis.Get(key); got != "10 0" || err != nil {
			t.Errorf("%s is %s, %v", key, got, err)
		}
	}
	if passed := fail(t, d, 50, always("b"), always("192.0.2.1")); passed != 0 {
		t.Errorf("%d of the address's tries at another account passed", passed)
	}
	if key := d.counters("b", "192.0.2.1")[2]; redis.Exists(key) {
		got, _ := redis.Get(key)
		t.Errorf("the other account's counter is %s", got)
	}
	redis.FastForward(time.Minute)
	if passed := fail(t, d, 50, always("a"), always("192.0.2.1")); passed != 10 {
		t.Errorf("%d tries passed after a minute", passed)
	}
}

// TestEndedLogins: a successful login clears the failures of its account and address together, and no others. A login
// whose password was not checked is not counted.
func TestEndedLogins(t *testing.T) {
	t.Parallel()
	d, redis, _ := open(t)
	take := func(account string) (end func(checked, right bool)) {
		t.Helper()
		end, wait := begin(t, d, account, "192.0.2.1")
		if end == nil {
			t.Fatal(wait)
		}
		return end
	}
	count := func(account string, want ...string) {
		t.Helper()
		for i, key := range d.counters(account, "192.0.2.1") {
			if got, _ := redis.Get(key); got != want[i] {
				t.Errorf("%s is %q, want %q", key, got, want[i])
			}
		}
	}
	fail(t, d, 4, always("ada"), always("192.0.2.1"))
	fail(t, d, 3, always("eve"), always("192.0.2.1"))
	count("ada", "4 0", "7 0", "4 0")
	end := take("eve")
	count("eve", "3 1", "7 1", "3 1")
	end(true, true)
	count("eve", "", "7 0", "3 0")
	take("ada")(false, false)
	count("ada", "4 0", "7 0", "4 0")
	for range 100 {
		take("ada")(true, true)
	}
	count("ada", "", "7 0", "4 0")
	take("nobody")(false, false)
	take("nobody")(true, true)
	count("nobody", "", "7 0", "")
	late := take("late")
	redis.FastForward(time.Hour)
	late(true, false) // a failure after its counter has expired begins another
	count("late", "1 0", "1 0", "1 0")
}

// TestBusy: one of many logins at once has to wait for those under way, not until failures expire.
func TestBusy(t *testing.T) {
	t.Parallel()
	d, _, _ := open(t)
	var ends []func(checked, right bool)
	for range 10 {
		end, wait := begin(t, d, "ada", "192.0.2.1")
		if end == nil {
			t.Fatal(wait)
		}
		ends = append(ends, end)
	}
	if end, wait := begin(t, d, "ada", "192.0.2.1"); wait != 0 || end != nil {
		t.Errorf("the eleventh at once: %s", wait)
	}
	for i, end := range ends {
		end(true, i < 3)
	}
	for range 3 {
		end, wait := begin(t, d, "ada", "192.0.2.1")
		if end == nil {
			t.Fatalf("after three were good: %s", wait)
		}
		end(true, false)
	}
	if end, wait := begin(t, d, "ada", "192.0.2.1"); wait <= 0 || end != nil {
		t.Errorf("after ten have failed: %s", wait)
	}
}

// TestGuessesAtOnce: of many guesses at once, no more pass than if they are made one by one.
func TestGuessesAtOnce(t *testing.T) {
	t.Parallel()
	// All of them at once, on a machine that may be busy.
	d, err := Open(Options{Timeout: 20 * time.Second, LoginLimit: tenAMinute, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = d.Close() })
	var passed atomic.Int32
	var all sync.WaitGroup
	const guesses = 1000
	for range 50 {
		all.Go(func() {
			for range guesses / 50 {
				end, err := d.BeginLogin(t.Context(), "ada", "192.0.2.1", true)
				if err == nil {
					passed.Add(1)
					err = end(t.Context(), true, false)
				} else if errors.As(err, new(*user.LimitError)) {
					err = nil
				}
				if err != nil {
					t.Error(err)
				}
			}
		})
	}
	all.Wait()
	t.Logf("%d of %d guesses at once passed", passed.Load(), guesses)
	if passed.Load() != 10 {
		t.Errorf("%d of %d guesses at once passed, want 10", passed.Load(), guesses)
	}
}

func TestLoginLimitOffAndAway(t *testing.T) {
	t.Parallel()
	d, redis, _ := open(t)
	begun := map[string]func() (end func() error, err error){
		"a login": func() (func() error, error) {
			end, err := d.BeginLogin(t.Context(), "a", "192.0.2.1", true)
			return func() error { return end(t.Context(), true, true) }, err
		},
		"a password change": func() (func() error, error) {
			end, err := d.BeginPasswordChange(t.Context(), "1")
			return func() error { return end(t.Context(), true, false) }, err
		},
		"a registration": func() (func() error, error) {
			end, err := d.BeginRegistration(t.Context(), "192.0.2.1")
			return func() error { return end(t.Context(), true) }, err
		},
	}
	for name, begin := range begun {
		redis.SetError("ERR no")
		if _, err := begin(); err == nil || errors.As(err, new(*user.LimitError)) {
			t.Errorf("%s that could not be counted: %v", name, err)
		}
		redis.SetError("")
		end, err := begin()
		if err != nil {
			t.Fatal(name, err)
		}
		redis.SetError("ERR no")
		if err := end(); err == nil {
			t.Errorf("%s that could not be counted ended", name)
		}
		d.loginLimit = LoginLimit{}
		if end, err := begin(); err != nil || end() != nil {
			t.Errorf("%s without a limit: %v", name, err)
		}
		d.loginLimit = tenAMinute
	}
	redis.SetError("")
	key := d.counters("a", "192.0.2.1")[0]
	if err := redis.Set(key, "10 0"); err != nil { // without an expiry, which should never happen
		t.Fatal(err)
	}
	if end, wait := begin(t, d, "a", "192.0.2.1"); end == nil || redis.TTL(key) <= 0 {
		t.Errorf("a counter without an expiry: %s, expires in %s", wait, redis.TTL(key))
	}
}

func TestReplaceHash(t *testing.T) {
	t.Parallel()
	d, _ := openUsers(t)
	storeUser(t, d, user.User{ID: "1", Email: "ada@example.com", Role: "admin", PasswordHash: "old"})
	replace := func(old, hash string, want bool) {
		t.Helper()
		if replaced, err := d.ReplaceHash(t.Context(), "Ada@example.com", old, hash); replaced != want || err != nil {
			t.Errorf("%s by %s: %t, %v", old, hash, replaced, err)
		}
	}
	replace("older", "new", false)
	replace("old", "new", true)
	replace("old", "newer", false)
	if _, _, err := d.UpdateUser(t.Context(), "ada@example.com", func(u *user.User) error { u.Disabled = true; return nil }); err != nil {
		t.Fatal(err)
	}
	replace("new", "newer", false)
	if u, _, err := d.UserByEmail(t.Context(), "ada@example.com"); u.PasswordHash != "new" || !u.Disabled || u.Role != "admin" || err != nil {
		t.Errorf("stored is %+v, %v", u, err)
	}
	if replaced, err := d.ReplaceHash(t.Context(), "bob@example.com", "", "new"); replaced || err != nil {
		t.Errorf("nobody's: %t, %v", replaced, err)
	}
}
