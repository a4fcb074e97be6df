package main

import (
	"fmt"
	"net/http"
	"testing"

	"github.com/alicebob/miniredis/v2"
)

// TestRotation changes the secret in the steps of docs/security.md. Instances of two consecutive steps run together: a
// session of one is accepted by the other, and ends at both when it is logged out at the other, alone or with all
// sessions of its user.
func TestRotation(t *testing.T) {
	t.Parallel()
	const newSecret = "the new secret, also of more than thirty-two bytes"
	redis := miniredis.RunT(t)
	start := func(settings ...string) *service {
		return newService(t, append(settings, "REDIS_HOST="+redis.Host(), "REDIS_PORT="+redis.Port(), "LOGIN_LIMIT=off")...)
	}
	steps := []*service{
		start("JWT_SECRET=" + testSecret),
		start("JWT_SECRET="+testSecret, "JWT_SECRET_PREVIOUS="+newSecret),
		start("JWT_SECRET="+newSecret, "JWT_SECRET_PREVIOUS="+testSecret),
		start("JWT_SECRET=" + newSecret),
	}
	for i := range len(steps) - 1 {
		for j, pair := range [][2]*service{{steps[i], steps[i+1]}, {steps[i+1], steps[i]}} {
			issuer, other := pair[0], pair[1]
			user := fmt.Sprintf("user%d%d", i, j)
			one, two, three := loginOf(t, issuer, user), loginOf(t, issuer, user), loginOf(t, issuer, user)
			wantAccepted(t, other, one)
			ask(t, other, "POST", "/logout", one).want(t, "logout", 200, loggedOut)
			wantEnded(t, one, issuer, other)
			wantAccepted(t, other, two)
			ask(t, other, "POST", "/logout-all", two).
				want(t, "logout-all", 200, `{"message":"logged out everywhere successfully"}`)
			wantEnded(t, two, issuer, other)
			wantEnded(t, three, issuer, other)
			again := loginOf(t, issuer, user)
			wantAccepted(t, other, again)
		}
	}

	// Without the first step the logout would be lost, because the old instance rejects the new one's token as forged.
	lost := loginOf(t, steps[2], "lost")
	ask(t, steps[0], "POST", "/logout", lost).want(t, "logout", 200, loggedOut)
	wantAccepted(t, steps[2], lost)
}

// loginOf registers the user, unless they are registered, and logs them in.
func loginOf(t *testing.T, s *service, name string) (token string) {
	t.Helper()
	client := s.browser(t)
	user := fmt.Sprintf(`{"username":%q,"email":"%s@example.com","password":"correct horse"}`, name, name)
	s.send(t, client, "POST", "/api/auth/register", user)
	login := fmt.Sprintf(`{"email":"%s@example.com","password":"correct horse"}`, name)
	if got := s.send(t, client, "POST", "/api/auth/login", login); got.status != http.StatusOK {
		t.Fatalf("login: %d %s", got.status, got.body)
	}
	return tokenIn(t, client, s)
}

// ask sends a request with the token as its cookie.
func ask(t *testing.T, s *service, method, path, token string) answer {
	t.Helper()
	return s.send(t, s.tls.Client(), method, "/api/auth"+path, "", "Cookie", "token="+token)
}

func wantAccepted(t *testing.T, s *service, token string) {
	t.Helper()
	if got := ask(t, s, "GET", "/me", token); got.status != http.StatusOK {
		t.Errorf("me: %d %s", got.status, got.body)
	}
}

func wantEnded(t *testing.T, token string, services ...*service) {
	t.Helper()
	for _, s := range services {
		ask(t, s, "GET", "/me", token).want(t, "me after the end", 401, revoked)
	}
}
