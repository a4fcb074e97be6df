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

// Finding is what one node of Redis says of itself: its address, where it is known, version, role,
// persistence and eviction policy, as far as its INFO tells.
type Finding struct {
	Addr string
	Says []string
	// RoundTrip is how long one command took, 0 if it was refused.
	RoundTrip time.Duration
	// Skew is how far this machine's clock is ahead of the node's.
	Skew time.Duration
}

// Check returns what each node that has keys says of itself, and the rights that this user lacks, one
// sentence each. It leaves nothing behind.
func (d *DB) Check(ctx context.Context) (nodes []Finding, lacks []string, err error) {
	masters, err := d.masters(ctx)
	if err != nil {
		return nil, nil, err
	}
	for _, node := range masters {
		clock, info := redis.NewTimeCmd(ctx, "TIME"), redis.NewStringCmd(ctx, "INFO")
		commands := []redis.Cmder{clock, info}
		if d.waitReplicas > 0 {
			commands = append(commands, redis.NewIntCmd(ctx, "WAIT", 0, 0)) // of no replicas: it answers at once
		}
		finding := Finding{Addr: node.Options().Addr}
		for _, command := range commands {
			sent := time.Now()
			lack, err := d.try(ctx, node, command, strings.ToUpper(command.Name()))
			if err != nil {
				return nil, nil, err
			}
			if command == clock && len(lack) == 0 {
				finding.RoundTrip = time.Since(sent)
				finding.Skew = sent.Add(finding.RoundTrip / 2).Sub(clock.Val())
			}
			lacks = append(lacks, lack...)
		}
		finding.Says = says(info.Val())
		nodes = append(nodes, finding)
	}
	missing, err := d.checkKeys(ctx)
	return nodes, append(lacks, missing...), err
}

// checkKeys tries the commands on a key of every kind. None of these keys exists, so that SET XX and DEL
// write nothing; but the right to write is asked for. auth:epoch and auth:clock, which may exist, are only read and
// named to a script, which asks for the right to write, too.
func (d *DB) checkKeys(ctx context.Context) (lacks []string, err error) {
	nobody := "gin-auth-check-" + rand.Text()
	kinds := []struct{ key, name string }{
		{blacklistKey(nobody), "blacklist:*"},
		{logoutAllKey(nobody), "logout-all:*"},
		{userKey(nobody), "user:*"},
		{loginLimitKey("pair", nobody), "login-limit:*"},
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
		case "blacklist:*":
			try(redis.NewStatusCmd(ctx, "SET", kind.key, "", "XX", "EXAT", 1<<33), "SET with EXAT (Redis 6.2)")
		default:
			try(redis.NewStatusCmd(ctx, "SET", kind.key, "", "XX"), "SET")
		}
		if kind.name == "login-limit:*" {
			try(redis.NewIntCmd(ctx, "PTTL", kind.key), "PTTL")
			try(redis.NewIntCmd(ctx, "DEL", kind.key), "DEL")
		}
		if err != nil {
			return nil, err
		}
	}
	return lacks, nil
}

// try runs a command and returns what Redis has against it. The error is that of asking.
func (d *DB) try(ctx context.Context, node redis.Cmdable, command redis.Cmder, name string) (lack []string, err error) {
	err = d.callAnyway(ctx, func(ctx context.Context) error {
		_, err := node.Pipelined(ctx, func(pipeline redis.Pipeliner) error { return pipeline.Process(ctx, command) })
		return err
	})
	if errors.Is(err, redis.Nil) {
		return nil, nil
	}
	var refusal redis.Error
	if errors.As(err, &refusal) && command.Err() != nil { // else the connection is refused
		lack = append(lack, fmt.Sprintf("%s is refused: %s", name, refusal))
		err = nil
	}
	if err != nil {
		return nil, fmt.Errorf("trying %s: %w", name, err)
	}
	return lack, nil
}

// says puts INFO into words.
func says(info string) []string {
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
