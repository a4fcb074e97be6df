package users

import (
	"fmt"
	"strings"
	"testing"

	"gin-auth/e2e/internal/harness"
)

// TestImportCases imports two exports in sequence. It checks what the second import reports, and afterwards the
// logins.
func TestImportCases(t *testing.T) {
	t.Parallel()
	redis := harness.StartRedis(t)
	s := harness.StartService(t, append(redis.Env(), secret, "BCRYPT_COST=4", "LOGIN_LIMIT=off")...)
	hash := goHash(t)
	// export returns documents of users. Each argument has the id, the email and further fields.
	export := func(people ...string) string {
		var lines strings.Builder
		for _, p := range people {
			id, rest, _ := strings.Cut(p, " ")
			email, fields, _ := strings.Cut(rest, " ")
			if id != "-" {
				id = `"_id":` + id + `,`
			} else {
				id = ""
			}
			fmt.Fprintf(&lines, `{%s"email":"%s@example.com","password":"%s"%s}`+"\n", id, email, hash, fields)
		}
		return lines.String()
	}
	const shared = ": its email, in lower case, is also that of another document with another _id or none: neither is imported\n"
	for name, test := range map[string]struct {
		first, second string
		args          []string
		status        int
		stderr        string
		logins        map[string]string // email → id and role, "" if the login must fail
		free          string            // a username that can be registered afterwards
	}{
		"two people, one email in two cases": {
			second: export("1 case", "2 CASE"), status: 3, stderr: "line 1" + shared + "line 2" + shared, logins: map[string]string{"case": ""},
		},
		"two people, one email with a Kelvin sign": {
			second: export("1 \u212aay", "2 kay"), status: 3, stderr: "line 1" + shared + "line 2" + shared, logins: map[string]string{"kay": ""},
		},
		"two people, one email with a dotted I": {
			second: export("1 \u0130da", "2 ida"), status: 3, stderr: "line 1" + shared + "line 2" + shared, logins: map[string]string{"ida": ""},
		},
		"two people, one of whom exists": {
			first: export(`1 ada ,"role":"admin"`), second: export("1 ADA", "2 ada"), args: []string{"--overwrite"}, status: 3,
			stderr: "line 1" + shared + "line 2" + shared, logins: map[string]string{"ada": "1 admin"},
		},
		"somebody else with the email": {
			first: export(`1 ada ,"role":"admin"`), second: export("2 Ada"), args: []string{"--overwrite"}, status: 3,
			stderr: "line 1: its email is that of a user here with another id: not overwritten\n", logins: map[string]string{"ada": "1 admin"},
		},
		"nobody knows who": {
			first: export(`1 ada ,"role":"admin"`), second: export("- ada"), args: []string{"--overwrite"}, status: 3,
			stderr: "line 1: it has no _id, so it may be about somebody else than the user here with its email: not overwritten\n",
			logins: map[string]string{"ada": "1 admin"},
		},
		"the same person keeps the role": {
			first: export(`1 ada ,"role":"admin"`), second: export("1 ada"), args: []string{"--overwrite"}, logins: map[string]string{"ada": "1 admin"},
		},
		"another email": {
			first: export(`1 ada ,"role":"admin","username":"ada"`), second: export("1 eve"), args: []string{"--overwrite"},
			logins: map[string]string{"ada": "", "eve": "1 admin"},
		},
		"another email, not overwriting": {
			first: export("1 ada"), second: export("1 eve"), status: 3,
			stderr: "line 1: the user with its _id has another email here: --overwrite changes it\n", logins: map[string]string{"ada": "1 user", "eve": ""},
		},
		"another name": {
			first: export(`1 ada ,"username":"ada"`), second: export(`1 ada ,"username":"eve"`), args: []string{"--overwrite"},
			logins: map[string]string{"ada": "1 user"}, free: "Ada",
		},
		"a name that is taken": {
			first: export(`1 ada ,"username":"ada"`), second: export(`2 eve ,"username":"ADA"`), status: 3,
			stderr: "line 1: username belongs to another user: they are imported without it, and log in with their email\n",
			logins: map[string]string{"ada": "1 user", "eve": "2 user"},
		},
		"banned since, not overwriting": {
			first: export("1 ada"), second: export(`1 ada ,"banned":true`), status: 3,
			stderr: "line 1: the export denies them access, but they may log in here: --overwrite disables them\n",
			logins: map[string]string{"ada": "1 user"},
		},
		"no longer banned": {
			first: export(`1 ada ,"banned":true`), second: export("1 ada"), args: []string{"--overwrite"}, status: 3,
			stderr: "line 1: they stay disabled here, until gin-auth user enable\n", logins: map[string]string{"ada": ""},
		},
		"a number and the string of it are one id": {
			first: export("7 ada"), second: export(`"7" eve`), args: []string{"--overwrite"}, logins: map[string]string{"ada": "", "eve": "7 user"},
		},
	} {
		if err := redis.Client(t).FlushAll(t.Context()).Err(); err != nil {
			t.Fatal(err)
		}
		if test.first != "" {
			command(t, redis.Env(), test.first, "import-users", "-").is(t, 0, "imported 1, ", "")
		}
		got := command(t, redis.Env(), test.second, append([]string{"import-users", "-"}, test.args...)...)
		if got.status != test.status || got.stderr != test.stderr {
			t.Errorf("%s: exit status %d and %q, want %d and %q", name, got.status, got.stderr, test.status, test.stderr)
		}
		for email, want := range test.logins {
			status, body := post(t, s, "/api/auth/login", map[string]string{"email": email + "@example.com", "password": password})
			id, role, _ := strings.Cut(want, " ")
			is := strings.Contains(strings.ReplaceAll(string(body), `"`, ""), "id:"+id+",") && strings.Contains(string(body), `"role":"`+role+`"`)
			if want == "" && status != 401 || want != "" && (status != 200 || !is) {
				t.Errorf("%s: login of %s: got %d %s, want the id and role %q", name, email, status, body, want)
			}
		}
		if test.free != "" {
			if status, body := post(t, s, "/api/auth/register", map[string]string{"email": "new@example.com", "username": test.free, "password": password}); status != 201 {
				t.Errorf("%s: registering the username %s: got %d %s, want 201", name, test.free, status, body)
			}
		}
	}
}
