package db

import (
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"gin-auth/user"
)

func TestFindUsers(t *testing.T) {
	t.Parallel()
	d, server := openUsers(t)
	ada := user.User{ID: "1", Email: "ada@example.com", Username: "Ada", PasswordHash: "x"}
	storeUser(t, d, ada)
	server.Set("auth:user:broken@example.com", "{")
	server.HSet("auth:user:hash@example.com", "a", "b")
	server.HSet("auth:username:hash", "a", "b")
	server.Set("auth:username:list", "[]")
	server.Set("auth:user-id:7", "nobody@example.com")
	claimed := func(name string, ago time.Duration) {
		server.Set("auth:username:"+name, newClaim(user.User{ID: "9", Email: "nine@example.com"}, time.Now().Add(-ago)).record)
	}
	claimed("old", time.Hour)
	claimed("new", time.Second)

	for name, test := range map[string]struct {
		u      user.User
		want   Found
		broken bool
	}{
		"nobody":                  {u: user.User{ID: "2", Email: "bob@example.com", Username: "Bob"}},
		"the email":               {u: user.User{ID: "2", Email: "ADA@example.com"}, want: Found{AtEmail: ada}},
		"the id":                  {u: user.User{ID: "1", Email: "eve@example.com"}, want: Found{Elsewhere: ada}},
		"both":                    {u: user.User{ID: "1", Email: "ada@example.com", Username: "ADA"}, want: Found{AtEmail: ada}},
		"the name":                {u: user.User{ID: "2", Email: "bob@example.com", Username: " ａda"}, want: Found{NameTaken: true}},
		"an id that leads away":   {u: user.User{ID: "7", Email: "bob@example.com"}},
		"a claim without a user":  {u: user.User{ID: "2", Email: "bob@example.com", Username: "old"}},
		"a claim under way":       {u: user.User{ID: "2", Email: "bob@example.com", Username: "new"}, want: Found{NameTaken: true}},
		"the own claim under way": {u: user.User{ID: "9", Email: "nine@example.com", Username: "new"}},
		"a broken record":         {u: user.User{ID: "2", Email: "broken@example.com"}, broken: true},
		"a hash":                  {u: user.User{ID: "2", Email: "hash@example.com"}, broken: true},
		"a hash for a claim":      {u: user.User{ID: "2", Email: "bob@example.com", Username: "hash"}, broken: true},
		"a list for a claim":      {u: user.User{ID: "2", Email: "bob@example.com", Username: "list"}, broken: true},
	} {
		found, err := d.FindUsers(t.Context(), []user.User{test.u})
		if err != nil {
			t.Fatal(err)
		}
		got := Found{AtEmail: found[0].AtEmail, Elsewhere: found[0].Elsewhere, NameTaken: found[0].NameTaken}
		if broken := found[0].Err != nil; broken != test.broken || !broken && got != test.want {
			t.Errorf("%s: got %+v, want %+v", name, found[0], test.want)
		}
	}

	if found, err := d.FindUsers(t.Context(), nil); len(found) != 0 || err != nil {
		t.Errorf("of none got %v, %v", found, err)
	}
	server.SetError("LOADING not yet")
	if _, err := d.FindUsers(t.Context(), []user.User{ada}); err == nil {
		t.Error("no error without an answer")
	}
}

// storeFound finds and stores users.
func (d *DB) storeFound(t *testing.T, users ...user.User) []Outcome {
	t.Helper()
	found, err := d.FindUsers(t.Context(), users)
	if err != nil {
		t.Fatal(err)
	}
	changes := newUsers(users...)
	for i := range changes {
		changes[i].Found = found[i]
	}
	outcomes, err := d.StoreUsers(t.Context(), changes)
	if err != nil {
		t.Fatal(err)
	}
	return outcomes
}

// TestStoreUsers checks what is stored, under all keys.
func TestStoreUsers(t *testing.T) {
	t.Parallel()
	there := user.User{ID: "1", Email: "ada@example.com", Username: "Ada", Role: "admin", PasswordHash: "x"}
	with := func(change func(*user.User)) user.User {
		u := there
		change(&u)
		return u
	}
	bob := user.User{ID: "3", Email: "bob@example.com", Username: "Bob", PasswordHash: "x"}
	for name, test := range map[string]struct {
		users []user.User
		want  []user.User // who is stored
		free  string      // a name that nobody has
	}{
		"nobody":       {nil, []user.User{there}, "bob"},
		"another":      {[]user.User{bob}, []user.User{there, bob}, "eve"},
		"the same":     {[]user.User{there}, []user.User{there}, "bob"},
		"another role": {[]user.User{with(func(u *user.User) { u.Role = "user" })}, []user.User{with(func(u *user.User) { u.Role = "user" })}, "bob"},
		"another name": {
			[]user.User{with(func(u *user.User) { u.Username = "Eve" })},
			[]user.User{with(func(u *user.User) { u.Username = "Eve" })}, "ada",
		},
		"another email": {
			[]user.User{with(func(u *user.User) { u.Email = "eve@example.com" }), bob},
			[]user.User{with(func(u *user.User) { u.Email = "eve@example.com" }), bob}, "eve",
		},
		"another email and name": {
			[]user.User{with(func(u *user.User) { u.Email, u.Username = "eve@example.com", "Eve" })},
			[]user.User{with(func(u *user.User) { u.Email, u.Username = "eve@example.com", "Eve" })}, "ada",
		},
		"no name any more": {
			[]user.User{with(func(u *user.User) { u.Username = "" })}, []user.User{with(func(u *user.User) { u.Username = "" })}, "ada",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d, server := openUsers(t)
			storeUser(t, d, there)
			for i, outcome := range d.storeFound(t, test.users...) {
				if outcome != Stored {
					t.Errorf("%d: outcome %d", i, outcome)
				}
			}
			keys := 0
			for _, want := range test.want {
				keys += 2
				if got, _, err := d.UserByEmail(t.Context(), want.Email); got != want || err != nil {
					t.Errorf("stored is %+v, %v, want %+v", got, err, want)
				}
				if email, err := server.Get("auth:user-id:" + want.ID); email != want.Email || err != nil {
					t.Errorf("the id %s leads to %q, %v", want.ID, email, err)
				}
				if want.Username != "" {
					keys++
					if c, _, err := d.readClaim(t.Context(), user.FoldUsername(want.Username)); c.ID != want.ID || c.Email != want.Email || err != nil {
						t.Errorf("%s is the name of %+v, %v", want.Username, c, err)
					}
				}
			}
			if server.Exists("auth:username:" + test.free) {
				t.Errorf("somebody is called %s", test.free)
			}
			if got := server.Keys(); len(got) != keys {
				t.Errorf("there are the keys %q, want %d", got, keys)
			}
			for _, key := range server.Keys() {
				if ttl := server.TTL(key); ttl != 0 {
					t.Errorf("%s expires in %s", key, ttl)
				}
			}
		})
	}
}

