package controllers_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"
)

// listedSession is a session as the service lists it.
type listedSession struct {
	ID        string
	Current   bool
	CreatedAt time.Time
	ExpiresAt time.Time
	Address   string
	UserAgent string
}

// sessions returns the sessions that the user of a token sees.
func (i *instance) sessions(t *testing.T, token string) []listedSession {
	t.Helper()
	got := i.get("/sessions", token)
	var body struct{ Sessions []listedSession }
	if err := json.Unmarshal([]byte(got.body), &body); err != nil || got.status != http.StatusOK {
		t.Fatalf("%d %s: %v", got.status, got.body, err)
	}
	return body.Sessions
}

// loginAs logs in with a User-Agent and returns the token.
func (i *instance) loginAs(t *testing.T, userAgent string) string {
	t.Helper()
	request := newRequest(context.Background(), http.MethodPost, "/login", "", adaLogin)
	request.Header.Set("User-Agent", userAgent)
	request.RemoteAddr = "[2001:db8::7]:1234"
	got := i.send(request)
	if got.status != http.StatusOK {
		t.Fatalf("%d %s", got.status, got.body)
	}
	return got.token
}

func (i *instance) end(token, id string) answer {
	return i.send(newRequest(context.Background(), http.MethodDelete, "/sessions/"+id, token, ""))
}

// TestListAndEndSessions checks that users see their sessions with the address and the User-Agent, and that ending
// one leaves the others.
func TestListAndEndSessions(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	tablet := f.a.loginAs(t, "Tablet/1.0 (\"x\" <y>; é)")
	listed := f.b.sessions(t, tablet)
	if len(listed) != 3 || !listed[0].Current || listed[1].Current || listed[2].Current {
		t.Fatalf("the list is %+v", listed)
	}
	of := listed[0]
	if of.Address != "2001:db8::7" || of.UserAgent != "Tablet/1.0 (\"x\" <y>; é)" ||
		of.ExpiresAt.Sub(of.CreatedAt) != time.Hour || time.Since(of.CreatedAt).Abs() > time.Minute {
		t.Errorf("the tablet is listed as %+v", of)
	}
	if body := f.b.get("/sessions", tablet).body; !strings.Contains(body, of.CreatedAt.UTC().Format(`"2006-01-02T15:04:05.000Z"`)) {
		t.Errorf("the time is not as JavaScript writes it: %s", body)
	}

	phone := f.a.sessions(t, f.phone)
	for _, s := range phone {
		if !s.Current {
			continue
		}
		if got := f.b.end(tablet, s.ID); got.status != http.StatusNoContent || got.body != "" || got.header.Get("Set-Cookie") != "" {
			t.Errorf("ending the session of the phone: %d %q %v", got.status, got.body, got.header)
		}
	}
	if f.a.accepts(f.phone) || !f.redis.Exists("blacklist:"+f.phone) || !f.a.accepts(tablet) || !f.a.accepts(f.laptop) {
		t.Error("not exactly the session of the phone has ended")
	}
	if n := strings.Count(f.b.log.String(), "event=authn_token_revoked"); n != 1 {
		t.Errorf("the log has %d lines about the revocation:\n%s", n, f.b.log)
	}
	got := f.a.end(tablet, of.ID)
	if got.status != http.StatusNoContent || !strings.HasPrefix(got.header.Get("Set-Cookie"), "token=;") || f.a.accepts(tablet) {
		t.Errorf("ending the session of the request: %d %v", got.status, got.header)
	}
	if left := f.a.sessions(t, f.laptop); len(left) != 1 || !left[0].Current {
		t.Errorf("the remaining sessions are %+v", left)
	}
	f.a.post("/logout", f.laptop, "")
	if keys := fmt.Sprint(f.redis.Keys()); strings.Contains(keys, "auth:sessions:") {
		t.Errorf("a logout leaves the session in %s", keys)
	}
}

// TestEndingNoSession checks that the id of somebody else's session gets the same response as an unknown id.
func TestEndingNoSession(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	eve := f.a.post("/register", "", `{"username":"eve","email":"eve@example.com","password":"correct horse"}`)
	ada := f.a.sessions(t, f.laptop)[0].ID
	f.redis.sent()
	var answers, commands []string
	for _, id := range []string{ada, strings.Repeat("A", len(ada)), "x", "%20", strings.Repeat("x", 5000)} {
		got := f.a.end(eve.token, id)
		got.header.Del("X-Request-Id")
		answers = append(answers, fmt.Sprint(got.status, got.header, got.body))
		commands = append(commands, strings.Join(f.redis.sent(), "\n"))
	}
	for i := range answers {
		if answers[i] != answers[0] || commands[i] != commands[0] || !strings.Contains(answers[i], `404 map`) {
			t.Errorf("%d: %s, after\n%s\nwant the answer for Ada's session: %s, after\n%s", i, answers[i], commands[i], answers[0], commands[0])
		}
	}
	if !f.a.accepts(f.laptop) || !f.a.accepts(f.phone) {
		t.Error("a session of somebody else has ended")
	}
}

// TestSessionsOfNode checks that a token of a Node service is not listed, and that a token that names no user has no
// list.
func TestSessionsOfNode(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	token := sign(fmt.Sprintf(`{"id":%q,"iat":%d,"exp":%d}`, f.id, time.Now().Unix()+70, time.Now().Unix()+600))
	if listed := f.a.sessions(t, token); len(listed) != 2 || listed[0].Current || listed[1].Current {
		t.Errorf("the list is %+v", listed)
	}
	nobody := sign(fmt.Sprintf(`{"exp":%d}`, time.Now().Unix()+600))
	for _, got := range []answer{f.a.get("/sessions", nobody), f.a.end(nobody, "x")} {
		if got.status != http.StatusBadRequest || got.body != `{"message":"the token names no user"}` {
			t.Errorf("%d %s", got.status, got.body)
		}
	}
	if got := f.a.end("", "x"); got.status != http.StatusUnauthorized {
		t.Errorf("without a token: %d", got.status)
	}
}

// TestUserAgents checks that the stored header is short and has no character that could do harm when it is displayed.
func TestUserAgents(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	for header, want := range map[string]string{
		"":                                   "",
		" a\tb\x1b[2J\u202ec\u009b\u2066\n ": "ab[2Jc",
		"\xff\xfea":                          "a",
		strings.Repeat("x", 4000):            strings.Repeat("x", 200),
		strings.Repeat("x", 199) + "é":       strings.Repeat("x", 199),
		`{"a":"b"}` + "\u2028.":              `{"a":"b"}` + "\u2028.",
	} {
		token := f.a.loginAs(t, header)
		if got := f.a.sessions(t, token)[0].UserAgent; got != want {
			t.Errorf("%q is listed as %q", header, got)
		}
	}
}

// TestSessionsNeedRedis makes Redis reject all commands of each request, beginning with each of them.
func TestSessionsNeedRedis(t *testing.T) {
	t.Parallel()
	for method, want := range map[string]int{http.MethodGet: http.StatusOK, http.MethodDelete: http.StatusNoContent} {
		send := func(f *fixture) answer {
			path := "/sessions"
			if method == http.MethodDelete {
				path += "/" + f.phoneID
			}
			return f.a.send(newRequest(context.Background(), method, path, f.laptop, ""))
		}
		inEach(fixtures(t, "", send), func(n int, f *fixture) {
			done := f.redis.refuse("", n, everyTime)
			got := send(f)
			if refused := done(); (got.status == want) != (refused == 0) || refused > 0 && got.status < 500 {
				t.Errorf("%s, refused from command %d on: %d %s", method, n, got.status, got.body)
			}
		})
	}
}
