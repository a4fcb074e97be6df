package deploy

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"gin-auth/e2e/internal/harness"
)

// reports checks that gin-auth check exits with 1 within a few seconds and prints all of the texts, and that the log of
// the service has the last one within a few seconds of its start.
func reports(t *testing.T, env []string, texts ...string) (said string, s *harness.Service) {
	t.Helper()
	harness.Binary(t) // building it takes longer than check
	began := time.Now()
	status, said := run(t, env, "check")
	if took := time.Since(began); took > 8*time.Second {
		t.Errorf("check took %s", took)
	}
	_, against, _ := strings.Cut(said, "Production should not run on this:\n")
	if status != 1 || strings.Contains(against, "a right is missing") {
		t.Errorf("check: exit status %d, want 1 and no missing right", status)
	}
	for _, text := range texts {
		if !strings.Contains(said, text) {
			t.Errorf("check printed\n%s\nwant %s", said, text)
		}
	}
	s = harness.StartService(t, env...)
	s.WaitFor(t, texts[len(texts)-1])
	return said, s
}

// oneNode starts a Cluster of one node.
func oneNode(t *testing.T, firstSlot int, args ...string) (node *harness.Redis, env []string) {
	t.Helper()
	args = append([]string{"--cluster-enabled", "yes", "--cluster-port", strconv.Itoa(harness.FreePort(t)), "--appendonly", "yes"}, args...)
	node = harness.StartRedis(t, args...)
	if err := node.Client(t).ClusterAddSlotsRange(t.Context(), firstSlot, 16383).Err(); err != nil {
		t.Fatal(err)
	}
	return node, production("REDIS_CLUSTER_NODES=" + node.Addr())
}

// TestAnnouncedAddress starts a Cluster whose node announces an address that cannot be reached from here, as behind NAT,
// in a container and through a tunnel.
func TestAnnouncedAddress(t *testing.T) {
	t.Parallel()
	closed := strconv.Itoa(harness.FreePort(t))
	for name, test := range map[string]struct {
		args []string
		why  string // "" if it depends on the network of this machine
	}{
		"another IP address": {[]string{"--cluster-announce-ip", "192.0.2.1"}, ""},
		"another port":       {[]string{"--cluster-announce-ip", "127.0.0.1", "--cluster-announce-port", closed}, "connect: connection refused"},
		"a port that does not answer": {
			[]string{"--cluster-announce-ip", "127.0.0.1", "--cluster-announce-port", strconv.Itoa(blackHole(t))}, "i/o timeout",
		},
		"an unknown name": {
			[]string{"--cluster-announce-hostname", "redis.invalid", "--cluster-preferred-endpoint-type", "hostname"}, "lookup redis.invalid",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			node, env := oneNode(t, 0, test.args...)
			slots := announcedSlots(t, node)
			if len(slots) != 1 {
				t.Fatalf("CLUSTER SLOTS: %+v", slots)
			}
			announced := slots[0].Nodes[0].Addr
			reports(t, env, "\n  "+announced+", cannot be used\n",
				"which cannot be reached from here: if Redis is running there, set cluster-announce-ip, "+
					"cluster-announce-hostname or cluster-announce-port in the configuration of each node to an address that can "+
					"be reached from here, or run the service in the network of the nodes",
				"the node at "+node.Addr()+" answers, but announces "+announced+" ("+test.why)
		})
	}
}

// announcedSlots returns the slots that a node announces, with the addresses of their nodes.
func announcedSlots(t *testing.T, node *harness.Redis) []redis.ClusterSlot {
	t.Helper()
	slots, err := node.Client(t).ClusterSlots(t.Context()).Result() //nolint:staticcheck // it is what the service asks for
	if err != nil {
		t.Fatal(err)
	}
	return slots
}

// blackHole returns a port that does not answer to new connections.
func blackHole(t *testing.T) int {
	t.Helper()
	listener, err := net.ListenTCP("tcp", &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = listener.Close() })
	raw, err := listener.SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	var shortened error
	if err := raw.Control(func(fd uintptr) { shortened = syscall.Listen(int(fd), 0) }); err != nil || shortened != nil {
		t.Fatal(err, shortened)
	}
	for { // nothing accepts connections: when the queue is full, the kernel drops those that follow
		conn, err := net.DialTimeout("tcp", listener.Addr().String(), 200*time.Millisecond)
		if err != nil {
			return listener.Addr().(*net.TCPAddr).Port
		}
		t.Cleanup(func() { _ = conn.Close() })
	}
}

