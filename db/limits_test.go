package db

import (
	"context"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

var tenAMinute = LoginLimit{Failures: 10, Per: time.Minute}

// take takes n tries and returns how many were let pass.
func take(t *testing.T, d *DB, n int, account, address func(i int) string) int {
	t.Helper()
	passed := 0
	for i := range n {
		wait, err := d.TakeLogin(t.Context(), tenAMinute, account(i), address(i))
		if err != nil {
			t.Fatal(err)
		}
		if wait == 0 {
			passed++
		}
		if wait < 0 || wait > time.Hour {
			t.Errorf("wait is %s", wait)
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
			if passed := take(t, d, test.tries, test.account, test.address); passed != test.passed {
				t.Errorf("%d of %d tries passed, want %d", passed, test.tries, test.passed)
			} else {
				t.Logf("%d of %d tries passed", passed, test.tries)
			}
			for _, key := range redis.Keys() {
				if !strings.HasPrefix(key, "login-limit:") {
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
	take(t, d, 50, always("a"), always("192.0.2.1"))
	for _, limit := range tenAMinute.limits("a", "192.0.2.1") {
		if got, err := redis.Get(limit.key); got != "10" || err != nil {
			t.Errorf("%s is %s, %v", limit.key, got, err)
		}
	}
	if passed := take(t, d, 50, always("b"), always("192.0.2.1")); passed != 0 {
		t.Errorf("%d of the address's tries at another account passed", passed)
	}
	if _, err := redis.Get(tenAMinute.limits("b", "192.0.2.1")[2].key); err == nil {
		if got, _ := redis.Get(tenAMinute.limits("b", "192.0.2.1")[2].key); got != "0" {
			t.Errorf("the other account's counter is %s", got)
		}
	}
	redis.FastForward(time.Minute)
	if passed := take(t, d, 50, always("a"), always("192.0.2.1")); passed != 10 {
		t.Errorf("%d tries passed after a minute", passed)
	}
}

// TestGoodLogins: a good login forgets what failed for its account and address together, and nothing else.
func TestGoodLogins(t *testing.T) {
	t.Parallel()
	d, redis, _ := open(t)
	give := func(account string, good bool) {
		if err := d.GiveLoginBack(t.Context(), tenAMinute, account, "192.0.2.1", good); err != nil {
			t.Fatal(err)
		}
	}
	count := func(account string, want ...string) {
		t.Helper()
		for i, limit := range tenAMinute.limits(account, "192.0.2.1") {
			if got, _ := redis.Get(limit.key); got != want[i] {
				t.Errorf("%s is %q, want %q", limit.key, got, want[i])
			}
		}
	}
	take(t, d, 4, always("ada"), always("192.0.2.1"))
	take(t, d, 3, always("eve"), always("192.0.2.1"))
	count("ada", "4", "7", "4")
	give("eve", true)
	count("eve", "", "6", "2")
	count("ada", "4", "6", "4")
	give("ada", false)
	count("ada", "3", "5", "3")
	for range 100 {
		take(t, d, 1, always("ada"), always("192.0.2.1"))
		give("ada", true)
	}
	count("ada", "", "5", "3")
	give("nobody", false)
	give("nobody", true)
	count("nobody", "", "3", "")
}

// TestGuessesAtOnce: of many at once no more pass than of many one by one.
func TestGuessesAtOnce(t *testing.T) {
	t.Parallel()
	// All of them at once, on a machine that may be busy.
	d, err := Open(Options{Timeout: 20 * time.Second, Log: slog.New(slog.DiscardHandler)})
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
				wait, err := d.TakeLogin(t.Context(), tenAMinute, "ada", "192.0.2.1")
				if err != nil {
					t.Error(err)
				} else if wait == 0 {
					passed.Add(1)
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
	if _, err := d.TakeLogin(t.Context(), tenAMinute, "a", "192.0.2.1"); err == nil {
		t.Error("a try that could not be counted passed")
	}
	if err := d.GiveLoginBack(t.Context(), tenAMinute, "a", "192.0.2.1", true); err == nil {
		t.Error("nothing was taken back")
	}
	if wait, err := d.TakeLogin(t.Context(), LoginLimit{}, "a", "192.0.2.1"); wait != 0 || err != nil {
		t.Errorf("without a limit: %s, %v", wait, err)
	}
	if err := d.GiveLoginBack(t.Context(), LoginLimit{}, "a", "192.0.2.1", true); err != nil {
		t.Errorf("without a limit: %v", err)
	}
	redis.SetError("")
	key := tenAMinute.limits("a", "192.0.2.1")[0].key
	if err := redis.Set(key, "10"); err != nil { // without an expiry, by whatever mishap
		t.Fatal(err)
	}
	if wait, err := d.TakeLogin(context.Background(), tenAMinute, "a", "192.0.2.1"); wait != 0 || err != nil || redis.TTL(key) <= 0 {
		t.Errorf("a counter without an expiry: %s, %v, lives %s", wait, err, redis.TTL(key))
	}
}

func TestReplaceHash(t *testing.T) {
	t.Parallel()
	d, _ := openUsers(t)
	storeUser(t, d, User{Email: "ada@example.com", Role: "admin", PasswordHash: "old"})
	replace := func(old, hash string, want bool) {
		t.Helper()
		if replaced, err := d.ReplaceHash(t.Context(), "Ada@example.com", old, hash); replaced != want || err != nil {
			t.Errorf("%s by %s: %t, %v", old, hash, replaced, err)
		}
	}
	replace("older", "new", false)
	replace("old", "new", true)
	replace("old", "newer", false)
	if _, _, err := d.UpdateUser(t.Context(), "ada@example.com", func(user *User) error { user.Disabled = true; return nil }); err != nil {
		t.Fatal(err)
	}
	replace("new", "newer", false)
	if user, _, err := d.UserByEmail(t.Context(), "ada@example.com"); user.PasswordHash != "new" || !user.Disabled || user.Role != "admin" || err != nil {
		t.Errorf("stored is %+v, %v", user, err)
	}
	if replaced, err := d.ReplaceHash(t.Context(), "bob@example.com", "", "new"); replaced || err != nil {
		t.Errorf("nobody's: %t, %v", replaced, err)
	}
}
