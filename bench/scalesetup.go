package main

import (
	"fmt"
	"net"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"
)

// arrangement is a number of instances of the service on one Redis, or on the masters of a Cluster.
type arrangement struct {
	instances, nodes []*process
	env              []string        // of an instance
	metrics          []string        // the address of each instance's metrics
	clients          []*redis.Client // one per node
	lookups          float64         // per request
	idle             counters        // the counters of a second without requests
}

// arrange starts instances on a Cluster with this many masters, or on one Redis if masters is 0.
func (b *bench) arrange(a *arrangement, instances, masters int) error {
	a.lookups = 1
	for range max(1, masters) {
		node, err := b.startRedis(masters > 0)
		if err != nil {
			return err
		}
		a.nodes = append(a.nodes, node)
		a.clients = append(a.clients, redis.NewClient(&redis.Options{Addr: "127.0.0.1:" + node.port}))
	}
	env := b.env(a.nodes[0])
	if masters > 0 {
		a.lookups = 2 // the token and its user, each on its own node
		if err := b.joinCluster(a); err != nil {
			return err
		}
		env = append(env, "REDIS_HOST=", "REDIS_PORT=", "REDIS_CLUSTER_NODES=127.0.0.1:"+a.nodes[0].port)
	}
	a.env = env
	for range instances {
		port, err := freePort()
		if err != nil {
			return err
		}
		address := "127.0.0.1:" + port
		instance, err := b.start(append(env, "METRICS_ADDR="+address), b.binaries[ours])
		if err != nil {
			return err
		}
		a.instances, a.metrics = append(a.instances, instance), append(a.metrics, address)
	}
	return nil
}

// joinCluster divides the slots among the nodes and waits until all nodes agree.
func (b *bench) joinCluster(a *arrangement) error {
	const slots = 16384
	for i, client := range a.clients {
		first, last := i*slots/len(a.clients), (i+1)*slots/len(a.clients)-1
		if err := client.Do(b.ctx, "CLUSTER", "ADDSLOTSRANGE", first, last).Err(); err != nil {
			return err
		}
		if i == 0 {
			continue
		}
		bus := a.clients[0].ConfigGet(b.ctx, "cluster-port").Val()["cluster-port"]
		if err := client.Do(b.ctx, "CLUSTER", "MEET", "127.0.0.1", a.nodes[0].port, bus).Err(); err != nil {
			return err
		}
	}
	var info string
	for range 200 {
		whole := 0
		for _, client := range a.clients {
			info, _ = client.ClusterInfo(b.ctx).Result()
			if strings.Contains(info, "cluster_state:ok") &&
				strings.Contains(info, fmt.Sprintf("cluster_size:%d\r", len(a.clients))) {
				whole++
			}
		}
		if whole == len(a.clients) {
			return nil
		}
		time.Sleep(50 * time.Millisecond)
	}
	return fmt.Errorf("the nodes did not form a Cluster:\n%s", info)
}

// end stops the processes of an arrangement.
func (a *arrangement) end() {
	for _, client := range a.clients {
		_ = client.Close()
	}
	for _, p := range append(a.instances, a.nodes...) {
		_ = p.Process.Kill()
	}
}

func freePort() (string, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	defer func() { _ = listener.Close() }()
	_, port, err := net.SplitHostPort(listener.Addr().String())
	return port, err
}

// startOften starts instances of the arrangement, one after the other, and returns the median of the times to their
// first response.
func (b *bench) startOften(a *arrangement) (time.Duration, error) {
	var times []float64
	for range 5 {
		p, err := b.start(a.env, b.binaries[ours])
		if err != nil {
			return 0, err
		}
		times = append(times, float64(p.first))
		_ = p.Process.Kill()
		_ = p.Wait()
	}
	return time.Duration(median(times)), nil
}

// revokeInCluster revokes tokens and returns how many bytes each takes in the Cluster. With the epochs, the nodes' hash
// tables are filled about as much as that of one Redis with a million tokens.
func (b *bench) revokeInCluster(a *arrangement) (perToken float64, err error) {
	const n = 170_000
	client := redis.NewClusterClient(&redis.ClusterOptions{Addrs: []string{a.clients[0].Options().Addr}})
	defer func() { _ = client.Close() }()
	before := b.usedMemory(a.clients...)
	err = b.revokeTokens(client, n)
	return (b.usedMemory(a.clients...) - before) / n, err
}
