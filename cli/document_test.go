package cli

import (
	"strings"
	"testing"
	"time"

	"gin-auth/user"
)

const hash = "$2b$10$abcdefghijklmnopqrstuuGFDAtNCoUhyO1B3I3WG1qEXAMPLEabc"

func TestUserOfDocument(t *testing.T) {
	t.Parallel()
	const oid = "65a1b2c3d4e5f60718293a4b" // of 2024-01-12T21:44:35Z
	ofID := time.Unix(0x65a1b2c3, 0).UTC()
	at := time.Date(2020, 1, 2, 3, 4, 5, 0, time.UTC)
	base := `"email":"a@b.c","password":"` + hash + `"`
	with := func(change func(*user.User)) user.User {
		u := user.User{Email: "a@b.c", PasswordHash: hash}
		change(&u)
		return u
	}
	same := func(*user.User) {}
	for doc, want := range map[string]user.User{
		`{` + base + `}`: with(same),
		`{"_id":{"$oid":"` + oid + `"},` + base + `,"username":"Ada","role":"admin","__v":0,"tags":["x"]}`: with(func(u *user.User) {
			u.ID, u.Username, u.Role, u.Created = oid, "Ada", "admin", ofID
		}),
		`{"_id":{"$oid":"` + strings.ToUpper(oid) + `"},` + base + `}`: with(func(u *user.User) { u.ID, u.Created = oid, ofID }),
		`{"_id":"` + oid + `",` + base + `}`:                           with(func(u *user.User) { u.ID = oid }),
		`{"_id":"käthe",` + base + `}`:                                 with(func(u *user.User) { u.ID = "käthe" }),
		`{"_id":42,` + base + `}`:                                      with(func(u *user.User) { u.ID = "42" }),
		`{"_id":{"$numberLong":"9007199254740993"},` + base + `}`:      with(func(u *user.User) { u.ID = "9007199254740993" }),
		`{"_id":{"$numberInt":"7"},` + base + `}`:                      with(func(u *user.User) { u.ID = "7" }),
		`{"_id":null,"role":null,"username":null,` + base + `}`:        with(same),
		`{"email":" A@B.C ","password":"` + hash + `"}`:                with(same),
		`{"email":"x@y.z","EMAIL":"x@y.z",` + base + `}`:               with(same),
		`{"password":"x","Role":"admin","Username":"x",` + base + `}`:  with(same),

		`{` + base + `,"username":" Ada ","name":"x","fullName":"y"}`: with(func(u *user.User) { u.Username = "Ada" }),
		`{` + base + `,"username":"","name":"x","fullName":"y"}`:      with(func(u *user.User) { u.Username = "x" }),
		`{` + base + `,"username":null,"name":" ","fullName":"y z"}`:  with(func(u *user.User) { u.Username = "y z" }),
		`{` + base + `,"fullname":"y"}`:                               with(same),

		`{` + base + `,"createdAt":{"$date":"2020-01-02T03:04:05.678Z"}}`:                     with(func(u *user.User) { u.Created = at }),
		`{` + base + `,"createdAt":{"$date":"2020-01-02T04:04:05.678+0100"}}`:                 with(func(u *user.User) { u.Created = at }),
		`{` + base + `,"createdAt":{"$date":{"$numberLong":"1577934245678"}}}`:                with(func(u *user.User) { u.Created = at }),
		`{` + base + `,"createdAt":{"$date":1577934245678}}`:                                  with(func(u *user.User) { u.Created = at }),
		`{` + base + `,"created":"2020-01-02T03:04:05Z","createdAt":"yesterday"}`:             with(func(u *user.User) { u.Created = at }),
		`{` + base + `,"createdAt":"2020-01-02T03:04:05Z","_id":{"$oid":"` + oid + `"}}`:      with(func(u *user.User) { u.Created, u.ID = at, oid }),
		`{` + base + `,"createdAt":{"$date":{"$numberLong":"-99999999999999999"}}}`:           with(same),
		`{` + base + `,"createdAt":{"$date":{"$numberLong":"9223372036854775807"}}}`:          with(same),
		`{` + base + `,"createdAt":{"$date":{"$numberLong":"9223372036854775808"}}}`:          with(same),
		`{` + base + `,"createdAt":{"$date":true},"created":[]}`:                              with(same),
		`{"email":"a@b.c","password":"` + strings.Replace(hash, "$2b$10", "$2a$04", 1) + `"}`: with(func(u *user.User) { u.PasswordHash = strings.Replace(hash, "$2b$10", "$2a$04", 1) }),
		`{"email":"a@b.c","password":"` + strings.Replace(hash, "$2b$10", "$2y$16", 1) + `"}`: with(func(u *user.User) { u.PasswordHash = strings.Replace(hash, "$2b$10", "$2y$16", 1) }),
	} {
		got, err := userOf(doc)
		if err != nil || got != want {
			t.Errorf("%s:\ngot  %+v, %v\nwant %+v", doc, got, err, want)
		}
	}
}

