package parity

import (
	"regexp"
	"strings"
)

var cookieGroup = group{
	name:  "cookies",
	about: "how the Cookie header is read: each spelling with a valid, a revoked and a forged token, sent to `/me` and to logout",
	cases: append(cookieCases(), jCookieCases...),
}

// cookieRow is a spelling of the Cookie header.
type cookieRow struct {
	name string
	// headers are the values of the Cookie headers, one per line.
	headers string
	// reads is the value that the original reads.
	reads string
}

const (
	none  = ""        // the cookie counts as missing
	whole = "{token}" // the token is read
	other = "other"   // another value than the token is read
)

var cookieRows = []cookieRow{
	{"plain", `token={token}`, whole},
	{"among others", `a=1; token={token}; b=2`, whole},
	{"last of many", strings.Repeat("n=v; ", 50) + `token={token}`, whole},
	{"after a long one", `a=` + strings.Repeat("x", 6000) + `; token={token}`, whole},
	{"no space behind the semicolon", `a=1;token={token};b=2`, whole},
	{"many semicolons", `;; ;token={token};;`, whole},
	{"a comma is data", `a=1,token={token}`, none},
	{"a comma behind", `token={token},a=1`, other},
	{"no cookie header", ``, none},
	{"no pair", `{token}`, none},
	{"no name", `={token}`, none},
	{"nameless before", `=a; token={token}`, whole},
	{"no equals sign", `token`, none},
	{"no equals sign before", `token; token={token}`, whole},
	{"equals signs in the value", `token==={token}`, other},
	{"an equals sign behind", `token={token}=`, other},

	{"empty", `token=`, none},
	{"empty before another", `token=; a=1`, none},
	{"empty first", `token=; token={token}`, none},
	{"twice the same", `token={token}; token={token}`, whole},
	{"first wins", `token={token}; token=x`, whole},
	{"first wins, even if junk", `token=x; token={token}`, other},
	{"blank first", "token= \t; token={token}", none},

	{"two headers", "a=1\ntoken={token}", whole},
	{"two headers, the other first", "token={token}\na=1", whole},
	{"two headers, both a token", "token={token}\ntoken=x", whole},
	{"two headers, empty first", "token=\ntoken={token}", none},
	{"two headers, junk first", "token=x\ntoken={token}", other},
	{"three headers", "a=1\nb=2; c=3\nd=4; token={token}", whole},
	{"empty header first", "\ntoken={token}", whole},
	{"name and value in two headers", "token\n={token}", none},
	{"a value over two headers", "token=\"{token}\na=1\"", other},

	{"spaces around", `  token  =  {token}  ; a=1`, whole},
	{"tabs around", "\ttoken\t=\t{token}\t;\ta=1", whole},
	{"spaces and tabs at the end", "token={token} \t ", whole},
	{"a space inside", `token=x {token}`, other},
	{"a space in the name", `to ken={token}`, none},

	{"upper case", `TOKEN={token}`, none},
	{"title case", `Token={token}`, none},
	{"a name is not decoded", `%74oken={token}`, none},
	{"a longer name", `xtoken={token}; token2={token}; token.={token}`, none},
	{"a name in quotes", `"token"={token}`, none},
	{"other case before", `Token=x; token={token}`, whole},
	{"a prefix before", `__Host-token=x; token={token}`, whole},
	{"names of objects before", `__proto__=x; constructor=y; toString=z; token={token}`, whole},

	{"quoted", `token="{token}"`, whole},
	{"quoted, with spaces around", `token= "{token}" ; a=1`, whole},
	{"quoted, with spaces inside", `token=" {token} "`, other},
	{"quoted and empty", `token=""`, none},
	{"quoted and empty first", `token=""; token={token}`, none},
	{"a lone quote", `token="`, none},
	{"a lone quote first", `token="; token={token}`, none},
	{"three quotes", `token="""`, other},
	{"quoted twice", `token=""{token}""`, other},
	{"quote in front", `token="{token}`, other},
	{"quote behind", `token={token}"`, other},
	{"single quotes", `token='{token}'`, other},
	{"quotes don't hold a semicolon", `token="a; token={token}"`, other},
	{"escaped quotes", `token="\"{token}\""`, other},

	{"percent-encoded", `token={token:all}`, whole},
	{"percent-encoded dots", `token={token:dots}`, whole},
	{"percent-encoded in lower case", `token={token:lower}`, whole},
	{"percent-encoded and quoted", `token="{token:dots}"`, whole},
	{"percent-encoded quotes", `token=%22{token}%22`, other},
	{"percent-encoded twice", `token={token:twice}`, other},
	{"percent-encoded space", `token={token}%20`, other},
	{"percent-encoded line break", `token={token}%0A`, other},
	{"percent-encoded NUL", `token={token}%00`, other},
	{"percent-encoded semicolon", `token={token:dots}%3B%20a=1`, other},
	{"percent-encoded UTF-8", `token={token}%C3%A9`, other},
	{"percent-encoded BOM", `token=%EF%BB%BF{token}`, other},
	{"a lone percent", `token={token}%`, other},
	{"a wrong escape", `token={token:dots}%zz`, other},
	{"a cut escape", `token={token:dots}%2`, other},
	{"a byte that is no UTF-8", `token={token:dots}%FF`, other},
	{"an overlong dot", `token={token}%C0%AE`, other},
	{"a surrogate", `token={token:dots}%ED%A0%80`, other},
	{"beyond Unicode", `token={token:dots}%F4%90%80%80`, other},
	{"%u is no escape", `token={token:dots}%u002E`, other},
	{"wrong escape in another cookie", `a=%zz; token={token:dots}`, whole},

	{"plus in front", `token=+{token}`, other},
	{"plus behind", `token={token}+`, other},
	{"plus beside an escape", `token={token:dots}+`, other},
	{"signed by cookie-parser", `token=s:{token}.c2lnbmF0dXJl`, other},
	{"j: without JSON", `token=j:{token}`, other},
	{"j: with broken JSON", `token=j:{"a":{token}`, other},
	{"j: is case-sensitive", `token=J:"{token}"`, other},
	{"j: with a false value", `token=j:null; token={token}`, other},
	{"j: in another cookie", `a=j:["{token}"]; token={token}`, whole},
	{"Bearer", `token=Bearer {token}`, other},

	{"Latin-1 behind", "token={token}\xe9", other},
	{"UTF-8 behind", "token={token}\xc3\xa9", other},
	{"Latin-1 beside an escape", "token={token:dots}\xe9", other},
	{"UTF-8 in another cookie", "name=Jos\xc3\xa9; token={token}", whole},
	{"Latin-1 in another cookie", "name=Jos\xe9; token={token}", whole},
	{"a no-break space in front", "token=\xc2\xa0{token}", other},
	{"a name in UTF-8", "\xc3\xa9token={token}", none},
	{"attributes of Set-Cookie", `$Version=1; token={token}; $Path=/; Path=/; HttpOnly`, whole},
}

