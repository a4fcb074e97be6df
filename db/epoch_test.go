package db

import (
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/alicebob/miniredis/v2"
)

// TestAdopt checks the table in docs/revocation.md, and one more case: a value that is not an epoch.
func TestAdopt(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		seen, answered string
		expect         bool
		template       keyTemplate
		verdict        epochVerdict
		cut, least     int64 // of the known epoch, or of a new one
		now            string
	}{
		{seen: "", answered: "", verdict: epochFirst, now: ""},
		{seen: "", answered: "", expect: true, verdict: epochLost, least: 1, now: ""},
		{seen: "", answered: "a:0", verdict: epochKnown, cut: 0, now: "a:0"},
		{seen: "", answered: "a:7", expect: true, verdict: epochKnown, cut: 7, now: "a:7"},
		{seen: "a:7", answered: "a:7", verdict: epochKnown, cut: 7, now: "a:7"},
		{seen: "a:7", answered: "b:8", verdict: epochKnown, cut: 8, now: "b:8"},
		{seen: "a:7", answered: "b:7", verdict: epochLost, least: 8, now: "a:7"},
		{seen: "a:7", answered: "b:0", verdict: epochLost, least: 8, now: "a:7"},
		{seen: "a:7", answered: "", verdict: epochLost, least: 8, now: "a:7"},
		{seen: "a:7", answered: "garbage", verdict: epochLost, least: 8, now: "a:7"},
		{seen: "", answered: "garbage", verdict: epochLost, least: 1, now: ""},
		{seen: "", answered: "a:-1", verdict: epochLost, least: 1, now: ""},
		{seen: "", answered: ":5", verdict: epochLost, least: 1, now: ""},
		{seen: "", answered: "a:5x", verdict: epochLost, least: 1, now: ""},
		{seen: "", answered: "a:7:blacklist:{token}", verdict: epochKnown, cut: 7, now: "a:7:blacklist:{token}"},
		{seen: "", answered: "a:7:bl_{token}", verdict: epochLost, least: 8, now: ""},
		{seen: "", answered: "a:0:bl_{token}", verdict: epochLost, least: 1, now: ""},
		{seen: "", template: "bl_{token}", answered: "a:7:bl_{token}", verdict: epochKnown, cut: 7, now: "a:7:bl_{token}"},
		{seen: "", template: "bl_{token}", answered: "a:7:bl_{token}:", verdict: epochLost, least: 8, now: ""},
		{seen: "", template: "bl_{token}", answered: "a:7", verdict: epochLost, least: 8, now: ""},
		{seen: "a:7", answered: "b:8:bl_{token}", verdict: epochForeign, now: "a:7"},
		{seen: "a:7", answered: "b:7:bl_{token}", verdict: epochLost, least: 8, now: "a:7"},
	} {
		e := &epochs{log: slog.New(slog.DiscardHandler), expect: test.expect, template: test.template, slots: make([]slotEpoch, 1)}
		if test.seen != "" {
			e.adopt(0, test.seen)
		}
		least, verdict := e.adopt(0, test.answered)
		if verdict != test.verdict || verdict == epochKnown && e.cut != test.cut || least != test.least || e.slots[0].value != test.now {
			t.Errorf("seen %q, answered %q: %d, cut %d, least %d, then %q", test.seen, test.answered, verdict, e.cut, least, e.slots[0].value)
		}
	}
}

func TestEpochInRedis(t *testing.T) {
	t.Parallel()
	d, redis, log := open(t)
	eventually(t, "the first epoch is stored", func() bool { return redis.Exists("auth:epoch") })
	value, err := redis.Get("auth:epoch")
	if err != nil || !strings.HasSuffix(value, ":0") {
		t.Errorf("the first epoch is %q, %v", value, err)
	}
	if _, cut, err := d.findCut(t.Context(), "token", "user"); cut != 0 || err != nil {
		t.Errorf("cut %d, %v", cut, err)
	}
	redis.FlushAll()
	before := time.Now().Unix()
	_, cut, err := d.findCut(t.Context(), "token", "user")
	if cut < before+1 || cut > time.Now().Unix()+1 || err != nil {
		t.Errorf("after a loss: cut %d at %d, %v", cut, before, err)
	}
	at, err := d.IssueTime(t.Context(), "user")
	if err != nil || at.Unix() <= cut {
		t.Errorf("a token is issued at %d, %v; the cut is %d", at.Unix(), err, cut)
	}
	all, err := d.RevokeAll(t.Context())
	if err != nil || all <= cut {
		t.Errorf("revoking all: cut %d, %v; it was %d", all, err, cut)
	}
	if _, cut, err := d.findCut(t.Context(), "token", ""); cut != all || err != nil {
		t.Errorf("after revoking all: cut %d, %v; want %d", cut, err, all)
	}
	if n := log.count("the blacklist was lost"); n != 2 {
		t.Errorf("%d lines of lost blacklists, want that of the loss and that of revoking all", n)
	}
	for key, store := range map[string]func() error{
		"auth:epoch":           func() error { redis.Del("auth:epoch"); _, err := redis.Push("auth:epoch", "x"); return err },
		"auth:logout-all:user": func() error { redis.Del("auth:epoch"); return redis.Set("auth:logout-all:user", "soon") },
	} {
		if err := store(); err != nil {
			t.Fatal(err)
		}
		if _, _, err := d.findCut(t.Context(), "token", "user"); err == nil {
			t.Errorf("a broken %s is accepted as an answer", key)
		}
	}
}

