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
		`{"_id":42,` + base + `}`:                                      with(func(u *user.User) { u.ID, u.NumericID = "42", true }),
		`{"_id":{"$numberLong":"9007199254740993"},` + base + `}`:      with(func(u *user.User) { u.ID, u.NumericID = "9007199254740993", true }),
		`{"_id":{"$numberInt":"7"},` + base + `}`:                      with(func(u *user.User) { u.ID, u.NumericID = "7", true }),
		`{"_id":null,"role":null,"username":null,` + base + `}`:        with(same),
		`{"email":" A@B.C ","password":"` + hash + `"}`:                with(same),
		`{"email":"x@y.z","EMAIL":"x@y.z",` + base + `}`:               with(same),
		`{"password":"x","Role":"admin","Username":"x",` + base + `}`:  with(same),

		`{"_id":1.0,` + base + `}`:                                                              with(func(u *user.User) { u.ID, u.NumericID = "1", true }),
		`{"_id":-0.0,` + base + `}`:                                                             with(func(u *user.User) { u.ID, u.NumericID = "0", true }),
		`{"_id":1.5,` + base + `}`:                                                              with(func(u *user.User) { u.ID, u.NumericID = "1.5", true }),
		`{"_id":1.732483498123E+12,` + base + `}`:                                               with(func(u *user.User) { u.ID, u.NumericID = "1732483498123", true }),
		`{"_id":{"$numberDouble":"1.0"},` + base + `}`:                                          with(func(u *user.User) { u.ID, u.NumericID = "1", true }),
		`{"_id":{"$numberDouble":"1.732E+3"},` + base + `}`:                                     with(func(u *user.User) { u.ID, u.NumericID = "1732", true }),
		`{"_id":{"$uuid":"3B241101-E2BB-4255-8CAF-4136C566A962"},` + base + `}`:                 with(func(u *user.User) { u.ID = "3b241101-e2bb-4255-8caf-4136c566a962" }),
		`{"_id":{"$binary":{"base64":"OyQRAeK7QlWMr0E2xWapYg==","subType":"04"}},` + base + `}`: with(func(u *user.User) { u.ID = "3b241101-e2bb-4255-8caf-4136c566a962" }),
		`{"_id":{"$binary":"OyQRAeK7QlWMr0E2xWapYg==","$type":"04"},` + base + `}`:              with(func(u *user.User) { u.ID = "3b241101-e2bb-4255-8caf-4136c566a962" }),
		`{"id":"x",` + base + `}`:                                                               with(func(u *user.User) { u.ID = "x" }),
		`{"_id":"y","id":"x",` + base + `}`:                                                     with(func(u *user.User) { u.ID = "y" }),
		`{"_id":null,"id":{"$oid":"` + oid + `"},` + base + `}`:                                 with(func(u *user.User) { u.ID = oid }),

		`{` + base + `,"username":" Ada ","name":"x","fullName":"y"}`:                  with(func(u *user.User) { u.Username, u.FullName = "Ada", user.FullName{Whole: "y"} }),
		`{` + base + `,"username":"","name":"x"}`:                                      with(func(u *user.User) { u.FullName = user.FullName{Whole: "x"} }),
		`{` + base + `,"username":null,"name":"x","fullName":" y\t z\u202e "}`:         with(func(u *user.User) { u.FullName = user.FullName{Whole: "y z"} }),
		`{` + base + `,"username":12}`:                                                 with(func(u *user.User) { u.Username = "12" }),
		`{` + base + `,"username":"A@B.c"}`:                                            with(func(u *user.User) { u.Username = "A@B.c" }),
		`{` + base + `,"fullName":{"firstName":"Ada","lastName":"Lovelace"}}`:          with(func(u *user.User) { u.FullName = user.FullName{First: "Ada", Last: "Lovelace"} }),
		`{` + base + `,"fullName":{"firstName":"Ada","middleName":"K","lastName":""}}`: with(func(u *user.User) { u.FullName = user.FullName{Whole: "Ada K"} }),
		`{` + base + `,"name":{"last":"Lovelace","first":"Ada"}}`:                      with(func(u *user.User) { u.FullName = user.FullName{First: "Ada", Last: "Lovelace"} }),
		`{` + base + `,"firstName":"Ada","lastName":"Lovelace"}`:                       with(func(u *user.User) { u.FullName = user.FullName{First: "Ada", Last: "Lovelace"} }),
		`{` + base + `,"fullName":7,"name":["x"]}`:                                     with(same),
		`{` + base + `,"name":"` + hash + hash + hash + hash + `"}`:                    with(func(u *user.User) { u.FullName = user.FullName{Whole: (hash + hash + hash + hash)[:200]} }),

		`{"email":"a@b.c"}`:                 with(func(u *user.User) { u.PasswordHash = user.NoPassword }),
		`{"email":"a@b.c","password":null}`: with(func(u *user.User) { u.PasswordHash = user.NoPassword }),
		`{"email":"a@b.c","password":""}`:   with(func(u *user.User) { u.PasswordHash = user.NoPassword }),

		`{` + base + `,"role":["seller"]}`:                         with(func(u *user.User) { u.Role = "seller" }),
		`{` + base + `,"roles":["admin"]}`:                         with(func(u *user.User) { u.Role = "admin" }),
		`{` + base + `,"role":"x","roles":["y"]}`:                  with(func(u *user.User) { u.Role = "x" }),
		`{` + base + `,"roles":[]}`:                                with(same),
		`{` + base + `,"isAdmin":true,"role":"admin"}`:             with(func(u *user.User) { u.Role = "admin" }),
		`{` + base + `,"isAdmin":false}`:                           with(same),
		`{"email":"a..b.@Ezweb.ne.jp.","password":"` + hash + `"}`: with(func(u *user.User) { u.Email = "a..b.@ezweb.ne.jp." }),

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
		got, err := personOf(doc)
		if err != nil || got.User != want || len(got.notes) > 0 {
			t.Errorf("%s:\ngot  %+v, %v\nwant %+v", doc, got, err, want)
		}
	}
}

