package cli

import (
	"bytes"
	"testing"
	"unicode/utf8"
)

// FuzzImport reads anything as an export: it ends, and what it takes of it can be stored and logged in with.
func FuzzImport(f *testing.F) {
	for _, text := range []string{line("ada@b.c"), "[" + line("a@b.c", `"_id":{"$oid":"`+oid+`"}`) + ",7]", "{\n  \"email\": \"a@b.c\"\n}\n{", "\xef\xbb\xbf[", "[{}", line("a@b.c") + line("b@b.c", `"createdAt":{"$date":{"$numberLong":"1"}}`)} {
		f.Add([]byte(text))
	}
	o := testOptions("127.0.0.1:1")
	f.Fuzz(func(t *testing.T, text []byte) {
		count := 0
		for r, err := range records(bytes.NewReader(text)) {
			if count++; count > len(text)+1 {
				t.Fatalf("%d records of %d bytes", count, len(text))
			}
			if err != nil || r.err != nil {
				continue
			}
			doc, err := parseDocument(r.text)
			if err != nil {
				continue
			}
			user, err := o.user(doc)
			if err != nil {
				continue
			}
			if user.Email == "" || user.PasswordHash[:2] != "$2" || len(user.PasswordHash) != 60 {
				t.Errorf("%q is taken as %+v", r.text, user)
			}
			for _, text := range []string{user.ID, user.Email, user.Username, user.Role} {
				if !utf8.ValidString(text) {
					t.Errorf("%q is stored of %q", text, r.text)
				}
			}
		}
	})
}
