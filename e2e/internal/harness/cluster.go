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
			if !strings.Contains(info, "cluster_state:ok") || strings.Contains(replication, "master_link_status:down") ||
				replicas > 0 && strings.Contains(replication, "role:master") && !strings.Contains(replication, "state=online") {
				return errors.Join(err, errReplication, errors.New(info+replication))
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
