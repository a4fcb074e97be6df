package faults

import (
	"strings"
	"testing"
	"time"

	"gin-auth/e2e/internal/harness"
)

// TestAnotherBlacklistKey starts a second instance with a different BLACKLIST_KEY. Neither instance can find the
// logouts of the other. No logged-out token is accepted by either.
func TestAnotherBlacklistKey(t *testing.T) {
	t.Parallel()
	r := harness.StartRedis(t)
	c := connect(t, r, "")
	before := start(t, append(r.Env(), "BLACKLIST_KEY=bl_{token}")...)
	loggedOut, kept := login(t, before, "ada"), login(t, before, "ada")
	node := nodeToken("node", time.Now())
	wantLogout(t, before, loggedOut)
	wantLogout(t, before, node)
	if got := command(t, c, "EXISTS", "bl_"+loggedOut, "bl_"+node); got != int64(2) {
		t.Errorf("%v of 2 entries have the key bl_{token}", got)
	}
	again := start(t, append(r.Env(), "BLACKLIST_KEY=bl_{token}")...)
	wantStatus(t, "another instance with the same key", send(t, again, "GET", me, kept, ""), 200)
	wantRefused(t, "logged out at the first instance, sent to the second", send(t, again, "GET", me, loggedOut, ""))

	check := harness.Start(t, t.TempDir(), production(r.Env()...), harness.Binary(t), "check")
	if status := check.Exit(t); status != 1 || !strings.Contains(check.Output(), "BLACKLIST_KEY was bl_{token} before") {
		t.Errorf("check: exit status %d, want 1 and the former BLACKLIST_KEY\n%s", status, check.Output())
	}
	revokeAll := harness.Start(t, t.TempDir(), production(r.Env()...), harness.Binary(t), "revoke-all")
	if status := revokeAll.Exit(t); status != 0 {
		t.Errorf("revoke-all: exit status %d, want 0\n%s", status, revokeAll.Output())
	}
	wantRefused(t, "after revoke-all without the setting", send(t, before, "GET", me, kept, ""))
	kept = login(t, before, "ada")
	wantStatus(t, "a login after revoke-all", send(t, before, "GET", me, kept, ""), 200)

	after := start(t, r.Env()...)
	for what, token := range map[string]string{"logged out": loggedOut, "Node's, logged out": node, "from before": kept} {
		wantRefused(t, what+", sent to an instance with another key", send(t, after, "GET", me, token, ""))
	}
	if log := after.Output(); !strings.Contains(log, "BLACKLIST_KEY has changed") || !strings.Contains(log, "bl_{token}") {
		t.Errorf("the log does not say that BLACKLIST_KEY has changed:\n%s", log)
	}
	fresh := login(t, after, "ada")
	wantLogout(t, after, fresh)
	for what, token := range map[string]string{"logged out there": fresh, "from before": kept} {
		wantStatus(t, what+", sent to the old instance", send(t, before, "GET", me, token, ""), 503)
	}
	if log := before.Output(); !strings.Contains(log, "an instance with another BLACKLIST_KEY has started") {
		t.Errorf("the log of the old instance does not mention the instance with another BLACKLIST_KEY:\n%s", log)
	}
	wantStatus(t, "the old instance's readiness", send(t, before, "GET", "/readyz", "", ""), 503)
}