// now is the time at which the tests read documents.
var now = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)

// personOf returns the person of the last document of an export.
func personOf(export string) (p person, err error) {
	for e := newExport(strings.NewReader(export)); ; {
		r, last := e.next()
		if last != nil {
			return p, err
		}
		if err = r.err; err == nil {
			p, err = decodePerson(r.doc, now)
		}
	}
}

// TestNotes checks what is reported about people who are imported.
func TestNotes(t *testing.T) {
	t.Parallel()
	const noName = "username cannot be used here: they are imported without it, and log in with their email"
	base := `"email":"a@b.c","password":"` + hash + `"`
	for doc, want := range map[string]string{
		`{` + base + `,"username":{"first":"x"}}`:       noName,
		`{` + base + `,"username":true}`:                noName,
		`{` + base + `,"username":"a\u202eb"}`:          noName,
		`{` + base + `,"username":"eve@b.c"}`:           noName,
		`{` + base + `,"username":"` + hash + `12345"}`: noName,
		`{` + base + `,"roles":["admin","user"]}`:       "roles has several values: they have the default role",
		`{` + base + `,"isAdmin":true}`:                 "isAdmin is not read: give them a role with gin-auth user role",
		`{` + base + `,"isAdmin":1,"role":"user"}`:      "isAdmin is not read: give them a role with gin-auth user role",
	} {
		got, err := personOf(doc)
		if notes := strings.Join(got.notes, "; "); notes != want || err != nil || got.Username != "" || got.Disabled {
			t.Errorf("%s: got %+v, %v, want %s", doc, got, err, want)
		}
	}
}

