package db

import (
	"bufio"
	"bytes"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"time"
)

// TestGreeting: go-redis sends no second greeting, whatever the password and the database, so a call on a new
// connection takes one round trip. If go-redis changes its greeting, this test fails, but connections still work.
func TestGreeting(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		username, password string
		db                 int
		sent               []string // before the question
	}{
		"nothing":    {"", "", 0, []string{"HELLO 3"}},
		"a password": {"", "hush", 0, []string{"HELLO 3 auth default hush"}},
		"a user":     {"ada", "hush", 0, []string{"HELLO 3 auth ada hush"}},
		"a database": {"", "hush", 2, []string{"HELLO 3 auth default hush", "SELECT 2"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := startSpy(t)
			if test.username != "" {
				s.RequireUserAuth(test.username, test.password)
			} else if test.password != "" {
				s.RequireAuth(test.password)
			}
			d, err := Open(Options{
				Addrs: []string{s.Addr()}, Timeout: 5 * time.Second, Log: slog.New(slog.DiscardHandler),
				Username: test.username, Password: test.password, DB: test.db,
			})
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { _ = d.Close() })
			if err := d.Ping(t.Context()); err != nil {
				t.Fatal(err)
			}
			if got, want := s.sent(), append(test.sent, "GET auth:epoch", "WAIT 0 0"); !slices.Equal(got, want) {
				t.Errorf("sent %q, want %q", got, want)
			}
			if d.dialer.roundTrip.Load() <= 0 {
				t.Error("the round trip was not measured")
			}
		})
	}
}

// TestGreetingIsRefused: go-redis handles a greeting that Redis refuses, as if it had sent the greeting itself.
func TestGreetingIsRefused(t *testing.T) {
	t.Parallel()
	s := startSpy(t)
	s.setReplies(map[string]string{"HELLO": unknown})
	d, err := Open(Options{Addrs: []string{s.Addr()}, Timeout: 5 * time.Second, DB: 2, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = d.Close() })
	if err := d.Ping(t.Context()); err != nil {
		t.Error(err)
	}
	s.setReplies(map[string]string{"HELLO": "-ERR max number of clients reached"})
	d.dialer.closeAll()
	err = d.Ping(t.Context())
	if err == nil || !strings.Contains(err.Error(), "max number of clients reached: raise maxclients in Redis") || !unanswered(err) {
		t.Errorf("too many clients: %v", err)
	}
}

func TestCopyReply(t *testing.T) {
	t.Parallel()
	for _, reply := range []string{
		"+OK\r\n", "-ERR no\r\n", ":1\r\n", "$3\r\nabc\r\n", "$-1\r\n", "*-1\r\n", "*0\r\n", "_\r\n", "#t\r\n", ",1.5\r\n", "(12\r\n",
		"=7\r\ntxt:abc\r\n", "!3\r\nabc\r\n", "*2\r\n:1\r\n$2\r\n\r\n\r\n", "%1\r\n+a\r\n*1\r\n%0\r\n", "~1\r\n:1\r\n", ">1\r\n:1\r\n",
		"|1\r\n+a\r\n:1\r\n+OK\r\n",
	} {
		var copied bytes.Buffer
		reader := bufio.NewReader(strings.NewReader(reply + "rest"))
		if err := copyReply(&copied, reader); err != nil || copied.String() != reply || reader.Buffered() != len("rest") {
			t.Errorf("%q: copied %q, %d bytes are left, %v", reply, copied.String(), reader.Buffered(), err)
		}
	}
	for _, reply := range []string{"", "+OK", "$3\r\nab", "*2\r\n:1\r\n", "$x\r\n", "*99999999999\r\n", "HTTP/1.1 400 Bad Request\r\n", "\r\n"} {
		if err := copyReply(&bytes.Buffer{}, bufio.NewReader(strings.NewReader(reply))); err == nil {
			t.Errorf("%q is accepted as a reply", reply)
		}
	}
}
