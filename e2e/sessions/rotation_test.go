package sessions

import "testing"

// TestRotation changes the secret. Sessions signed with the old secret are listed and ended, and a Node service
// that still uses the old secret rejects their tokens.
func TestRotation(t *testing.T) {
	t.Parallel()
	s := startSite(t)
	p, token := mustRegister(t, s.auth, "ada")
	old := []string{token, p.mustLogin(t, s.auth), p.mustLogin(t, s.auth)}
	rotated := startAuth(t, settings("the next secret of more than thirty-two bytes",
		append(s.redis.Env(), "JWT_SECRET_PREVIOUS="+secret)...))
	after := site{s.redis, rotated, s.node}
	next := p.mustLogin(t, rotated)
	send(t, 401, "GET", s.node+"/me", next, nil) // the Node service does not have the new secret

	wantListed(t, rotated, next, next, old[2], old[1], old[0])
	if err := after.accept(old...); err != nil {
		t.Fatal(err)
	}
	send(t, 204, "DELETE", rotated+"/sessions/"+claims(old[0]).JTI, next, nil)
	if err := after.reject(old[0]); err != nil {
		t.Error("tokens after DELETE:", err)
	}
	wantListed(t, rotated, old[1], next, old[2], old[1])
	send(t, 200, "POST", rotated+"/logout-all", old[1], nil)
	if err := after.reject(old...); err != nil {
		t.Error("tokens after logout-all:", err)
	}
	send(t, 401, "GET", rotated+"/me", next, nil)
	if keys := s.redis.Client(t).Keys(t.Context(), "blacklist:*").Val(); len(keys) != 4 {
		t.Errorf("%d tokens are on the blacklist, want 4", len(keys))
	}
}

// wantListed checks that the sessions of these tokens are listed in this order for the token asks.
func wantListed(t *testing.T, url, asks string, tokens ...string) {
	t.Helper()
	sessions := list(t, url, asks)
	if len(sessions) != len(tokens) {
		t.Fatalf("%d sessions are listed, want %d", len(sessions), len(tokens))
	}
	for i, token := range tokens {
		if got := sessions[i]; got.ID != claims(token).JTI || got.Current != (token == asks) {
			t.Errorf("session %d is %+v, want %s", i, got, claims(token).JTI)
		}
	}
}
