package db

import (
	"fmt"
	"log/slog"
	"testing"
	"time"

	"github.com/alicebob/miniredis/v2"
)

const noon = 1_800_000_000 // by Redis's clock

// at is when a token was issued.
func at(second int64) func() int64 { return func() int64 { return second } }

// TestSetBack shows an instance a sequence of times and checks by which time it then judges tokens.
func TestSetBack(t *testing.T) {
	t.Parallel()
	type token struct{ issued, judged int64 } // after noon
	for _, test := range []struct {
		name   string
		times  []int64 // seen, after noon
		stored string
		tokens []token // at the last of the times
	}{
		{"only forward", []int64{0, 10}, "0:0", []token{{-100, 10}, {10, 10}, {11, 10}}},
		{"late answers", []int64{10, 9, 8}, "0:0", []token{{-100, 8}}},
		{"back by no more than maxStepBack", []int64{30, 0}, "0:0", []token{{-100, 0}}},
		{"forward and back", []int64{0, 300, 1}, "300:1", []token{{-100, 300}, {0, 300}, {1, 1}, {2, 1}, {3, 300}, {250, 300}}},
		{"bit by bit", []int64{60, 35, 29}, "60:29", []token{{28, 60}, {29, 29}}},
		{"twice", []int64{300, 0, 10, 200, 50}, "301:50", []token{{49, 301}, {50, 50}}},
		{"twice, the second further", []int64{300, 0, 400, 5}, "400:5", []token{{4, 400}, {5, 5}}},
		{"and forward again, almost to the highest", []int64{300, 0, 299}, "300:0", []token{{-1, 300}, {0, 299}, {299, 299}}},
		{"and past the highest", []int64{300, 0, 300}, "300:0", []token{{-1, 300}}},
		{"forward alone", []int64{0, 300, 301}, "0:0", []token{{-100, 301}}},
	} {
		c := &clock{log: slog.New(slog.DiscardHandler)}
		c.merge(setBack{})
		var highest highestTime
		var now time.Time
		for _, seen := range test.times {
			now = time.Unix(noon+seen, 500)
			c.observe(&highest, now)
		}
		stored := c.setBack.Load()
		if want := parseSetBack(test.stored); stored.highest != want.highest+min(want.highest, 1)*noon || stored.at != want.at+min(want.highest, 1)*noon {
			t.Errorf("%s: %s, want %s", test.name, stored, test.stored)
		}
		for _, token := range test.tokens {
			if judged := c.judge(now, at(noon+token.issued)).Unix() - noon; judged != token.judged {
				t.Errorf("%s: a token issued at %d is judged at %d, want %d", test.name, token.issued, judged, token.judged)
			}
		}
		if judged := c.judge(now, at(0)).Unix() - noon; judged != test.tokens[0].judged {
			t.Errorf("%s: a token that does not say when it was issued is judged at %d", test.name, judged)
		}
	}
}

func TestMergeSetBack(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		own     *setBack
		stored  string
		want    setBack
		replace bool
	}{
		{nil, "", setBack{}, false},
		{nil, "300:1", setBack{300, 1}, false},
		{&setBack{}, "", setBack{}, false},
		{&setBack{}, "300:1", setBack{300, 1}, false},
		{&setBack{300, 1}, "300:1", setBack{300, 1}, false},
		{&setBack{300, 1}, "301:9", setBack{301, 9}, false},
		{&setBack{300, 1}, "299:9", setBack{300, 1}, true},
		{&setBack{300, 1}, "", setBack{300, 1}, true},
		{&setBack{300, 1}, "x:y", setBack{300, 1}, true},
		{&setBack{300, 1}, "900", setBack{300, 1}, true},
		{&setBack{300, 1}, "900:-1", setBack{300, 1}, true},
	} {
		c := &clock{}
		c.setBack.Store(test.own)
		if replace := c.merge(parseSetBack(test.stored)); replace != test.replace || *c.setBack.Load() != test.want {
			t.Errorf("%v, stored %q: %v, replace: %v", test.own, test.stored, c.setBack.Load(), replace)
		}
	}
}

