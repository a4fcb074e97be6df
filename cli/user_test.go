package cli

import (
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/crypto/bcrypt"

	"gin-auth/db"
	"gin-auth/user"
)

// TestUserCommands runs the commands on one user, one after the other.
func TestUserCommands(t *testing.T) {
	t.Parallel()
	o, store, server := startRedis(t)
	const ada = "ada@example.com"
	stored := func() user.User {
		t.Helper()
		u, found, err := store.UserByEmail(t.Context(), ada)
		if !found || err != nil {
			t.Fatalf("found %t, %v", found, err)
		}
		return u
	}
	add := []string{"user", "add", "--email", " Ada@Example.com ", "--username", " Ada ", "--role", "staff"}
	for _, step := range []struct {
		args   []string
		stdin  string
		status int
		says   string // on either stream
		check  func() bool
	}{
		{add, "", 1, "gin-auth: reading the password: standard input has none\n", nil},
		{add, "short\n", 1, "gin-auth: password must have at least 8 characters and at most 72 bytes\n", nil},
		{add, "correct horse\r\nmore\n", 0, "added ada@example.com, role staff, id new\n", func() bool {
			u := stored()
			return u.Username == "Ada" && u.Role == "staff" && matches(u, "correct horse") && time.Since(u.Created) < time.Minute
		}},
		{add, "", 1, "gin-auth: the user ada@example.com exists already\n", func() bool { return matches(stored(), "correct horse") }},
		{[]string{"user", "add", "--email", "eve@example.com", "--username", "ADA"}, "correct horse", 1, "gin-auth: another user has the username \"ADA\"\n", nil},
		{[]string{"user", "add", "--email", "eve@example.com", "--username", "a\u202e"}, "", 1, "gin-auth: username must have at most 64 characters and no control or invisible characters\n", nil},
		{[]string{"user", "role", "Ada@example.com", "admin"}, "", 0, "ada@example.com has the role admin\n", func() bool {
			return stored().Role == "admin" && !server.Exists("auth:logout-all:"+stored().ID)
		}},
		{[]string{"user", "role", ada, "staff", "--now"}, "", 0, "ada@example.com has the role staff, and their sessions have ended\n", func() bool {
			return stored().Role == "staff" && server.Exists("auth:logout-all:"+stored().ID)
		}},
		{[]string{"user", "role", ada, "admin"}, "", 0, "ada@example.com has the role admin\n", func() bool { return stored().Role == "admin" }},
		{[]string{"user", "disable", ada}, "", 0, "ada@example.com is disabled\n", func() bool { return stored().Disabled }},
		{[]string{"user", "disable", ada}, "", 0, "ada@example.com is disabled\n", func() bool { return stored().Disabled }},
		{[]string{"user", "password", ada}, "battery staple", 0, "ada@example.com has a new password\n", func() bool {
			return matches(stored(), "battery staple") && stored().Disabled && stored().Role == "admin"
		}},
		{[]string{"user", "password", ada}, "\n", 1, "gin-auth: password must have at least 8 characters and at most 72 bytes\n", func() bool { return matches(stored(), "battery staple") }},
		{[]string{"user", "enable", ada}, "", 0, "ada@example.com is enabled\n", func() bool { return !stored().Disabled }},
		{[]string{"user", "delete", ada}, "", 0, "ada@example.com is deleted\n", func() bool {
			_, found, err := store.UserByEmail(t.Context(), ada)
			return !found && err == nil
		}},
		{[]string{"user", "delete", ada}, "", 1, "gin-auth: there is no user \"ada@example.com\"\n", nil},
		{add, "correct horse", 0, "added ada@example.com, role staff, id new\n", func() bool { return !stored().Disabled }},
		{[]string{"user", "role", "nobody@example.com", "x"}, "", 1, "gin-auth: there is no user \"nobody@example.com\"\n", nil},
		{[]string{"user", "disable", "nobody@example.com"}, "", 1, "gin-auth: there is no user \"nobody@example.com\"\n", nil},
		{[]string{"user", "enable", "nobody@example.com"}, "", 1, "gin-auth: there is no user \"nobody@example.com\"\n", nil},
		{[]string{"user", "password", "nobody@example.com"}, "", 1, "gin-auth: there is no user \"nobody@example.com\"\n", nil},
	} {
		status, stdout, stderr := run(t, o, step.stdin, step.args...)
		stdout = newID.ReplaceAllString(stdout, "id new")
		if status != step.status || stdout+stderr != step.says || (status == 0) != (stderr == "") {
			t.Errorf("%q: exit status %d, %q, %q, want %d, %q", step.args, status, stdout, stderr, step.status, step.says)
		}
		if step.check != nil && !step.check() {
			t.Errorf("%q: stored is %+v", step.args, stored())
		}
	}
}

