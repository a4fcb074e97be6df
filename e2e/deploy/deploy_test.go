// Package deploy runs the service as the files in deploy and the commands in docs/operations.md do: with the
// documented Redis permissions, with systemd's settings and with Kubernetes's settings.
package deploy

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"gin-auth/e2e/internal/harness"
)

func TestMain(m *testing.M) { harness.Main(m) }

const secret = "a secret of more than thirty-two bytes"

func production(more ...string) []string {
	return append([]string{"NODE_ENV=production", "JWT_SECRET=" + secret, "SHUTDOWN_DELAY=0s", "BCRYPT_COST=4"}, more...)
}

// run runs a command of the service and returns its exit status and its output.
func run(t *testing.T, env []string, args ...string) (status int, said string) {
	t.Helper()
	p := harness.Start(t, t.TempDir(), env, harness.Binary(t), args...)
	return p.Exit(t), p.Output()
}

// post sends a body and a token, either of which may be "". It returns the status and the token that the response
// sets.
func post(t *testing.T, url, path, token, body string) (status int, set string) {
	t.Helper()
	header := http.Header{"Content-Type": {"application/json"}}
	if token != "" {
		header.Set("Cookie", "token="+token)
	}
	response, _ := harness.Send(t, http.DefaultClient, "POST", url+path, header, body)
	for _, cookie := range response.Cookies() {
		set = cookie.Value
	}
	return response.StatusCode, set
}

func getStatus(t *testing.T, url, path, token string) int {
	t.Helper()
	response, _ := harness.Send(t, http.DefaultClient, "GET", url+path, http.Header{"Cookie": {"token=" + token}}, "")
	return response.StatusCode
}

// useAll does everything a user can do: it registers, logs in, changes the password and logs out.
func useAll(t *testing.T, url, name string) {
	t.Helper()
	harness.Eventually(t, "the service is ready", func() error {
		if status := getStatus(t, url, "/readyz", ""); status != 200 {
			return fmt.Errorf("readyz: %d", status)
		}
		return nil
	})
	step := func(path, token, body string, want int) (set string) {
		t.Helper()
		status, set := post(t, url, "/api/auth/"+path, token, body)
		if status != want {
			t.Errorf("%s: got %d, want %d", path, status, want)
		}
		return set
	}
	is := func(token string, want int) {
		t.Helper()
		if status := getStatus(t, url, "/api/auth/me", token); status != want {
			t.Errorf("me: got %d, want %d", status, want)
		}
	}
	const password = "correct horse battery"
	logIn := object("email", name+"@example.com", "password", password)
	first := step("register", "", object("username", name, "email", name+"@example.com", "password", password), 201)
	step("login", "", object("email", name+"@example.com", "password", "wrong"), 401)
	second := step("login", "", logIn, 200)
	step("logout", first, "", 200)
	is(first, 401)
	third := step("password", second, object("currentPassword", password, "newPassword", password), 200)
	is(second, 401)
	is(third, 200)
	step("logout-all", third, "", 200)
	is(third, 401)
}

// object returns a JSON object of strings. The arguments are names and values in turn.
func object(pairs ...string) string {
	members := map[string]string{}
	for i := 0; i < len(pairs); i += 2 {
		members[pairs[i]] = pairs[i+1]
	}
	var b bytes.Buffer
	_ = json.NewEncoder(&b).Encode(members)
	return strings.TrimSpace(b.String())
}
