package harness

import (
	"context"
	"net"
	"strconv"
	"testing"

	"github.com/redis/go-redis/v9"
)

// Redis is a redis-server started by a test.
type Redis struct {
	*Process
	Port int
	dir  string
	args []string
	env  []string
}

// StartRedis starts a redis-server with additional arguments, such as "--appendonly", "yes", and waits until it
// replies. Its data is in a directory of the test.
func StartRedis(t testing.TB, args ...string) *Redis {
	t.Helper()
	r := &Redis{Port: FreePort(t), dir: t.TempDir(), args: args}
	r.Start(t)
	return r
}

// Start starts the server again, with the same port and data, and waits until it has loaded the data.
func (r *Redis) Start(t testing.TB) {
	t.Helper()
	r.Launch(t)
	r.WaitFor(t, "Ready to accept connections")
}

// Launch is Start without waiting.
func (r *Redis) Launch(t testing.TB) {
	t.Helper()
	args := []string{"--port", strconv.Itoa(r.Port), "--bind", "127.0.0.1", "--save", "", "--dir", r.dir}
	args = append(args, r.args...)
	r.Process = Start(t, r.dir, r.env, Need(t, "redis-server"), args...)
}

// Addr returns the server's host:port.
func (r *Redis) Addr() string { return net.JoinHostPort("127.0.0.1", strconv.Itoa(r.Port)) }

// Client returns a client of the server, so that a test can check what is stored.
func (r *Redis) Client(t testing.TB) *redis.Client {
	t.Helper()
	client := redis.NewClient(&redis.Options{Addr: r.Addr()})
	t.Cleanup(func() { _ = client.Close() })
	return client
}

// Env returns the settings that connect the service or the Express app to the server.
func (r *Redis) Env() []string {
	return []string{"REDIS_HOST=127.0.0.1", "REDIS_PORT=" + strconv.Itoa(r.Port)}
}

// Command runs a command on a Redis and returns its reply.
func Command(t testing.TB, client *redis.Client, args ...any) any {
	t.Helper()
	reply, err := client.Do(context.Background(), args...).Result()
	if err != nil {
		t.Fatalf("%v: %v", args, err)
	}
	return reply
}
