package user_test

import (
	"errors"
	"regexp"
	"strings"
	"testing"
	"time"

	"golang.org/x/text/secure/precis"

	"gin-auth/user"
)

func TestCleanEmail(t *testing.T) {
	t.Parallel()
	checkCleaned(t, "email", user.CleanEmail, map[string]string{
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
		strings.Repeat("a", 64) + "@example.com":  strings.Repeat("a", 64) + "@example.com",
		strings.Repeat("a", 65) + "@example.com":  "",
		"a@" + strings.Repeat("e", 63) + ".com":   "a@" + strings.Repeat("e", 63) + ".com",
		"a@" + strings.Repeat("e", 64) + ".com":   "",
		"ada@bücher.example":                      "ada@bücher.example",
		"ada@xn--bcher-kva.example":               "ada@xn--bcher-kva.example",
		"a@-e.com":                                "",
		"a@e-.com":                                "",
		"a@e-e.com":                               "a@e-e.com",
		"a@e_e.com":                               "",
		"a@e..com":                                "",
		"a@e.com.":                                "",
		"a..b@e.com":                              "",
		"a.@e.com":                                "",
		".a@e.com":                                "",
		"a@[192.0.2.1]":                           "",
		"a@192.0.2.1":                             "",
		"a@e.1com":                                "a@e.1com",
		"a\u200bb@e.com":                          "",
		"a\u00a0b@e.com":                          "",
		"a@e\u200b.com":                           "",
	})
}

// TestCleanExistingEmail checks that addresses which mail servers accept are accepted, even if no standard allows them.
func TestCleanExistingEmail(t *testing.T) {
	t.Parallel()
	checkCleaned(t, "email", user.CleanExistingEmail, map[string]string{
		" Ada@Example.COM\t":                "ada@example.com",
		"a..b@docomo.ne.jp":                 "a..b@docomo.ne.jp",
		"a.@ezweb.ne.jp":                    "a.@ezweb.ne.jp",
		".a@ezweb.ne.jp":                    ".a@ezweb.ne.jp",
		"a@example.com.":                    "a@example.com.",
		"a@-e.com":                          "a@-e.com",
		"a@e_e.com":                         "a@e_e.com",
		"\u212aelvin@e.com":                 "kelvin@e.com",
		"":                                  "",
		"ada":                               "",
		"ada@":                              "",
		"@example.com":                      "",
		"a@b@c.com":                         "",
		"a b@e.com":                         "",
		"a@e.com, b@e.com":                  "",
		"Ada <ada@e.com>":                   "",
		"a\u200bb@e.com":                    "",
		"a\u202eb@e.com":                    "",
		"a@e.com\x00":                       "",
		"a\u00a0b@e.com":                    "",
		strings.Repeat("a", 250) + "@e.com": "",
	})
}

func TestCleanUsername(t *testing.T) {
	t.Parallel()
	checkCleaned(t, "username", func(name string) (string, error) { return user.CleanUsername(name, " Ada@Example.com") }, map[string]string{
		"ada":                   "ada",
		"  Ada Lovelace ":       "Ada Lovelace",
		"<b>é</b>":              "<b>é</b>",
		"Zoë 🎉":                 "Zoë 🎉",
		"\u1112\u1161\u11ab":    "\u1112\u1161\u11ab", // decomposed Hangul
		"ada@example.com":       "ada@example.com",
		"ADA＠example.com":       "ADA＠example.com",
		"eve@example.com":       "",
		"eve＠example.com":       "",
		"@":                     "",
		strings.Repeat("é", 64): strings.Repeat("é", 64),
		strings.Repeat("é", 65): "",
		"":                      "",
		" \t":                   "",
		"a\nb":                  "",
		"a\x00b":                "",
		"a\u0085b":              "",
		"a\u00adb":              "", // soft hyphen
		"a\u200bb":              "", // zero width space
		"a\u200db":              "", // zero width joiner
		"a\u200eb":              "", // left-to-right mark
		"a\u202eb":              "", // right-to-left override
		"a\u2066b":              "", // left-to-right isolate
		"a\u2028b":              "", // line separator
		"a\u2800b":              "", // braille pattern blank
		"a\u3164b":              "", // Hangul filler
		"a\ufe0fb":              "", // variation selector
		"a\ufeffb":              "", // byte order mark
		"a\ufff9b":              "", // interlinear annotation
		"a\ufffdb":              "",
		"a\U000e0041b":          "", // tag
		"a\U0010ffffb":          "", // not a character
		"\u0378":                "", // not assigned
	})
}

// TestFoldUsername checks which names count as the same.
func TestFoldUsername(t *testing.T) {
	t.Parallel()
	for _, same := range [][]string{
		{"ada", "Ada", "ＡＤＡ", " ada ", "a\u200bda", "\u202eada", "ad\u00ada"},
		{"ada lovelace", "Ada  Lovelace", "ada\u00a0lovelace", "ADA\u3000LOVELACE"},
		{"kelvin", "\u212aelvin"},
		{"zoë", "Zoe\u0308"},
		{"\ud55c", "\u1112\u1161\u11ab"},
		{"❤", "❤\ufe0f"},
		{"", " ", "\u200b", "\u0378"},
	} {
		for _, name := range same {
			got := user.FoldUsername(name)
			if got != same[0] || user.FoldUsername(got) != got {
				t.Errorf("%q is folded to %q, want %q", name, got, same[0])
			}
		}
	}
	for r := ' '; r <= '~'; r++ { // the shortcut for ASCII has the same result as PRECIS
		name := " a" + string(r) + "  B "
		if want, err := precis.Nickname.CompareKey(name); user.FoldUsername(name) != want || err != nil {
			t.Errorf("%q is folded to %q, want %q, %v", name, user.FoldUsername(name), want, err)
		}
	}
	if user.FoldUsername("ada") == user.FoldUsername("\u0430da") { // a Cyrillic letter: see docs/security.md
		t.Error("letters of two scripts count as the same")
	}
}

// checkCleaned checks the results of clean. "" means an error that names the field.
func checkCleaned(t *testing.T, field string, clean func(string) (string, error), values map[string]string) {
	t.Helper()
	for value, want := range values {
		got, err := clean(value)
		if got != want || (err == nil) != (want != "") || !isInvalid(err, field) {
			t.Errorf("%q: %q, %v; want %q", value, got, err, want)
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
