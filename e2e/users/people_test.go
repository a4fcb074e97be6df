package users

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"gin-auth/e2e/internal/harness"
)

// people are all kinds of users in exports of Node services. They all have the same password.
var people = []struct {
	fields   string // fields of the document, except for the email and the password
	id       string // the id in responses, as JSON; "" for a new one
	username string
	reported string // the report about their line, "" for none
	denied   bool   // whether their login is rejected here
}{
	{fields: `"_id":{"$oid":"65a1b2c3d4e5f60718293a4b"},"username":"ada"`, id: `"65a1b2c3d4e5f60718293a4b"`, username: "ada"},
	{fields: `"_id":"string-id"`, id: `"string-id"`},
	{fields: `"_id":7`, id: `7`},
	{fields: `"_id":8.0`, id: `8`},
	{fields: `"_id":1.732483498123E+12`, id: `1732483498123`},
	{fields: `"_id":{"$numberInt":"9"}`, id: `9`},
	{fields: `"_id":{"$numberLong":"9007199254740993"}`, id: `9007199254740993`},
	{fields: `"_id":{"$numberDouble":"1.0E+1"}`, id: `10`},
	{fields: `"_id":{"$uuid":"3b241101-e2bb-4255-8caf-4136c566a962"}`, id: `"3b241101-e2bb-4255-8caf-4136c566a962"`},
	{fields: `"_id":{"$binary":{"base64":"AAECAwQFBgcICQoLDA0ODw==","subType":"04"}}`, id: `"00010203-0405-0607-0809-0a0b0c0d0e0f"`},
	{fields: `"id":"no underscore"`, id: `"no underscore"`},
	{fields: `"_id":11,"fullName":{"firstName":"Ada","lastName":"Lovelace"}`, id: `11`},
	{fields: `"_id":12,"name":{"first":"Ada","last":"Lovelace"}`, id: `12`},
	{fields: `"_id":13,"name":"Ada Lovelace","username":""`, id: `13`},
	{fields: `"_id":14,"username":"John Smith","status":"active","isVerified":true,"deletedAt":null,"isActive":true`, id: `14`, username: "John Smith"},
	{fields: `"_id":15,"username":"john  SMITH"`, id: `15`, reported: "username belongs to another user: "},
	{fields: `"_id":16,"username":"jo\u202ehn"`, id: `16`, reported: "username cannot be used here: "},
	{fields: `"_id":17,"disabled":true`, denied: true},
	{fields: `"_id":18,"isDisabled":true`, denied: true},
	{fields: `"_id":19,"banned":true`, denied: true},
	{fields: `"_id":20,"isBanned":true`, denied: true},
	{fields: `"_id":21,"isBlocked":true`, denied: true},
	{fields: `"_id":22,"blocked":true`, denied: true},
	{fields: `"_id":23,"suspended":true`, denied: true},
	{fields: `"_id":24,"isDeleted":true`, denied: true},
	{fields: `"_id":25,"deleted":true`, denied: true},
	{fields: `"_id":26,"deletedAt":{"$date":"2024-01-12T21:44:35.120Z"}`, denied: true},
	{fields: `"_id":27,"isActive":false`, denied: true},
	{fields: `"_id":28,"active":false`, denied: true},
	{fields: `"_id":29,"status":"suspended"`, denied: true},
	{fields: `"_id":30,"isVerified":false`, denied: true},
	{fields: `"_id":31,"status":"away"`, denied: true, reported: "status is not understood: "},
	{fields: `"_id":32,"banned":{"since":"2024"}`, denied: true, reported: "banned is not understood: "},
	{fields: `"_id":33,"isAdmin":true`, id: `33`, reported: "isAdmin is not read: "},
	{fields: `"_id":34,"roles":["admin"]`, id: `34`},
	{fields: `"_id":35,"email":"a..b@docomo.ne.jp"`, id: `35`},
	{fields: `"_id":36,"email":"ab.@ezweb.ne.jp"`, id: `36`},
	{fields: `"_id":37,"email":"Case@Example.com"`, denied: true, reported: "its email, in lower case, is also that of another document"},
	{fields: `"_id":38,"email":"case@example.com"`, denied: true, reported: "its email, in lower case, is also that of another document"},
	{fields: `"_id":39,"password":null`, denied: true, reported: "password is missing: "},
	{fields: `"_id":40,"password":"$2b$31$abcdefghijklmnopqrstuuGFDAtNCoUhyO1B3I3WG1qEXAMPLEabc"`, denied: true, reported: "password is not a bcrypt hash"},
}

