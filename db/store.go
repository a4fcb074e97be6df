package db

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"
)

// write is a command that writes one key. It may be sent twice.
type write struct {
	key  string
	send func(redis.Pipeliner) redis.Cmder
}

// store sends writes, and returns nil once Redis and as many replicas as the options ask for have stored them.
func (d *DB) store(ctx context.Context, writes []write) error {
	if !d.cluster() || d.waitReplicas == 0 { // the client of a Cluster follows redirections
		_, err := d.storeAt(ctx, d.client, writes, nil)
		return err
	}
	asked := map[string]*redis.Client{} // by key: the node to ask instead, because the slot is moving there
	for {
		redirected, err := d.storeAtNodes(ctx, writes, asked)
		if err != nil || len(redirected) == 0 {
			return err
		}
		if writes, err = d.redirect(ctx, redirected, asked); err != nil {
			return err
		}
	}
}

// redirection is a write that a node redirected.
type redirection struct {
	write
	err error // names the other node
}

// storeAtNodes sends each write to the node that holds its key. It returns those that were redirected.
func (d *DB) storeAtNodes(
	ctx context.Context, writes []write, asked map[string]*redis.Client,
) (redirected []redirection, err error) {
	byNode := map[*redis.Client][]write{}
	for _, w := range writes {
		node := asked[w.key]
		if node == nil {
			if node, err = d.nodeOf(ctx, w.key); err != nil {
				return nil, err
			}
		}
		byNode[node] = append(byNode[node], w)
	}
	for node, part := range byNode {
		more, err := d.storeAt(ctx, node, part, asked)
		if err != nil {
			return nil, err
		}
		redirected = append(redirected, more...)
	}
	return redirected, nil
}

// storeAt sends writes to one node, or to a Cluster if no replicas have to store them. WAIT covers the writes on its
// own connection, so all are sent in one pipeline.
func (d *DB) storeAt(
	ctx context.Context, client pipeliner, writes []write, asked map[string]*redis.Client,
) (redirected []redirection, err error) {
	commands := make([]redis.Cmder, len(writes))
	var replicas *redis.Cmd
	if _, err := d.pipeline(ctx, client, func(p redis.Pipeliner) {
		for i, w := range writes {
			if asked[w.key] != nil {
				p.Do(ctx, "ASKING")
			}
			commands[i] = w.send(p)
		}
		if d.waitReplicas > 0 {
			// Redis ends expired WAITs ten times a second, so a WAIT of half the timeout may take a tenth of a second longer.
			replicas = p.Do(ctx, "WAIT", d.waitReplicas, (d.timeout / 2).Milliseconds())
		}
	}); err != nil {
		return nil, err
	}
	for i, command := range commands {
		switch err := command.Err(); {
		case err == nil:
		case d.waitReplicas > 0 && isRedirection(err):
			redirected = append(redirected, redirection{writes[i], err})
		default:
			return nil, err
		}
	}
	if replicas == nil {
		return redirected, nil
	}
	n, err := replicas.Int()
	if err != nil {
		return nil, fmt.Errorf("waiting for replicas: %w", err)
	}
	if n < d.waitReplicas {
		return nil, fmt.Errorf("waiting for replicas: %d of %d hold it", n, d.waitReplicas)
	}
	return redirected, nil
}

// redirectPause is the pause before a redirected write is sent again.
const redirectPause = 5 * time.Millisecond

// redirect waits a moment, reads which node holds which slot, and records the nodes to ask instead: those that ASK
// names, as far as they hold other slots already.
func (d *DB) redirect(
	ctx context.Context, redirected []redirection, asked map[string]*redis.Client,
) (writes []write, err error) {
	select {
	case <-time.After(redirectPause):
	case <-ctx.Done():
		return nil, fmt.Errorf("storing while slots move: %w: %w", redirected[0].err, ctx.Err())
	}
	masters, err := d.masters(ctx)
	if err != nil {
		return nil, err
	}
	for _, r := range redirected {
		writes = append(writes, r.write)
		delete(asked, r.key)
		for _, master := range masters {
			if redis.HasErrorPrefix(r.err, "ASK") && strings.HasSuffix(r.err.Error(), " "+master.Options().Addr) {
				asked[r.key] = master
			}
		}
	}
	return writes, nil
}
