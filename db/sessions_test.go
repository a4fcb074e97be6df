package db

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/alicebob/miniredis/v2"
	"github.com/alicebob/miniredis/v2/server"

	"gin-auth/user"
)

// began is Redis's time in these tests.
var began = time.Date(2030, 1, 2, 3, 4, 5, 0, time.UTC)

// rebuildTest is the RebuildToken of these tests: a record is "record-" and the token's name. A revocation is kept until
// two hours after began.
func rebuildTest(record string) (token string, until time.Time, err error) {
	name, ok := strings.CutPrefix(record, "record-")
	if !ok {
		return "", time.Time{}, errors.New("no secret made it")
	}
	return "token-" + name, began.Add(2 * time.Hour), nil
}

// testSession returns a session that is issued some seconds after began and expires an hour later.
func testSession(name string, seconds int) user.Session {
	at := began.Add(time.Duration(seconds) * time.Second)
	return user.Session{
		ID: name, Record: "record-" + name, IssuedAt: at.Local(), ExpiresAt: at.Add(time.Hour).Local(),
		Address: "2001:db8::1", UserAgent: "a \"b\" \u2028 é",
	}
}

func addSession(t *testing.T, d *DB, s user.Session) {
	t.Helper()
	if valid, _, err := d.AddSession(t.Context(), "7", s); err != nil || !valid {
		t.Fatalf("adding %s: %v, %v", s.ID, valid, err)
	}
}

// ids returns the ids of the active sessions of the user 7.
func (d *DB) ids(t *testing.T) string {
	t.Helper()
	sessions, err := d.Sessions(t.Context(), "7")
	if err != nil {
		t.Fatal(err)
	}
	var ids []string
	for _, s := range sessions {
		ids = append(ids, s.ID)
	}
	return strings.Join(ids, " ")
}

// revoked returns the tokens on the blacklist.
func revoked(server *miniredis.Miniredis) string {
	var tokens []string
	for _, key := range server.Keys() {
		if token, ok := strings.CutPrefix(key, "blacklist:token-"); ok {
			tokens = append(tokens, token)
		}
	}
	return strings.Join(tokens, " ")
}

// TestSessions: stored sessions are listed, the newest first, until they expire. The key expires with the last one.
func TestSessions(t *testing.T) {
	t.Parallel()
	d, server, _ := open(t)
	server.SetTime(began)
	if got := d.ids(t); got != "" || server.Exists("auth:sessions:7") {
		t.Errorf("without any: %q", got)
	}
	long := testSession("long", 1)
	long.ExpiresAt = began.Add(3 * time.Hour)
	for _, s := range []user.Session{testSession("b", 2), testSession("a", 2), long, testSession("c", 3), testSession("c", 3)} {
		addSession(t, d, s)
	}
	if valid, _, err := d.AddSession(t.Context(), "8", testSession("other", 0)); err != nil || !valid {
		t.Fatal(valid, err)
	}
	got, err := d.Sessions(t.Context(), "7")
	want := []user.Session{testSession("c", 3), testSession("a", 2), testSession("b", 2), long}
	want[3].ExpiresAt = long.ExpiresAt.Local()
	if err != nil || !slices.Equal(got, want) {
		t.Errorf("listed are %+v, %v, want %+v", got, err, want)
	}
	if ttl := server.TTL("auth:sessions:7"); ttl != 3*time.Hour {
		t.Errorf("the key expires in %s", ttl)
	}
	server.SetTime(began.Add(time.Hour + 2*time.Second))
	if got := d.ids(t); got != "c long" {
		t.Errorf("after some have expired: %q", got)
	}
	addSession(t, d, testSession("d", 3602))
	if lines, _ := server.Get("auth:sessions:7"); strings.Count(lines, "\n") != 3 || strings.Contains(lines, "record-a") {
		t.Errorf("a new one leaves those that have expired:\n%s", lines)
	}
	if revoked := revoked(server); revoked != "" {
		t.Errorf("%s are revoked", revoked)
	}
}

