package db

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/redis/go-redis/v9"
)

// Risks returns by what Redis can lose revocations, one sentence each, as far as its INFO tells: managed
// ones often forbid CONFIG. What INFO leaves out counts as fine.
func (d *DB) Risks(ctx context.Context) ([]string, error) {
	nodes, err := d.masters(ctx)
	if err != nil {
		return nil, err
	}
	var risks []string
	for _, node := range nodes {
		var info string
		err := d.call(ctx, "asking Redis for its INFO", func(ctx context.Context) (err error) {
			info, err = node.Info(ctx).Result()
			return err
		})
		found := risksIn(info)
		if redis.HasErrorPrefix(err, "NOPERM") {
			found, err = []string{"its INFO is refused to this user, so nothing is known of it: grant +info"}, nil
		}
		if err != nil {
			return nil, err
		}
		for _, risk := range found {
			if !slices.Contains(risks, risk) {
				risks = append(risks, risk)
			}
		}
	}
	return risks, nil
}

// infoFields takes INFO apart.
func infoFields(info string) map[string]string {
	fields := map[string]string{}
	for line := range strings.Lines(info) {
		if name, value, ok := strings.Cut(strings.TrimSpace(line), ":"); ok {
			fields[name] = value
		}
	}
	return fields
}

func risksIn(info string) []string {
	fields := infoFields(info)
	is := func(name string, values ...string) bool { return slices.Contains(values, fields[name]) }
	var risks []string
	risk := func(when bool, format string, args ...any) {
		if when {
			risks = append(risks, fmt.Sprintf(format, args...))
		}
	}
	risk(is("role", "slave"), "it is a replica: logouts can't be stored; name the master")
	risk(!is("maxmemory", "", "0") && !is("maxmemory_policy", "", "noeviction"),
		"it evicts keys when its memory is full, logouts among them: set maxmemory-policy noeviction, not %s", fields["maxmemory_policy"])
	risk(!is("evicted_keys", "", "0"), "it has evicted %s keys since its start: logouts may be among them", fields["evicted_keys"])
	risk(is("aof_enabled", "0"), "its append-only file is off: a restart forgets the logouts since its last snapshot; set appendonly yes")
	risk(is("aof_last_write_status", "err"), "it could not write its append-only file the last time: look at its disk and its log")
	risk(is("aof_enabled", "0") && is("rdb_last_bgsave_status", "err"), "it could not save its last snapshot: look at its disk and its log")
	return risks
}

// errUnsafe says that Redis has Risks where Options.RequireSafe wants none.
var errUnsafe = errors.New("this Redis can lose logouts (REDIS_REQUIRE_SAFE)")

// CheckSafe looks for risks and logs those that it hasn't logged before. The error is that of asking, or
// with Options.RequireSafe that there are any.
func (d *DB) CheckSafe(ctx context.Context) error {
	if d.embedded != nil {
		return nil
	}
	risks, err := d.Risks(ctx)
	if err != nil {
		return err
	}
	d.state.mu.Lock()
	news := !slices.Equal(risks, d.state.risks)
	d.state.risks = risks
	d.state.mu.Unlock()
	if news {
		for _, risk := range risks {
			d.state.log.Warn("this Redis can lose logouts: " + risk)
		}
	}
	if d.requireSafe && len(risks) > 0 {
		return fmt.Errorf("%w: %s", errUnsafe, strings.Join(risks, "; "))
	}
	return nil
}

// IsUnsafe tells whether err says that Redis can lose revocations, rather than that it can't be asked.
func IsUnsafe(err error) bool { return errors.Is(err, errUnsafe) }
