package db

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"
)

// go-redis greets a connection (HELLO, with the password, and SELECT) within the timeout of the call that first
// uses it. To a Redis that is far away that takes longer than the call may, and no connection would ever become
// ready. So the dialer greets, within its own budget, and a conn answers go-redis from what Redis said. If
// go-redis sends anything else, it goes to Redis as usual.

// exchange is a command of the greeting, encoded, and Redis's reply.
type exchange struct{ command, reply []byte }

// newGreeting returns what go-redis greets with. A password without a user name is that of "default".
func newGreeting(username, password string, db int) []exchange {
	hello := []string{"hello", "3"}
	if password != "" {
		if username == "" {
			username = "default"
		}
		hello = append(hello, "auth", username, password)
	}
	greeting := []exchange{{command: encodeCommand(hello...)}}
	if db > 0 {
		greeting = append(greeting, exchange{command: encodeCommand("select", strconv.Itoa(db))})
	}
	return greeting
}

func encodeCommand(args ...string) []byte {
	out := fmt.Appendf(nil, "*%d\r\n", len(args))
	for _, arg := range args {
		out = fmt.Appendf(out, "$%d\r\n%s\r\n", len(arg), arg)
	}
	return out
}

// refusedError is a connection that Redis takes no commands on, in Redis's words.
type refusedError struct{ reply string }

func (e *refusedError) Error() string { return e.reply }

// greet sends the greeting and reads the replies. A refusal, of the password for example, is left to go-redis,
// except that of a Redis with too many clients, which closes the connection.
func (c *conn) greet(ctx context.Context, greeting []exchange) error {
	if deadline, ok := ctx.Deadline(); ok {
		if err := c.SetDeadline(deadline); err != nil {
			return err
		}
	}
	reader := bufio.NewReader(c.Conn)
	sent := time.Now()
	var commands []byte
	for _, exchange := range greeting {
		commands = append(commands, exchange.command...)
	}
	_, errWrite := c.Conn.Write(commands) // a Redis that closes at once may have said why
	refused := false                      // by HELLO: go-redis goes on from there by itself
	for _, exchange := range greeting {
		var reply bytes.Buffer
		err := copyReply(&reply, reader)
		if text := bytes.TrimPrefix(reply.Bytes(), []byte("-ERR ")); bytes.HasPrefix(text, []byte("max number of clients")) {
			return &refusedError{string(bytes.TrimSpace(text))}
		}
		if err != nil {
			return fmt.Errorf("no answer to HELLO: %w", errors.Join(errWrite, err))
		}
		if !c.sentinel { // which may be closer than Redis
			c.dialer.measured(time.Since(sent))
		}
		if exchange.reply = reply.Bytes(); !refused {
			c.done = append(c.done, exchange)
		}
		refused = refused || exchange.reply[0] == '-'
	}
	return c.SetDeadline(time.Time{})
}

// refusal returns what was said to a wrong or a missing password, "" if the greeting was accepted.
func (c *conn) refusal() string {
	for _, exchange := range c.done {
		switch reply := string(bytes.TrimSpace(exchange.reply)); {
		case strings.HasPrefix(reply, "-WRONGPASS"):
			return strings.Trim(reply, "-.")
		case strings.HasPrefix(reply, "-NOAUTH"):
			return "NOAUTH authentication is required" // Redis goes on about HELLO, which nobody has typed
		}
	}
	return ""
}

// Write answers a command of the greeting from what Redis said, and sends anything else.
func (c *conn) Write(p []byte) (int, error) {
	if len(c.done) == 0 {
		return c.Conn.Write(p)
	}
	next := c.done[0]
	if !bytes.Equal(p, next.command) {
		c.done = nil
		return c.Conn.Write(p)
	}
	c.done, c.replies = c.done[1:], append(c.replies, next.reply...)
	return len(p), nil
}

// Read returns the replies of the greeting first.
func (c *conn) Read(p []byte) (int, error) {
	if len(c.replies) == 0 {
		return c.Conn.Read(p)
	}
	n := copy(p, c.replies)
	if c.replies = c.replies[n:]; len(c.replies) == 0 {
		c.replies = nil
	}
	return n, nil
}

var errNoReply = errors.New("that is no reply of Redis")

// copyReply copies one reply, in either version of the protocol.
// See https://redis.io/docs/latest/develop/reference/protocol-spec/.
func copyReply(to io.Writer, from *bufio.Reader) error {
	for pending := 1; pending > 0; pending-- {
		line, err := from.ReadSlice('\n')
		if err != nil {
			return err
		}
		if _, err := to.Write(line); err != nil {
			return err
		}
		kind, count := line[0], 0
		if bytes.IndexByte([]byte("$=!*~>%|"), kind) >= 0 {
			if count, err = strconv.Atoi(string(bytes.TrimSpace(line[1:]))); err != nil || count > maxGreetingReply {
				return errNoReply
			}
		}
		switch {
		case count < 0: // the null of version 2
		case bytes.IndexByte([]byte("$=!"), kind) >= 0:
			if _, err := io.CopyN(to, from, int64(count)+2); err != nil {
				return err
			}
		case bytes.IndexByte([]byte("*~>"), kind) >= 0:
			pending += count
		case kind == '%':
			pending += 2 * count
		case kind == '|': // attributes precede a reply
			pending += 2*count + 1
		case bytes.IndexByte([]byte("+-:,#_("), kind) < 0:
			return errNoReply
		}
	}
	return nil
}

// maxGreetingReply bounds the parts of a reply to the greeting; HELLO's has seven, and a list of modules.
const maxGreetingReply = 1 << 16
