package cli

import (
	"errors"
	"log/slog"
	"slices"
	"testing"
	"time"

	"gin-auth/config"
	"gin-auth/db"
	"gin-auth/user"
)

// TestUserSessions lists the sessions of a user and ends one of them, then all.
func TestUserSessions(t *testing.T) {
	t.Parallel()
	o, _, server := startRedis(t)
	o.OpenDB = func(cfg *config.Config) (*db.DB, error) {
		return db.Open(db.Options{Addrs: cfg.Redis.Addrs, Timeout: cfg.RedisTimeout, Log: slog.New(slog.DiscardHandler), RebuildToken: rebuild})
	}
	store, err := o.OpenDB(&config.Config{Redis: config.Redis{Addrs: []string{server.Addr()}}, RedisTimeout: 5 * time.Second})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = store.Close() })
	const ada = "ada@example.com"
	storeUsers(t, store, []user.User{{ID: "1", Email: ada, Username: "ada", Role: "user", PasswordHash: hash}})
	began := time.Date(2030, 1, 2, 3, 4, 5, 0, time.UTC)
	server.SetTime(began.Add(2 * time.Second))
	for i, id := range []string{"old", "middle", "new"} {
		valid, _, err := store.AddSession(t.Context(), "1", user.Session{
			ID: id, Record: "token-" + id, IssuedAt: began.Add(time.Duration(i) * time.Second), ExpiresAt: began.Add(time.Hour),
			Address: "203.0.113.7", UserAgent: "A <b>\x1b[2J\u202e",
		})
		if !valid || err != nil {
			t.Fatal(valid, err)
		}
	}
	for _, step := range []struct {
		args    []string
		status  int
		says    string
		revoked []string
	}{
		{[]string{"user", "sessions", "Ada@example.com"}, 0, "ID      BEGAN                EXPIRES              ADDRESS      USER AGENT\n" +
			"new     2030-01-02 03:04:07  2030-01-02 04:04:05  203.0.113.7  A <b>\ufffd[2J\ufffd\n" +
			"middle  2030-01-02 03:04:06  2030-01-02 04:04:05  203.0.113.7  A <b>\ufffd[2J\ufffd\n" +
			"old     2030-01-02 03:04:05  2030-01-02 04:04:05  203.0.113.7  A <b>\ufffd[2J\ufffd\n", nil},
		{[]string{"user", "logout", ada, "middle"}, 0, "the session of ada@example.com has ended\n", []string{"middle"}},
		{[]string{"user", "logout", ada, "middle"}, 1, "gin-auth: ada@example.com has no session \"middle\"\n", []string{"middle"}},
		{[]string{"user", "sessions", ada, "--json"}, 0,
			`{"id":"new","createdAt":"2030-01-02T03:04:07Z","expiresAt":"2030-01-02T04:04:05Z","address":"203.0.113.7","userAgent":"A <b>\u001b[2J\u202e"}` + "\n" +
				`{"id":"old","createdAt":"2030-01-02T03:04:05Z","expiresAt":"2030-01-02T04:04:05Z","address":"203.0.113.7","userAgent":"A <b>\u001b[2J\u202e"}` + "\n",
			[]string{"middle"}},
		{[]string{"user", "logout", ada}, 0, "the sessions of ada@example.com have ended\n", []string{"middle", "new", "old"}},
		{[]string{"user", "sessions", ada}, 0, "ID  BEGAN  EXPIRES  ADDRESS  USER AGENT\n", []string{"middle", "new", "old"}},
		{[]string{"user", "sessions", ada, "--json"}, 0, "", []string{"middle", "new", "old"}},
		{[]string{"user", "sessions", "eve@example.com"}, 1, "gin-auth: there is no user \"eve@example.com\"\n", []string{"middle", "new", "old"}},
		{[]string{"user", "logout", "eve@example.com"}, 1, "gin-auth: there is no user \"eve@example.com\"\n", []string{"middle", "new", "old"}},
	} {
		status, stdout, stderr := run(t, o, "", step.args...)
		if status != step.status || stdout+stderr != step.says {
			t.Errorf("%q: exit status %d, printed\n%s%s\nwant\n%s", step.args, status, stdout, stderr, step.says)
		}
		revoked := slices.DeleteFunc([]string{"middle", "new", "old"}, func(id string) bool { return !server.Exists("blacklist:token-" + id) })
		if !slices.Equal(revoked, step.revoked) {
			t.Errorf("%q: %q are revoked, want %q", step.args, revoked, step.revoked)
		}
	}
}

// rebuild is a db.Options.RebuildToken whose tokens are their own records.
func rebuild(record string) (token string, until time.Time, err error) {
	if record == "" {
		return "", time.Time{}, errors.New("no record")
	}
	return record, time.Date(2030, 1, 2, 4, 5, 5, 0, time.UTC), nil
}
