package db

import (
	"fmt"
	"slices"
	"testing"

	"gin-auth/user"
)

func TestFindUsers(t *testing.T) {
	t.Parallel()
	d, server := openUsers(t)
	ada := user.User{ID: "1", Email: "ada@example.com", PasswordHash: "x"}
	storeUser(t, d, ada)
	server.Set("auth:user:broken@example.com", "{")
	server.HSet("auth:user:hash@example.com", "a", "b")

	found, err := d.FindUsers(t.Context(), []string{"nobody@example.com", "ADA@example.com", "broken@example.com", "hash@example.com"})
	if err != nil {
		t.Fatal(err)
	}
	for i, want := range []Found{{}, {Exists: true, User: ada}} {
		if found[i] != want {
			t.Errorf("%d: got %+v, want %+v", i, found[i], want)
		}
	}
	for _, broken := range found[2:] {
		if !broken.Exists || broken.Err == nil || broken.User != (user.User{}) {
			t.Errorf("got %+v, want a broken record", broken)
		}
	}

	if found, err := d.FindUsers(t.Context(), nil); len(found) != 0 || err != nil {
		t.Errorf("of none got %v, %v", found, err)
	}
	server.SetError("LOADING not yet")
	if _, err := d.FindUsers(t.Context(), []string{"ada@example.com"}); err == nil {
		t.Error("no error without an answer")
	}
}

func TestStoreUsers(t *testing.T) {
	t.Parallel()
	there := user.User{ID: "1", Email: "ada@example.com", Role: "admin", PasswordHash: "x"}
	other := user.User{ID: "2", Email: "ada@example.com", Role: "user", PasswordHash: "x"}
	another := user.User{ID: "3", Email: "bob@example.com", PasswordHash: "x"}
	for name, test := range map[string]struct {
		users     []user.User
		overwrite bool
		want      []Outcome
		left      user.User // under ada's email
	}{
		"nobody":                 {nil, false, []Outcome{}, there},
		"keeps":                  {[]user.User{other, another}, false, []Outcome{Existing, Stored}, there},
		"overwrites":             {[]user.User{another, other}, true, []Outcome{Stored, Stored}, other},
		"the same":               {[]user.User{there}, false, []Outcome{Stored}, there},
		"overwrites by the same": {[]user.User{there}, true, []Outcome{Stored}, there},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d, server := openUsers(t)
			storeUser(t, d, there)
			got, err := d.StoreUsers(t.Context(), test.users, test.overwrite)
			if !slices.Equal(got, test.want) || err != nil {
				t.Errorf("got %v, %v, want %v", got, err, test.want)
			}
			if left, _, err := d.UserByEmail(t.Context(), there.Email); left != test.left || err != nil {
				t.Errorf("left is %+v, %v, want %+v", left, err, test.left)
			}
			for _, key := range server.Keys() {
				if ttl := server.TTL(key); ttl != 0 {
					t.Errorf("%s expires in %s", key, ttl)
				}
			}
		})
	}
}

func TestStoreUsersRefused(t *testing.T) {
	t.Parallel()
	d, server := openUsers(t)
	users := []user.User{{ID: "1", Email: "ada@example.com", PasswordHash: "x"}, {ID: "2", Email: "bob@example.com", PasswordHash: "x"}}
	for _, overwrite := range []bool{false, true} {
		server.SetError("OOM command not allowed when used memory > 'maxmemory'.")
		got, err := d.StoreUsers(t.Context(), users, overwrite)
		if want := []Outcome{Unsure, Unsure}; !slices.Equal(got, want) || err == nil {
			t.Errorf("overwrite %t: got %v, %v, want %v", overwrite, got, err, want)
		}
		server.SetError("")
		got, err = d.StoreUsers(t.Context(), users, overwrite)
		if want := []Outcome{Stored, Stored}; !slices.Equal(got, want) || err != nil {
			t.Errorf("overwrite %t: again got %v, %v, want %v", overwrite, got, err, want)
		}
	}
}

// TestStoreUsersAnswerLost: what is stored at the first try doesn't count as existing at the second.
func TestStoreUsersAnswerLost(t *testing.T) {
	t.Parallel()
	direct, server := openUsers(t)
	storeUser(t, direct, user.User{ID: "other", Email: "7@example.com", PasswordHash: "x"})
	d := openUsersAt(t, loseAnswer(t, server.Addr(), "set"))
	var users []user.User
	var want []Outcome
	for i := range 100 {
		users = append(users, user.User{ID: "mine", Email: fmt.Sprintf("%d@example.com", i), PasswordHash: "x"})
		want = append(want, Stored)
	}
	want[7] = Existing
	if got, err := d.StoreUsers(t.Context(), users, false); !slices.Equal(got, want) || err != nil {
		t.Errorf("got %v, %v", got, err)
	}
}
