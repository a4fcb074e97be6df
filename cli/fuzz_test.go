package cli

import (
	"bytes"
	"testing"
	"unicode/utf8"

	"gin-auth/user"
)

// FuzzImport reads any input as an export. Reading must end, and each user in it can be stored and can log in.
func FuzzImport(f *testing.F) {
	for _, text := range []string{line("ada@b.c"), "[" + line("a@b.c", `"_id":{"$oid":"`+oid+`"}`) + ",7]", "{\n  \"email\": \"a@b.c\"\n}\n{", "\xef\xbb\xbf[", "[{}", line("a@b.c") + line("b@b.c", `"createdAt":{"$date":{"$numberLong":"1"}}`)} {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		e := newExport(bytes.NewReader(text))
		for count := 1; ; count++ {
			r, err := e.next()
			if err != nil {
				return
			}
			if count > len(text)+1 {
				t.Fatalf("%d records of %d bytes", count, len(text))
			}
			if r.err != nil {
				continue
			}
			got, err := decodePerson(r.doc, now)
			if err != nil {
				continue
			}
			if got.Email == "" || got.PasswordHash != user.NoPassword && !user.IsHash(got.PasswordHash) {
				t.Errorf("%q is taken as %+v", r.doc, got)
			}
			for _, text := range []string{got.ID, got.Email, got.Username, got.FullName.String(), got.Role} {
				if !utf8.ValidString(text) {
					t.Errorf("%q is stored of %q", text, r.doc)
				}
			}
		}
	})
}
