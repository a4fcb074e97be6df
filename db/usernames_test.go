package db

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/alicebob/miniredis/v2"
	"github.com/redis/go-redis/v9"

	"gin-auth/user"
)

func TestUsernames(t *testing.T) {
	t.Parallel()
	d, server := openUsers(t)
	ada := user.User{ID: "1", Email: "ada@example.com", Username: "Ada  Lovelace", PasswordHash: "x"}
	storeUser(t, d, ada)
	eve := user.User{ID: "2", Email: "eve@example.com", Username: "ＡＤＡ lovelace", PasswordHash: "x"}
	if err := d.CreateUser(t.Context(), eve); !errors.Is(err, user.ErrUsernameTaken) {
		t.Errorf("the name of another user: %v", err)
	}
	if keys := strings.Join(server.Keys(), " "); keys != "auth:user-id:1 auth:user:ada@example.com auth:username:ada lovelace" {
		t.Errorf("there are the keys %s", keys)
	}
	if got, _, err := d.UserByEmail(t.Context(), ada.Email); got != ada || err != nil {
		t.Errorf("the display form: %+v, %v", got, err)
	}
	bob := ada
	bob.ID, bob.Username = "3", "bob"
	if err := d.CreateUser(t.Context(), bob); !errors.Is(err, user.ErrEmailTaken) || server.Exists("auth:username:bob") {
		t.Errorf("the email of another user: %v, keys %q", err, server.Keys())
	}
	if deleted, err := d.DeleteUser(t.Context(), ada); !deleted || err != nil {
		t.Fatal(deleted, err)
	}
	if keys := server.Keys(); len(keys) > 0 {
		t.Errorf("a deleted user leaves %q", keys)
	}
	storeUser(t, d, eve)
	if _, err := d.DeleteUser(t.Context(), ada); err != nil || !server.Exists("auth:username:ada lovelace") {
		t.Errorf("deleting them again frees the name of another user: %v, keys %q", err, server.Keys())
	}
}

// TestUsernameOwner looks up names that nobody has, whose user is deleted or has another name now, or whose record is
// broken.
func TestUsernameOwner(t *testing.T) {
	t.Parallel()
	d, server := openUsers(t)
	storeUser(t, d, user.User{ID: "1", Email: "ada@example.com", Username: "Ada", PasswordHash: "x"})
	storeUser(t, d, user.User{ID: "2", Email: "bob@example.com", PasswordHash: "x"})
	server.Set("auth:username:gone", `{"id":"3","email":"gone@example.com","claimed":1}`)
	server.Set("auth:username:renamed", `{"id":"1","email":"ada@example.com","claimed":1}`)
	server.Set("auth:username:cache", `{"name":"x"}`)
	for name, want := range map[string]struct{ email, id, err string }{
		"ada": {email: "ada@example.com", id: "1"}, " ＡＤＡ ": {email: "ada@example.com", id: "1"},
		"gone": {email: "gone@example.com", id: "3"}, "renamed": {email: "ada@example.com", id: "1"},
		"nobody": {}, "": {}, "\ufdd0": {}, "ada@example.com": {}, "bob": {},
		"cache": {err: "the record of a user is broken: it is not a claim on a username"},
	} {
		email, id, err := d.UsernameOwner(t.Context(), name)
		if email != want.email || id != want.id || (err == nil) != (want.err == "") ||
			err != nil && !strings.Contains(err.Error(), want.err) {
			t.Errorf("%q: %q, %q, %v", name, email, id, err)
		}
	}
}

