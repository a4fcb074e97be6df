package db

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"strings"
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
	missing, err := d.checkKeys(ctx)
	return nodes, append(lacks, missing...), err
}

// examine returns what one node says about itself, and the rights that this user lacks there.
func (d *DB) examine(ctx context.Context, node *redis.Client) (report NodeReport, lacks []string, err error) {
	report.Addr = node.Options().Addr
	clock, info := redis.NewTimeCmd(ctx, "TIME"), redis.NewStringCmd(ctx, "INFO")
	commands := []redis.Cmder{clock, info}
	if d.waitReplicas > 0 {
		commands = append(commands, redis.NewIntCmd(ctx, "WAIT", 0, 0)) // for no replicas: it returns at once
	}
	for _, command := range commands {
		lack, err := d.try(ctx, node, command, strings.ToUpper(command.Name()))
		if err != nil {
			return NodeReport{}, nil, err
		}
		lacks = append(lacks, lack...)
	}
	report.Facts = facts(info.Val())
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

// checkKeys tries the commands on a key of every kind. None of these keys exists, so SET XX and DEL need the right to
// write but write nothing. auth:epoch and auth:clock, which may exist, are only read and passed to a script, which
// needs the right to write as well.
func (d *DB) checkKeys(ctx context.Context) (lacks []string, err error) {
	nobody := "eyJ-gin-auth-check-" + rand.Text() // as a token begins: the right to such keys may be all there is
	kinds := []struct{ key, name string }{
		{d.blacklist.key(nobody), d.blacklist.pattern()},
		{logoutAllKey(nobody), "auth:logout-all:*"},
		{userKey(nobody), "auth:user:*"},
		{usernameKey(nobody), "auth:username:*"},
		{userIDKey(nobody), "auth:user-id:*"},
		{loginLimitKey("pair", nobody), "auth:login-limit:*"},
	}
	if !d.cluster() {
		kinds = append(kinds, struct{ key, name string }{epochKey, epochKey})
	}
	kinds = append(kinds, struct{ key, name string }{clockKey, clockKey})
	for _, kind := range kinds {
		try := func(command redis.Cmder, name string) {
			lack, failed := d.try(ctx, d.client, command, name+" "+kind.name)
			lacks, err = append(lacks, lack...), errors.Join(err, failed)
		}
		try(redis.NewIntCmd(ctx, "EXISTS", kind.key), "EXISTS")
		try(redis.NewStringCmd(ctx, "GET", kind.key), "GET")
		try(redis.NewCmd(ctx, "EVAL", "return 1", 1, kind.key), "EVAL")
		switch kind.name {
		case epochKey, clockKey:
		case d.blacklist.pattern():
			try(redis.NewStatusCmd(ctx, "SET", kind.key, "", "XX", "EXAT", 1<<33), "SET with EXAT (Redis 6.2)")
		default:
			try(redis.NewStatusCmd(ctx, "SET", kind.key, "", "XX"), "SET")
		}
		if kind.name == "auth:login-limit:*" {
			try(redis.NewIntCmd(ctx, "PTTL", kind.key), "PTTL")
			try(redis.NewIntCmd(ctx, "DEL", kind.key), "DEL")
		}
		if err != nil {
			return nil, err
		}
	}
	return lacks, nil
}

// try runs a command and returns a sentence if Redis refuses it. An error means that Redis could not be asked.
func (d *DB) try(ctx context.Context, node redis.Cmdable, command redis.Cmder, name string) (lack []string, err error) {
	err = d.withTimeout(ctx, func(ctx context.Context) error {
		_, err := node.Pipelined(ctx, func(pipeline redis.Pipeliner) error { return pipeline.Process(ctx, command) })
		return err
	})
	if errors.Is(err, redis.Nil) {
		return nil, nil
	}
	var refusal redis.Error
	if errors.As(err, &refusal) && command.Err() != nil { // otherwise the connection is refused
		lack = append(lack, fmt.Sprintf("%s is refused: %s", name, refusal))
		err = nil
	}
	if err != nil {
		return nil, fmt.Errorf("trying %s: %w", name, d.explain(err))
	}
	return lack, nil
}

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
