package faults

import (
	"strings"
	"testing"
	"time"

	"gin-auth/e2e/internal/harness"
	"gin-auth/e2e/internal/requests"
)

// TestAnotherBlacklistKey starts a second instance with a different BLACKLIST_KEY. Neither instance can find the
// logouts of the other. No logged-out token is accepted by either.
func TestAnotherBlacklistKey(t *testing.T) {
	t.Parallel()
	r := harness.StartRedis(t)
	c := r.Client(t)
	before := requests.Start(t, append(r.Env(), "BLACKLIST_KEY=bl_{token}")...)
	loggedOut, kept := requests.Login(t, before, "ada"), requests.Login(t, before, "ada")
	node := requests.NodeToken("node", time.Now())
	requests.WantLogout(t, before, loggedOut)
	requests.WantLogout(t, before, node)
	if got := harness.Command(t, c, "EXISTS", "bl_"+loggedOut, "bl_"+node); got != int64(2) {
		t.Errorf("%v of 2 entries have the key bl_{token}", got)
	}
	again := requests.Start(t, append(r.Env(), "BLACKLIST_KEY=bl_{token}")...)
	requests.WantStatus(t, "another instance with the same key", requests.Send(t, again, "GET", requests.Me, kept, ""), 200)
	requests.WantRefused(t, "logged out at the first instance, sent to the second", requests.Send(t, again, "GET", requests.Me, loggedOut, ""))

	check := harness.Start(t, t.TempDir(), requests.Production(r.Env()...), harness.Binary(t), "check")
	if status := check.Exit(t); status != 1 || !strings.Contains(check.Output(), "BLACKLIST_KEY was bl_{token} before") {
		t.Errorf("check: exit status %d, want 1 and the former BLACKLIST_KEY\n%s", status, check.Output())
	}
	revokeAll := harness.Start(t, t.TempDir(), requests.Production(r.Env()...), harness.Binary(t), "revoke-all")
	if status := revokeAll.Exit(t); status != 0 {
		t.Errorf("revoke-all: exit status %d, want 0\n%s", status, revokeAll.Output())
	}
	requests.WantRefused(t, "after revoke-all without the setting", requests.Send(t, before, "GET", requests.Me, kept, ""))
	kept = requests.Login(t, before, "ada")
	requests.WantStatus(t, "a login after revoke-all", requests.Send(t, before, "GET", requests.Me, kept, ""), 200)

	after := requests.Start(t, r.Env()...)
	for what, token := range map[string]string{"logged out": loggedOut, "Node's, logged out": node, "from before": kept} {
		requests.WantRefused(t, what+", sent to an instance with another key", requests.Send(t, after, "GET", requests.Me, token, ""))
	}
	if log := after.Output(); !strings.Contains(log, "BLACKLIST_KEY has changed") || !strings.Contains(log, "bl_{token}") {
		t.Errorf("the log does not say that BLACKLIST_KEY has changed:\n%s", log)
	}
	fresh := requests.Login(t, after, "ada")
	requests.WantLogout(t, after, fresh)
	for what, token := range map[string]string{"logged out there": fresh, "from before": kept} {
		requests.WantStatus(t, what+", sent to the old instance", requests.Send(t, before, "GET", requests.Me, token, ""), 503)
	}
	if log := before.Output(); !strings.Contains(log, "an instance with another BLACKLIST_KEY has started") {
		t.Errorf("the log of the old instance does not mention the instance with another BLACKLIST_KEY:\n%s", log)
	}
	requests.WantStatus(t, "the old instance's readiness", requests.Send(t, before, "GET", "/readyz", "", ""), 503)
}