// userOf returns the user of the last document of an export.
func userOf(export string) (user user.User, err error) {
	for e := newExport(strings.NewReader(export)); ; {
		r, last := e.next()
		if last != nil {
			return user, err
		}
		if err = r.err; err == nil {
			user, err = decodeUser(r.doc)
		}
	}
}

// TestRefusedDocuments checks the reasons, which show nothing of the fields' values.
func TestRefusedDocuments(t *testing.T) {
	t.Parallel()
	with := func(field string) string {
		return `{"email":"secret@b.c","password":"` + hash + `",` + field + `}`
	}
	password := func(hash string) string { return `{"email":"secret@b.c","password":"` + hash + `"}` }
	const notBcrypt = "password is not a bcrypt hash"
	for doc, want := range map[string]string{
		`{"email":"secret`:        "not valid JSON: it ends in the middle",
		`{"email":secret}`:        "not valid JSON (at byte 10 of it)",
		with(`"a":1,`):            "not valid JSON (at byte ",
		with(`"a":1`) + " secret": "not valid JSON (at byte ",
		"{} []":                   "not a JSON object",
		"null":                    "not a JSON object",
		`"secret"`:                "not a JSON object",
		"{}":                      "email is missing",
		with("\"a\":\"\xff\""):    "not valid UTF-8",
		`{"email":null}`:          "email is missing",
		`{"Email":"secret@b.c","password":"` + hash + `"}`: "email is missing",
		`{"email":["secret@b.c"]}`:                         "email is not a string",
		`{"email":"secret"}`:                               "email is not a valid address",
		`{"email":""}`:                                     "email is not a valid address",

		`{"email":"secret@b.c"}`:                         "password is missing",
		`{"email":"secret@b.c","password":null}`:         "password is missing",
		`{"email":"secret@b.c","password":7}`:            notBcrypt,
		password("secret"):                               notBcrypt,
		password(hash[:59]):                              notBcrypt,
		password(hash + "a"):                             notBcrypt,
		password(hash + `\n`):                            notBcrypt,
		password(" " + hash):                             notBcrypt,
		password(strings.Replace(hash, "2b", "2x", 1)):   notBcrypt,
		password(strings.Replace(hash, "2b", "2", 1)):    notBcrypt,
		password(strings.Replace(hash, "10", "03", 1)):   notBcrypt,
		password(strings.Replace(hash, "10", "32", 1)):   notBcrypt,
		password(strings.Replace(hash, "abc", "a-c", 1)): notBcrypt,

		with(`"role":""`):                    "role must have",
		with(`"role":"a\nb"`):                "role must have",
		with(`"role":["secret"]`):            "role is not a string",
		with(`"role":"` + hash + hash + `"`): "role must have",

		with(`"_id":""`):                           "_id must have",
		with(`"_id":"a\u0000b"`):                   "_id must have",
		with(`"_id":"` + hash + hash + hash + `"`): "_id must have",
		with(`"_id":{"$oid":"secret"}`):            "_id is not an ObjectId",
		with(`"_id":{"$oid":7}`):                   "_id is not an ObjectId",
		with(`"_id":1.5`):                          "_id is neither",
		with(`"_id":1e3`):                          "_id is neither",
		with(`"_id":{"$binary":{"base64":"c2VjcmV0","subType":"04"}}`): "_id is neither",
		with(`"_id":["secret"]`): "_id is neither",

		with(`"username":7`):                      "username is not a string",
		with(`"fullName":{"firstName":"secret"}`): "fullName is not a string",
		with(`"name":"` + hash + hash + `"`):      "name is too long",
		`{"email":"` + strings.Repeat("secret", 20) + `@b.c","password":"` + hash + `"}`: "username is missing, and the email cannot replace it",
	} {
		_, err := userOf(doc)
		if err == nil || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("%q: got %v, want %s", doc, err, want)
			continue
		}
		if text := err.Error(); strings.Contains(text, "secret") || strings.Contains(text, "c2Vj") || strings.Contains(text, hash[:9]) {
			t.Errorf("%q: the reason shows the value: %s", doc, text)
		}
	}
}