// TestSessionsEndedElsewhere: sessions that were revoked by a Node service or a cut, or have another secret, are not
// listed.
func TestSessionsEndedElsewhere(t *testing.T) {
	t.Parallel()
	d, server, _ := open(t)
	server.SetTime(began)
	gone := testSession("gone", 5)
	gone.Record = "of another secret"
	for _, s := range []user.Session{testSession("a", 0), testSession("b", 1), testSession("c", 4), gone, testSession("d", 5)} {
		addSession(t, d, s)
	}
	server.Set("blacklist:token-c", "")
	server.Set("auth:logout-all:7", fmt.Sprint(began.Unix()))
	if got := d.ids(t); got != "d b" {
		t.Errorf("listed are %q", got)
	}
	server.Set("auth:epoch", fmt.Sprintf("x:%d", began.Unix()+1))
	if got := d.ids(t); got != "d" {
		t.Errorf("after the epoch was raised, listed are %q", got)
	}
}

// TestTooManySessions: the oldest sessions are revoked before they are removed.
func TestTooManySessions(t *testing.T) {
	t.Parallel()
	d, redis, _ := open(t)
	redis.SetTime(began)
	redis.Server().SetPreHook(func(_ *server.Peer, command string, args ...string) bool {
		if command != "EVAL" || args[2] != "auth:sessions:7" || args[3] != "" { // not a removal
			return false
		}
		for _, id := range args[5:] {
			if !redis.Exists("blacklist:token-" + id) {
				t.Errorf("%s is removed before it is revoked", id)
			}
		}
		return false
	})
	var all sync.WaitGroup
	for part := range 8 {
		all.Go(func() {
			for i := range 30 {
				if _, _, err := d.AddSession(t.Context(), "7", testSession(fmt.Sprintf("%d-%d", part, i), i)); err != nil {
					t.Error(err)
				}
			}
		})
	}
	all.Wait()
	if _, ended, err := d.AddSession(t.Context(), "7", testSession("last", 30)); err != nil || len(ended) != 1 ||
		!redis.Exists("blacklist:"+ended[0]) {
		t.Errorf("one more ends %q, %v", ended, err)
	}
	listed, ended := strings.Fields(d.ids(t)), strings.Fields(revoked(redis))
	if len(listed) != maxSessions || len(ended) != 8*30+1-maxSessions || listed[0] != "last" {
		t.Errorf("%d are listed, first %s; %d are revoked", len(listed), listed[0], len(ended))
	}
	for _, id := range listed {
		if slices.Contains(ended, id) {
			t.Errorf("%s is listed and revoked", id)
		}
	}
	if ttl := redis.TTL("blacklist:token-" + ended[0]); ttl != 2*time.Hour {
		t.Errorf("the entry of %s expires in %s", ended[0], ttl)
	}
}

// TestEndSession ends one session, and no session of another user.
func TestEndSession(t *testing.T) {
	t.Parallel()
	d, server, _ := open(t)
	server.SetTime(began)
	gone := testSession("gone", 0)
	gone.Record = "of another secret"
	for _, s := range []user.Session{testSession("a", 0), testSession("b", 0), gone} {
		addSession(t, d, s)
	}
	for _, test := range []struct{ userID, id, token string }{
		{"8", "a", ""}, {"7", "", ""}, {"7", "x", ""}, {"7", "a", "token-a"}, {"7", "a", ""}, {"7", "gone", ""},
	} {
		token, err := d.EndSession(t.Context(), test.userID, test.id)
		if err != nil || token != test.token {
			t.Errorf("ending %s of %s: %q, %v", test.id, test.userID, token, err)
		}
	}
	if got, ended := d.ids(t), revoked(server); got != "b" || ended != "a" {
		t.Errorf("listed are %q, revoked are %q", got, ended)
	}
	// A session whose secret is not known here stays until it expires, because another process may know the secret.
	if lines, _ := server.Get("auth:sessions:7"); strings.Count(lines, "\n") != 2 || strings.Contains(lines, "record-a") {
		t.Errorf("stored are\n%s", lines)
	}
	for _, id := range []string{"b", "gone"} {
		if err := d.RemoveSession(t.Context(), "7", id); err != nil {
			t.Error(err)
		}
	}
	if server.Exists("auth:sessions:7") {
		t.Error("the key is left without sessions")
	}
	if got := revoked(server); got != "a" {
		t.Errorf("removing a session revokes it: %s", got)
	}
}

