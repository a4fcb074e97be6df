package db

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/alicebob/miniredis/v2"

	"gin-auth/user"
)

// lines is the log of a test.
type lines struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

func (l *lines) count(text string) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return strings.Count(l.text.String(), text)
}

// open returns a DB on a miniredis.
func open(t *testing.T) (*DB, *miniredis.Miniredis, *lines) {
	t.Helper()
	redis := miniredis.RunT(t)
	redis.ClockTTL(true)
	d, log := openAt(t, redis.Addr())
	return d, redis, log
}

func openAt(t *testing.T, addrs ...string) (*DB, *lines) {
	t.Helper()
	return openWith(t, true, addrs...)
}

func openWith(t *testing.T, watch bool, addrs ...string) (*DB, *lines) {
	t.Helper()
	log := &lines{}
	return openOptions(t, Options{
		Addrs:      addrs,
		Timeout:    5 * time.Second, // a test's machine may be busy
		LoginLimit: tenAMinute,
		Watch:      watch,
		Log:        slog.New(slog.NewTextHandler(log, nil)),

		RebuildToken: rebuildTest,
	}), log
}

// openOptions returns a DB that is closed when the test ends.
func openOptions(t *testing.T, o Options) *DB {
	t.Helper()
	d, err := Open(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := d.Close(); err != nil {
			t.Error(err)
		}
	})
	return d
}

// findCut is find without the time.
func (d *DB) findCut(ctx context.Context, token, userID string) (revoked bool, cut int64, err error) {
	revoked, cut, _, err = d.find(ctx, token, userID)
	return revoked, cut, err
}

// eventually waits until ok returns true.
func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for deadline := time.Now().Add(20 * time.Second); !ok(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("waited too long until %s", what)
		}
	}
}

func TestRevoke(t *testing.T) {
	t.Parallel()
	d, redis, _ := open(t)
	for _, test := range []struct {
		name  string
		until time.Time
		ttl   time.Duration // 0 for none, -1 if nothing is stored
	}{
		{"for an hour", time.Now().Add(time.Hour), time.Hour},
		{"forever", time.Time{}, 0},
		{"until now", time.Now(), -1},
		{"until long ago", time.Unix(0, 0), -1},
		{"until before 1970", time.Unix(-1, 0), -1},
		{"until the end of time", time.Date(9999, 12, 31, 0, 0, 0, 0, time.UTC), 1<<63 - 1},
	} {
		if revoked, _, err := d.findCut(t.Context(), test.name, ""); revoked || err != nil {
			t.Fatalf("%s: revoked before: %v, %v", test.name, revoked, err)
		}
		if err := d.Revoke(t.Context(), test.name, test.until); err != nil {
			t.Fatalf("%s: %v", test.name, err)
		}
		key := "blacklist:" + test.name
		if test.ttl == -1 {
			if revoked, _, err := d.findCut(t.Context(), test.name, ""); redis.Exists(key) || revoked || err != nil {
				t.Errorf("%s: stored: %v; revoked: %v, %v", test.name, redis.Exists(key), revoked, err)
			}
			continue
		}
		if value, err := redis.Get(key); value != "true" || err != nil {
			t.Errorf("%s: stored %q, %v", test.name, value, err)
		}
		if ttl := redis.TTL(key); ttl > test.ttl || ttl < test.ttl-2*time.Second {
			t.Errorf("%s: expires in %s, want %s", test.name, ttl, test.ttl)
		}
		if revoked, _, err := d.findCut(t.Context(), test.name, ""); err != nil || !revoked {
			t.Errorf("%s: revoked after: %v, %v", test.name, revoked, err)
		}
	}
}

func TestAnyEntryIsARevocation(t *testing.T) {
	t.Parallel()
	d, redis, _ := open(t)
	entries := map[string]func(key string) error{
		"text":  func(key string) error { return redis.Set(key, "0") },
		"empty": func(key string) error { return redis.Set(key, "") },
		"list":  func(key string) error { _, err := redis.Push(key, "x"); return err },
		"hash":  func(key string) error { redis.HSet(key, "a", "b"); return nil },
		"set":   func(key string) error { _, err := redis.SetAdd(key, "x"); return err },
	}
	for token, store := range entries {
		if err := store("blacklist:" + token); err != nil {
			t.Fatal(err)
		}
		if revoked, _, err := d.findCut(t.Context(), token, ""); !revoked || err != nil {
			t.Errorf("an entry of type %s: revoked %v, %v", token, revoked, err)
		}
		if err := d.Revoke(t.Context(), token, time.Time{}); err != nil {
			t.Errorf("revoking over an entry of type %s: %v", token, err)
		}
	}
}

