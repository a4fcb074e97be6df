package parity

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"gin-auth/e2e/internal/harness"
)

const flowAbout = "register, me, login, me, logout, me: each service with the cookie that it set"

const meAfterRegister = "me after register"

// flowSteps are the requests of a user, in sequence. {session} is the token of the side that gets the request.
func flowSteps(c combination) []testCase {
	role := "user"
	if c.trait("ROLES", "") != "" {
		role = "seller"
	}
	password := "eight888"
	if c.setting("PASSWORD_MIN", "8") == "6" {
		password = "sixsix"
	}
	name := `"username":"Flo"`
	if c.trait("LOGIN_BY", "") == "email" {
		name = `"email":"flo@example.com"`
	}
	all := []testCase{
		{name: "register", request: postJSON(signup, fmt.Sprintf(
			`{"username":"Flo","email":"flo@example.com","password":%q,"role":%q,"fullName":{"firstName":"Flo","lastName":"W"}}`,
			password, role)), diverges: "jti"},
		{name: meAfterRegister, request: get(me, "Cookie: token={session}")},
		{name: "login", request: postJSON(login, fmt.Sprintf(`{%s,"password":%q}`, name, password)), diverges: "jti"},
		{name: "me after login", request: get(me, "Cookie: token={session}")},
		{name: "logout", request: post(logout, "Cookie: token={session}")},
		{name: "me after logout", request: get(me, "Cookie: token={session}")},
	}
	for i := range all {
		all[i] = c.adapt(all[i])
	}
	return all
}

// flow sends the same requests to both sides in turn.
func (l *pair) flow(t *testing.T) {
	t.Helper()
	defer clean(t, l.redis)
	sessions := map[*harness.Service]string{}
	ask := func(side *harness.Service, step testCase) answer {
		before := snapshot(t, l.redis)
		a := exchange(address(side), strings.ReplaceAll(step.request, "{session}", sessions[side]), answersWithin)
		if token := sessionOf(a); token != "" {
			sessions[side] = token
		}
		a.body = withoutTimes(a.body)
		a.before, a.after = before, before // other tests compare the data in Redis
		return a
	}
	for _, step := range flowSteps(l.combination) {
		t.Run(step.name, func(t *testing.T) {
			original, ours := ask(l.original, step), ask(l.ours, step)
			r := ready{testCase: step, made: sessions[l.ours], request: step.request}
			l.judgeCase(t, outcome{r, original, ours, l.combination})
		})
	}
}

// sessionOf returns the token that a response sets.
func sessionOf(a answer) string {
	if len(a.setCookie) != 1 {
		return ""
	}
	pair, _, _ := strings.Cut(a.setCookie[0], ";")
	_, token, _ := strings.Cut(pair, "=")
	return token
}

// withoutTimes removes the parts of /me that differ between any two tokens.
func withoutTimes(body string) string {
	var answer map[string]any
	if json.Unmarshal([]byte(body), &answer) != nil {
		return body
	}
	claims, _ := answer["user"].(map[string]any)
	for _, name := range []string{"jti", "iat", "exp"} {
		delete(claims, name)
	}
	text, _ := json.Marshal(answer) // a decoded value can be encoded
	return string(text)
}