// addReplica adds a replica of a node that announces a port where nothing listens. It also returns that address.
func addReplica(t *testing.T, of *harness.Redis) (replica *harness.Redis, announced string) {
	t.Helper()
	port, bus := harness.FreePort(t), strconv.Itoa(harness.FreePort(t))
	replica = harness.StartRedis(t, "--cluster-enabled", "yes", "--cluster-port", bus, "--cluster-announce-ip", "127.0.0.1",
		"--cluster-announce-port", strconv.Itoa(port), "--cluster-node-timeout", "2000")
	ctx, id := context.Background(), of.Client(t).ClusterMyID(t.Context()).Val()
	if err := of.Client(t).Do(ctx, "CLUSTER", "MEET", "127.0.0.1", replica.Port, bus).Err(); err != nil {
		t.Fatal(err)
	}
	announced = net.JoinHostPort("127.0.0.1", strconv.Itoa(port))
	harness.Eventually(t, "the replica knows the node", func() error { return replica.Client(t).ClusterReplicate(ctx, id).Err() })
	harness.Eventually(t, "the node announces the replica", func() error {
		if slots := fmt.Sprint(announcedSlots(t, of)); !strings.Contains(slots, announced) {
			return errors.New(slots)
		}
		return nil
	})
	return replica, announced
}

// TestAnnouncedBySome starts a Cluster of three masters and makes two of them announce ports that cannot be reached.
// The log says so, and also when they announce their own again.
func TestAnnouncedBySome(t *testing.T) {
	t.Parallel()
	nodes := harness.StartCluster(t, 0, "--appendonly", "yes", "--cluster-announce-ip", "127.0.0.1", "--cluster-node-timeout", "2000",
		"--repl-ping-replica-period", "1", "--repl-diskless-sync-delay", "0")
	reports(t, production(nodes[1].Env()...), "\n  "+nodes[1].Addr()+", version ",
		"this Redis is a node of a Cluster: set REDIS_CLUSTER_NODES to host:port of its nodes, instead of REDIS_HOST or REDIS_URL")

	announce := func(ports ...int) (addrs []string) {
		t.Helper()
		for i, port := range ports {
			if err := nodes[i].Client(t).ConfigSet(t.Context(), "cluster-announce-port", strconv.Itoa(port)).Err(); err != nil {
				t.Fatal(err)
			}
			addrs = append(addrs, net.JoinHostPort("127.0.0.1", strconv.Itoa(port)))
		}
		harness.Eventually(t, "the last node knows the ports", func() error {
			for _, slot := range announcedSlots(t, nodes[2]) {
				if addr := slot.Nodes[0].Addr; addr != nodes[2].Addr() && !slices.Contains(addrs, addr) {
					return fmt.Errorf("it announces %s", addr)
				}
			}
			return nil
		})
		return addrs
	}
	replica, closed := addReplica(t, nodes[2])
	announced := announce(harness.FreePort(t), blackHole(t))
	env := production("REDIS_CLUSTER_NODES=" + nodes[2].Addr())
	said, s := reports(t, env, "\n  "+announced[0]+", cannot be used\n", "\n  "+announced[1]+", cannot be used\n",
		"\n  "+nodes[2].Addr()+", version ", "the node at "+nodes[2].Addr()+" answers, but announces ")
	for _, text := range []string{
		announced[0] + " (connect: connection refused)", announced[1] + " (i/o timeout)", closed + " (connect: connection refused)",
	} {
		if !strings.Contains(said, text) {
			t.Errorf("check printed\n%s\nwant %s", said, text)
		}
	}
	s.WaitFor(t, "a part of the Redis Cluster cannot be used")
	announce(nodes[0].Port, nodes[1].Port)
	if err := replica.Client(t).ConfigSet(t.Context(), "cluster-announce-port", strconv.Itoa(replica.Port)).Err(); err != nil {
		t.Fatal(err)
	}
	s.WaitFor(t, "all of the Redis Cluster can be used")
}

// TestIncompleteCluster names what is missing: slots, or the Cluster itself.
func TestIncompleteCluster(t *testing.T) {
	t.Parallel()
	_, env := oneNode(t, 101)
	reports(t, env, ", version ", "no node of this Cluster has the slots 0-100: redis-cli --cluster check names the nodes and slots that are missing")
	_, env = oneNode(t, 101, "--cluster-require-full-coverage", "no")
	reports(t, env, "no node of this Cluster has the slots 0-100: ")
	single := harness.StartRedis(t, "--appendonly", "yes")
	reports(t, production("REDIS_CLUSTER_NODES="+single.Addr()), "ERR This instance has cluster support disabled: "+
		"this Redis is not a Cluster: set REDIS_HOST and REDIS_PORT, or REDIS_URL, instead of REDIS_CLUSTER_NODES")
}
