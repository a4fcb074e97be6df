package faults

import (
	"fmt"
	"testing"
	"time"

	"gin-auth/e2e/internal/harness"
)

// TestLogoutAll ends a user's sessions at one instance and checks them at the other, repeatedly.
func TestLogoutAll(t *testing.T) {
	t.Parallel()
	r := harness.StartRedis(t)
	all := []*harness.Service{start(t, r.Env()...), start(t, r.Env()...)}
	bob := login(t, all[0], "bob")
	others := map[string]string{"bob's": bob, "Node's": nodeToken("eve", time.Now())}
	before := time.Now()
	const rounds = 10
	for round := range rounds {
		here, there := all[round%2], all[(round+1)%2]
		asks := login(t, here, "ada")
		ended := []string{asks, login(t, here, "ada"), login(t, there, "ada")}
		for _, token := range ended {
			wantStatus(t, "before", send(t, there, "GET", me, token, ""), 200)
		}
		got := send(t, here, "POST", "/api/auth/logout-all", asks, "")
		if got.status != 200 || got.token() != "" {
			t.Fatalf("logout-all: %s", got)
		}
		for i, token := range ended {
			wantRefused(t, fmt.Sprintf("token %d at the other instance", i), send(t, there, "GET", me, token, ""))
			wantRefused(t, fmt.Sprintf("token %d at the same instance", i), send(t, here, "GET", me, token, ""))
		}
		again := login(t, there, "ada")
		for _, s := range all {
			wantStatus(t, "a login in the same second", send(t, s, "GET", me, again, ""), 200)
			for whose, token := range others {
				wantStatus(t, whose+" session", send(t, s, "GET", me, token, ""), 200)
			}
		}
	}
	t.Logf("%d rounds in %s", rounds, time.Since(before).Round(time.Millisecond))
}

// TestLogoutAllOfNodeTokens checks that logout-all with a token issued by the Express app ends all sessions of its
// user.
func TestLogoutAllOfNodeTokens(t *testing.T) {
	t.Parallel()
	r := harness.StartRedis(t)
	all := []*harness.Service{start(t, r.Env()...), start(t, r.Env()...)}
	now := time.Now()
	asks := nodeToken("ada", now)
	ended := []string{asks, nodeToken("ada", now.Add(-time.Hour)), nodeToken("ada", now.Add(30*time.Second)), ownToken("ada", now)}
	for _, token := range ended {
		wantStatus(t, "before", send(t, all[1], "GET", me, token, ""), 200)
	}
	wantStatus(t, "logout-all", send(t, all[0], "POST", "/api/auth/logout-all", asks, ""), 200)
	for i, token := range ended {
		for _, s := range all {
			wantRefused(t, fmt.Sprintf("token %d", i), send(t, s, "GET", me, token, ""))
		}
	}
	wantStatus(t, "another user", send(t, all[1], "GET", me, nodeToken("bob", now), ""), 200)
}