// TestStoreUsersMeanwhile: a record that changes between FindUsers and StoreUsers is not overwritten.
func TestStoreUsersMeanwhile(t *testing.T) {
	t.Parallel()
	ada := user.User{ID: "1", Email: "ada@example.com", Username: "Ada", PasswordHash: "x"}
	eve := user.User{ID: "2", Email: "eve@example.com", Username: "Ada", PasswordHash: "x"}
	moved := ada
	moved.Email = "lovelace@example.com"
	hashed := ada
	hashed.PasswordHash = "y"
	for name, test := range map[string]struct {
		before, meanwhile, change user.User
		want                      Outcome
		left                      user.User // at the email of the change
	}{
		"somebody registers":           {meanwhile: ada, change: user.User{ID: "3", Email: ada.Email, PasswordHash: "x"}, want: Outdated, left: ada},
		"somebody takes the name":      {meanwhile: ada, change: eve, want: StoredWithoutName, left: user.User{ID: "2", Email: eve.Email, PasswordHash: "x"}},
		"the password changes":         {before: ada, meanwhile: hashed, change: user.User{ID: "1", Email: ada.Email, PasswordHash: "z"}, want: Outdated, left: hashed},
		"the user to be moved changes": {before: ada, meanwhile: hashed, change: moved, want: Outdated, left: moved},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d, _ := openUsers(t)
			if test.before.ID != "" {
				storeUser(t, d, test.before)
			}
			found, err := d.FindUsers(t.Context(), []user.User{test.change})
			if err != nil {
				t.Fatal(err)
			}
			if test.before.ID == "" {
				storeUser(t, d, test.meanwhile)
			} else if _, _, err := d.UpdateUser(t.Context(), test.before.Email, func(u *user.User) error { *u = test.meanwhile; return nil }); err != nil {
				t.Fatal(err)
			}
			got, err := d.StoreUsers(t.Context(), []Change{{test.change, found[0]}})
			if !slices.Equal(got, []Outcome{test.want}) || err != nil {
				t.Errorf("got %v, %v, want %v", got, err, test.want)
			}
			if left, _, err := d.UserByEmail(t.Context(), test.change.Email); left != test.left || err != nil {
				t.Errorf("left is %+v, %v, want %+v", left, err, test.left)
			}
		})
	}
}

func TestStoreUsersRefused(t *testing.T) {
	t.Parallel()
	d, server := openUsers(t)
	users := []user.User{{ID: "1", Email: "ada@example.com", PasswordHash: "x"}, {ID: "2", Email: "bob@example.com", PasswordHash: "x"}}
	server.SetError("OOM command not allowed when used memory > 'maxmemory'.")
	got, err := d.StoreUsers(t.Context(), newUsers(users...))
	if want := []Outcome{Unsure, Unsure}; !slices.Equal(got, want) || err == nil {
		t.Errorf("got %v, %v, want %v", got, err, want)
	}
	server.SetError("")
	got, err = d.StoreUsers(t.Context(), newUsers(users...))
	if want := []Outcome{Stored, Stored}; !slices.Equal(got, want) || err != nil {
		t.Errorf("again got %v, %v, want %v", got, err, want)
	}
}

// TestAnswerLost: users who were stored by the first try count as stored by the second.
func TestAnswerLost(t *testing.T) {
	t.Parallel()
	for _, word := range []string{"set", "get", "nx", "eval"} {
		direct, server := openUsers(t)
		storeUser(t, direct, user.User{ID: "other", Email: "7@example.com", Username: "x", PasswordHash: "x"})
		d := openUsersAt(t, loseAnswer(t, server.Addr(), word))
		var users []user.User
		var want []Outcome
		for i := range 100 {
			name := fmt.Sprint(i)
			users = append(users, user.User{ID: name, Email: name + "@example.com", Username: name, PasswordHash: "x"})
			want = append(want, Stored)
		}
		want[7] = Outdated
		if got, err := d.StoreUsers(t.Context(), newUsers(users...)); !slices.Equal(got, want) || err != nil {
			t.Errorf("%s: got %v, %v", word, got, err)
		}

		d = openUsersAt(t, loseAnswer(t, server.Addr(), word))
		ada := user.User{ID: "ada", Email: "ada@example.com", Username: "ada", PasswordHash: "x"}
		if err := d.CreateUser(t.Context(), ada); err != nil {
			t.Errorf("%s: creating: %v", word, err)
		}
		if err := d.CreateUser(t.Context(), ada); !errors.Is(err, user.ErrEmailTaken) {
			t.Errorf("%s: creating again: %v", word, err)
		}
	}
}
