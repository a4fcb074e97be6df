// Package users tests the commands that manage users with a real Redis and with logins at the service.
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
	"syscall"
	"testing"

	"golang.org/x/crypto/bcrypt"

	"gin-auth/e2e/internal/harness"
)

func TestMain(m *testing.M) { harness.Main(m) }

const (
	secret   = "JWT_SECRET=0123456789abcdef0123456789abcdef"
	password = "correct horse"
)

// result is the result of a command.
type result struct {
	status         int
	stdout, stderr string
}

// prepare returns a command of the built binary.
func prepare(t *testing.T, env []string, stdin io.Reader, args ...string) *exec.Cmd {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), harness.Binary(t), args...)
	cmd.Dir = t.TempDir()
	cmd.Env = append([]string{secret}, env...)
	cmd.Stdin = stdin
	return cmd
}

// command runs a command of the built binary.
func command(t *testing.T, env []string, stdin string, args ...string) result {
	t.Helper()
	cmd := prepare(t, env, strings.NewReader(stdin), args...)
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	_ = cmd.Run() // the exit status is checked instead
	return result{cmd.ProcessState.ExitCode(), stdout.String(), stderr.String()}
}

// is fails the test unless the command ended with the status and its outputs begin with these strings. "" means no
// output.
func (r result) is(t *testing.T, status int, stdout, stderr string) {
	t.Helper()
	if r.status != status || !begins(r.stdout, stdout) || !begins(r.stderr, stderr) {
		t.Errorf("exit status %d, stdout %q, stderr %q\nwant %d, %q, %q", r.status, r.stdout, r.stderr, status, stdout, stderr)
	}
}

func begins(text, with string) bool {
	return strings.HasPrefix(text, with) && (with != "" || text == "")
}

// user is the user in the response of a login.
type user struct {
	ID       any    `json:"id"` // a string or a number
	Email    string `json:"email"`
	Username string `json:"username"`
	Role     string `json:"role"`
}

// login returns the status of a login, and the user.
func login(t *testing.T, s *harness.Service, email, password string) (int, user) {
	t.Helper()
	status, body := post(t, s, "/api/auth/login", map[string]string{"email": email, "password": password})
	var answer struct{ User user }
	if err := json.Unmarshal(body, &answer); err != nil {
		t.Fatalf("login: %v: %s", err, body)
	}
	return status, answer.User
}

func post(t *testing.T, s *harness.Service, path string, fields map[string]string) (int, []byte) {
	t.Helper()
	request, err := json.Marshal(fields)
	if err != nil {
		t.Fatal(err)
	}
	response, err := http.Post(s.URL+path, "application/json", bytes.NewReader(request))
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return response.StatusCode, body
}

// goHash returns a hash made by Go, at a low cost so that the tests are fast.
func goHash(t *testing.T) string {
	t.Helper()
	hash, err := bcrypt.GenerateFromPassword([]byte(password), bcrypt.MinCost)
	if err != nil {
		t.Fatal(err)
	}
	return string(hash)
}

// nodeHash returns a hash made by bcryptjs, as in the Express app.
func nodeHash(t *testing.T) string {
	t.Helper()
	cmd := exec.Command(harness.Node(t), "-e", `process.stdout.write(require("bcryptjs").hashSync(process.argv[1], 10))`, password)
	cmd.Dir = filepath.Join(harness.Root(), "e2e")
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("bcryptjs: %v\n%s", err, out)
	}
	return string(out)
}