// laterCookie matches a cookie with the token that is not the first cookie.
var laterCookie = regexp.MustCompile(`[;\n] *token=\{token\}(;|\n|$)`)

// cookieCases sends a valid, a revoked and a forged token in every spelling to /me and logout.
func cookieCases() []testCase {
	kinds := []struct {
		name  string
		token token
		redis []command
	}{
		{"good", token{}, nil},
		{"revoked", token{}, revoked},
		{"forged", token{text: "forged-CASE"}, nil},
	}
	var all []testCase
	for _, row := range cookieRows {
		for _, kind := range kinds {
			c := testCase{token: kind.token, redis: kind.redis}
			c.name = row.name + ", " + kind.name + ", me"
			c.request = get(me, cookieHeaders(row.headers)...)
			all = append(all, c)

			c.name = row.name + ", " + kind.name + ", logout"
			c.request = post(logout, cookieHeaders(row.headers)...)
			switch later := laterCookie.MatchString(row.headers); {
			case later && row.reads != whole && kind.name != "forged":
				c.diverges = "every-cookie"
			case row.reads == other || row.reads == whole && kind.name == "forged":
				c.diverges = "authentic-only"
			}
			all = append(all, c)
		}
	}
	return all
}

func cookieHeaders(values string) []string {
	if values == "" {
		return nil
	}
	var headers []string
	for value := range strings.SplitSeq(values, "\n") {
		headers = append(headers, "Cookie: "+value)
	}
	return headers
}

// jCookieCases are the cookies that the original parses as JavaScript values.
var jCookieCases = []testCase{
	{name: "j: text, good, me", request: get(me, `Cookie: token=j:"{token}"`), diverges: "j-cookies"},
	{name: "j: text, revoked, me", redis: revoked, request: get(me, `Cookie: token=j:"{token}"`), diverges: "j-cookies"},
	{name: "j: text, forged, me", token: token{text: "forged"}, request: get(me, `Cookie: token=j:"{token}"`)},
	{name: "j: text, good, logout", request: post(logout, `Cookie: token=j:"{token}"`), diverges: "j-cookies"},
	{name: "j: text, forged, logout", token: token{text: "forged"}, request: post(logout, `Cookie: token=j:"{token}"`), diverges: "j-cookies"},
	{name: "j: text, percent-encoded, me", request: get(me, `Cookie: token=j%3A%22{token}%22`), diverges: "j-cookies"},
	{name: "j: text, percent-encoded, logout", request: post(logout, `Cookie: token=j%3A%22{token}%22`), diverges: "j-cookies"},
	{name: "j: text, quoted, me", request: get(me, `Cookie: token="j:"{token}""`), diverges: "j-cookies"},
	{name: "j: array, good, me", request: get(me, `Cookie: token=j:["{token}"]`)},
	{name: "j: array, revoked, me", redis: revoked, request: get(me, `Cookie: token=j:["{token}"]`), diverges: "j-cookies"},
	{name: "j: array, good, logout", request: post(logout, `Cookie: token=j:["{token}"]`), diverges: "j-cookies"},
	{name: "j: empty array, logout", request: post(logout, `Cookie: token=j:[]`), diverges: "j-cookies"},
	{name: "j: object, me", request: get(me, `Cookie: token=j:{"a":1}`)},
	{name: "j: object, logout", request: post(logout, `Cookie: token=j:{"a":1}`), diverges: "j-cookies"},
	{name: "j: object without a text, me", request: get(me, `Cookie: token=j:{"toString":1}`), diverges: "j-cookies"},
	{name: "j: object without a text, logout", request: post(logout, `Cookie: token=j:{"toString":1}`), diverges: "j-cookies"},
	{name: "j: number, me", request: get(me, `Cookie: token=j:42`)},
	{name: "j: number, logout", request: post(logout, `Cookie: token=j:42`), diverges: "j-cookies"},
	{name: "j: true, logout", request: get(logout, `Cookie: token=j:true`), diverges: "j-cookies"},
	{name: "j: zero, logout", request: post(logout, `Cookie: token=j:0`), diverges: "authentic-only"},
	{name: "j: empty text, logout", request: post(logout, `Cookie: token=j:""`), diverges: "authentic-only"},
}
