package harness

import (
	"context"
	"errors"
	"os/exec"
	"strconv"
	"strings"
	"testing"
)

// StartCluster starts a Redis Cluster of three masters with a number of replicas each and additional arguments for
// each node. It waits until all nodes agree. The masters come first in nodes.
func StartCluster(t testing.TB, replicas int, args ...string) (nodes []*Redis) {
	t.Helper()
	create := []string{"--cluster", "create", "--cluster-yes", "--cluster-replicas", strconv.Itoa(replicas)}
	for range 3 * (1 + replicas) {
		args := append([]string{"--cluster-enabled", "yes", "--cluster-port", strconv.Itoa(FreePort(t))}, args...)
		node := StartRedis(t, args...)
		nodes, create = append(nodes, node), append(create, node.Addr())
	}
	if out, err := exec.Command(Need(t, "redis-cli"), create...).CombinedOutput(); err != nil {
		t.Fatalf("redis-cli --cluster create: %v\n%s", err, out)
	}
	for _, node := range nodes {
		client := node.Client(t)
		Eventually(t, "the nodes form a Cluster", func() error {
			ctx := context.Background()
			info, err := client.ClusterInfo(ctx).Result()
			replication, errReplication := client.Info(ctx, "replication").Result()
			known, errKnown := client.ClusterNodes(ctx).Result()
			if !strings.Contains(info, "cluster_state:ok") || strings.Contains(replication, "master_link_status:down") ||
				replicas > 0 && strings.Contains(replication, "role:master") && !strings.Contains(replication, "state=online") ||
				strings.Count(known, "slave") != 3*replicas { // until then, this node does not vote for an unknown replica
				return errors.Join(err, errReplication, errKnown, errors.New(info+replication+known))
			}
			return nil
		})
	}
	return nodes
}

// Addrs returns the host:port of each server.
func Addrs(servers []*Redis) (addrs []string) {
	for _, server := range servers {
		addrs = append(addrs, server.Addr())
	}
	return addrs
}

// Slots is the number of hash slots of a Redis Cluster.
const Slots = 1 << 14

// Slot returns the hash slot of a key, as CLUSTER KEYSLOT does: the CRC16 (XMODEM) of its hash tag, or of the whole
// key if it has none.
func Slot(key string) int {
	if _, rest, found := strings.Cut(key, "{"); found {
		if tag, _, found := strings.Cut(rest, "}"); found && tag != "" {
			key = tag
		}
	}
	var crc uint16
	for _, b := range []byte(key) {
		crc ^= uint16(b) << 8
		for range 8 {
			carry := crc >> 15
			crc = crc<<1 ^ carry*0x1021
		}
	}
	return int(crc) % Slots
}