// TestImport imports an export as an operator would: a dry run, the import, and the same import again.
func TestImport(t *testing.T) {
	t.Parallel()
	redis := harness.StartRedis(t)
	s := harness.StartService(t, append(redis.Env(), secret, "BCRYPT_COST=4")...)
	if status, body := post(t, s, "/api/auth/register", map[string]string{"email": "there@example.com", "username": "There", "password": "battery staple"}); status != 201 {
		t.Fatalf("register: %d %s", status, body)
	}
	js, golang := nodeHash(t), goHash(t)
	lines := `{"_id":{"$oid":"65a1b2c3d4e5f60718293a4b"},"username":"Ada","email":"Ada@Example.com","password":"` + js + `","role":"admin","createdAt":{"$date":"2024-01-12T21:44:35.120Z"},"__v":0}
{"_id":"bob-1","username":"Bob","email":"bob@example.com","password":"` + golang + `"}
{"_id":"7","username":"Eve Ω","email":"eve@example.com","password":"` + strings.Replace(js, "$2b$", "$2y$", 1) + `","role":"staff"}
{"_id":{"$oid":"65a1b2c3d4e5f60718293a4c"},"username":"Other","email":"there@example.com","password":"` + js + `"}
`
	export := filepath.Join(t.TempDir(), "users.json")
	if err := os.WriteFile(export, []byte(lines), 0o600); err != nil {
		t.Fatal(err)
	}

	const other = "line 4: its email is that of a user here with another id: not overwritten\n"
	command(t, redis.Env(), "", "import-users", "--dry-run", export).is(t, 3, "nothing written, would import 3, keep 0 existing, 1 document not imported, 4 documents read in ", other)
	if status, _ := login(t, s, "ada@example.com", password); status != 401 {
		t.Errorf("login after a dry run: got %d, want 401", status)
	}
	command(t, redis.Env(), "", "import-users", export).is(t, 3, "imported 3, kept 0 existing, 1 document not imported, 4 documents read in ", other)
	for _, want := range []user{
		{"65a1b2c3d4e5f60718293a4b", "ada@example.com", "Ada", "admin"},
		{"bob-1", "bob@example.com", "Bob", "user"},
		{"7", "eve@example.com", "Eve Ω", "staff"},
	} {
		if status, got := login(t, s, want.Email, password); status != 200 || got != want {
			t.Errorf("login: got %d and %+v, want 200 and %+v", status, got, want)
		}
		if status, _ := login(t, s, want.Email, password+"!"); status != 401 {
			t.Errorf("login with a wrong password: got %d, want 401", status)
		}
	}
	if status, got := login(t, s, "there@example.com", "battery staple"); status != 200 || got.Username != "There" {
		t.Errorf("login of the existing user: got %d and %+v, want 200 and There", status, got)
	}

	command(t, redis.Env(), lines, "import-users", "-").is(t, 3, "imported 0, kept 3 existing, 1 document not imported, 4 documents read in ", other)
	command(t, redis.Env(), lines, "import-users", "--overwrite", "-").is(t, 3, "imported 0, replaced 3, 1 document not imported, 4 documents read in ", other)
	if status, got := login(t, s, "there@example.com", "battery staple"); status != 200 || got.Username != "There" {
		t.Errorf("login of the existing user: got %d and %+v, want 200 and There", status, got)
	}
}

func TestImportOfBrokenLines(t *testing.T) {
	t.Parallel()
	redis := harness.StartRedis(t)
	hash := goHash(t)
	good := func(email string) string { return `{"email":"` + email + `","password":"` + hash + `"}` }
	lines := "\ufeff" + good("a@example.com") + "\r\n\r\n{\"email\":\"b@exam\r\n" + strings.Replace(good("c@example.com"), "$", "", 1) + "\r\n" + good("d@example.com")
	command(t, redis.Env(), lines, "import-users", "-").is(t, 3, "imported 2, kept 0 existing, 2 of them without a username, 2 documents not imported, 4 documents read in ",
		"line 3: not valid JSON (at byte 17 of it)\nline 4: password is not a bcrypt hash")
	command(t, redis.Env(), "["+good("e@example.com")+",\n"+good("nobody")+",\n"+good("f@example.com")+"]", "import-users", "-").is(t, 3,
		"imported 2, kept 0 existing, 2 of them without a username, 1 document not imported, 3 documents read in ", "line 2, element 2: email is not a valid address\n")
	command(t, redis.Env(), "["+good("g@example.com")+",\n"+good("h@example.com")[:30], "import-users", "-").is(t, 1,
		"imported 0, kept 0 existing, 0 documents read in ", "gin-auth: importing standard input: line 2, element 2: the file ends in the middle of the array")
	if got := command(t, redis.Env(), "", "user", "list", "--json"); strings.Count(got.stdout, "\n") != 4 {
		t.Errorf("want 4 users, got\n%s", got.stdout)
	}
}

