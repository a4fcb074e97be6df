package faults

import (
	"context"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/redis/go-redis/v9"

	"gin-auth/e2e/internal/harness"
)

// settings returns the settings with which the service finds the Redis at an address.
type settings func(t *testing.T, addr string) []string

// topologies are the ways in which the service finds its Redis. A fault that can happen in each is tested in each.
var topologies = map[string]settings{
	oneRedis:   byAddress,
	"Sentinel": bySentinel,
}

const oneRedis = "one Redis"

func byAddress(t *testing.T, addr string) []string {
	t.Helper()
	host, port, err := net.SplitHostPort(addr)
	if err != nil {
		t.Fatal(err)
	}
	return []string{"REDIS_HOST=" + host, "REDIS_PORT=" + port}
}

// bySentinel starts one sentinel, which names the Redis at addr as the master, whatever happens during a test.
func bySentinel(t *testing.T, addr string) []string {
	t.Helper()
	return sentinels{startSentinel(t, addr, 1, patient)}.env()
}

// sentinel is a Redis Sentinel whose master has the name mymaster.
type sentinel struct {
	*harness.Process
	*redis.SentinelClient
	addr string
	dir  string
}

// patient makes a sentinel wait so long that no failover happens by itself.
const patient = "sentinel down-after-milliseconds mymaster 600000"

// startSentinel starts a sentinel with additional lines of configuration. quorum is how many sentinels have to agree
// that the master is down.
func startSentinel(t *testing.T, master string, quorum int, lines ...string) *sentinel {
	t.Helper()
	port := harness.FreePort(t)
	s := &sentinel{addr: fmt.Sprint("127.0.0.1:", port), dir: t.TempDir()}
	conf := append([]string{
		fmt.Sprintf("port %d\nbind 127.0.0.1", port),
		fmt.Sprintf("sentinel monitor mymaster %s %d", strings.Replace(master, ":", " ", 1), quorum),
		"sentinel down-after-milliseconds mymaster 1000\nsentinel failover-timeout mymaster 5000",
	}, lines...)
	if err := os.WriteFile(filepath.Join(s.dir, "sentinel.conf"), []byte(strings.Join(conf, "\n")+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	s.SentinelClient = redis.NewSentinelClient(&redis.Options{Addr: s.addr})
	t.Cleanup(func() { _ = s.Close() })
	s.start(t)
	return s
}

// start starts the sentinel, or starts it again with what it knew. A sentinel keeps its configuration up to date.
func (s *sentinel) start(t *testing.T) {
	t.Helper()
	s.Process = harness.Start(t, s.dir, nil, harness.Need(t, "redis-server"), "sentinel.conf", "--sentinel")
	s.WaitFor(t, "+monitor master")
}

// monitor makes the sentinel name another master.
func (s *sentinel) monitor(t *testing.T, master string, quorum int) {
	t.Helper()
	ctx := context.Background()
	_ = s.Remove(ctx, "mymaster").Err() // it may not know the name
	host, port, _ := net.SplitHostPort(master)
	if err := s.Monitor(ctx, "mymaster", host, port, fmt.Sprint(quorum)).Err(); err != nil {
		t.Fatal(err)
	}
}

// names returns an error unless the sentinel names this address as that of the master.
func (s *sentinel) names(addr string) error {
	named, err := s.GetMasterAddrByName(context.Background(), "mymaster").Result()
	if err != nil || strings.Join(named, ":") != addr {
		return fmt.Errorf("the sentinel at %s names %v, %w", s.addr, named, err)
	}
	return nil
}

// isReady returns an error until the sentinel knows the other ones and a replica, and can promote it.
func (s *sentinel) isReady(others int) error {
	ctx := context.Background()
	master, err := s.Master(ctx, "mymaster").Result()
	if err != nil || master["num-other-sentinels"] != fmt.Sprint(others) {
		return fmt.Errorf("%v, %w", master, err)
	}
	replicas, err := s.Replicas(ctx, "mymaster").Result()
	if err != nil || len(replicas) != 1 || replicas[0]["flags"] != "slave" || replicas[0]["slave-priority"] != "100" {
		return fmt.Errorf("%v, %w", replicas, err)
	}
	return nil
}

// sentinels are all sentinels of a master.
type sentinels []*sentinel

// startSentinels starts three sentinels of a master that has a replica, and waits until they can promote it.
func startSentinels(t *testing.T, master *harness.Redis, lines ...string) (all sentinels) {
	t.Helper()
	for range 3 {
		all = append(all, startSentinel(t, master.Addr(), 2, lines...))
	}
	all.wait(t, "know each other and the replica", func(s *sentinel) error { return s.isReady(len(all) - 1) })
	return all
}

// wait waits until something is true of every sentinel.
func (all sentinels) wait(t *testing.T, what string, isTrue func(*sentinel) error) {
	t.Helper()
	for _, s := range all {
		harness.Eventually(t, "the sentinels "+what, func() error { return isTrue(s) })
	}
}

// env returns the settings with which the service asks the sentinels.
func (all sentinels) env() []string {
	var addrs []string
	for _, s := range all {
		addrs = append(addrs, s.addr)
	}
	return []string{"REDIS_SENTINELS=" + strings.Join(addrs, ","), "REDIS_SENTINEL_MASTER=mymaster"}
}
