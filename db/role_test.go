package db

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/alicebob/miniredis/v2/server"

	"gin-auth/user"
)

// answering returns a Redis that answers some commands as the test decides.
func answering(t *testing.T, replies map[string]string) (*DB, *spy) {
	t.Helper()
	d, s := openSpy(t, 5*time.Second)
	d.loginLimit = LoginLimit{Failures: 1000, Per: time.Minute}
	s.setReplies(replies)
	return d, s
}

const (
	isReplica = "-ERR WAIT cannot be used with replica instances."
	unknown   = "-ERR unknown command"
	noPerm    = "-NOPERM this user has no permissions"
	master    = "*3\r\n$6\r\nmaster\r\n:0\r\n*0"
	slave     = "*5\r\n$5\r\nslave\r\n$9\r\n127.0.0.1\r\n:1\r\n$9\r\nconnected\r\n:0"
)

// TestRole: no reply of a replica is used, if Redis permits a proof.
func TestRole(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		replies map[string]string // after the first reply, which a master gave
		err     string            // "" if it is answered all the same
		proof   roleProof
	}{
		"a master":                                 {nil, "", proofWait},
		"a replica":                                {map[string]string{"WAIT": isReplica}, errNotMaster.Error(), proofWait},
		"another error":                            {map[string]string{"WAIT": "-ERR no"}, "ERR no", proofWait},
		"without the right to WAIT, a master":      {map[string]string{"WAIT": noPerm, "ROLE": master}, "", proofRole},
		"without the right to WAIT, a replica":     {map[string]string{"WAIT": noPerm, "ROLE": slave}, errNotMaster.Error(), proofRole},
		"WAIT is renamed, a replica":               {map[string]string{"WAIT": unknown, "ROLE": slave}, errNotMaster.Error(), proofRole},
		"WAIT is renamed, a role that is not sent": {map[string]string{"WAIT": unknown, "ROLE": "*0"}, errNotMaster.Error(), proofRole},
		"without the right to either":              {map[string]string{"WAIT": noPerm, "ROLE": noPerm}, "", proofNone},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for what := range reads(nil) {
				d, s := answering(t, test.replies)
				err := reads(d)[what](t.Context())
				if test.err == "" && err != nil || test.err != "" && (err == nil || !strings.Contains(err.Error(), test.err)) {
					t.Errorf("%s: %v, want %q", what, err, test.err)
				}
				if d.role.now() != test.proof {
					t.Errorf("%s: the proof is %d, want %d", what, d.role.now(), test.proof)
				}
				s.setReplies(nil)
				eventually(t, "a master answers", func() bool { return reads(d)[what](t.Context()) == nil })
			}
		})
	}
}

// reads are the calls that read from Redis.
func reads(d *DB) map[string]func(context.Context) error {
	return map[string]func(context.Context) error{
		"Revoked":     func(ctx context.Context) error { _, _, err := d.Revoked(ctx, "token", "user", at(0)); return err },
		"IssueTime":   func(ctx context.Context) error { _, err := d.IssueTime(ctx, "user"); return err },
		"UserByEmail": func(ctx context.Context) error { _, _, err := d.UserByEmail(ctx, "a@b.c"); return err },
		"FindUsers":   func(ctx context.Context) error { _, err := d.FindUsers(ctx, []user.User{{Email: "a@b.c"}}); return err },
		"Revoke":      func(ctx context.Context) error { return d.Revoke(ctx, "other", time.Time{}) },
		"LogoutAll":   func(ctx context.Context) error { return d.LogoutAll(ctx, "other") },
		"BeginLogin": func(ctx context.Context) error {
			_, err := d.BeginLogin(ctx, "a@b.c", "127.0.0.1", true)
			return err
		},
		"CreateUser": func(ctx context.Context) error {
			err := d.CreateUser(ctx, user.User{ID: "1", Email: "new@b.c", PasswordHash: "x"})
			if errors.Is(err, user.ErrEmailTaken) {
				return nil // by the first call
			}
			return err
		},
		"Ping":  func(ctx context.Context) error { return d.Ping(ctx) },
		"Ready": func(ctx context.Context) error { return d.Ready(ctx) },
	}
}