// TestPeople imports an export with every kind of user. Each can do what they could do in the Node service, or
// their line is reported.
func TestPeople(t *testing.T) {
	t.Parallel()
	redis := harness.StartRedis(t)
	s := harness.StartService(t, append(redis.Env(), secret, "BCRYPT_COST=4", "COOKIE_SECURE=false", "LOGIN_LIMIT=off")...)
	hash := goHash(t)
	var lines strings.Builder
	emails := make([]string, len(people))
	for i, p := range people {
		document := map[string]any{"email": fmt.Sprintf("user%d@example.com", i), "password": hash}
		fields := json.NewDecoder(strings.NewReader("{" + p.fields + "}"))
		fields.UseNumber()
		if err := fields.Decode(&document); err != nil {
			t.Fatal(err)
		}
		emails[i] = document["email"].(string)
		line, _ := json.Marshal(document)
		fmt.Fprintf(&lines, "%s\n", line)
	}
	export := filepath.Join(t.TempDir(), "users.json")
	if err := os.WriteFile(export, []byte(lines.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, args := range [][]string{{"--dry-run"}, {}} {
		got := command(t, redis.Env(), "", append([]string{"import-users", export}, args...)...)
		if got.status != 3 {
			t.Fatalf("%q: exit status %d, %s", args, got.status, got.stderr)
		}
		for i, p := range people {
			place := fmt.Sprintf("\nline %d: ", i+1)
			if reported := strings.Contains("\n"+got.stderr, place); reported != (p.reported != "") || reported && !strings.Contains("\n"+got.stderr, place+p.reported) {
				t.Errorf("%q, %s: the report is wrong:\n%s", args, p.fields, got.stderr)
			}
		}
	}
	for i, p := range people {
		status, body := post(t, s, "/api/auth/login", map[string]string{"email": emails[i], "password": password})
		if denied := status != http.StatusOK; denied != p.denied {
			t.Errorf("%s: login: got %d %s", p.fields, status, body)
			continue
		}
		if p.denied {
			continue
		}
		if !bytes.Contains(body, []byte(`"id":`+p.id+`,`)) || !bytes.Contains(body, []byte(`"username":"`+p.username+`"`)) {
			t.Errorf("%s: login: got the user %s", p.fields, body)
		}
		if p.username != "" {
			status, byName := post(t, s, "/api/auth/login", map[string]string{"username": p.username, "password": password})
			if status != http.StatusOK || !bytes.Equal(byName, body) {
				t.Errorf("%s: login by username: got %d %s", p.fields, status, byName)
			}
		}
		client := browser(t, s, emails[i], password)
		if _, body := me(t, s, client); !strings.Contains(body, `"id":`+p.id+`,`) {
			t.Errorf("%s: me: got %s", p.fields, body)
		}
		response, err := client.Get(s.URL + "/api/auth/verify")
		if err != nil {
			t.Fatal(err)
		}
		_ = response.Body.Close()
		if name := response.Header.Get("X-Auth-Request-Preferred-Username"); response.StatusCode != 200 || name != p.username {
			t.Errorf("%s: verify: got %d and the username %q", p.fields, response.StatusCode, name)
		}
	}
	list := command(t, redis.Env(), "", "user", "list", "--json").stdout
	for _, want := range []string{`"fullName":"Ada Lovelace","role":"user","id":"11"`, `"fullName":"Ada Lovelace","role":"user","id":"12"`, `"role":"admin","id":"34"`} {
		if !strings.Contains(list, want) {
			t.Errorf("%s is missing in\n%s", want, list)
		}
	}
}

// TestSecondImport imports an export again after users have changed at the Node service.
func TestSecondImport(t *testing.T) {
	t.Parallel()
	redis := harness.StartRedis(t)
	s := harness.StartService(t, append(redis.Env(), secret, "BCRYPT_COST=4", "COOKIE_SECURE=false")...)
	hash, other := goHash(t), goHash(t)
	person := func(id int, email, hash, fields string) string {
		return fmt.Sprintf(`{"_id":%d,"email":"%s","password":"%s"%s}`+"\n", id, email, hash, fields)
	}
	before := person(1, "same@example.com", hash, `,"username":"same"`) + person(2, "old@example.com", hash, `,"username":"moves"`) +
		person(3, "promoted@example.com", hash, "") + person(4, "banned@example.com", hash, "") +
		person(5, "deleted@example.com", hash, `,"username":"gone"`) + person(6, "password@example.com", hash, "")
	command(t, redis.Env(), before, "import-users", "-").is(t, 0, "imported 6, kept 0 existing, 3 of them without a username, 6 documents read in ", "")
	clients := map[string]*http.Client{}
	for _, name := range []string{"same", "old", "promoted", "banned", "deleted", "password"} {
		clients[name] = browser(t, s, name+"@example.com", password)
	}
	after := person(1, "same@example.com", hash, `,"username":"same"`) + person(2, "new@example.com", hash, `,"username":"moves"`) +
		person(3, "promoted@example.com", hash, `,"role":"admin"`) + person(4, "banned@example.com", hash, `,"isBanned":true`) +
		person(6, "password@example.com", other, "") + person(7, "joined@example.com", hash, `,"username":"joined"`)

	command(t, redis.Env(), after, "import-users", "--overwrite", "--prune", "-").is(t, 1, "imported 0, ",
		"gin-auth: importing standard input: Disable 1 user who are not in the export? Confirm with --yes; nothing was written")
	if status, _ := me(t, s, clients["banned"]); status != http.StatusOK {
		t.Errorf("an import without --yes ended a session: got %d, want 200", status)
	}
	command(t, redis.Env(), after, "import-users", "--overwrite", "--prune", "--dry-run", "-").is(t, 0,
		"nothing written, would import 1, replace 5, disable 1 missing from the export, ", "deleted@example.com is not in the export\n")
	command(t, redis.Env(), after, "import-users", "--overwrite", "--prune", "--yes", "-").is(t, 0,
		"imported 1, replaced 5, disabled 1 missing from the export, 1 of them disabled, 3 of them without a username, 4 of them with their sessions ended, 6 documents read in ",
		"deleted@example.com is disabled, because they are not in the export\n")
	for name, want := range map[string]int{"same": 200, "old": 401, "promoted": 401, "banned": 401, "deleted": 401, "password": 401} {
		if status, body := me(t, s, clients[name]); status != want {
			t.Errorf("the session of %s: got %d %s, want %d", name, status, body, want)
		}
	}
	for name, want := range map[string]int{
		"same": 200, "old": 401, "new": 200, "promoted": 200, "banned": 401, "deleted": 401, "password": 200, "joined": 200,
	} {
		if status, got := login(t, s, name+"@example.com", password); status != want || name == "promoted" && got.Role != "admin" || name == "new" && got.Username != "moves" {
			t.Errorf("login of %s: got %d and %+v, want %d", name, status, got, want)
		}
	}
	// All users keep their usernames, including the disabled one. The old address is free.
	for i, name := range []string{"same", "MOVES", "gone", "joined"} {
		status, body := post(t, s, "/api/auth/register", map[string]string{"email": fmt.Sprintf("x%d@example.com", i), "username": name, "password": password})
		if status != http.StatusConflict {
			t.Errorf("registering the used name %s: got %d %s, want 409", name, status, body)
		}
	}
	if status, body := post(t, s, "/api/auth/register", map[string]string{"email": "old@example.com", "username": "somebody", "password": password}); status != 201 {
		t.Errorf("registering the old address: got %d %s, want 201", status, body)
	}
	command(t, redis.Env(), "", "user", "delete", "deleted@example.com").is(t, 0, "deleted@example.com is deleted\n", "")
	if status, body := post(t, s, "/api/auth/register", map[string]string{"email": "deleted@example.com", "username": "Gone", "password": password}); status != 201 {
		t.Errorf("registering the address and the name of a deleted user: got %d %s, want 201", status, body)
	}
}

// TestRegistrationsKilled kills the service during 64 registrations with one username and one address. A minute
// later the name is registered again. Then one user has it, and no other keys are left.
func TestRegistrationsKilled(t *testing.T) {
	t.Parallel()
	redis := harness.StartRedis(t)
	client := redis.Client(t)
	const rounds = 20
	for round := range rounds {
		if err := client.FlushAll(t.Context()).Err(); err != nil {
			t.Fatal(err)
		}
		s := harness.StartService(t, append(redis.Env(), secret, "BCRYPT_COST=4", "LOGIN_LIMIT=off")...)
		body := `{"email":"ada@example.com","username":"ada","password":"` + password + `"}`
		done := make(chan bool, 64)
		for range cap(done) {
			go func() {
				response, err := http.Post(s.URL+"/api/auth/register", "application/json", strings.NewReader(body))
				if err == nil {
					_, _ = io.Copy(io.Discard, response.Body)
					_ = response.Body.Close()
				}
				done <- true
			}()
		}
		for range round % 4 {
			<-done // so that the service is killed at different moments
		}
		s.Kill()
		for range cap(done) - round%4 {
			<-done
		}
		age(t, redis)
		s = harness.StartService(t, append(redis.Env(), secret, "BCRYPT_COST=4")...)
		post(t, s, "/api/auth/register", map[string]string{"email": "eve@example.com", "username": "Ada", "password": password})
		keys, err := client.Keys(t.Context(), "auth:*user*").Result()
		if err != nil || len(keys) != 3 {
			t.Errorf("round %d: Redis has the keys %q, %v, want 3", round, keys, err)
		}
		s.Kill()
	}
}

// age makes the reservation of every username two minutes older.
func age(t *testing.T, redis *harness.Redis) {
	t.Helper()
	const script = `for _, key in ipairs(redis.call('KEYS', 'auth:username:*')) do
local claim = cjson.decode(redis.call('GET', key))
claim.claimed = claim.claimed - 120
redis.call('SET', key, cjson.encode(claim)) end`
	out, err := exec.Command(harness.Need(t, "redis-cli"), "-p", fmt.Sprint(redis.Port), "EVAL", script, "0").CombinedOutput()
	if err != nil || bytes.Contains(out, []byte("ERR")) {
		t.Fatalf("%v: %s", err, out)
	}
}
