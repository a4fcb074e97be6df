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

// go-redis sends a greeting (HELLO with the password, and SELECT) within the timeout of the call that first uses a
// connection. If Redis is far away, that takes longer than the timeout, and no connection would ever become ready. So
// the dialer sends the greeting, within connectTimeout, and the conn keeps the replies. When go-redis sends its
// greeting, the conn returns these replies. Anything else that go-redis sends goes to Redis.

// exchange is a command of the greeting, encoded, and Redis's reply.
type exchange struct{ command, reply []byte }

// newGreeting returns the commands of go-redis's greeting. A password without a user name is that of "default".
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

// refusedError is what Redis replies on a connection that it does not accept.
type refusedError struct{ reply string }

func (e *refusedError) Error() string { return e.reply }

// greet sends the greeting and reads the replies. It leaves an error reply, such as that to a wrong password, to
// go-redis. Only the reply of a Redis with too many clients is an error here, because that Redis closes the connection.
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
	_, errWrite := c.Conn.Write(commands) // a Redis that has closed the connection may have sent the reason
	refused := false                      // HELLO; go-redis then continues by itself
	for _, exchange := range greeting {
		var reply bytes.Buffer
		err := copyReply(&reply, reader)
		if text := bytes.TrimPrefix(reply.Bytes(), []byte("-ERR ")); bytes.HasPrefix(text, []byte("max number of clients")) {
			return &refusedError{string(bytes.TrimSpace(text))}
		}
		if err != nil {
			return fmt.Errorf("no answer to HELLO: %w", errors.Join(errWrite, err))
		}
		if c.sentinel == "" { // a sentinel may be closer than Redis
			c.dialer.measured(time.Since(sent))
		}
		if exchange.reply = reply.Bytes(); !refused {
			c.greeted = append(c.greeted, exchange)
		}
		refused = refused || exchange.reply[0] == '-'
	}
	return c.SetDeadline(time.Time{})
}

// refusal returns the reply to a wrong or a missing password, "" if the greeting was accepted.
func (c *conn) refusal() string {
	for _, exchange := range c.greeted {
		switch reply := string(bytes.TrimSpace(exchange.reply)); {
		case strings.HasPrefix(reply, "-WRONGPASS"):
			return strings.Trim(reply, "-.")
		case strings.HasPrefix(reply, "-NOAUTH"):
			return "NOAUTH authentication is required" // the rest of the reply is about HELLO, which the operator did not send
		}
	}
	return ""
}

// Write sends p to Redis, unless it is the next command of the greeting: then Read returns the reply that Redis has
// already sent.
func (c *conn) Write(p []byte) (int, error) {
	if len(c.greeted) == 0 {
		return c.Conn.Write(p)
	}
	next := c.greeted[0]
	if !bytes.Equal(p, next.command) {
		c.greeted = nil
		return c.Conn.Write(p)
	}
	c.greeted, c.replies = c.greeted[1:], append(c.replies, next.reply...)
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

var errNoReply = errors.New("not a reply of Redis")

// copyReply copies one reply of version 2 or 3 of the protocol. See
// https://redis.io/docs/latest/develop/reference/protocol-spec/.
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
