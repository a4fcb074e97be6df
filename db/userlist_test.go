package db

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/alicebob/miniredis/v2"

	"gin-auth/user"
)

// TestListUsers lists more users than a page holds, among keys that aren't users and records that are broken.
func TestListUsers(t *testing.T) {
	t.Parallel()
	d, server := openUsers(t)
	var want []string
	var users []user.User
	for i := range 2*listPage + 10 {
		email := fmt.Sprintf("%d@example.com", i)
		want = append(want, email)
		users = append(users, user.User{ID: "1", Email: email, PasswordHash: "x"})
	}
	if _, err := d.StoreUsers(t.Context(), newUsers(users...)); err != nil {
		t.Fatal(err)
	}
	server.Set("blacklist:auth:user:x", "true")
	server.Set("auth:user:broken@example.com", "{")
	server.HSet("auth:user:hash@example.com", "email", "hash@example.com")

	var got, broken []string
	for u, err := range d.Users(t.Context()) {
		var b *BrokenRecordError
		switch {
		case errors.As(err, &b):
			broken = append(broken, b.Key)
		case err != nil:
			t.Fatal(err)
		default:
			got = append(got, u.Email)
		}
	}
	slices.Sort(want)
	slices.Sort(got)
	slices.Sort(broken)
	if !slices.Equal(slices.Compact(got), want) {
		t.Errorf("got %d users, want %d", len(got), len(want))
	}
	if want := []string{"auth:user:broken@example.com", "auth:user:hash@example.com"}; !slices.Equal(slices.Compact(broken), want) {
		t.Errorf("broken are %q, want %q", broken, want)
	}

	for range d.Users(t.Context()) {
		break // it must stop
	}
}

func TestListUsersWithoutRedis(t *testing.T) {
	t.Parallel()
	d, server := openUsers(t)
	server.SetError("ERR no")
	var errs []error
	for _, err := range d.Users(t.Context()) {
		errs = append(errs, err)
	}
	if len(errs) != 1 || errs[0] == nil || !strings.Contains(errs[0].Error(), "listing the users") {
		t.Errorf("got %v, want one error", errs)
	}
}

func TestUpdateUser(t *testing.T) {
	t.Parallel()
	d, server := openUsers(t)
	before := user.User{ID: "7", Email: "ada@example.com", Username: "ada", Role: "user", PasswordHash: "x", Created: time.Unix(1_700_000_000, 0).UTC()}
	storeUser(t, d, before)

	got, found, err := d.UpdateUser(t.Context(), "Ada@Example.com", func(u *user.User) error {
		u.Role, u.Disabled, u.Email = "admin", true, "eve@example.com"
		return nil
	})
	want := before
	want.Role, want.Disabled = "admin", true
	if got != want || !found || err != nil {
		t.Errorf("got %+v, %t, %v, want %+v", got, found, err, want)
	}
	if got, _, err := d.UserByEmail(t.Context(), "ada@example.com"); got != want || err != nil {
		t.Errorf("stored is %+v, %v, want %+v", got, err, want)
	}
	if ttl := server.TTL("auth:user:ada@example.com"); ttl != 0 {
		t.Errorf("it expires in %s", ttl)
	}

	errNo := errors.New("no")
	if _, _, err := d.UpdateUser(t.Context(), "ada@example.com", func(u *user.User) error { u.Role = "x"; return errNo }); !errors.Is(err, errNo) {
		t.Errorf("got %v, want the error of change", err)
	}
	if got, _, _ := d.UserByEmail(t.Context(), "ada@example.com"); got != want {
		t.Errorf("after an error stored is %+v, want %+v", got, want)
	}

	if _, found, err := d.UpdateUser(t.Context(), "nobody@example.com", func(*user.User) error { return errNo }); found || err != nil {
		t.Errorf("for nobody got %t, %v", found, err)
	}
	server.Set("auth:user:broken@example.com", "[]")
	var broken *BrokenRecordError
	if _, _, err := d.UpdateUser(t.Context(), "broken@example.com", func(*user.User) error { return nil }); !errors.As(err, &broken) {
		t.Errorf("for a broken record got %v", err)
	}
}

// TestUpdateUserAtOnce: no update is lost if many are made at once.
func TestUpdateUserAtOnce(t *testing.T) {
	t.Parallel()
	d, _ := openUsers(t)
	storeUser(t, d, user.User{ID: "1", Email: "ada@example.com", PasswordHash: "x"})
	const updaters = 8
	var done sync.WaitGroup
	for i := range updaters {
		done.Go(func() {
			_, _, err := d.UpdateUser(t.Context(), "ada@example.com", func(u *user.User) error {
				u.Role += string(rune('a' + i))
				return nil
			})
			if err != nil {
				t.Error(err)
			}
		})
	}
	done.Wait()
	if u, _, err := d.UserByEmail(t.Context(), "ada@example.com"); len(u.Role) != updaters || err != nil {
		t.Errorf("%d updates are left of %d, %v", len(u.Role), updaters, err)
	}
}

