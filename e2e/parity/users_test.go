package parity

import (
	"encoding/json"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/crypto/bcrypt"

	"gin-auth/db"
	"gin-auth/user"
)

// seeded is the prefix of the addresses of the initial users.
const seeded = "seeded-"

// users are the users of both sides, with the same ids and hashes.
var users = []struct{ id, name, username, password, version string }{
	{"64b7f0c2a1d3e4f5a6b7c8d9", "ada", "Ada", "correct horse", "$2a$"},
	{"64b7f0c2a1d3e4f5a6b7c8da", "html", `<b>"Ada" & \ Co</b>` + "\u2028\u00e9😀", "correct horse", "$2b$"},
	{"42", "y", "", "correct horse", "$2y$"},
	{"64b7f0c2a1d3e4f5a6b7c8db", "long", "Long", strings.Repeat("0123456789", 8), "$2b$"},
	{"64b7f0c2a1d3e4f5a6b7c8dc", "uni", "Uni", "p\u00e4ssw\u00f6rd 😀", "$2b$"},
	{"64b7f0c2a1d3e4f5a6b7c8dd", "nul", "Nul", "secret\x00tail", "$2b$"},
	{"64b7f0c2a1d3e4f5a6b7c8de", "odd", "Odd", "\ufffd", "$2b$"},
	{"64b7f0c2a1d3e4f5a6b7c8df", "space", "Space", " space ", "$2b$"},
}

// isSeededKey reports whether a key belongs to one of the initial users.
func isSeededKey(key string) bool {
	for _, u := range users {
		if key == "auth:user:"+email(u.name) || key == "auth:user-id:"+u.id || key == "auth:username:"+user.FoldUsername(u.username) {
			return true
		}
	}
	return false
}

func isSeeded(id string) bool {
	for _, u := range users {
		if u.id == id {
			return true
		}
	}
	return false
}

// bcryptHash hashes as bcryptjs does: only the first 72 bytes count. version is $2a$, $2b$ or $2y$, which all have
// the same meaning.
func bcryptHash(t *testing.T, password, version string) string {
	t.Helper()
	text := []byte(password)
	hash, err := bcrypt.GenerateFromPassword(text[:min(len(text), 72)], bcrypt.MinCost)
	if err != nil {
		t.Fatal(err)
	}
	return version + string(hash[4:])
}

func email(name string) string { return seeded + name + "@example.com" }

// usersFile writes the users for the original and returns the file's path.
func usersFile(t *testing.T) string {
	t.Helper()
	var all []map[string]string
	for _, u := range users {
		all = append(all, map[string]string{
			"id": u.id, "email": email(u.name), "username": u.username, "role": "user", "password": bcryptHash(t, u.password, u.version),
		})
	}
	text, err := json.Marshal(all)
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "users.json")
	if err := os.WriteFile(path, text, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// seedUsers stores the users for this service.
func seedUsers(t *testing.T, addr, password string) {
	t.Helper()
	store, err := db.Open(db.Options{Addrs: []string{addr}, Password: password, Timeout: 5 * time.Second, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	for _, u := range users {
		user := user.User{
			ID: u.id, Email: email(u.name), Username: u.username, Role: "user",
			PasswordHash: bcryptHash(t, u.password, u.version), Created: time.Now(),
		}
		if err := store.CreateUser(t.Context(), user); err != nil {
			t.Fatal(err)
		}
	}
}
