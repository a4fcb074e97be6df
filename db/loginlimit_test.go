package db

import (
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"gin-auth/user"
)

var tenAMinute = LoginLimit{Failures: 10, Per: time.Minute}

// fail has n tries fail, one by one, and returns how many were let pass.
func fail(t *testing.T, d *DB, n int, account, address func(i int) string) int {
	t.Helper()
	passed := 0
	for i := range n {
		wait, busy, err := d.BeginLogin(t.Context(), account(i), address(i))
		if err != nil || busy {
			t.Fatal(busy, err)
		}
		if wait < 0 || wait > time.Hour {
			t.Errorf("wait is %s", wait)
		}
		if wait > 0 {
			continue
		}
		passed++
		if err := d.EndLogin(t.Context(), account(i), address(i), true, false); err != nil {
			t.Fatal(err)
		}
	}
	return passed
}

func always(text string) func(int) string { return func(int) string { return text } }

func each(format string) func(int) string {
	return func(i int) string { return fmt.Sprintf(format, i) }
}

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
				if ttl := redis.TTL(key); ttl <= 0 || ttl > time.Hour || len(key) > 100 {
					t.Errorf("%q lives %s", key, ttl)
				}
			}
		})
	}
}

// TestRefusedTriesAreNotCounted: who is refused for one of the three counters leaves the others alone.
func TestRefusedTriesAreNotCounted(t *testing.T) {
	t.Parallel()
	d, redis, _ := open(t)
	fail(t, d, 50, always("a"), always("192.0.2.1"))
	for _, limit := range tenAMinute.counters("a", "192.0.2.1") {
		if got, err := redis.Get(limit.key); got != "10 0" || err != nil {
			t.Errorf("%s is %s, %v", limit.key, got, err)
		}
	}
	if passed := fail(t, d, 50, always("b"), always("192.0.2.1")); passed != 0 {
		t.Errorf("%d of the address's tries at another account passed", passed)
	}
	if key := tenAMinute.counters("b", "192.0.2.1")[2].key; redis.Exists(key) {
		got, _ := redis.Get(key)
		t.Errorf("the other account's counter is %s", got)
	}
	redis.FastForward(time.Minute)
	if passed := fail(t, d, 50, always("a"), always("192.0.2.1")); passed != 10 {
		t.Errorf("%d tries passed after a minute", passed)
	}
}

// TestEndedLogins: a good login forgets what failed for its account and address together, and nothing else; one
// that was none leaves no trace.
func TestEndedLogins(t *testing.T) {
	t.Parallel()
	d, redis, _ := open(t)
	take := func(account string) {
		t.Helper()
		if wait, busy, err := d.BeginLogin(t.Context(), account, "192.0.2.1"); wait != 0 || busy || err != nil {
			t.Fatal(wait, busy, err)
		}
	}
	end := func(account string, tried, good bool) {
		t.Helper()
		if err := d.EndLogin(t.Context(), account, "192.0.2.1", tried, good); err != nil {
			t.Fatal(err)
		}
	}
	count := func(account string, want ...string) {
		t.Helper()
		for i, limit := range tenAMinute.counters(account, "192.0.2.1") {
			if got, _ := redis.Get(limit.key); got != want[i] {
				t.Errorf("%s is %q, want %q", limit.key, got, want[i])
			}
		}
	}
	fail(t, d, 4, always("ada"), always("192.0.2.1"))
	fail(t, d, 3, always("eve"), always("192.0.2.1"))
	count("ada", "4 0", "7 0", "4 0")
	take("eve")
	count("eve", "3 1", "7 1", "3 1")
	end("eve", true, true)
	count("eve", "", "7 0", "3 0")
	take("ada")
	end("ada", false, false)
	count("ada", "4 0", "7 0", "4 0")
	for range 100 {
		take("ada")
		end("ada", true, true)
	}
	count("ada", "", "7 0", "4 0")
	end("nobody", false, false)
	end("nobody", true, true)
	count("nobody", "", "7 0", "")
	redis.FastForward(time.Minute)
	end("late", true, false) // what failed after its minute was over begins another
	count("late", "1 0", "1 0", "1 0")
}

// TestBusy: who is one of many at once waits for those under way, not for those that failed to be forgotten.
func TestBusy(t *testing.T) {
	t.Parallel()
	d, _, _ := open(t)
	take := func() (time.Duration, bool) {
		t.Helper()
		wait, busy, err := d.BeginLogin(t.Context(), "ada", "192.0.2.1")
		if err != nil {
			t.Fatal(err)
		}
		return wait, busy
	}
	end := func(good bool) {
		t.Helper()
		if err := d.EndLogin(t.Context(), "ada", "192.0.2.1", true, good); err != nil {
			t.Fatal(err)
		}
	}
	for range 10 {
		if wait, busy := take(); wait != 0 || busy {
			t.Fatal(wait, busy)
		}
	}
	if wait, busy := take(); wait != 0 || !busy {
		t.Errorf("the eleventh at once: %s, %t", wait, busy)
	}
	for i := range 10 {
		end(i < 3)
	}
	for range 3 {
		if wait, busy := take(); wait != 0 || busy {
			t.Fatalf("after three were good: %s, %t", wait, busy)
		}
		end(false)
	}
	if wait, busy := take(); wait <= 0 || busy {
		t.Errorf("after ten have failed: %s, %t", wait, busy)
	}
}

// TestGuessesAtOnce: of many at once no more pass than of many one by one.
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
				wait, busy, err := d.BeginLogin(t.Context(), "ada", "192.0.2.1")
				if err != nil {
					t.Error(err)
				} else if wait == 0 && !busy {
					passed.Add(1)
					if err := d.EndLogin(t.Context(), "ada", "192.0.2.1", true, false); err != nil {
						t.Error(err)
					}
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
	redis.SetError("ERR no")
	if _, _, err := d.BeginLogin(t.Context(), "a", "192.0.2.1"); err == nil {
		t.Error("a try that could not be counted passed")
	}
	if err := d.EndLogin(t.Context(), "a", "192.0.2.1", true, true); err == nil {
		t.Error("a try that could not be counted ended")
	}
	d.loginLimit = LoginLimit{}
	if wait, busy, err := d.BeginLogin(t.Context(), "a", "192.0.2.1"); wait != 0 || busy || err != nil {
		t.Errorf("without a limit: %s, %t, %v", wait, busy, err)
	}
	if err := d.EndLogin(t.Context(), "a", "192.0.2.1", true, true); err != nil {
		t.Errorf("without a limit: %v", err)
	}
	d.loginLimit = tenAMinute
	redis.SetError("")
	key := tenAMinute.counters("a", "192.0.2.1")[0].key
	if err := redis.Set(key, "10 0"); err != nil { // without an expiry, by whatever mishap
		t.Fatal(err)
	}
	if wait, busy, err := d.BeginLogin(t.Context(), "a", "192.0.2.1"); wait != 0 || busy || err != nil || redis.TTL(key) <= 0 {
		t.Errorf("a counter without an expiry: %s, %t, %v, lives %s", wait, busy, err, redis.TTL(key))
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