// TestReplicaIsLeft: all connections to a replica are closed at once, so that new connections can lead to the master.
func TestReplicaIsLeft(t *testing.T) {
	t.Parallel()
	d, s := answering(t, nil)
	release := s.hold()
	for range 10 {
		go func() { _ = d.Ping(t.Context()) }()
	}
	eventually(t, "there are ten connections", func() bool { return s.CurrentConnectionCount() >= 10 })
	release()
	eventually(t, "they are idle", func() bool { return int(d.client.PoolStats().IdleConns) >= 10 })
	before := s.TotalConnectionCount()
	s.setReplies(map[string]string{"WAIT": isReplica})
	if _, _, err := d.findCut(t.Context(), "token", ""); !errors.Is(err, errNotMaster) {
		t.Fatal(err)
	}
	if !d.breaker.isOpen() {
		t.Error("calls still go to the replica")
	}
	s.setReplies(nil)
	eventually(t, "a master answers", func() bool { _, _, err := d.findCut(t.Context(), "token", ""); return err == nil })
	if s.TotalConnectionCount() == before {
		t.Error("the answer came on an old connection")
	}
	d.dialer.mu.Lock()
	defer d.dialer.mu.Unlock()
	if n := len(d.dialer.open); n > 5 {
		t.Errorf("%d connections are open", n)
	}
}

// TestRefusedCommands: if Redis refuses any command of a lookup, the lookup returns an error.
func TestRefusedCommands(t *testing.T) {
	t.Parallel()
	for command, ask := range map[string]func(context.Context, *DB) error{
		"EXISTS": func(ctx context.Context, d *DB) error { _, _, err := d.findCut(ctx, "token", "user"); return err },
		"GET":    func(ctx context.Context, d *DB) error { _, _, err := d.findCut(ctx, "token", "user"); return err },
		"TIME":   func(ctx context.Context, d *DB) error { _, _, err := d.findCut(ctx, "token", "user"); return err },
		"SET":    func(ctx context.Context, d *DB) error { return d.Revoke(ctx, "token", time.Time{}) },
		"EVAL":   func(ctx context.Context, d *DB) error { return d.LogoutAll(ctx, "user") },
	} {
		d, s := answering(t, map[string]string{command: noPerm})
		if err := ask(t.Context(), d); err == nil || !strings.Contains(err.Error(), "NOPERM") {
			t.Errorf("%s is refused: %v", command, err)
		}
		s.setReplies(nil)
		if err := ask(t.Context(), d); err != nil {
			t.Errorf("%s: %v", command, err)
		}
	}
}

// TestTooFewReplicas: a revocation counts as stored only if as many replicas have stored it as the options require.
func TestTooFewReplicas(t *testing.T) {
	t.Parallel()
	d, s := openSpy(t, 5*time.Second)
	d.loginLimit = LoginLimit{Failures: 1000, Per: time.Minute}
	d.waitReplicas = 2
	for reply, want := range map[string]string{":0": "0 of 2 hold it", ":1": "1 of 2 hold it", ":2": "", ":3": ""} {
		s.setReplies(map[string]string{"WAIT": reply})
		for what, err := range map[string]error{
			"Revoke": d.Revoke(t.Context(), "token", time.Time{}), "LogoutAll": d.LogoutAll(t.Context(), "user"),
		} {
			if want == "" && err != nil || want != "" && (err == nil || !strings.Contains(err.Error(), want)) {
				t.Errorf("%s, WAIT answers %s: %v, want %q", what, reply, err, want)
			}
		}
	}
}