// TestLogoutAllEndsSessions: a logout of all revokes every stored session, also of many users. A session that was
// issued before it and is stored after it is not valid.
func TestLogoutAllEndsSessions(t *testing.T) {
	t.Parallel()
	d, server, _ := open(t)
	server.SetTime(began)
	var users, want []string
	for i := range usersPerRead + 5 {
		id := fmt.Sprint(i)
		users = append(users, id)
		for _, name := range []string{id + "-x", id + "-y"} {
			want = append(want, name)
			if _, _, err := d.AddSession(t.Context(), id, testSession(name, 0)); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := d.LogoutUsers(t.Context(), users); err != nil {
		t.Fatal(err)
	}
	slices.Sort(want)
	if got := revoked(server); got != strings.Join(want, " ") {
		t.Errorf("revoked are %s", got)
	}
	if keys := strings.Join(server.Keys(), " "); strings.Contains(keys, "auth:sessions:") {
		t.Errorf("left are %s", keys)
	}
	if valid, _, err := d.AddSession(t.Context(), "7", testSession("late", 0)); err != nil || valid {
		t.Errorf("a session of before: valid %t, %v", valid, err)
	}
	gone := testSession("gone", 1)
	gone.Record = "of another secret"
	addSession(t, d, gone)
	addSession(t, d, testSession("next", 1))
	addSession(t, d, testSession("ahead", 3)) // issued after the cut that follows
	server.SetTime(began.Add(2 * time.Second))
	if err := d.LogoutAll(t.Context(), "7"); err != nil || d.ids(t) != "ahead" || !strings.HasSuffix(revoked(server), " late next") {
		t.Errorf("after another: %v, listed are %q, revoked are %s", err, d.ids(t), revoked(server))
	}
	if lines, _ := server.Get("auth:sessions:7"); strings.Count(lines, "\n") != 2 {
		t.Errorf("stored are\n%s", lines)
	}
	if err := d.LogoutUsers(t.Context(), nil); err != nil {
		t.Errorf("nobody: %v", err)
	}
}

// TestForeignSessions: if somebody else has stored a value under the key of sessions, it is an error or, if it is a
// string, has no effect.
func TestForeignSessions(t *testing.T) {
	t.Parallel()
	d, server, _ := open(t)
	server.SetTime(began)
	server.Set("auth:sessions:7", "x\n9999999999 y\n9999999999 z {\n-1 w {}\n\n")
	if got := d.ids(t); got != "" {
		t.Errorf("listed are %q", got)
	}
	addSession(t, d, testSession("a", 0))
	if got := d.ids(t); got != "a" {
		t.Errorf("listed are %q", got)
	}
	server.Del("auth:sessions:7")
	_, _ = server.Push("auth:sessions:7", "x")
	_, _, add := d.AddSession(t.Context(), "7", testSession("a", 0))
	_, list := d.Sessions(t.Context(), "7")
	_, end := d.EndSession(t.Context(), "7", "a")
	for doing, err := range map[string]error{
		"adding": add, "listing": list, "ending": end, "a logout of all": d.LogoutAll(t.Context(), "7"),
	} {
		if err == nil {
			t.Errorf("%s: no error", doing)
		}
	}
	if _, cut, err := d.findCut(t.Context(), "", "7"); err != nil || cut == 0 {
		t.Errorf("the cut was not raised: %d, %v", cut, err)
	}
}