// TestClaims checks who gets a name that has been claimed already, depending on the claim's age and on what is stored
// about its user.
func TestClaims(t *testing.T) {
	t.Parallel()
	const young, old = claimPending - 2*time.Second, claimPending + time.Second
	old9 := user.User{ID: "9", Email: "nine@example.com", Username: "ada", PasswordHash: "x"}
	renamed, another := old9, old9
	renamed.Username, another.ID = "other", "10"
	for name, test := range map[string]struct {
		age   time.Duration
		owner *user.User
		taken bool
	}{
		"a registration under way":         {young, nil, true},
		"one that stopped halfway":         {old, nil, false},
		"a user":                           {old, &old9, true},
		"a new user":                       {young, &old9, true},
		"a user with another name":         {old, &renamed, false},
		"another user with the same email": {old, &another, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d, server := openUsers(t)
			now := time.Now()
			server.SetTime(now)
			if test.owner != nil {
				storeUser(t, d, *test.owner)
			} else {
				server.Set("auth:user-id:9", old9.Email)
			}
			server.Set("auth:username:ada", newClaim(old9, now.Add(-test.age)).record)
			ada := user.User{ID: "1", Email: "ada@example.com", Username: "Ada", PasswordHash: "x"}
			err := d.CreateUser(t.Context(), ada)
			if taken := errors.Is(err, user.ErrUsernameTaken); taken != test.taken || err != nil && !taken {
				t.Errorf("got %v", err)
			}
			c, _, err := d.readClaim(t.Context(), "ada")
			if mine := c.ID == "1"; mine == test.taken || err != nil {
				t.Errorf("the name is claimed by %+v, %v", c, err)
			}
			if leads, keep := server.Exists("auth:user-id:9"), test.taken || test.owner != nil && test.owner.ID == "9"; leads != keep {
				t.Errorf("the key of the old id exists: %t, want %t", leads, keep)
			}
		})
	}
}

// TestLateOwner: a user who is stored after their claim was replaced, or while it is, results in exactly one user with
// the name.
func TestLateOwner(t *testing.T) {
	t.Parallel()
	for _, moment := range []string{"after the claim", "before the claim is read again"} {
		d, server := openUsers(t)
		now := time.Now()
		server.SetTime(now)
		slow := openUsersAt(t, server.Addr())
		ada := user.User{ID: "1", Email: "ada@example.com", Username: "Ada", PasswordHash: "x"}
		eve := user.User{ID: "2", Email: "eve@example.com", Username: "ada", PasswordHash: "x"}
		var once sync.Once
		slow.client.AddHook(hook{func(ctx context.Context, commands []redis.Cmder) error {
			isSet := strings.Contains(fmt.Sprint(commands), userKey(ada.Email)+" {")
			isRead := len(server.Keys()) == 3 && strings.Contains(fmt.Sprint(commands), "get auth:username:ada")
			if moment == "after the claim" && isSet || moment != "after the claim" && isRead {
				once.Do(func() {
					server.SetTime(now.Add(2 * claimPending))
					_ = d.CreateUser(ctx, eve)
				})
			}
			return nil
		}})
		first := slow.CreateUser(t.Context(), ada)
		_, hasAda, _ := d.UserByEmail(t.Context(), ada.Email)
		_, hasEve, _ := d.UserByEmail(t.Context(), eve.Email)
		if hasAda == hasEve || hasAda != (first == nil) {
			t.Errorf("%s: there is Ada %t (%v), Eve %t", moment, hasAda, first, hasEve)
		}
		checkKeys(t, d, server)
	}
}

// TestOwnerStoredMeanwhile: a user who is stored after their claim was found to be abandoned, and before it is
// replaced, gets the name back.
func TestOwnerStoredMeanwhile(t *testing.T) {
	t.Parallel()
	direct, server := openUsers(t)
	d := openUsersAt(t, server.Addr())
	ada := user.User{ID: "1", Email: "ada@example.com", Username: "Ada", PasswordHash: "x"}
	eve := user.User{ID: "2", Email: "eve@example.com", Username: "ada", PasswordHash: "x"}
	server.Set("auth:username:ada", newClaim(ada, time.Now().Add(-2*claimPending)).record)
	var once sync.Once
	d.client.AddHook(hook{func(_ context.Context, commands []redis.Cmder) error {
		if strings.HasPrefix(fmt.Sprint(commands), "[eval") {
			once.Do(func() { storeUser(t, direct, ada) })
		}
		return nil
	}})
	if err := d.CreateUser(t.Context(), eve); !errors.Is(err, user.ErrUsernameTaken) {
		t.Errorf("got %v", err)
	}
	if c, _, err := direct.readClaim(t.Context(), "ada"); c.ID != ada.ID || err != nil {
		t.Errorf("the name is that of %+v, %v", c, err)
	}
	checkKeys(t, direct, server)
}