// TestRisksAreExaminedAgain: risks are examined at the start and then every minute, and each is logged once.
func TestRisksAreExaminedAgain(t *testing.T) {
	t.Parallel()
	s := startSpy(t)
	policy := atomic.Pointer[string]{}
	set := func(value string) { policy.Store(&value) }
	set("noeviction")
	s.reply = func(command string) string {
		if command != "INFO" {
			return ""
		}
		return "=" + *policy.Load() // see answer
	}
	log := &lines{}
	d, err := Open(Options{Addrs: []string{s.Addr()}, Timeout: 5 * time.Second, Log: slog.New(slog.NewTextHandler(log, nil))})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = d.Close() })
	d.background.Go(func() { d.watch(d.life, time.Millisecond) })
	infos := func() int {
		s.mu.Lock()
		defer s.mu.Unlock()
		return len(slices.DeleteFunc(slices.Clone(s.commands), func(c string) bool { return c != "INFO" }))
	}
	eventually(t, "it was examined", func() bool { return infos() >= 2 })
	if n := log.count("can lose logouts"); n != 0 {
		t.Errorf("%d warnings about a safe Redis", n)
	}
	for _, unsafe := range []string{"allkeys-lru", "volatile-ttl"} {
		set(unsafe)
		eventually(t, "it is logged", func() bool { return log.count("not "+unsafe) == 1 })
		seen := infos()
		eventually(t, "it is examined again", func() bool { return infos() > seen+4 })
		if n := log.count("not " + unsafe); n != 1 {
			t.Errorf("%d warnings about %s", n, unsafe)
		}
	}
}

// TestFirstEpoch: the first epoch is stored without a script. If it cannot be stored, that is logged, counts as a risk
// and is tried again.
func TestFirstEpoch(t *testing.T) {
	t.Parallel()
	s := startSpy(t)
	s.setReplies(map[string]string{"EVAL": noPerm, "SET": "-OOM command not allowed"})
	log := &lines{}
	d, err := Open(Options{Addrs: []string{s.Addr()}, Timeout: 5 * time.Second, Log: slog.New(slog.NewTextHandler(log, nil))})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = d.Close() })
	for range 3 {
		if _, cut, err := d.findCut(t.Context(), "token", ""); cut != 0 || err != nil {
			t.Errorf("cut %d, %v", cut, err)
		}
	}
	if n := log.count("a lost blacklist would go unnoticed"); n != 1 {
		t.Errorf("%d lines say that a loss would go unnoticed", n)
	}
	if _, known, err := d.epochs.current(); err == nil || known {
		t.Errorf("the epoch could not be stored: %v, known: %v", err, known)
	}
	s.setReplies(map[string]string{"EVAL": noPerm})
	eventually(t, "it is stored", func() bool { return d.Ready(t.Context()) == nil && s.Exists("auth:epoch") })
	if cut, known, err := d.epochs.current(); err != nil || cut != 0 || !known {
		t.Errorf("the epoch: %v, %d, %v", err, cut, known)
	}
	s.FlushAll()
	if _, _, err := d.findCut(t.Context(), "token", ""); err == nil || !strings.Contains(err.Error(), "NOPERM") {
		t.Errorf("after a loss, without the right to a script: %v", err)
	}
	s.setReplies(nil)
	if _, cut, err := d.findCut(t.Context(), "token", ""); cut == 0 || err != nil {
		t.Errorf("after a loss, with the right: cut %d, %v", cut, err)
	}
}

// TestUnknownIsARisk: if Redis refuses a command that shows risks, that counts as a risk.
func TestUnknownIsARisk(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		replies map[string]string
		want    []string
	}{
		"nothing":       {map[string]string{"INFO": "=noeviction"}, nil},
		"INFO":          {map[string]string{"INFO": unknown}, []string{"because INFO is refused"}},
		"WAIT":          {map[string]string{"INFO": "=noeviction", "WAIT": noPerm, "ROLE": master}, nil},
		"WAIT and ROLE": {map[string]string{"INFO": "=noeviction", "WAIT": noPerm, "ROLE": noPerm}, []string{"whether it was demoted"}},
	} {
		d, _ := answering(t, test.replies)
		risks, err := d.Risks(t.Context())
		if err != nil || len(risks) != len(test.want) || len(risks) > 0 && !strings.Contains(risks[0], test.want[0]) {
			t.Errorf("%s is refused: %q, %v, want %q", name, risks, err, test.want)
		}
	}
}

// answer sends a reply as it is, or an INFO with a policy for a reply that begins with "=". It reports whether it sent
// one.
func answer(peer *server.Peer, reply string) bool {
	if reply == "" {
		return false
	}
	if policy, ok := strings.CutPrefix(reply, "="); ok {
		peer.WriteBulk("role:master\r\nmaxmemory:1\r\nmaxmemory_policy:" + policy + "\r\nevicted_keys:0\r\naof_enabled:1\r\n")
		return true
	}
	peer.WriteRaw(reply + "\r\n")
	return true
}
