package db

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"
)

// tryNode connects to a node and returns why it cannot be used, or nil.
func (d *dialer) tryNode(ctx context.Context, addr string) error {
	ctx, cancel := context.WithTimeout(ctx, connectTimeout)
	defer cancel()
	c, failed := d.connect(ctx, "tcp", addr)
	if failed != nil {
		return failed
	}
	defer func() { _ = c.Close() }()
	if refusal := c.refusal(); refusal != "" {
		return fmt.Errorf("%s: %s", refusal, adviceOnUser)
	}
	return nil
}

// tryNodes connects to several nodes at once. It returns why nodes cannot be used, by their address.
func (d *dialer) tryNodes(ctx context.Context, addrs []string) (map[string]error, error) {
	type result struct {
		addr string
		err  error
	}
	results := make(chan result, len(addrs))
	for _, addr := range addrs {
		go func() { results <- result{addr, d.tryNode(ctx, addr)} }()
	}
	failed := map[string]error{}
	for range addrs {
		select {
		case r := <-results:
			if r.err != nil {
				failed[r.addr] = r.err
			}
		case <-ctx.Done(): // a node that hangs must not delay the end of the process
			return nil, ctx.Err()
		}
	}
	return failed, nil
}

// clusterFaults returns why this Cluster cannot be used from here, one sentence for each reason, and the addresses of
// the nodes that cannot be used. It returns nothing for a Redis that is not a Cluster. An error means that the nodes
// are not known.
func (d *DB) clusterFaults(ctx context.Context) (unusable, faults []string, err error) {
	cluster, ok := d.client.(*redis.ClusterClient)
	if !ok {
		return nil, nil, nil
	}
	if unusable, faults, err = d.nodeFaults(ctx, cluster); err != nil || len(faults) > 0 {
		return unusable, faults, err
	}
	faults, err = d.slotFaults(ctx, cluster)
	return nil, faults, err
}

// nodeFaults connects to all nodes of a Cluster, replicas included.
func (d *DB) nodeFaults(ctx context.Context, cluster *redis.ClusterClient) (unusable, faults []string, err error) {
	addrs, err := d.nodeAddrs(ctx, cluster)
	if err != nil {
		return nil, nil, err
	}
	failed, err := d.dialer.tryNodes(ctx, addrs)
	if err != nil {
		return nil, nil, err
	}
	var unreachable []*unreachableError
	for _, addr := range addrs {
		var e *unreachableError
		switch err := failed[addr]; {
		case err == nil:
			continue
		case errors.As(err, &e):
			unreachable = append(unreachable, e)
		default:
			faults = append(faults, fmt.Sprintf("the node at %s cannot be used: %v", addr, err))
		}
		unusable = append(unusable, addr)
	}
	if len(unreachable) > 0 {
		faults = append(faults, announces(unreachable[0].by, unreachable...)+": "+d.dialer.adviceOnAnnounced())
	}
	return unusable, faults, nil
}

// nodeAddrs returns the addresses of all nodes of a Cluster.
func (d *DB) nodeAddrs(ctx context.Context, cluster *redis.ClusterClient) (addrs []string, err error) {
	nodes, err := d.collect(ctx, "asking for the cluster's nodes", cluster.ForEachShard)
	for _, node := range nodes {
		addrs = append(addrs, node.Options().Addr)
	}
	slices.Sort(addrs)
	return addrs, err
}

// slotFaults returns a sentence about the slots that no node of a Cluster has, if there are any.
func (d *DB) slotFaults(ctx context.Context, cluster *redis.ClusterClient) ([]string, error) {
	var slots []redis.ClusterSlot
	err := d.call(ctx, "asking for the cluster's slots", func(ctx context.Context) (err error) {
		slots, err = cluster.ClusterSlots(ctx).Result() //nolint:staticcheck // CLUSTER SHARDS needs Redis 7 and another right
		return err
	})
	missing := missingSlots(slots)
	if err != nil || len(missing) == 0 {
		return nil, err
	}
	return []string{"no node of this Cluster has the slots " + strings.Join(missing, ", ") + ": " + adviceOnSlots}, nil
}

// missingSlots returns the slots that no node has, as ranges.
func missingSlots(slots []redis.ClusterSlot) (missing []string) {
	slices.SortFunc(slots, func(a, b redis.ClusterSlot) int { return cmp.Compare(a.Start, b.Start) })
	next := 0
	for _, had := range append(slots, redis.ClusterSlot{Start: hashSlots}) {
		switch last := had.Start - 1; {
		case last == next:
			missing = append(missing, fmt.Sprint(next))
		case last > next:
			missing = append(missing, fmt.Sprintf("%d-%d", next, last))
		}
		next = had.End + 1
	}
	return missing
}

const (
	// examineNodesEvery is how often all nodes of a Cluster are examined.
	examineNodesEvery = time.Minute
	// examineFaultsEvery is how often they are examined while one cannot be used.
	examineFaultsEvery = 5 * time.Second
)

// watchNodes logs, until ctx ends, why parts of a Cluster cannot be used from here, and when all of it can be used
// again. The watch does not notice that, because it asks few of the nodes.
func (d *DB) watchNodes(ctx context.Context) {
	var logged []string
	for {
		wait := watchEvery // until the nodes are known
		if _, faults, err := d.clusterFaults(ctx); err == nil {
			wait = examineNodesEvery
			if len(faults) > 0 {
				wait = examineFaultsEvery
			}
			d.logFaults(faults, logged)
			logged = faults
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(wait):
		}
	}
}

// logFaults logs the faults of a Cluster that were not found the last time.
func (d *DB) logFaults(faults, before []string) {
	for _, fault := range faults {
		if !slices.Contains(before, fault) {
			d.state.log.Error("a part of the Redis Cluster cannot be used", "error", fault)
		}
	}
	if len(faults) == 0 && len(before) > 0 {
		d.state.log.Info("all of the Redis Cluster can be used")
	}
}
