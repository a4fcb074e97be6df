package session

import (
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"
)

// TestRead checks the rules of cookie-parser, as observed at the original.
func TestRead(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		want    string
		cookies []string // one per header
	}{
		{"", nil},
		{"", []string{""}},
		{"", []string{"token"}},
		{"", []string{"token="}},
		{"", []string{"token=;token=b"}},
		{"", []string{"=a"}},
		{"", []string{"Token=a; TOKEN=b; xtoken=c; tokenx=d; %74oken=e"}},
		{"a", []string{"token=a"}},
		{"a", []string{"token=a; token=b"}},
		{"a", []string{"x=1; token=a", "token=b"}},
		{"a", []string{"x=1", "token=a"}},
		{"", []string{"token=", "token=a"}},
		{"a", []string{";; token;a b;token=a"}},
		{"a", []string{"\t token \t=\t a \t; x=1"}},
		{"a b", []string{"token=a b"}},
		{"a,token=b", []string{"token=a,token=b"}},
		{"=a=b", []string{"token==a=b"}},
		{"a", []string{`token="a"`}},
		{" a ", []string{`token=" a "`}},
		{"", []string{`token=""`}},
		{"", []string{`token="`}},
		{`"`, []string{`token="""`}},
		{`"a`, []string{`token="a`}},
		{`a"`, []string{`token=a"`}},
		{"'a'", []string{"token='a'"}},
		{`"a;`[:2], []string{`token="a;b"`}},
		{"a.b", []string{"token=a%2Eb"}},
		{"a.b", []string{`token="a%2eb"`}},
		{`"a"`, []string{`token=%22a%22`}},
		{"%2E", []string{"token=%252E"}},
		{"a+b", []string{"token=a+b"}},
		{"a+b.", []string{"token=a+b%2E"}},
		{"%", []string{"token=%"}},
		{"%2E%zz", []string{"token=%2E%zz"}},
		{"%2E%2", []string{"token=%2E%2"}},
		{"a%2E%FF", []string{"token=a%2E%FF"}},
		{"%ED%A0%80", []string{"token=%ED%A0%80"}},
		{"%C0%80", []string{"token=%C0%80"}},
		{"é", []string{"token=%C3%A9"}},
		{" ;\n\x00", []string{"token=%20%3B%0A%00"}},
		{`j:"a"`, []string{`token=j:"a"`}},
		{`j:{"a":1}`, []string{`token=j%3A%7B%22a%22%3A1%7D`}},
		{"s:a.b", []string{"token=s:a.b"}},
	} {
		got := Cookie{Name: "token"}.ReadToken(http.Header{"Cookie": test.cookies})
		if got != test.want {
			t.Errorf("%q reads %q, want %q", test.cookies, got, test.want)
		}
	}
	named := Cookie{Name: "__Host-token"}
	if got := named.ReadToken(http.Header{"Cookie": {"token=a; __Host-token=b"}}); got != "b" {
		t.Errorf("__Host-token reads %q", got)
	}
}

// TestSetAndClear compares the attributes of the cookies with those of the original, in any order.
func TestSetAndClear(t *testing.T) {
	t.Parallel()
	sessions := newSessions(t)
	session, err := sessions.Issue(User{ID: "1"}, now)
	if err != nil {
		t.Fatal(err)
	}
	expires := now.Add(24 * time.Hour).UTC().Format(http.TimeFormat)
	header := http.Header{}
	sessions.SetCookie(header, session)
	wantCookie(t, header, "token="+session.Token, "Max-Age=86400", "Path=/", "Expires="+expires, "HttpOnly", "Secure", "SameSite=Strict")

	header = http.Header{}
	sessions.ClearCookie(header)
	wantCookie(t, header, "token=", "Path=/", "Expires=Thu, 01 Jan 1970 00:00:00 GMT", "HttpOnly", "Secure", "SameSite=Strict")

	sessions.Cookie = Cookie{Name: "sid", Domain: "example.com", SameSite: http.SameSiteLaxMode}
	header = http.Header{}
	sessions.ClearCookie(header)
	if n := len(header["Set-Cookie"]); n != 2 {
		t.Fatalf("there are %d cookies", n)
	}
	const expires1970 = "Expires=Thu, 01 Jan 1970 00:00:00 GMT"
	hostOnly := http.Header{"Set-Cookie": header["Set-Cookie"][1:]}
	wantCookie(t, hostOnly, "sid=", "Path=/", expires1970, "HttpOnly", "SameSite=Lax")
	header["Set-Cookie"] = header["Set-Cookie"][:1]
	wantCookie(t, header, "sid=", "Path=/", "Domain=example.com", expires1970, "HttpOnly", "SameSite=Lax")
}

func wantCookie(t *testing.T, h http.Header, want ...string) {
	t.Helper()
	got := strings.Split(strings.Join(h["Set-Cookie"], "\n"), "; ")
	slices.Sort(got)
	slices.Sort(want)
	if !slices.Equal(got, want) {
		t.Errorf("Set-Cookie has %q, want %q", got, want)
	}
}
