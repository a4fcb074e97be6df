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
	var ofUser int64
	both.Go(func() { _, ofUser, _, failed = d.ask(ctx, other, "", userCut) })
	revoked, cut, now, err = d.ask(ctx, b, entry, "")
	both.Wait()
	return revoked, max(cut, ofUser), now, cmp.Or(err, failed)
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

// sendToNode sends a batch to one node of a Cluster. It also asks for the epochs of the keys' slots, after the keys,
// and for the node's time.
func (d *DB) sendToNode(ctx context.Context, batch []*lookup) error {
	node, err := d.nodeOf(ctx, batch[0].key())
	if err != nil {
		return err
	}
	for _, q := range batch {
		q.slot = slotOf(q.key())
	}
	replies, err := d.askNode(ctx, node, batch)
	if err != nil {
		return err
	}
	answers := make([]epochAnswer, 0, len(batch))
	for i, q := range batch {
		answer := epochAnswer{slot: q.slot, node: node.Options().Addr, redirected: replies[i].redirected}
		answer.value, err = epochValue(replies[i].epoch)
		if q.err = cmp.Or(replies[i].err, err); q.err != nil {
			continue
		}
		replies[i].setAnswer(q)
		answers = append(answers, answer)
	}
	cut, moved, err := d.epochs.judge(ctx, answers...)
	if err != nil {
		return err
	}
	for _, q := range batch {
		q.cut = max(q.cut, cut)
	}
	if len(moved) > 0 {
		d.finishMoved(ctx, batch, moved)
	}
	return nil
}

// finishMoved confirms the answers from another node than before. The other lookups of the batch do not wait for that.
func (d *DB) finishMoved(ctx context.Context, batch []*lookup, moved []epochAnswer) {
	isMoved := make(map[int]bool, len(moved))
	for _, a := range moved {
		isMoved[a.slot] = true
	}
	for _, q := range batch {
		if !isMoved[q.slot] {
			q.finish(q.err)
		}
	}
	cut, failed := d.confirm(ctx, moved)
	for _, q := range batch {
		if isMoved[q.slot] {
			q.cut, q.err = max(q.cut, cut), cmp.Or(q.err, failed[q.slot])
		}
	}
}

// askNode asks one node for the keys of a batch. Lookups that the node redirects are sent again through the client,
// which follows redirections.
func (d *DB) askNode(ctx context.Context, node *redis.Client, batch []*lookup) ([]keyReplies, error) {
	var replies []keyReplies
	var clock *redis.TimeCmd
	if _, err := d.pipeline(ctx, node, func(p redis.Pipeliner) {
		replies = d.addNodeLookups(ctx, p, batch)
		clock = p.Time(ctx)
	}); err != nil {
		return nil, err
	}
	now, err := clock.Result()
	if err != nil {
		return nil, fmt.Errorf("reading Redis's time: %w", err)
	}
	d.clock.observe(&d.batcherAt(node.Options().Addr, batch[0].key()).highest, now)
	var redirected []*lookup
	var places []int
	for i, q := range batch {
		q.now = now
		if replies[i].isRedirected() {
			redirected, places = append(redirected, q), append(places, i)
		}
	}
	if len(redirected) == 0 {
		return replies, nil
	}
	var again []keyReplies
	_, err = d.pipeline(ctx, d.client, func(p redis.Pipeliner) { again = d.addNodeLookups(ctx, p, redirected) })
	for n, i := range places {
		replies[i] = again[n]
		replies[i].redirected, replies[i].err = true, err
	}
	return replies, nil
}

// addNodeLookups adds the commands of a batch to a pipeline, and then those for the epochs.
func (d *DB) addNodeLookups(ctx context.Context, p redis.Pipeliner, batch []*lookup) []keyReplies {
	replies := addLookups(ctx, p, batch)
	for i, q := range batch {
		replies[i].epoch = p.Get(ctx, d.epochKeys[q.slot])
	}
	return replies
}

// key returns the only key of a lookup on a Cluster.
func (q *lookup) key() string { return cmp.Or(q.entry, q.userCut) }

// isRedirected reports whether the node redirected a command, because it no longer holds the key, or never did.
func (r keyReplies) isRedirected() bool {
	return r.entry != nil && isRedirection(r.entry.Err()) || r.userCut != nil && isRedirection(r.userCut.Err()) ||
		isRedirection(r.epoch.Err())
}

func isRedirection(err error) bool {
	return redis.HasErrorPrefix(err, "MOVED") || redis.HasErrorPrefix(err, "ASK") || redis.HasErrorPrefix(err, "TRYAGAIN")
}