// TestFlags checks which flags deny access, and which are not understood.
func TestFlags(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		want answer
		docs []string
	}{
		{yes, []string{
			`"disabled":true`, `"isDisabled":true`, `"banned":true`, `"isBanned":true`, `"isBlocked":true`, `"blocked":true`,
			`"suspended":true`, `"isDeleted":true`, `"deleted":true`, `"is_deleted":true`, `"Banned":"true"`, `"banned":1`,
			`"banned":"yes"`, `"banned":{"$numberInt":"1"}`, `"isActive":false`, `"active":false`, `"is_active":0`,
			`"isActive":"false"`, `"isVerified":false`, `"enabled":false`,
			`"deletedAt":{"$date":"2020-01-02T03:04:05Z"}`, `"deleted_at":"2020-01-02T03:04:05Z"`, `"deletedAt":1577934245678`,
			`"deletedAt":true`, `"banned":{"$date":"2020-01-02T03:04:05Z"}`,
			`"status":"banned"`, `"status":" Inactive "`, `"status":"pending"`, `"accountStatus":"deleted"`, `"status":false`,
			`"account":{"status":"suspended"}`, `"status":{"banned":true}`, `"status":{"isActive":false}`,
			`"account":{"moderation":{"isBanned":true}}`, `"account":{"state":"blocked"}`, `"flags":{"is_banned":1}`,
			`"banned":false,"deleted":true`, `"status":"online","deleted":true`,
		}},
		{no, []string{
			`"disabled":false`, `"banned":"false"`, `"banned":0`, `"deleted":""`, `"deletedAt":null`, `"deletedAt":""`, `"deletedAt":false`,
			`"isActive":true`, `"active":1`, `"isVerified":true`, `"emailVerified":true`, `"emailVerified":{"$date":"2020-01-02T03:04:05Z"}`,
			`"status":"active"`, `"status":"Active"`, `"status":true`, `"status":null`, `"status":{"active":true}`,
			`"bannedUntil":{"$date":"2020-01-02T03:04:05Z"}`, `"bannedUntil":null`,
			`"address":{"state":"banned"}`, `"profile":{"state":"CA"}`, `"address":{"city":"x","deleted":false}`,
			`"subscription":{"status":"active"}`, `"sessions":[{"active":false}]`, `"bannedWords":true`, `"banner":true`,
			`"createdAt":{"$date":"2020-01-02T03:04:05Z"}`,
		}},
		{unclear, []string{
			`"banned":"perhaps"`, `"banned":[]`, `"banned":{}`, `"ban":{"reason":"x"}`, `"isActive":""`, `"isActive":"perhaps"`,
			`"isActive":[true]`, `"status":"online"`, `"status":1`, `"status":""`, `"status":["active"]`, `"status":{"code":1}`,
			`"deletedAt":{"$date":"2099-01-02T03:04:05Z"}`, `"deletedAt":"never"`, `"bannedUntil":{"$date":"2099-01-02T03:04:05Z"}`,
			`"emailVerified":false`, `"isApproved":false`, `"subscription":{"status":"canceled"}`, `"address":{"deleted":true}`,
			`"twoFactor":{"active":false}`,
		}},
	} {
		for _, fields := range test.docs {
			got, err := personOf(`{"email":"a@b.c","password":"` + hash + `",` + fields + `}`)
			noted := len(got.notes) == 1 && strings.HasSuffix(got.notes[0], " is not understood: they are disabled here")
			if err != nil || got.Disabled != (test.want != no) || noted != (test.want == unclear) || len(got.notes) > 1 {
				t.Errorf("%s: disabled %t, notes %q, %v", fields, got.Disabled, got.notes, err)
			}
		}
	}
}

// TestRefusedDocuments checks the reasons, which do not show the fields' values.
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
		with(`"role":"` + hash + hash + `"`): "role must have",

		with(`"_id":""`):                                               "_id must have",
		with(`"_id":"a\u0000b"`):                                       "_id must have",
		with(`"_id":"` + hash + hash + hash + `"`):                     "_id must have",
		with(`"_id":{"$oid":"secret"}`):                                "_id is not an ObjectId",
		with(`"_id":{"$oid":7}`):                                       "_id is not an ObjectId",
		with(`"_id":{"$binary":{"base64":"c2VjcmV0","subType":"03"}}`): "_id is neither",
		with(`"_id":{"$numberDouble":"NaN"}`):                          "_id is neither",
		with(`"_id":1e999`):                                            "_id is neither",
		with(`"_id":true`):                                             "_id is neither",
		with(`"id":true`):                                              "id is neither",
		with(`"role":[["secret"]]`):                                    "role is not a string",
		with(`"role":7`):                                               "role is not a string",
		with(`"_id":["secret"]`):                                       "_id is neither",
	} {
		_, err := personOf(doc)
		if err == nil || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("%q: got %v, want %s", doc, err, want)
			continue
		}
		if text := err.Error(); strings.Contains(text, "secret") || strings.Contains(text, "c2Vj") || strings.Contains(text, hash[:9]) {
			t.Errorf("%q: the reason shows the value: %s", doc, text)
		}
	}
}