// TestClockIsSetBack: on a Redis whose clock goes forward and back, entries expire, and their tokens stay rejected,
// also by an instance that starts afterwards.
func TestClockIsSetBack(t *testing.T) {
	t.Parallel()
	redis := miniredis.RunT(t)
	d, log := openWith(t, false, redis.Addr()) // a late reply to the watch could show an earlier time
	set := func(seconds int64) { redis.SetTime(time.Unix(noon+seconds, 0)) }
	judged := func(d *DB, issued int64) int64 {
		t.Helper()
		_, now, err := d.Revoked(t.Context(), "token", "user", at(noon+issued))
		if err != nil {
			t.Fatal(err)
		}
		return now.Unix() - noon
	}
	set(0)
	if got := judged(d, 0); got != 0 {
		t.Errorf("judged at %d", got)
	}
	set(300)
	if got := judged(d, 0); got != 300 {
		t.Errorf("the clock went forward: judged at %d", got)
	}
	set(1)
	if before, after := judged(d, 0), judged(d, 1); before != 300 || after != 1 {
		t.Errorf("the clock was set back: a token from before is judged at %d, one from after it at %d", before, after)
	}
	err := d.Ready(t.Context())
	if value, _ := redis.Get("auth:clock"); err != nil || value != fmt.Sprintf("%d:%d", noon+300, noon+1) {
		t.Errorf("%s is stored, %v", value, err)
	}
	if n := log.count("clock was set back"); n != 1 {
		t.Errorf("%d lines say so", n)
	}
	young, _ := openWith(t, false, redis.Addr())
	if before, after := judged(young, 0), judged(young, 1); before != 300 || after != 1 {
		t.Errorf("a new instance judges at %d and %d", before, after)
	}
	set(301)
	if before := judged(d, 0); before != 301 {
		t.Errorf("once the clock has caught up: judged at %d", before)
	}
}

// TestIdleInstanceSeesTheClock: an instance notices that the clock was set forward and back while there are no lookups.
func TestIdleInstanceSeesTheClock(t *testing.T) {
	t.Parallel()
	d, redis, _ := open(t)
	redis.SetTime(time.Unix(noon, 0))
	eventually(t, "the time was seen", func() bool { return d.batcher.highest.seconds.Load() == noon })
	redis.SetTime(time.Unix(noon+300, 0))
	eventually(t, "the time was seen", func() bool { return d.batcher.highest.seconds.Load() == noon+300 })
	redis.SetTime(time.Unix(noon+2, 0))
	if _, now, err := d.Revoked(t.Context(), "token", "user", at(noon)); now.Unix() != noon+300 || err != nil {
		t.Errorf("judged at %d, %v", now.Unix()-noon, err)
	}
}

// TestSkew: an instance whose clock is wrong logs that once.
func TestSkew(t *testing.T) {
	t.Parallel()
	d, redis, log := open(t)
	eventually(t, "it is known", func() bool { skew, known := d.Skew(); return known && skew.Abs() < time.Second })
	for _, test := range []struct {
		ahead time.Duration
		warns int
	}{{-300 * time.Second, 1}, {-301 * time.Second, 1}, {0, 1}, {300 * time.Second, 2}, {4 * time.Second, 2}} {
		redis.SetTime(time.Now().Add(-test.ahead))
		for range 2 {
			if err := d.Ready(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		if skew, known := d.Skew(); !known || (skew-test.ahead).Abs() > 3*time.Second {
			t.Errorf("the clock is %s ahead, not %s", skew, test.ahead)
		}
		if n := log.count("clock differs from Redis's"); n != test.warns {
			t.Errorf("%s ahead: %d warnings, want %d", test.ahead, n, test.warns)
		}
	}
}
