package parity

import (
	"fmt"
	"slices"
	"strings"
)

var userGroup = group{
	name:  "users",
	about: "registrations and logins that succeed and fail, with the same users on both sides",
	cases: slices.Concat(loginCases, nameLoginCases, registerCases, memberCases),
}

// logIn is a login of one of the users.
func logIn(name, password string) string { return postJSON(login, credentials(name, password)) }

var loginCases = []testCase{
	{name: "good", request: logIn("ada", "correct horse"), diverges: "jti"},
	{name: "good, with an old cookie", request: postJSON(login, adaLogin, withToken), diverges: "jti"},
	{name: "good, with a revoked cookie", redis: revoked, request: postJSON(login, adaLogin, withToken), diverges: "jti"},
	{name: "good, a hash of version 2b, HTML in the name", request: logIn("html", "correct horse"), diverges: "jti"},
	{name: "good, a hash of version 2y, an id that is a number, no name", request: logIn("y", "correct horse"), diverges: "jti"},
	{name: "good, Unicode", request: logIn("uni", "p\u00e4ssw\u00f6rd 😀"), diverges: "jti"},
	{name: "good, Unicode escaped", request: postJSON(login, `{"email":"seeded-uni@example.com","password":"p\u00e4ssw\u00f6rd \ud83d\ude00"}`), diverges: "jti"},
	{name: "Unicode decomposed", request: logIn("uni", "pa\u0308sswo\u0308rd 😀"), diverges: "accents"},
	{name: "good, spaces around", request: logIn("space", " space "), diverges: "jti"},
	{name: "spaces missing", request: logIn("space", "space")},
	{name: "good, 80 bytes", request: logIn("long", strings.Repeat("0123456789", 8)), diverges: "jti"},
	{name: "72 of 80 bytes", request: logIn("long", strings.Repeat("0123456789", 8)[:72]), diverges: "jti"},
	{name: "72 of 80 bytes and others", request: logIn("long", strings.Repeat("0123456789", 8)[:72]+"x"), diverges: "jti"},
	{name: "71 of 80 bytes", request: logIn("long", strings.Repeat("0123456789", 8)[:71])},
	{name: "10 KB", request: logIn("ada", strings.Repeat("x", 10_000))},
	{name: "good, a NUL inside", request: postJSON(login, `{"email":"seeded-nul@example.com","password":"secret\u0000tail"}`), diverges: "jti"},
	{name: "to the NUL", request: logIn("nul", "secret")},
	{name: "other behind the NUL", request: postJSON(login, `{"email":"seeded-nul@example.com","password":"secret\u0000head"}`)},
	{name: "NUL behind", request: postJSON(login, `{"email":"seeded-ada@example.com","password":"correct horse\u0000"}`)},
	{name: "lone surrogate", request: postJSON(login, `{"email":"seeded-odd@example.com","password":"\ud800"}`), diverges: "surrogates"},
	{name: "byte that is no UTF-8", request: postJSON(login, "{\"email\":\"seeded-odd@example.com\",\"password\":\"\xff\"}"), diverges: "jti"},
	{name: "wrong password", request: logIn("ada", "wrong horse")},
	{name: "password in upper case", request: logIn("ada", "CORRECT HORSE")},
	{name: "password with a space behind", request: logIn("ada", "correct horse ")},
	{name: "the hash for password", request: logIn("ada", "$2a$04$")},
	{name: "unknown user", request: logIn("nobody", "correct horse")},
	{name: "unknown user, wrong password", request: logIn("nobody", "x")},
	{name: "no address", request: postJSON(login, `{"email":"ada","password":"correct horse"}`)},
	{name: "wildcard", request: postJSON(login, `{"email":"*","password":"correct horse"}`)},
	{name: "constructor", request: postJSON(login, `{"email":"__proto__","password":"x"}`)},
	{name: "address in upper case", request: postJSON(login, `{"email":"SEEDED-ADA@EXAMPLE.COM","password":"correct horse"}`), diverges: "jti"},
	{name: "address with a Kelvin sign", request: postJSON(login, `{"email":"seeded-ada@example.com\u212a","password":"correct horse"}`)},
	{name: "address with a dotted I", request: postJSON(login, `{"email":"\u0130","password":"correct horse"}`)},
	{name: "address with spaces around", request: postJSON(login, `{"email":" seeded-ada@example.com ","password":"correct horse"}`), diverges: "field-rules"},
	{name: "address with a line break behind", request: postJSON(login, `{"email":"seeded-ada@example.com\n","password":"correct horse"}`), diverges: "field-rules"},
	{name: "address with a NUL behind", request: postJSON(login, `{"email":"seeded-ada@example.com\u0000","password":"correct horse"}`)},
	{name: "password of spaces", request: logIn("ada", "   "), diverges: "field-rules"},
	{name: "address of spaces", request: postJSON(login, `{"email":"   ","password":"x"}`), diverges: "field-rules"},

	{name: "no fields", request: postJSON(login, `{}`)},
	{name: "no email", request: postJSON(login, `{"password":"x"}`)},
	{name: "no password", request: postJSON(login, `{"email":"seeded-ada@example.com"}`)},
	{name: "empty email", request: postJSON(login, `{"email":"","password":"x"}`)},
	{name: "empty password", request: postJSON(login, `{"email":"seeded-ada@example.com","password":""}`)},
	{name: "null email", request: postJSON(login, `{"email":null,"password":"x"}`)},
	{name: "null password", request: postJSON(login, `{"email":"seeded-ada@example.com","password":null}`)},
	{name: "Email", request: postJSON(login, `{"Email":"seeded-ada@example.com","password":"correct horse"}`)},
	{name: "PASSWORD", request: postJSON(login, `{"email":"seeded-ada@example.com","PASSWORD":"correct horse"}`)},
	{name: "email a number", request: postJSON(login, `{"email":42,"password":"x"}`), diverges: "wording"},
	{name: "password a number", request: postJSON(login, `{"email":"seeded-ada@example.com","password":42}`), diverges: "wording"},
	{name: "password true", request: postJSON(login, `{"email":"seeded-ada@example.com","password":true}`), diverges: "wording"},
	{name: "email an array", request: postJSON(login, `{"email":["seeded-ada@example.com"],"password":"x"}`), diverges: "wording"},
	{name: "email an operator", request: postJSON(login, `{"email":{"$gt":""},"password":{"$gt":""}}`), diverges: "wording"},
	{name: "password an object", request: postJSON(login, `{"email":"seeded-ada@example.com","password":{"length":1}}`), diverges: "wording"},

	{name: "me after login", before: []string{postJSON(login, adaLogin)}, request: askMe},
}

