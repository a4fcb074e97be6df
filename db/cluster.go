package db

import (
	"cmp"
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"
)

// askCluster asks for each key at the node that holds it, so that no other node can delay the answer.
func (d *DB) askCluster(
	ctx context.Context, entry, userCut string,
) (revoked bool, cut int64, now time.Time, err error) {
	ctx, cancel := context.WithTimeout(ctx, d.timeout)
	defer cancel()
	b, err := d.batcherOf(ctx, entry)
	if err != nil {
		return false, 0, time.Time{}, err
	}
	if userCut == "" {
		return d.ask(ctx, b, entry, "")
	}
	other, err := d.batcherOf(ctx, userCut)
	if err != nil {
		return false, 0, time.Time{}, err
	}
	var failed error
	var both sync.WaitGroup
	both.Go(func() { _, cut, _, failed = d.ask(ctx, other, "", userCut) })
	revoked, _, now, err = d.ask(ctx, b, entry, "")
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

// batcherAt returns the batcher of the cluster node with that address, which holds the key. Probes ask for the key.
func (d *DB) batcherAt(address, key string) *batcher {
	if b, ok := d.batchers.Load(address); ok {
		return b.(*batcher) //nolint:forcetypeassert // batchers has no other values
	}
	probe := func(ctx context.Context) error {
		if cluster, ok := d.client.(*redis.ClusterClient); ok {
			cluster.ReloadState(ctx) // another node may hold the key now; go-redis alone may take ten seconds to notice
		}
		return d.withTimeout(ctx, func(ctx context.Context) error { return d.client.Exists(ctx, key).Err() })
	}
	changed := func(err error) {
		if err != nil {
			d.state.log.Error("Redis connection failed", "error", d.explain(err).Error(), "node", address)
		} else {
			d.state.log.Info("connected to redis", "node", address)
		}
	}
	b, _ := d.batchers.LoadOrStore(address, d.newBatcher(d.newBreaker(probe, changed)))
	return b.(*batcher) //nolint:forcetypeassert // see above
}

// sendToNode sends a batch to one node of a cluster, and also asks for its time. Lookups that the node redirects are
// sent again through the client, which follows redirections.
func (d *DB) sendToNode(ctx context.Context, batch []*lookup) error {
	key := cmp.Or(batch[0].entry, batch[0].userCut)
	node, err := d.nodeOf(ctx, key)
	if err != nil {
		return err
	}
	var replies []keyReplies
	var clock *redis.TimeCmd
	if _, err := d.pipeline(ctx, node, func(p redis.Pipeliner) {
		replies, clock = addLookups(ctx, p, batch), p.Time(ctx)
	}); err != nil {
		return err
	}
	now, err := clock.Result()
	if err != nil {
		return fmt.Errorf("reading Redis's time: %w", err)
	}
	d.clock.observe(&d.batcherAt(node.Options().Addr, key).highest, now)
	var redirected []*lookup
	for i, q := range batch {
		q.now = now
		if replies[i].moved() {
			redirected = append(redirected, q)
		} else {
			replies[i].setAnswer(q)
		}
	}
	if len(redirected) == 0 {
		return nil
	}
	if _, err := d.pipeline(ctx, d.client, func(p redis.Pipeliner) {
		replies = addLookups(ctx, p, redirected)
	}); err != nil {
		return err
	}
	for i, q := range redirected {
		replies[i].setAnswer(q)
	}
	return nil
}

// moved reports whether the node redirected a command, because it no longer holds the key, or never did.
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
