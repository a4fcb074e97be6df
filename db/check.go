package db

import (
	"context"
	"fmt"
	"time"

	"github.com/redis/go-redis/v9"
)

// NodeReport is what is known about one node of Redis.
type NodeReport struct {
	Addr string // "" if it is not known
	// Facts are the version, role, persistence and eviction policy, as far as INFO shows them.
	Facts []string
	// RoundTrip is how long a command took, 0 if it was refused.
	RoundTrip time.Duration
	// Skew is how far this machine's clock is ahead of the node's.
	Skew time.Duration
}

// Check returns a report on each node that holds keys, and the rights that the Redis user lacks, one sentence each. It
// stores nothing.
func (d *DB) Check(ctx context.Context) (nodes []NodeReport, missing []string, err error) {
	d.waitForConnection(ctx)
	masters, err := d.masters(ctx)
	if err != nil {
		return nil, nil, err
	}
	for _, node := range masters {
		report, more, err := d.examine(ctx, node)
		if err != nil {
			return nil, nil, err
		}
		nodes, missing = append(nodes, report), append(missing, more...)
	}
	refused, err := d.try(ctx, d.client, d.keyRights(ctx))
	for _, r := range refused {
		missing = append(missing, r.String())
	}
	return nodes, missing, err
}

// examine returns a report on one node, and the rights that the Redis user lacks there.
func (d *DB) examine(ctx context.Context, node *redis.Client) (report NodeReport, missing []string, err error) {
	report.Addr = node.Options().Addr
	rights := d.nodeRights(ctx)
	refused, err := d.try(ctx, node, rights)
	if err != nil {
		return NodeReport{}, nil, err
	}
	for _, r := range refused {
		missing = append(missing, r.String())
	}
	for _, r := range rights {
		if info, ok := r.command.(*redis.StringCmd); ok {
			report.Facts = facts(info.Val())
		}
	}
	for range measurements {
		sent := time.Now()
		clock := node.Time(ctx)
		took := time.Since(sent)
		if clock.Err() == nil && (report.RoundTrip == 0 || took < report.RoundTrip) {
			report.RoundTrip, report.Skew = took, sent.Add(took/2).Sub(clock.Val())
		}
	}
	return report, missing, nil
}

// measurements is how often a round trip is measured. The shortest is reported.
const measurements = 5

// facts returns facts from the reply to INFO, a few words each.
func facts(info string) []string {
	fields := infoFields(info)
	if on, ok := map[string]string{"0": "off", "1": "on"}[fields["aof_enabled"]]; ok {
		fields["aof_enabled"] = on
	}
	var words []string
	for _, known := range []struct{ field, format string }{
		{"redis_version", "version %s"},
		{"role", "role %s"},
		{"connected_slaves", "replicas %s"},
		{"aof_enabled", "append-only file %s"},
		{"maxmemory_human", "maxmemory %s"},
		{"maxmemory_policy", "policy %s"},
	} {
		if value, ok := fields[known.field]; ok {
			words = append(words, fmt.Sprintf(known.format, value))
		}
	}
	return words
}