// hook calls before with the commands that are about to be sent to Redis, and does not send them if that returns an
// error.
type hook struct {
	before func(context.Context, []redis.Cmder) error
}

func (h hook) DialHook(next redis.DialHook) redis.DialHook { return next }

func (h hook) ProcessHook(next redis.ProcessHook) redis.ProcessHook {
	return func(ctx context.Context, command redis.Cmder) error {
		if err := h.before(ctx, []redis.Cmder{command}); err != nil {
			command.SetErr(err)
			return err
		}
		return next(ctx, command)
	}
}

func (h hook) ProcessPipelineHook(next redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return func(ctx context.Context, commands []redis.Cmder) error {
		if err := h.before(ctx, commands); err != nil {
			for _, command := range commands {
				command.SetErr(err)
			}
			return err
		}
		return next(ctx, commands)
	}
}

// checkKeys checks that every key of a user belongs to a user who exists, and that no name has two users.
func checkKeys(t *testing.T, d *DB, server *miniredis.Miniredis) {
	t.Helper()
	keys := map[string]bool{}
	for u, err := range d.Users(t.Context()) {
		if err != nil {
			t.Fatal(err)
		}
		for _, key := range []string{userKey(u.Email), userIDKey(u.ID), usernameKey(user.FoldUsername(u.Username))} {
			if keys[key] || !server.Exists(key) {
				t.Errorf("%s is missing or belongs to two users", key)
			}
			keys[key] = true
		}
	}
	for _, key := range server.Keys() {
		if !keys[key] {
			value, _ := server.Get(key)
			t.Errorf("%s: %s belongs to nobody", key, value)
		}
	}
}

var errCrashed = errors.New("crashed")

// TestRegistrationRace: 64 registrations compete for one name and one email. In every other round, all of them crash at
// some command. The name is registered once more a minute later. One registration wins, and nothing of the others is
// left.
func TestRegistrationRace(t *testing.T) {
	t.Parallel()
	const rounds = 100 // .ci/run runs them ten times more
	server := miniredis.RunT(t)
	now := time.Now()
	d := openUsersAt(t, server.Addr())
	crashing := openUsersAt(t, server.Addr())
	var left atomic.Int64 // commands until the crash
	crashing.client.AddHook(hook{func(context.Context, []redis.Cmder) error {
		if left.Add(-1) < 0 {
			return errCrashed
		}
		return nil
	}})
	for round := range rounds {
		server.FlushAll()
		now = now.Add(time.Hour)
		server.SetTime(now)
		of, crashes := d, round%2 == 1
		if crashes {
			of = crashing
			left.Store(rand.Int64N(64 * 5))
		}
		var won atomic.Int64
		var all sync.WaitGroup
		for i := range 64 {
			all.Go(func() {
				u := user.User{ID: fmt.Sprint("id", i), Email: "ada@example.com", Username: "ada", PasswordHash: "x"}
				switch i % 4 { // some compete for one of the two
				case 0:
					u.Email = fmt.Sprintf("%d@example.com", i)
				case 1:
					u.Username = fmt.Sprint("user", i)
				}
				if of.CreateUser(t.Context(), u) == nil && u.Email == "ada@example.com" {
					won.Add(1)
				}
			})
		}
		all.Wait()
		if won.Load() > 1 {
			t.Errorf("round %d: %d have the email", round, won.Load())
		}
		server.SetTime(now.Add(2 * claimPending))
		for i, name := range append([]string{"ada"}, names(64)...) {
			_ = d.CreateUser(t.Context(), user.User{ID: fmt.Sprint("late", i), Email: fmt.Sprintf("late%d@example.com", i), Username: name, PasswordHash: "x"})
			if !server.Exists("auth:username:" + name) {
				t.Errorf("round %d: nobody has the name %s", round, name)
			}
			if !crashes {
				break
			}
		}
		checkKeys(t, d, server)
		if t.Failed() {
			t.Fatalf("in round %d", round)
		}
	}
}

// names are the names for which only one registration of a round competes.
func names(n int) (names []string) {
	for i := 1; i < n; i += 4 {
		names = append(names, fmt.Sprint("user", i))
	}
	return names
}