// newID matches the id of a new user in a command's output.
var newID = regexp.MustCompile(`\bid [0-9a-f]{24}\b`)

func matches(u user.User, password string) bool {
	return bcrypt.CompareHashAndPassword([]byte(u.PasswordHash), []byte(password)) == nil
}

func TestUserList(t *testing.T) {
	t.Parallel()
	o, store, server := startRedis(t)
	if _, stdout, _ := run(t, o, "", "user", "list"); stdout != "EMAIL  USERNAME  ROLE  ID  DISABLED  CREATED\n" {
		t.Errorf("nobody is listed as %q", stdout)
	}
	created := time.Date(2020, 1, 2, 3, 4, 5, 0, time.UTC)
	users := []user.User{
		{ID: "2", Email: "bob@example.com", Username: "Bob <b>", Role: "admin", PasswordHash: hash, Created: created},
		{ID: "1", Email: "ada@example.com", Username: "A\x1b[2J\u202eda\u009b\u2066\U000e0041", Role: "user", PasswordHash: hash, Disabled: true, Created: created},
	}
	storeUsers(t, store, users)
	status, stdout, stderr := run(t, o, "", "user", "list")
	want := "EMAIL            USERNAME     ROLE   ID  DISABLED  CREATED\n" +
		"ada@example.com  A\ufffd[2J\ufffdda\ufffd\ufffd\ufffd  user   1   yes       2020-01-02\n" +
		"bob@example.com  Bob <b>      admin  2   no        2020-01-02\n"
	if status != 0 || stdout != want || stderr != "" {
		t.Errorf("exit status %d, printed\n%s%s\nwant\n%s", status, stdout, stderr, want)
	}

	server.Set("auth:user:x\x1b@example.com", "{")
	status, stdout, stderr = run(t, o, "", "user", "list", "--json")
	want = `{"email":"ada@example.com","username":"A\u001b[2J\u202eda\u009b\u2066\udb40\udc41","role":"user","id":"1","disabled":true,"created":"2020-01-02T03:04:05Z"}
{"email":"bob@example.com","username":"Bob <b>","role":"admin","id":"2","disabled":false,"created":"2020-01-02T03:04:05Z"}
`
	if status != 1 || stdout != want || !strings.HasPrefix(stderr, "the record auth:user:x\ufffd@example.com is broken: ") {
		t.Errorf("exit status %d, printed\n%s%s\nwant\n%s", status, stdout, stderr, want)
	}
}

// TestUserListLong lists more users than a portion has: each user once, under one heading.
func TestUserListLong(t *testing.T) {
	t.Parallel()
	o, store, _ := startRedis(t)
	var users []user.User
	for i := range 2*portion + 5 {
		users = append(users, user.User{ID: strconv.Itoa(i), Email: fmt.Sprintf("%d@example.com", i), PasswordHash: "x"})
	}
	storeUsers(t, store, users)
	_, table, _ := run(t, o, "", "user", "list")
	if strings.Count(table, "\n") != len(users)+1 || strings.Count(table, "EMAIL") != 1 {
		t.Errorf("the table has %d lines", strings.Count(table, "\n"))
	}
	_, stdout, _ := run(t, o, "", "user", "list", "--json")
	var emails []string
	for decoder := json.NewDecoder(strings.NewReader(stdout)); decoder.More(); {
		var user listed
		if err := decoder.Decode(&user); err != nil {
			t.Fatal(err)
		}
		emails = append(emails, user.Email)
	}
	slices.Sort(emails)
	if n := len(slices.Compact(emails)); n != len(users) {
		t.Errorf("%d users are listed of %d", n, len(users))
	}
}

// storeUsers stores new users.
func storeUsers(t *testing.T, store *db.DB, users []user.User) {
	t.Helper()
	changes := make([]db.Change, len(users))
	for i, u := range users {
		changes[i].User = u
	}
	if _, err := store.StoreUsers(t.Context(), changes); err != nil {
		t.Fatal(err)
	}
}