// nameLoginCases are logins with a username, or with a username and an email.
var nameLoginCases = []testCase{
	{name: "by username", request: logInBy(`"username":"Ada"`), diverges: "jti"},
	{name: "by username, HTML", request: logInBy(`"username":"<b>\"Ada\" & \\ Co</b>\u2028\u00e9😀"`), diverges: "jti"},
	{name: "by username, an empty email", request: logInBy(`"email":"","username":"Ada"`), diverges: "jti"},
	{name: "by username, no email", request: logInBy(`"email":null,"username":"Ada"`), diverges: "jti"},
	{name: "by username, wrong password", request: postJSON(login, `{"username":"Ada","password":"wrong horse"}`)},
	{name: "by username, unknown", request: logInBy(`"username":"nobody"`)},
	{name: "by username, a wildcard", request: logInBy(`"username":"*"`)},
	{name: "by username, in another case", request: logInBy(`"username":"aDA"`), diverges: "login-names"},
	{name: "by username, with spaces around", request: logInBy(`"username":" Ada "`), diverges: "login-names"},
	{name: "by username, wide letters", request: logInBy(`"username":"Ａｄａ"`), diverges: "login-names"},
	{name: "by an email for username", request: logInBy(`"username":"seeded-ada@example.com"`), diverges: "login-names"},
	{name: "by both", request: logInBy(`"email":"seeded-ada@example.com","username":"Ada"`), diverges: "jti"},
	{name: "by both, an unknown username", request: logInBy(`"email":"seeded-ada@example.com","username":"nobody"`), diverges: "jti"},
	{name: "by both, of two users, email first stored", request: logInBy(`"email":"seeded-ada@example.com","username":"Uni"`), diverges: "jti"},
	{name: "by both, of two users, username first stored",
		request:  postJSON(login, `{"email":"seeded-space@example.com","username":"Ada","password":" space "}`),
		diverges: "two-names jti"},
	{name: "by neither", request: logInBy(`"email":"","username":""`)},
	{name: "by a username that is a number", request: logInBy(`"username":42`), diverges: "wording"},
	{name: "by a username of spaces", request: logInBy(`"username":"  "`), diverges: "field-rules"},
	{name: "by USERNAME", request: logInBy(`"USERNAME":"Ada"`)},
	{name: "new, then by username", before: []string{register("Bob 5", "by-name@example.com", "correct horse")},
		request: logInBy(`"username":"Bob 5"`), diverges: "jti"},
	{name: "new with fullName, then by username", before: []string{registerMore("Bob 6", `"fullName":{"firstName":"B","lastName":"Six"}`)},
		request: logInBy(`"username":"Bob 6"`), diverges: "jti"},
}