// TestUserCommands adds and changes a user without an import.
func TestUserCommands(t *testing.T) {
	t.Parallel()
	redis := harness.StartRedis(t)
	env := append(redis.Env(), "BCRYPT_COST=4")
	s := harness.StartService(t, append(env, secret, "REGISTRATION=closed")...)
	logsIn := func(password string, want int) user {
		t.Helper()
		status, got := login(t, s, "ada@example.com", password)
		if status != want {
			t.Errorf("login: got %d, want %d", status, want)
		}
		return got
	}
	command(t, env, password+"\n", "user", "add", "--email", "Ada@example.com", "--username", "Ada").is(t, 0, "added ada@example.com, role user, id ", "")
	command(t, env, password+"\n", "user", "add", "--email", "ada@example.com", "--username", "Eve").is(t, 1, "", "gin-auth: the user ada@example.com exists already\n")
	logsIn(password, 200)
	command(t, env, "", "user", "role", "ada@example.com", "admin").is(t, 0, "ada@example.com has the role admin\n", "")
	if got := logsIn(password, 200); got.Role != "admin" || got.Username != "Ada" {
		t.Errorf("login: got the user %+v, want Ada with the role admin", got)
	}
	command(t, env, "", "user", "disable", "ada@example.com").is(t, 0, "ada@example.com is disabled\n", "")
	logsIn(password, 401)
	command(t, env, "", "user", "enable", "ada@example.com").is(t, 0, "ada@example.com is enabled\n", "")
	logsIn(password, 200)
	command(t, env, "short", "user", "password", "ada@example.com").is(t, 1, "", "gin-auth: password must have at least 8 characters")
	command(t, env, "battery staple", "user", "password", "ada@example.com").is(t, 0, "ada@example.com has a new password\n", "")
	logsIn(password, 401)
	logsIn("battery staple", 200)
	command(t, env, "", "user", "disable", "bob@example.com").is(t, 1, "", "gin-auth: there is no user \"bob@example.com\"\n")

	list := command(t, env, "", "user", "list")
	list.is(t, 0, "EMAIL            USERNAME  ROLE   ID  ", "")
	if strings.Contains(list.stdout, "$2") || !strings.Contains(list.stdout, "\nada@example.com  Ada       admin  ") {
		t.Errorf("the list must contain Ada and no hash:\n%s", list.stdout)
	}
}

// TestRedisAway checks that the commands report a missing Redis soon and in one line.
func TestRedisAway(t *testing.T) {
	t.Parallel()
	env := []string{"REDIS_HOST=127.0.0.1", fmt.Sprintf("REDIS_PORT=%d", harness.FreePort(t))}
	for _, args := range [][]string{{"user", "list"}, {"import-users", "-"}} {
		got := command(t, env, "", args...)
		got.is(t, 1, "", "gin-auth: the Redis at 127.0.0.1:")
		if strings.Count(got.stderr, "\n") != 1 || !strings.Contains(got.stderr, "refused") {
			t.Errorf("%q printed %q, want one line with the reason", args, got.stderr)
		}
	}
	command(t, nil, "", "user", "list").is(t, 1, "", "gin-auth: no Redis is specified: set REDIS_HOST, ")
}

// TestImportInterrupted sends a signal before the export is complete. The import stops and stores no user.
func TestImportInterrupted(t *testing.T) {
	t.Parallel()
	redis := harness.StartRedis(t)
	cmd := prepare(t, redis.Env(), nil, "import-users", "-")
	stdin, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	// The export is larger than a pipe, so part of it has been read.
	if _, err := io.WriteString(stdin, manyUsers(t, 3000)); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Process.Signal(syscall.SIGINT); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait()
	result{cmd.ProcessState.ExitCode(), stdout.String(), stderr.String()}.is(t, 1, "imported 0, kept 0 existing, 0 documents read in ",
		"gin-auth: importing standard input: interrupted (what the summary counts is done)\n")
	if out := cli(t, redis, "dbsize"); out != "0\n" {
		t.Errorf("Redis has %s keys, want 0", out)
	}
}

// cli runs redis-cli and returns its output.
func cli(t *testing.T, redis *harness.Redis, args ...string) string {
	t.Helper()
	out, err := exec.Command(harness.Need(t, "redis-cli"), append([]string{"-p", fmt.Sprint(redis.Port)}, args...)...).Output()
	if err != nil {
		t.Fatal(err)
	}
	return string(out)
}
