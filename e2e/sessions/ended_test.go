package sessions

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/crypto/bcrypt"

	"gin-auth/db"
	"gin-auth/user"
)

// two is a user with two sessions.
type two struct {
	person
	first, second string
}

func newTwo(s site, name string) (u two, err error) {
	if u.person, u.first, err = register(s.auth, name); err == nil {
		u.second, err = u.login(s.auth)
	}
	return u, err
}

// end ends sessions of a user. It returns their tokens, and the tokens that remain valid.
type end func(s site, u two) (ended, valid []string, err error)

// endOne ends the first session with a DELETE that the second one sends.
func endOne(s site, u two) (ended, valid []string, err error) {
	_, err = tryFor(204, "DELETE", s.auth+"/sessions/"+claims(u.first).JTI, u.second, nil)
	return []string{u.first}, []string{u.second}, err
}

func logoutAll(s site, u two) (ended, valid []string, err error) {
	_, err = tryFor(200, "POST", s.auth+"/logout-all", u.second, nil)
	return []string{u.first, u.second}, nil, err
}

func newPassword(s site, u two) (ended, valid []string, err error) {
	got, err := tryFor(200, "POST", s.auth+"/password", u.second,
		map[string]string{"currentPassword": password, "newPassword": "battery staple"})
	return []string{u.first, u.second}, []string{got.token()}, err
}

// both returns an end that ends both sessions.
func both(run func(u two) error) end {
	return func(_ site, u two) (ended, valid []string, err error) {
		return []string{u.first, u.second}, nil, run(u)
	}
}

// disable does the same as gin-auth user disable.
func disable(store *db.DB, u two) (user.User, error) {
	ctx := context.Background()
	changed, found, err := store.UpdateUser(ctx, u.email, func(u *user.User) error {
		u.Disabled = true
		return nil
	})
	if err == nil && !found {
		err = errors.New("no such user")
	}
	if err == nil {
		err = store.LogoutAll(ctx, changed.ID)
	}
	return changed, err
}

// remove does the same as gin-auth user delete.
func remove(store *db.DB, u two) error {
	changed, err := disable(store, u)
	if err != nil {
		return err
	}
	if deleted, err := store.DeleteUser(context.Background(), changed); err != nil || !deleted {
		return fmt.Errorf("deleted: %v, %w", deleted, err)
	}
	return nil
}

// check ends sessions and sends the tokens to both services before and after. It returns how many revoked tokens
// were accepted.
func (s site) check(u two, how end) (accepted int, err error) {
	if err := s.accept(u.first, u.second); err != nil {
		return 0, fmt.Errorf("before: %w", err)
	}
	ended, valid, err := how(s, u)
	if err != nil {
		return 0, err
	}
	for _, token := range ended {
		if failed := s.reject(token); failed != nil {
			accepted++
			err = errors.Join(err, failed)
		}
	}
	return accepted, errors.Join(err, s.accept(valid...))
}

// TestEnded ends sessions 1,000 times and sends the tokens to the Node service and gin-auth immediately. It
// disables and deletes users with the functions that the commands call, because starting 1,000 processes takes too
// long. TestCommands runs the commands.
func TestEnded(t *testing.T) {
	t.Parallel()
	s := startSite(t)
	store := openDB(t, s.redis.Addr())
	ways := []struct {
		name string
		end
	}{
		{"DELETE", endOne},
		{"logout-all", logoutAll},
		{"a new password", newPassword},
		{"disabled", both(func(u two) error { _, err := disable(store, u); return err })},
		{"deleted", both(func(u two) error { return remove(store, u) })},
	}
	const rounds = 1000
	var accepted atomic.Int64
	began := time.Now()
	inParallel(t, rounds, func(round int) error {
		way := ways[round%len(ways)]
		u, err := newTwo(s, fmt.Sprint("user-", round))
		if err != nil {
			return err
		}
		n, err := s.check(u, way.end)
		accepted.Add(int64(n))
		if err != nil {
			return fmt.Errorf("%s: %w", way.name, err)
		}
		return nil
	})
	t.Logf("%d rounds in %s: %d revoked tokens were accepted", rounds, time.Since(began).Round(time.Millisecond),
		accepted.Load())
	if accepted.Load() != 0 {
		t.Error("a revoked token was accepted")
	}
}

// TestCommands ends sessions with every command that can.
func TestCommands(t *testing.T) {
	t.Parallel()
	s := startSite(t)
	env := settings(secret, s.redis.Env()...)
	hash, err := bcrypt.GenerateFromPassword([]byte(password), bcrypt.MinCost)
	if err != nil {
		t.Fatal(err)
	}
	run := func(stdin string, args ...string) func(two) error {
		return func(u two) error { return command(t, env, stdin, append(args, u.email)...) }
	}
	ways := map[string]func(two) error{
		"disable":  run("", "user", "disable"),
		"delete":   run("", "user", "delete"),
		"password": run("battery staple", "user", "password"),
		"role":     func(u two) error { return command(t, env, "", "user", "role", u.email, "admin", "--now") },
		"import": func(u two) error {
			line := fmt.Sprintf(`{"_id":%q,"email":%q,"password":%q,"role":"admin"}`, u.id, u.email, hash)
			return command(t, env, line, "import-users", "--overwrite", "-")
		},
		"import of a role": func(u two) error {
			line := fmt.Sprintf(`{"_id":%q,"email":%q,"role":"admin"}`, u.id, u.email)
			return command(t, env, line, "import-users", "--overwrite", "-")
		},
	}
	const each = 4
	for name, way := range ways {
		for round := range each {
			u, err := newTwo(s, strings.ReplaceAll(fmt.Sprint(name, "-", round), " ", "-"))
			if err != nil {
				t.Fatal(err)
			}
			if _, err := s.check(u, both(way)); err != nil {
				t.Errorf("%s, round %d: %v", name, round, err)
			}
		}
	}
}
