package controllers_test

import (
	"errors"
	"regexp"
	"strings"
	"testing"
	"time"

	"golang.org/x/crypto/bcrypt"

	"gin-auth/controllers"
)

func TestCleanEmail(t *testing.T) {
	t.Parallel()
	for email, want := range map[string]string{
		"ada@example.com":                  "ada@example.com",
		" Ada@Example.COM\t":               "ada@example.com",
		"a.b+c@mail.example.de":            "a.b+c@mail.example.de",
		"é@example.com":                    "é@example.com",
		"ada@localhost":                    "ada@localhost",
		"":                                 "",
		"ada":                              "",
		"ada@":                             "",
		"@example.com":                     "",
		"ada@example.com, bob@example.com": "",
		"Ada <ada@example.com>":            "",
		"ada @example.com":                 "",
		"ada@exa mple.com":                 "",
		"ada\n@example.com":                "",
		"ada@example.com\x00":              "",
		strings.Repeat("a", 243) + "@example.com": "",
	} {
		got, err := controllers.CleanEmail(email)
		if got != want || (err == nil) != (want != "") || !isInvalid(err, "email") {
			t.Errorf("%q: %q, %v; want %q", email, got, err, want)
		}
	}
}

func TestCleanUsername(t *testing.T) {
	t.Parallel()
	for username, want := range map[string]string{
		"ada":                   "ada",
		"  Ada Lovelace ":       "Ada Lovelace",
		"<b>é</b>":              "<b>é</b>",
		strings.Repeat("é", 64): strings.Repeat("é", 64),
		strings.Repeat("é", 65): "",
		"":                      "",
		" \t":                   "",
		"a\nb":                  "",
		"a\x00b":                "",
		"a\u0085b":              "",
	} {
		got, err := controllers.CleanUsername(username)
		if got != want || (err == nil) != (want != "") || !isInvalid(err, "username") {
			t.Errorf("%q: %q, %v; want %q", username, got, err, want)
		}
	}
}

// isInvalid tells whether err is nil or an *InvalidError that names the field at fault.
func isInvalid(err error, field string) bool {
	var invalid *controllers.InvalidError
	return err == nil || errors.As(err, &invalid) && strings.HasPrefix(invalid.Message, field+" ")
}

func TestNewID(t *testing.T) {
	t.Parallel()
	at := time.Unix(0x6b050594, 0)
	form := regexp.MustCompile(`^6b050594[0-9a-f]{16}$`)
	if a, b := controllers.NewID(at), controllers.NewID(at); !form.MatchString(a) || !form.MatchString(b) || a == b {
		t.Errorf("ids %s and %s", a, b)
	}
}

func TestPasswords(t *testing.T) {
	t.Parallel()
	passwords := controllers.NewPasswords(bcrypt.MinCost)
	for password, ok := range map[string]bool{
		"":                      false,
		"1234567":               false,
		"12345678":              true,
		"пароль12":              true,
		"éééé":                  false, // 8 bytes, 4 characters
		strings.Repeat("x", 72): true,
		strings.Repeat("x", 73): false,
		strings.Repeat("é", 37): false, // 74 bytes
	} {
		hash, err := passwords.Hash(t.Context(), password)
		if (err == nil) != ok || !isInvalid(err, "password") {
			t.Errorf("%q: %v", password, err)
		}
		if ok && !fits(t, passwords, hash, password) {
			t.Errorf("%q does not fit its own hash", password)
		}
		if fits(t, passwords, hash, password+"x") && len(password) < 72 {
			t.Errorf("%qx fits the hash of %q", password, password)
		}
	}
}

// TestHashesOfTheOriginal has hashes that bcryptjs made, in each of its versions.
func TestHashesOfTheOriginal(t *testing.T) {
	t.Parallel()
	passwords := controllers.NewPasswords(bcrypt.MinCost)
	const (
		plain   = "$2b$04$XXQ7u9fpz3FaJUwVEMvBVe2.NG6IljAHf9Ud6tOYipBdARBp8kbVu"
		unicode = "$2b$04$XgUAibK6I4RS0alVKxYsO.FdSfL6OyQ1hH4ObsbMsfSRoUVlT1hey"
		long    = "$2b$04$y8nou.Vz51t9kaZedpVTX.D3W2EBx/ai3ifXK6AZvZawlXTtxyTwC"
	)
	for _, version := range []string{"$2a$", "$2b$", "$2y$"} {
		for hash, password := range map[string]string{
			plain:   "correct horse",
			unicode: "pässwörd ✓",
			long:    strings.Repeat("x", 72) + "tail", // compared by its first 72 bytes, as there
		} {
			hash = version + hash[len(version):]
			if !fits(t, passwords, hash, password) {
				t.Errorf("%s does not fit %q", hash, password)
			}
			if fits(t, passwords, hash, "y"+password) {
				t.Errorf("%s fits y%q", hash, password)
			}
		}
	}
	for _, hash := range []string{"", "plain", "$2b$", plain[:59]} {
		if fits(t, passwords, hash, "correct horse") {
			t.Errorf("%q fits", hash)
		}
	}
}

func fits(t *testing.T, passwords *controllers.Passwords, hash, password string) bool {
	t.Helper()
	right, err := passwords.Check(t.Context(), hash, password)
	if err != nil {
		t.Fatal(err)
	}
	return right
}

// TestRenew makes hashes of a higher cost, and of no other.
func TestRenew(t *testing.T) {
	t.Parallel()
	low, high := controllers.NewPasswords(bcrypt.MinCost), controllers.NewPasswords(bcrypt.MinCost+1)
	for _, password := range []string{"short", "correct horse", strings.Repeat("x", 72) + "tail"} {
		made, err := bcrypt.GenerateFromPassword([]byte(password)[:min(len(password), 72)], bcrypt.MinCost)
		if err != nil {
			t.Fatal(err)
		}
		hash, err := high.Renew(t.Context(), string(made), password)
		if cost, _ := bcrypt.Cost([]byte(hash)); err != nil || cost != bcrypt.MinCost+1 || !fits(t, high, hash, password) {
			t.Errorf("%q: %q, %v", password, hash, err)
		}
		for name, again := range map[string]*controllers.Passwords{"the same": high, "a lower": low} {
			if hash, err := again.Renew(t.Context(), hash, password); hash != "" || err != nil {
				t.Errorf("at %s cost: %q, %v", name, hash, err)
			}
		}
	}
}
