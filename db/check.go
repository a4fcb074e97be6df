package db

import (
	"context"
	"fmt"
	"slices"
	"strings"
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

// Report is what Check finds.
type Report struct {
	// Nodes are the nodes that hold keys, and the nodes of a Cluster that cannot be used.
	Nodes []NodeReport
	// Faults are why parts of a Cluster cannot be used from here, one sentence each. If there are any, the rights to keys
	// were not tried.
	Faults []string
	// Missing are the rights that the Redis user lacks, one sentence each.
	Missing []string
}

// Check examines each node that holds keys, and the rights of the Redis user. It stores nothing. An error means that
// Redis cannot be used; the report then has what is known.
func (d *DB) Check(ctx context.Context) (report Report, err error) {
	d.waitForConnection(ctx)
	masters, err := d.masters(ctx)
	if err != nil {
		return report, err
	}
	unusable, faults, err := d.clusterFaults(ctx)
	if err != nil {
		return report, err
	}
	report.Faults = faults
	for _, addr := range unusable {
		report.Nodes = append(report.Nodes, NodeReport{Addr: addr, Facts: []string{"cannot be used"}})
	}
	slices.SortFunc(masters, func(a, b *redis.Client) int { return strings.Compare(a.Options().Addr, b.Options().Addr) })
	for _, node := range masters {
		if slices.Contains(unusable, node.Options().Addr) {
			continue
		}
		found, missing, err := d.examine(ctx, node)
		if err != nil {
			return report, err
		}
		report.Nodes, report.Missing = append(report.Nodes, found), append(report.Missing, missing...)
	}
	if len(faults) > 0 {
		return report, nil
	}
	refused, err := d.try(ctx, d.client, d.keyRights(ctx))
	for _, r := range refused {
		if d.adviceOnTopology(r.command.Err()) != "" {
			return report, d.explain(r.command.Err()) // it is the same for each right
		}
		report.Missing = append(report.Missing, r.String())
	}
	return report, err
}

// examine returns a report on one node, and the rights that the Redis user lacks there.
func (d *DB) examine(ctx context.Context, node *redis.Client) (report NodeReport, missing []string, err error) {
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
	report.Addr = node.Options().Addr
	if named := d.dialer.master.Load(); named != nil {
		report.Addr = *named
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
