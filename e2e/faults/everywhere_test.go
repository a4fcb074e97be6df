package faults

import (
	"fmt"
	"testing"
	"time"

	"gin-auth/e2e/internal/harness"
	"gin-auth/e2e/internal/requests"
)

// TestLogoutAll ends a user's sessions at one instance and checks them at the other, repeatedly.
func TestLogoutAll(t *testing.T) {
	t.Parallel()
	r := harness.StartRedis(t)
	all := []*harness.Service{requests.Start(t, r.Env()...), requests.Start(t, r.Env()...)}
	bob := requests.Login(t, all[0], "bob")
	others := map[string]string{"bob's": bob, "Node's": requests.NodeToken("eve", time.Now())}
	before := time.Now()
	const rounds = 10
	for round := range rounds {
		here, there := all[round%2], all[(round+1)%2]
		asks := requests.Login(t, here, "ada")
		ended := []string{asks, requests.Login(t, here, "ada"), requests.Login(t, there, "ada")}
		for _, token := range ended {
			requests.WantStatus(t, "before", requests.Send(t, there, "GET", requests.Me, token, ""), 200)
		}
		got := requests.Send(t, here, "POST", "/api/auth/logout-all", asks, "")
		if got.Status != 200 || got.Token() != "" {
			t.Fatalf("logout-all: %s", got)
		}
		for i, token := range ended {
			requests.WantRefused(t, fmt.Sprintf("token %d at the other instance", i), requests.Send(t, there, "GET", requests.Me, token, ""))
			requests.WantRefused(t, fmt.Sprintf("token %d at the same instance", i), requests.Send(t, here, "GET", requests.Me, token, ""))
		}
		again := requests.Login(t, there, "ada")
		for _, s := range all {
			requests.WantStatus(t, "a login in the same second", requests.Send(t, s, "GET", requests.Me, again, ""), 200)
			for whose, token := range others {
				requests.WantStatus(t, whose+" session", requests.Send(t, s, "GET", requests.Me, token, ""), 200)
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
	all := []*harness.Service{requests.Start(t, r.Env()...), requests.Start(t, r.Env()...)}
	now := time.Now()
	asks := requests.NodeToken("ada", now)
	ended := []string{asks, requests.NodeToken("ada", now.Add(-time.Hour)), requests.NodeToken("ada", now.Add(30*time.Second)), requests.OwnToken("ada", now)}
	for _, token := range ended {
		requests.WantStatus(t, "before", requests.Send(t, all[1], "GET", requests.Me, token, ""), 200)
	}
	requests.WantStatus(t, "logout-all", requests.Send(t, all[0], "POST", "/api/auth/logout-all", asks, ""), 200)
	for i, token := range ended {
		for _, s := range all {
			requests.WantRefused(t, fmt.Sprintf("token %d", i), requests.Send(t, s, "GET", requests.Me, token, ""))
		}
	}
	requests.WantStatus(t, "another user", requests.Send(t, all[1], "GET", requests.Me, requests.NodeToken("bob", now), ""), 200)
}
