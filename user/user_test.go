package user_test

import (
	"errors"
	"regexp"
	"strings"
	"testing"
	"time"

	"gin-auth/user"
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
		got, err := user.CleanEmail(email)
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
		got, err := user.CleanUsername(username)
		if got != want || (err == nil) != (want != "") || !isInvalid(err, "username") {
			t.Errorf("%q: %q, %v; want %q", username, got, err, want)
		}
	}
}

func TestCheckRole(t *testing.T) {
	t.Parallel()
	for role, ok := range map[string]bool{
		"admin": true, "a": true, "é admin": true, strings.Repeat("é", 64): true,
		"": false, strings.Repeat("é", 65): false, "a\nb": false, "a\x00": false,
	} {
		if err := user.CheckRole(role); (err == nil) != ok || !isInvalid(err, "role") {
			t.Errorf("%q: %v", role, err)
		}
	}
}

// isInvalid reports whether err is nil or an *InvalidError that names the field at fault.
func isInvalid(err error, field string) bool {
	var invalid *user.InvalidError
	return err == nil || errors.As(err, &invalid) && strings.HasPrefix(invalid.Message, field+" ")
}

func TestNewID(t *testing.T) {
	t.Parallel()
	at := time.Unix(0x6b050594, 0)
	form := regexp.MustCompile(`^6b050594[0-9a-f]{16}$`)
	if a, b := user.NewID(at), user.NewID(at); !form.MatchString(a) || !form.MatchString(b) || a == b {
		t.Errorf("ids %s and %s", a, b)
	}
}