func TestExpectedEpoch(t *testing.T) {
	t.Parallel()
	redis := miniredis.RunT(t)
	d, err := Open(Options{Addrs: []string{redis.Addr()}, Timeout: 2 * time.Second, ExpectEpoch: true, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = d.Close() })
	if _, cut, err := d.findCut(t.Context(), "token", ""); cut < time.Now().Unix()-1 || err != nil {
		t.Errorf("cut %d, %v; want that of a lost blacklist", cut, err)
	}
}

// TestLogoutAll: tokens that were issued before it are rejected, tokens issued after it are not, and no cut is later
// than the cut of a lost blacklist would be.
func TestLogoutAll(t *testing.T) {
	t.Parallel()
	d, redis, _ := open(t)
	const start = 1_800_000_000
	for _, test := range []struct {
		name         string
		now          int64 // after the start, as are the others
		stored, want int64 // the user's cut, 0 for none
		epoch        string
	}{
		{"the first", 0, 0, 0, "e:0"},
		{"after an earlier one", 10, 9, 10, "e:0"},
		{"in the same second, where a login is a second ahead", 10, 10, 11, "e:0"},
		{"and again", 10, 11, 11, "e:0"},
		{"with the clock set back", 10, 500, 500, "e:0"},
		{"in the second of a loss", 10, 0, 11, fmt.Sprint("e:", start+10)},
		{"in the second before", 10, 0, 11, fmt.Sprint("e:", start+11)},
		{"long after a loss", 10, 0, 10, fmt.Sprint("e:", start+9)},
		{"with an epoch that is none", 10, 0, 10, "garbage"},
		{"without an epoch", 10, 0, 10, ""},
	} {
		redis.FlushAll()
		redis.SetTime(time.Unix(start+test.now, 0))
		for key, value := range map[string]string{"auth:epoch": test.epoch, "auth:logout-all:user": fmt.Sprint(start + test.stored)} {
			if value == "" || key == "auth:logout-all:user" && test.stored == 0 {
				continue
			}
			if err := redis.Set(key, value); err != nil {
				t.Fatal(err)
			}
		}
		if err := d.LogoutAll(t.Context(), "user"); err != nil {
			t.Fatalf("%s: %v", test.name, err)
		}
		if got, err := redis.Get("auth:logout-all:user"); got != fmt.Sprint(start+test.want) || err != nil {
			t.Errorf("%s: the cut is %s, %v; want %d", test.name, got, err, start+test.want)
		}
	}
	if _, cut, err := d.findCut(t.Context(), "token", "another"); cut > start+12 || err != nil {
		t.Errorf("another user's cut is %d, %v", cut, err)
	}
}

// TestCuts: a token is revoked if it was issued at or before the later of its user's cut and the epoch's. A token that
// does not say when it was issued is revoked if there is any cut.
func TestCuts(t *testing.T) {
	t.Parallel()
	redis := miniredis.RunT(t)
	d, err := Open(Options{Addrs: []string{redis.Addr()}, Timeout: 5 * time.Second, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = d.Close() })
	redis.SetTime(time.Unix(noon, 0))
	for _, test := range []struct {
		epoch, user, issued int64 // 0 for none
		revoked             bool
	}{
		{0, 0, 0, false},
		{0, 0, noon, false},
		{0, noon, noon - 1, true},
		{0, noon, noon, true},
		{0, noon, noon + 1, false},
		{0, noon, 0, true},
		{noon, 0, noon, true},
		{noon, 0, noon + 1, false},
		{noon, 0, 0, true},
		{noon + 9, noon, noon + 9, true},
		{noon + 9, noon, noon + 10, false},
		{noon + 9, noon + 20, noon + 20, true},
		{noon + 9, noon + 20, noon + 21, false},
	} {
		redis.FlushAll()
		d.epochs.slots[0], d.epochs.cut = slotEpoch{}, 0
		for key, value := range map[string]string{"auth:epoch": fmt.Sprint("e:", test.epoch), "auth:logout-all:user": fmt.Sprint(test.user)} {
			if key == "auth:logout-all:user" && test.user == 0 {
				continue
			}
			if err := redis.Set(key, value); err != nil {
				t.Fatal(err)
			}
		}
		if revoked, _, err := d.Revoked(t.Context(), "token", "user", at(test.issued)); revoked != test.revoked || err != nil {
			t.Errorf("%+v: revoked: %v, %v", test, revoked, err)
		}
	}
}

// TestIssueTime: tokens are issued later than every cut and at most a second ahead, and not at all while the clock is
// far behind.
func TestIssueTime(t *testing.T) {
	t.Parallel()
	d, redis, _ := open(t)
	const start = 1_800_000_000
	redis.SetTime(time.Unix(start, 0))
	if err := redis.Set("auth:epoch", "e:0"); err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct{ cut, at int64 }{{-1, 0}, {0, 1}, {1, 0}, {600, 0}} {
		if err := redis.Set("auth:logout-all:user", fmt.Sprint(start+test.cut)); err != nil {
			t.Fatal(err)
		}
		if test.cut == 1 { // it waits
			time.AfterFunc(100*time.Millisecond, func() { redis.SetTime(time.Unix(start+1, 0)) })
			test.at = 2
		}
		at, err := d.IssueTime(t.Context(), "user")
		if test.cut == 600 {
			if err == nil || !strings.Contains(err.Error(), "Redis's clock is 10m0s behind") {
				t.Errorf("with the clock set back: %s, %v", at, err)
			}
		} else if at.Unix() != start+test.at || err != nil {
			t.Errorf("cut %d: issued at %d, %v; want %d", test.cut, at.Unix()-start, err, test.at)
		}
	}
}