// logInBy is a login with these members and the password of most users.
func logInBy(members string) string {
	return postJSON(login, `{`+members+`,"password":"correct horse"}`)
}

// register is a registration.
func register(username, email, password string) string {
	return postJSON(signup, fmt.Sprintf(`{"username":%q,"email":%q,"password":%q}`, username, email, password))
}

var registerCases = []testCase{
	{name: "new", request: register("New", "new@example.com", "correct horse"), diverges: "users-in-redis jti"},
	{name: "new, then login", before: []string{register("Bob 1", "then@example.com", "correct horse")},
		request: postJSON(login, `{"email":"then@example.com","password":"correct horse"}`), diverges: "jti"},
	{name: "new, then login with another password", before: []string{register("Bob 2", "then-wrong@example.com", "correct horse")},
		request: postJSON(login, `{"email":"then-wrong@example.com","password":"wrong horse"}`)},
	{name: "new, then once more", before: []string{register("Bob 3", "twice@example.com", "correct horse")},
		request: register("Bob 3", "twice@example.com", "correct horse")},
	{name: "new, then in another case", before: []string{register("Bob 4", "case@example.com", "correct horse")},
		request: register("Bob 4", "CASE@Example.com", "correct horse")},
	{name: "new, with a cookie", request: postJSON(signup, `{"username":"A8","email":"cookie@example.com","password":"correct horse"}`, withToken), diverges: "users-in-redis jti"},
	{name: "taken", request: register("Ada", "seeded-ada@example.com", "correct horse")},
	{name: "taken, in another case", request: register("Ada", "Seeded-Ada@Example.com", "correct horse")},
	{name: "HTML in the name", request: register("<b>&'</b>", "html@example.com", "correct horse"), diverges: "users-in-redis jti"},
	{name: "Unicode in the name", request: postJSON(signup, `{"username":"é 😀 漢字","email":"uni@example.com","password":"correct horse"}`), diverges: "users-in-redis jti"},
	{name: "more members in a registration", request: postJSON(signup, `{"username":"A9","email":"more@example.com","password":"correct horse","id":"1"}`), diverges: "users-in-redis jti"},
	{name: "a plus in the address", request: register("A1", "a+b@example.com", "correct horse"), diverges: "users-in-redis jti"},
	{name: "72 bytes in the password", request: register("A2", "72@example.com", strings.Repeat("x", 72)), diverges: "users-in-redis jti"},
	{name: "address registered in upper case", request: register("A3", "UPPER@Example.com", "correct horse"), diverges: "users-in-redis field-rules"},
	{name: "name with spaces around", request: register(" A ", "spaces@example.com", "correct horse"), diverges: "users-in-redis field-rules"},
	{name: "no address in a registration", request: register("A4", "nobody", "correct horse"), diverges: "field-rules"},
	{name: "a name with the address", request: register("A5", "A <a@example.com>", "correct horse"), diverges: "field-rules"},
	{name: "5 characters in the password", request: register("A6", "five@example.com", "five5"), diverges: "field-rules"},
	{name: "73 bytes in the password", request: register("A7", "73@example.com", strings.Repeat("x", 73)), diverges: "field-rules"},
	{name: "65 characters in the name", request: register(strings.Repeat("é", 65), "65@example.com", "correct horse"), diverges: "field-rules"},
	{name: "control characters in the name", request: postJSON(signup, `{"username":"a\u0007","email":"bell@example.com","password":"correct horse"}`), diverges: "field-rules"},
	{name: "invisible characters in the name", request: postJSON(signup, `{"username":"a\u202e","email":"bidi@example.com","password":"correct horse"}`), diverges: "field-rules"},
	{name: "somebody's address for a name", request: register("eve@example.com", "eva@example.com", "correct horse"), diverges: "field-rules"},
	{name: "the name of another user", request: register("Space", "other@example.com", "correct horse")},
	{name: "the name of another user, in another case", request: register("space", "other-case@example.com", "correct horse"), diverges: "usernames"},
	{name: "new, then another with that name", before: []string{register("Bob 7", "seven@example.com", "correct horse")},
		request: register("Bob 7", "another-seven@example.com", "correct horse")},
	{name: "the name of another user, wide and in capitals", request: register(" ＬＯＮＧ", "another@example.com", "correct horse"), diverges: "usernames"},
	{name: "a name of spaces", request: register("  ", "blank@example.com", "correct horse"), diverges: "field-rules"},
	{name: "no fields in a registration", request: postJSON(signup, `{}`)},
	{name: "no username", request: postJSON(signup, `{"email":"a@example.com","password":"correct horse"}`)},
	{name: "no email in a registration", request: postJSON(signup, `{"username":"A10","password":"correct horse"}`)},
	{name: "no password in a registration", request: postJSON(signup, `{"username":"A11","email":"a@example.com"}`)},
	{name: "empty username", request: register("", "a@example.com", "correct horse")},
	{name: "null username", request: postJSON(signup, `{"username":null,"email":"a@example.com","password":"correct horse"}`)},
	{name: "username a number", request: postJSON(signup, `{"username":1,"email":"a@example.com","password":"correct horse"}`), diverges: "wording"},
	{name: "email an operator in a registration", request: postJSON(signup, `{"username":"A12","email":{"$gt":""},"password":"correct horse"}`), diverges: "wording"},
	{name: "a registration in a form", request: sendBody("POST", signup, "application/x-www-form-urlencoded", "username=A&email=a%40example.com&password=x"), diverges: "wording", express5: "no-body"},
	{name: "a broken registration", request: postJSON(signup, `{"username":"A13",`), diverges: "wording"},
	{name: "a registration of nothing", request: post(signup), diverges: "wording", express5: "no-body"},
	{name: "a registration of 110 KB", request: postJSON(signup, tooLarge), diverges: "pages"},
}

