package db

import (
	"cmp"
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"
)

// lookUpInCluster asks for either key at its own node, so that it is held up by no other.
func (d *DB) lookUpInCluster(
	ctx context.Context, entry, userCut string,
) (revoked bool, cut int64, now time.Time, err error) {
	ctx, cancel := context.WithTimeout(ctx, d.timeout)
	defer cancel()
	b, err := d.batcherOf(ctx, entry)
	if err != nil {
		return false, 0, time.Time{}, err
	}
	if userCut == "" {
		return d.lookUpKeys(ctx, b, entry, "")
	}
	other, err := d.batcherOf(ctx, userCut)
	if err != nil {
		return false, 0, time.Time{}, err
	}
	var failed error
	var both sync.WaitGroup
	both.Go(func() { _, cut, _, failed = d.lookUpKeys(ctx, other, "", userCut) })
	revoked, _, now, err = d.lookUpKeys(ctx, b, entry, "")
	both.Wait()
	return revoked, cut, now, cmp.Or(err, failed)
}

// batcherOf returns the batcher of the node of a cluster that holds a key.
func (d *DB) batcherOf(ctx context.Context, key string) (*batcher, error) {
	node, err := d.nodeOf(ctx, key)
	if err != nil {
		return nil, err
	}
	return d.batcherAt(node.Options().Addr, key), nil
}

// batcherAt returns the batcher of the node of a cluster with that address, which holds a key.
func (d *DB) batcherAt(address, key string) *batcher {
	if b, ok := d.batchers.Load(address); ok {
		return b.(*batcher)
	}
	// Another node may hold the key by now. The client would notice within ten seconds.
	cluster := d.client.(*redis.ClusterClient)
	probe := func(ctx context.Context) error {
		cluster.ReloadState(ctx)
		return d.callAnyway(ctx, func(ctx context.Context) error { return cluster.Exists(ctx, key).Err() })
	}
	changed := func(err error) {
		if err != nil {
			d.state.log.Error("Redis connection failed: "+d.explain(err).Error(), "node", address)
		} else {
			d.state.log.Info("connected to redis", "node", address)
		}
	}
	b, _ := d.batchers.LoadOrStore(address, d.newBatcher(probe, changed))
	return b.(*batcher)
}

// sendToNode asks one node of a cluster, and for the time of the same node. Lookups that it redirects are sent again
// through the client, which follows.
func (d *DB) sendToNode(ctx context.Context, batch []*lookup) error {
	key := cmp.Or(batch[0].entry, batch[0].userCut)
	node, err := d.nodeOf(ctx, key)
	if err != nil {
		return err
	}
	var replies []keyReplies
	var clock *redis.TimeCmd
	if _, err := d.pipeline(ctx, node, func(p redis.Pipeliner) {
		replies, clock = askKeys(ctx, p, batch), p.Time(ctx)
	}); err != nil {
		return err
	}
	now, err := clock.Result()
	if err != nil {
		return fmt.Errorf("the time: %w", err)
	}
	d.clock.observe(&d.batcherAt(node.Options().Addr, key).highest, now)
	var redirected []*lookup
	for i, q := range batch {
		q.now = now
		if replies[i].moved() {
			redirected = append(redirected, q)
		} else {
			replies[i].answer(q)
		}
	}
	if len(redirected) == 0 {
		return nil
	}
	if _, err := d.pipeline(ctx, d.client, func(p redis.Pipeliner) { replies = askKeys(ctx, p, redirected) }); err != nil {
		return err
	}
	for i, q := range redirected {
		replies[i].answer(q)
	}
	return nil
}

// moved reports whether the node redirected a command, because the key is not, or no longer, its own.
func (r keyReplies) moved() bool {
	var err error
	if r.entry != nil {
		err = r.entry.Err()
	}
	if r.userCut != nil {
		err = cmp.Or(err, r.userCut.Err())
	}
	return redis.HasErrorPrefix(err, "MOVED") || redis.HasErrorPrefix(err, "ASK") || redis.HasErrorPrefix(err, "TRYAGAIN")
}

// cluster tells whether the keys are spread over nodes. The epoch would speak for its own node alone
// there, so there is none.
func (d *DB) cluster() bool {
	_, ok := d.client.(*redis.ClusterClient)
	return ok
}

// nodeOf returns the node that a write of key and a WAIT behind it have to go to.
func (d *DB) nodeOf(ctx context.Context, key string) (*redis.Client, error) {
	if cluster, ok := d.client.(*redis.ClusterClient); ok {
		return cluster.MasterForKey(ctx, key)
	}
	return d.client.(*redis.Client), nil
}

// masters lists the nodes that share the keys.
func (d *DB) masters(ctx context.Context) ([]*redis.Client, error) {
	cluster, ok := d.client.(*redis.ClusterClient)
	if !ok {
		return []*redis.Client{d.client.(*redis.Client)}, nil
	}
	var mu sync.Mutex
	var nodes []*redis.Client
	err := d.call(ctx, "asking for the cluster's masters", func(ctx context.Context) error {
		return cluster.ForEachMaster(ctx, func(_ context.Context, node *redis.Client) error {
			mu.Lock()
			defer mu.Unlock()
			nodes = append(nodes, node)
			return nil
		})
	})
	return nodes, err
}
