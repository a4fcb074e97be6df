package users

import (
	"io"
	"net/http"
	"net/http/cookiejar"
	"strings"
	"testing"

	"gin-auth/e2e/internal/harness"
)

// browser logs a user in and returns a client that keeps their cookie.
func browser(t *testing.T, s *harness.Service, email, password string) *http.Client {
	t.Helper()
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	client := &http.Client{Jar: jar}
	body := `{"email":"` + email + `","password":"` + password + `"}`
	response, err := client.Post(s.URL+"/api/auth/login", "application/json", strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	_ = response.Body.Close()
	if response.StatusCode != http.StatusOK {
		t.Fatalf("login: got %d, want 200", response.StatusCode)
	}
	return client
}

// me sends GET /me with the client's cookie.
func me(t *testing.T, s *harness.Service, client *http.Client) (int, string) {
	t.Helper()
	response, err := client.Get(s.URL + "/api/auth/me")
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return response.StatusCode, string(body)
}

// TestCommandsEndSessions checks the commands that end sessions: of a disabled user, of a deleted user, of a user
// with a new password, and of all users.
func TestCommandsEndSessions(t *testing.T) {
	t.Parallel()
	redis := harness.StartRedis(t)
	env := append(redis.Env(), "BCRYPT_COST=4")
	s := harness.StartService(t, append(env, secret, "COOKIE_SECURE=false")...) // Go's cookie jar does not send Secure cookies over http
	for _, name := range []string{"ada", "bob"} {
		command(t, env, password, "user", "add", "--email", name+"@example.com", "--username", name).is(t, 0, "added ", "")
	}
	bob := browser(t, s, "bob@example.com", password)
	const revoked = `{"message":"Session expired. Please login again."}`
	ended := func(what string, client *http.Client) {
		t.Helper()
		if status, body := me(t, s, client); status != http.StatusUnauthorized || body != revoked {
			t.Errorf("%s: me: got %d %s, want 401 and the message of a revoked session", what, status, body)
		}
	}
	goesOn := func(what string, client *http.Client) {
		t.Helper()
		if status, body := me(t, s, client); status != http.StatusOK {
			t.Errorf("%s: me: got %d %s, want 200", what, status, body)
		}
	}

	ada := browser(t, s, "ada@example.com", password)
	command(t, env, "", "user", "disable", "ada@example.com").is(t, 0, "ada@example.com is disabled\n", "")
	ended("disabled", ada)
	command(t, env, "", "user", "enable", "ada@example.com").is(t, 0, "ada@example.com is enabled\n", "")

	ada = browser(t, s, "ada@example.com", password)
	goesOn("enabled", ada)
	command(t, env, "battery staple", "user", "password", "ada@example.com").is(t, 0, "ada@example.com has a new password\n", "")
	ended("with a new password", ada)
	goesOn("another user", bob)

	command(t, env, password, "user", "add", "--email", "eve@example.com", "--username", "eve").is(t, 0, "added ", "")
	eve, phone := browser(t, s, "eve@example.com", password), browser(t, s, "eve@example.com", password)
	command(t, env, "", "user", "delete", "Eve@example.com").is(t, 0, "eve@example.com is deleted\n", "")
	ended("deleted", eve)
	command(t, env, password, "user", "add", "--email", "eve@example.com", "--username", "eve").is(t, 0, "added ", "")
	ended("deleted, and added again", phone)
	goesOn("added again", browser(t, s, "eve@example.com", password))

	ada = browser(t, s, "ada@example.com", "battery staple")
	command(t, env, "", "revoke-all").is(t, 0, "every token issued until ", "")
	ended("revoke-all", ada)
	ended("revoke-all, another user", bob)
	goesOn("after revoke-all", browser(t, s, "bob@example.com", password))
}

// TestDryRunWritesNothing checks that a dry run stores nothing, not even the epoch.
func TestDryRunWritesNothing(t *testing.T) {
	t.Parallel()
	redis := harness.StartRedis(t)
	export := `{"email":"ada@example.com","password":"` + goHash(t) + `"}`
	command(t, redis.Env(), export, "import-users", "--dry-run", "-").is(t, 0, "nothing written, would import 1, ", "")
	client := redis.Client(t)
	if keys, err := client.Keys(t.Context(), "*").Result(); len(keys) > 0 || err != nil {
		t.Errorf("after a dry run Redis has the keys %q, %v, want none", keys, err)
	}
}