// registerMore is a registration with additional members.
func registerMore(username, members string) string {
	address := strings.ReplaceAll(strings.ToLower(username), " ", "-") + "@more.example.com"
	return postJSON(signup, fmt.Sprintf(`{"username":%q,"email":%q,"password":"correct horse",%s}`, username, address, members))
}

// memberCases are registrations with a full name or a role.
var memberCases = []testCase{
	{name: "fullName", request: registerMore("M1", `"fullName":{"firstName":"Ada","lastName":"Lovelace"}`), diverges: "users-in-redis jti"},
	{name: "fullName, HTML", request: registerMore("M2", `"fullName":{"firstName":"<b>&","lastName":"O'Neil \u00e9😀"}`), diverges: "users-in-redis jti"},
	{name: "fullName, one part", request: registerMore("M3", `"fullName":{"firstName":"Ada"}`), diverges: "users-in-redis jti"},
	{name: "fullName, more parts", request: registerMore("M4", `"fullName":{"firstName":"Ada","lastName":"L","middle":"K"}`), diverges: "users-in-redis jti"},
	{name: "fullName null", request: registerMore("M5", `"fullName":null`), diverges: "users-in-redis jti"},
	{name: "fullName with spaces around", request: registerMore("M6", `"fullName":{"firstName":" Ada ","lastName":"L"}`), diverges: "users-in-redis jti field-rules"},
	{name: "fullName empty", request: registerMore("M7", `"fullName":{"firstName":"","lastName":""}`), diverges: "users-in-redis jti field-rules"},
	{name: "fullName too long", request: registerMore("M8", `"fullName":{"firstName":"`+strings.Repeat("x", 201)+`"}`), diverges: "field-rules"},
	{name: "fullName a number", request: registerMore("M9", `"fullName":1`), diverges: "wording"},
	{name: "firstName a number", request: registerMore("M10", `"fullName":{"firstName":1}`), diverges: "wording"},
	{name: "role user", request: registerMore("M11", `"role":"user"`), diverges: "users-in-redis jti"},
	{name: "role null", request: registerMore("M12", `"role":null`), diverges: "users-in-redis jti"},
	{name: "role admin", request: registerMore("M13", `"role":"admin"`), diverges: "any-role"},
	{name: "role of another case", request: registerMore("M14", `"role":"User"`), diverges: "any-role"},
	{name: "role a number", request: registerMore("M15", `"role":1`)},
	{name: "new, then me", before: []string{register("Bob 8", "eight@example.com", "correct horse")}, request: askMe},
}
