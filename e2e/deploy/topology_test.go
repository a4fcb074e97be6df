package deploy

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"testing"

	"gin-auth/e2e/internal/harness"
)

// topology is a way to run Redis.
type topology struct {
	servers []*harness.Redis
	env     []string
	also    []string // the rights that only this topology needs
}

var topologies = map[string]func(*testing.T) topology{
	"one Redis": func(t *testing.T) topology {
		t.Helper()
		r := harness.StartRedis(t, "--appendonly", "yes")
		return topology{[]*harness.Redis{r}, r.Env(), nil}
	},
	"REDIS_DB=1": func(t *testing.T) topology {
		t.Helper()
		r := harness.StartRedis(t, "--appendonly", "yes")
		return topology{[]*harness.Redis{r}, append(r.Env(), "REDIS_DB=1"), []string{"+select"}}
	},
	"a Cluster": func(t *testing.T) topology {
		t.Helper()
		nodes := harness.StartCluster(t, 0, "--appendonly", "yes")
		return topology{nodes, []string{"REDIS_CLUSTER_NODES=" + nodes[0].Addr()}, []string{"+cluster|slots", "+asking"}}
	},
	"Sentinel and a replica": func(t *testing.T) topology {
		t.Helper()
		master := harness.StartRedis(t, "--appendonly", "yes")
		replica := harness.StartRedis(t, "--appendonly", "yes", "--replicaof", "127.0.0.1", strconv.Itoa(master.Port))
		replica.WaitFor(t, "MASTER <-> REPLICA sync: Finished")
		dir, port := t.TempDir(), strconv.Itoa(harness.FreePort(t))
		conf := fmt.Sprintf("port %s\nbind 127.0.0.1\nsentinel monitor mymaster 127.0.0.1 %d 1\n", port, master.Port)
		if err := os.WriteFile(filepath.Join(dir, "sentinel.conf"), []byte(conf), 0o600); err != nil {
			t.Fatal(err)
		}
		harness.Start(t, dir, nil, harness.Need(t, "redis-server"), "sentinel.conf", "--sentinel").WaitFor(t, "+monitor master")
		return topology{[]*harness.Redis{master, replica}, []string{
			"REDIS_SENTINELS=127.0.0.1:" + port, "REDIS_SENTINEL_MASTER=mymaster", "REDIS_WAIT_REPLICAS=1",
		}, nil}
	},
}

// move begins to move the slot of a key to another node of a Cluster. Then the first node replies ASK.
func move(t *testing.T, nodes []*harness.Redis, key string) {
	t.Helper()
	slot, err := nodes[0].Client(t).ClusterKeySlot(t.Context(), key).Result()
	if err != nil {
		t.Fatal(err)
	}
	from := slices.IndexFunc(nodes, func(node *harness.Redis) bool {
		return node.Client(t).Exists(t.Context(), key).Err() == nil // otherwise the node replies MOVED
	})
	to := (from + 1) % len(nodes)
	for _, step := range []struct {
		at          int
		state, with string
	}{
		{to, "importing", nodes[from].Client(t).ClusterMyID(t.Context()).Val()},
		{from, "migrating", nodes[to].Client(t).ClusterMyID(t.Context()).Val()},
	} {
		harness.Command(t, nodes[step.at].Client(t), "CLUSTER", "SETSLOT", slot, step.state, step.with)
	}
}