func TestRevokeOutlivesItsClient(t *testing.T) {
	t.Parallel()
	d, redis, _ := open(t)
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	if err := d.Revoke(gone, "token", time.Time{}); err != nil {
		t.Fatal(err)
	}
	if err := d.LogoutAll(gone, "user"); err != nil {
		t.Fatal(err)
	}
	for _, key := range []string{"blacklist:token", "auth:logout-all:user"} {
		if !redis.Exists(key) {
			t.Errorf("%s is not stored", key)
		}
	}
	if _, _, err := d.findCut(gone, "token", ""); err == nil {
		t.Error("a lookup whose client has gone is answered")
	}
}

func TestUsers(t *testing.T) {
	t.Parallel()
	d, redis, _ := open(t)
	ada := user.User{
		ID: "1", Email: "Ada@example.com", Username: "ada", Role: "user",
		PasswordHash: "$2b$10$x", Created: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC),
	}
	if err := d.CreateUser(t.Context(), ada); err != nil {
		t.Fatalf("creating: %v", err)
	}
	const record = `{"id":"1","email":"Ada@example.com","username":"ada","role":"user","passwordHash":"$2b$10$x","created":"2026-01-02T03:04:05Z"}`
	if got, err := redis.Get("auth:user:ada@example.com"); got != record || err != nil {
		t.Errorf("stored %s, %v", got, err)
	}
	if ttl := redis.TTL("auth:user:ada@example.com"); ttl != 0 {
		t.Errorf("a user expires in %s", ttl)
	}
	eve := ada
	eve.ID, eve.Email = "2", "ADA@EXAMPLE.COM"
	if err := d.CreateUser(t.Context(), eve); !errors.Is(err, user.ErrEmailTaken) {
		t.Errorf("creating again: %v", err)
	}
	if u, found, err := d.UserByEmail(t.Context(), "aDa@example.com"); u != ada || !found || err != nil {
		t.Errorf("found %+v, %v, %v", u, found, err)
	}
	if u, found, err := d.UserByEmail(t.Context(), "bob@example.com"); found || err != nil {
		t.Errorf("found %+v, %v", u, err)
	}
	if err := redis.Set("auth:user:broken@example.com", "{"); err != nil {
		t.Fatal(err)
	}
	if _, found, err := d.UserByEmail(t.Context(), "broken@example.com"); found || err == nil {
		t.Errorf("a broken record: %v, %v", found, err)
	}
	if _, err := redis.Push("auth:user:list@example.com", "x"); err != nil {
		t.Fatal(err)
	}
	if _, found, err := d.UserByEmail(t.Context(), "list@example.com"); found || err == nil {
		t.Errorf("a list: %v, %v", found, err)
	}
}

func TestTwoRegistrationsOneWins(t *testing.T) {
	t.Parallel()
	d, _, _ := open(t)
	var won, failed int
	var mu sync.Mutex
	var all sync.WaitGroup
	for i := range 20 {
		all.Go(func() {
			err := d.CreateUser(t.Context(), user.User{ID: string(rune('a' + i)), Email: "a@b.c", PasswordHash: "x"})
			mu.Lock()
			defer mu.Unlock()
			if err == nil {
				won++
			} else if !errors.Is(err, user.ErrEmailTaken) {
				failed++
			}
		})
	}
	all.Wait()
	if won != 1 || failed != 0 {
		t.Errorf("%d of 20 registrations won, %d failed", won, failed)
	}
}

