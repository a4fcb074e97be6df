package db

import (
	"log/slog"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/alicebob/miniredis/v2"
	"github.com/alicebob/miniredis/v2/server"
)

// openBehind returns a DB that asks sentinels, each of which replies to the question for the master as its function
// does. A nil function is a sentinel that does not run.
func openBehind(t *testing.T, replies ...func(*server.Peer)) *DB {
	t.Helper()
	var addrs []string
	for _, reply := range replies {
		sentinel, err := server.NewServer("127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(sentinel.Close)
		addrs = append(addrs, sentinel.Addr().String())
		if reply == nil {
			sentinel.Close()
			continue
		}
		if err := sentinel.Register("SENTINEL", func(c *server.Peer, _ string, args []string) {
			if args[0] == "sentinels" {
				c.WriteLen(0)
				return
			}
			reply(c)
		}); err != nil {
			t.Fatal(err)
		}
	}
	return openOptions(t, Options{
		Addrs: addrs, SentinelMaster: "mymaster", Timeout: 5 * time.Second, LoginLimit: tenAMinute, RebuildToken: rebuildTest,
		Log: slog.New(slog.DiscardHandler),
	})
}

// TestSentinels: while no sentinel names the master, every call returns an error that says why. In particular, the
// reply that a name is not known is not taken for Redis's reply that a key does not exist.
func TestSentinels(t *testing.T) {
	t.Parallel()
	redis := miniredis.RunT(t)
	names := func(c *server.Peer) {
		host, port, _ := net.SplitHostPort(redis.Addr())
		c.WriteStrings([]string{host, port})
	}
	unknown := func(c *server.Peer) { c.WriteNull() }
	refuses := func(c *server.Peer) { c.WriteError("NOPERM no") }
	const noName = `no master is named "mymaster" there: see REDIS_SENTINEL_MASTER`
	for name, test := range map[string]struct {
		sentinels []func(*server.Peer)
		err       []string // parts of it, none if a sentinel names the master
	}{
		"the name is unknown":               {[]func(*server.Peer){unknown}, []string{"no sentinel names the master (REDIS_SENTINELS): " + noName}},
		"unknown to all":                    {[]func(*server.Peer){unknown, unknown}, []string{": " + noName}},
		"unknown to one, the other stopped": {[]func(*server.Peer){unknown, nil}, []string{noName, "is a sentinel running there?"}},
		"all stopped":                       {[]func(*server.Peer){nil, nil}, []string{"no sentinel answers (REDIS_SENTINELS): dial tcp ", "is a sentinel running there?; dial tcp "}},
		"a right is missing":                {[]func(*server.Peer){refuses}, []string{"no sentinel names the master (REDIS_SENTINELS): NOPERM no"}},
		"one names it":                      {[]func(*server.Peer){unknown, nil, names}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for what := range reads(nil) {
				err := reads(openBehind(t, test.sentinels...))[what](t.Context())
				if (err == nil) != (test.err == nil) {
					t.Errorf("%s: %v, want an error: %v", what, err, test.err != nil)
				}
				for _, part := range test.err {
					if err != nil && !strings.Contains(err.Error(), part) {
						t.Errorf("%s: %v, want %q", what, err, part)
					}
				}
			}
		})
	}
}
