package db

import (
	"context"
	"fmt"
	"time"

	"github.com/redis/go-redis/v9"
)

// NodeReport is what one node of Redis says about itself.
type NodeReport struct {
	Addr string // "" if it is not known
	// Facts are the version, role, persistence and eviction policy, as far as INFO shows them.
	Facts []string
	// RoundTrip is how long a command took, 0 if it was refused.
	RoundTrip time.Duration
	// Skew is how far this machine's clock is ahead of the node's.
	Skew time.Duration
}

// Check returns what each node that holds keys says about itself, and the rights that this user lacks, one sentence
// each. It stores nothing.
func (d *DB) Check(ctx context.Context) (nodes []NodeReport, lacks []string, err error) {
	d.waitForConnection(ctx)
	masters, err := d.masters(ctx)
	if err != nil {
		return nil, nil, err
	}
	for _, node := range masters {
		report, lack, err := d.examine(ctx, node)
		if err != nil {
			return nil, nil, err
		}
		nodes, lacks = append(nodes, report), append(lacks, lack...)
	}
	refused, err := d.try(ctx, d.client, d.keyRights(ctx))
	for _, r := range refused {
		lacks = append(lacks, r.String())
	}
	return nodes, lacks, err
}

// examine returns what one node says about itself, and the rights that this user lacks there.
func (d *DB) examine(ctx context.Context, node *redis.Client) (report NodeReport, lacks []string, err error) {
	report.Addr = node.Options().Addr
	rights := d.nodeRights(ctx)
	refused, err := d.try(ctx, node, rights)
	if err != nil {
		return NodeReport{}, nil, err
	}
	for _, r := range refused {
		lacks = append(lacks, r.String())
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
	return report, lacks, nil
}

// measurements is how often a round trip is measured. The shortest is reported.
const measurements = 5

// facts puts INFO into words.
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