func TestEmbedded(t *testing.T) {
	t.Parallel()
	d, log := openAt(t)
	if err := d.Ready(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := d.Revoke(t.Context(), "token", time.Now().Add(time.Second)); err != nil {
		t.Fatal(err)
	}
	if revoked, _, err := d.findCut(t.Context(), "token", ""); !revoked || err != nil {
		t.Errorf("revoked %v, %v", revoked, err)
	}
	eventually(t, "the entry expires", func() bool {
		revoked, _, err := d.findCut(t.Context(), "token", "")
		return !revoked && err == nil
	})
	stranger, _ := openAt(t, d.embedded.Addr())
	if err := stranger.Ready(t.Context()); err == nil || !strings.Contains(err.Error(), "NOAUTH") {
		t.Errorf("without the password: %v", err)
	}
	if n := log.count("connected to redis"); n != 1 {
		t.Errorf("%d lines say that Redis is connected", n)
	}
}

// TestAwayAndBack stops Redis and starts it again: calls fail and recover, and each change is logged in one line.
func TestAwayAndBack(t *testing.T) {
	t.Parallel()
	redis := miniredis.NewMiniRedis()
	if err := redis.Start(); err != nil {
		t.Fatal(err)
	}
	addr := redis.Addr()
	redis.Close()
	t.Cleanup(redis.Close)

	d, log := openAt(t, addr)
	eventually(t, "Redis is missed", func() bool { return log.count("Redis connection failed") == 1 })
	for range 5 {
		if _, _, err := d.findCut(t.Context(), "token", ""); err == nil {
			t.Error("a lookup without Redis is answered")
		}
		if err := d.Revoke(t.Context(), "token", time.Time{}); err == nil {
			t.Error("a revocation without Redis is stored")
		}
		if err := d.Ready(t.Context()); err == nil {
			t.Error("ready without Redis")
		}
	}
	for range 2 {
		if err := redis.Restart(); err != nil {
			t.Fatal(err)
		}
		eventually(t, "Redis is back", func() bool { _, _, err := d.findCut(t.Context(), "token", ""); return err == nil })
		eventually(t, "its return is noticed", func() bool { return d.Ready(t.Context()) == nil })
		redis.Close()
		eventually(t, "its loss is noticed", func() bool { return d.Ready(t.Context()) != nil })
	}
	if up, down := log.count("connected to redis"), log.count("Redis connection failed"); up != 2 || down != 3 {
		t.Errorf("%d lines of connections, want 2; %d of failures, want 3", up, down)
	}
}

// TestWrongPasswordIsNoAnswer: with a wrong password, every call returns an error, although go-redis leaves the
// commands of a pipeline without one.
func TestWrongPasswordIsNoAnswer(t *testing.T) {
	t.Parallel()
	redis := miniredis.RunT(t)
	redis.RequireAuth("right")
	for _, password := range []string{"", "wrong"} {
		log := &lines{}
		d, err := Open(Options{
			Addrs: []string{redis.Addr()}, Password: password, Timeout: 2 * time.Second, Watch: true,
			Log: slog.New(slog.NewTextHandler(log, nil)),
		})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = d.Close() })
		for what, ask := range map[string]func(context.Context) error{
			"Revoked":             func(ctx context.Context) error { _, _, err := d.findCut(ctx, "token", "user"); return err },
			"Revoked, for nobody": func(ctx context.Context) error { _, _, err := d.findCut(ctx, "token", ""); return err },
			"Revoke":              func(ctx context.Context) error { return d.Revoke(ctx, "token", time.Time{}) },
			"LogoutAll":           func(ctx context.Context) error { return d.LogoutAll(ctx, "user") },
			"RevokeAll":           func(ctx context.Context) error { _, err := d.RevokeAll(ctx); return err },
			"IssueTime":           func(ctx context.Context) error { _, err := d.IssueTime(ctx, "user"); return err },
			"CreateUser": func(ctx context.Context) error {
				return d.CreateUser(ctx, user.User{ID: "1", Email: "a@b.c", PasswordHash: "x"})
			},
			"UserByEmail": func(ctx context.Context) error { _, _, err := d.UserByEmail(ctx, "a@b.c"); return err },
			"FindUsers":   func(ctx context.Context) error { _, err := d.FindUsers(ctx, []user.User{{Email: "a@b.c"}}); return err },
			"StoreUsers": func(ctx context.Context) error {
				_, err := d.StoreUsers(ctx, []Change{{User: user.User{Email: "a@b.c"}}})
				return err
			},
			"UpdateUser": func(ctx context.Context) error {
				_, _, err := d.UpdateUser(ctx, "a@b.c", func(*user.User) error { return nil })
				return err
			},
			"Ping":  d.Ping,
			"Ready": d.Ready,
		} {
			if err := ask(t.Context()); err == nil {
				t.Errorf("%s with the password %q is answered", what, password)
			}
		}
		eventually(t, "it is logged", func() bool { return log.count("Redis connection failed") == 1 })
	}
	if keys := redis.Keys(); len(keys) > 0 {
		t.Errorf("Redis has %q", keys)
	}
}