// TestUpdateUserAnswerLost: an update is made once, although the client sends it twice.
func TestUpdateUserAnswerLost(t *testing.T) {
	t.Parallel()
	direct, server := openUsers(t)
	storeUser(t, direct, user.User{ID: "1", Email: "ada@example.com", PasswordHash: "x"})
	d := openUsersAt(t, loseAnswer(t, server.Addr(), "eval"))
	calls := 0
	u, _, err := d.UpdateUser(t.Context(), "ada@example.com", func(u *user.User) error {
		calls++
		u.Role += "x"
		return nil
	})
	if err != nil || calls != 1 || u.Role != "x" {
		t.Errorf("after %d calls got %+v, %v", calls, u, err)
	}
}

// openUsers starts a Redis and returns a DB on it.
func openUsers(t *testing.T) (*DB, *miniredis.Miniredis) {
	t.Helper()
	server := miniredis.RunT(t)
	return openUsersAt(t, server.Addr()), server
}

func openUsersAt(t *testing.T, addr string) *DB {
	t.Helper()
	return openOptions(t, Options{Addrs: []string{addr}, Timeout: 5 * time.Second, Log: slog.New(slog.DiscardHandler)})
}

// TestDeleteUser: only the user that was read is deleted, and deleting it again is no error.
func TestDeleteUser(t *testing.T) {
	t.Parallel()
	d, server, _ := open(t)
	read := user.User{ID: "1", Email: "ada@example.com", Role: "admin", PasswordHash: "x"}
	other := read
	other.Role = "user"
	for name, test := range map[string]struct {
		stored  *user.User
		deleted bool
	}{
		"as it was read": {&read, true},
		"changed since":  {&other, false},
		"gone":           {nil, true}, // the reply was lost, or another command deleted it
	} {
		server.Del("auth:user:ada@example.com")
		if test.stored != nil {
			storeUser(t, d, *test.stored)
		}
		if deleted, err := d.DeleteUser(t.Context(), read); deleted != test.deleted || err != nil {
			t.Errorf("%s: %v, %v", name, deleted, err)
		}
		if exists := server.Exists("auth:user:ada@example.com"); exists == test.deleted {
			t.Errorf("%s: it exists: %v", name, exists)
		}
	}
}

func storeUser(t *testing.T, d *DB, u user.User) {
	t.Helper()
	if err := d.CreateUser(t.Context(), u); err != nil {
		t.Fatalf("storing %+v: %v", u, err)
	}
}

// newUsers returns the changes that store new users.
func newUsers(users ...user.User) (changes []Change) {
	for _, u := range users {
		changes = append(changes, Change{User: u})
	}
	return changes
}

// loseAnswer returns the address of a proxy to the Redis at addr. On each connection, it drops the answer to the first
// request that contains the word, and closes the connection.
func loseAnswer(t *testing.T, addr, word string) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var connections sync.WaitGroup
	ctx, cancel := context.WithCancel(context.Background())
	t.Cleanup(func() {
		cancel()
		_ = listener.Close()
		connections.Wait()
	})
	var once sync.Once
	connections.Go(func() {
		for {
			client, err := listener.Accept()
			if err != nil {
				return
			}
			connections.Go(func() { passOn(ctx, client, addr, word, &once) })
		}
	})
	return listener.Addr().String()
}

func passOn(ctx context.Context, client net.Conn, addr, word string, once *sync.Once) {
	defer client.Close()
	server, err := net.Dial("tcp", addr)
	if err != nil {
		return
	}
	defer server.Close()
	defer context.AfterFunc(ctx, func() { client.Close(); server.Close() })()
	lose := make(chan bool, 1)
	go func() {
		defer server.Close()
		request := make([]byte, 1<<20)
		for {
			n, err := client.Read(request)
			if err != nil {
				return
			}
			if bytes.Contains(bytes.ToLower(request[:n]), []byte(word)) {
				once.Do(func() { lose <- true })
			}
			if _, err := server.Write(request[:n]); err != nil {
				return
			}
		}
	}()
	answer := make([]byte, 1<<20)
	for {
		n, err := server.Read(answer)
		if err != nil || len(lose) > 0 {
			return
		}
		if _, err := io.Copy(client, bytes.NewReader(answer[:n])); err != nil {
			return
		}
	}
}
