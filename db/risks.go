package db

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"

	"github.com/redis/go-redis/v9"
)

// Risks returns the ways in which Redis can lose revocations unnoticed, one sentence each. Anything that cannot be
// determined counts as a risk.
func (d *DB) Risks(ctx context.Context) ([]string, error) {
	nodes, err := d.masters(ctx)
	if err != nil {
		return nil, err
	}
	var risks []string
	add := func(found ...string) {
		for _, risk := range found {
			if !slices.Contains(risks, risk) {
				risks = append(risks, risk)
			}
		}
	}
	for _, node := range nodes {
		found, err := d.risksOf(ctx, node)
		if err != nil {
			return nil, err
		}
		add(found...)
	}
	if _, _, err := d.epochs.current(); err != nil {
		add("a lost blacklist would go unnoticed, because auth:epoch cannot be stored: " + err.Error())
	}
	return risks, nil
}

func (d *DB) risksOf(ctx context.Context, node *redis.Client) ([]string, error) {
	var info string
	err := d.call(ctx, "asking Redis for its INFO", func(ctx context.Context) (err error) {
		info, err = node.Info(ctx).Result()
		return err
	})
	var refusal redis.Error
	var risks []string
	switch {
	case errors.As(err, &refusal):
		risks = append(risks, "whether it evicts keys, persists them, or is a replica is unknown, because INFO is refused ("+
			refusal.Error()+"): grant +info")
	case err != nil:
		return nil, err
	default:
		risks = append(risks, risksIn(info)...)
	}
	if d.cluster() {
		return risks, nil
	}
	proof, err := d.findProof(ctx, node)
	if err != nil {
		return nil, err
	}
	if proof == proofNone {
		risks = append(risks, "whether it was demoted to a replica cannot be recognized, "+
			"because WAIT and ROLE are both refused: grant +wait")
	}
	return risks, nil
}

// findProof determines which proof that a master answered is permitted now. Every pipeline uses that one from then on.
func (d *DB) findProof(ctx context.Context, node *redis.Client) (roleProof, error) {
	for proof := proofWait; ; proof++ {
		command := proof.command(ctx)
		if command == nil {
			d.role.set(proof)
			return proof, nil
		}
		err := d.withTimeout(ctx, func(ctx context.Context) error {
			_ = node.Process(ctx, command)
			return command.Err()
		})
		if isDenied(err) {
			continue
		}
		var refusal redis.Error
		if err == nil || errors.As(err, &refusal) {
			d.role.set(proof)
			return proof, nil
		}
		return proof, fmt.Errorf("asking for the role: %w", err)
	}
}

// infoFields returns the fields of INFO.
func infoFields(info string) map[string]string {
	fields := map[string]string{}
	for line := range strings.Lines(info) {
		if name, value, ok := strings.Cut(strings.TrimSpace(line), ":"); ok {
			fields[name] = value
		}
	}
	return fields
}

// risksIn returns the risks that INFO shows, and one for each field that it lacks.
func risksIn(info string) []string {
	fields := infoFields(info)
	is := func(name string, values ...string) bool { return slices.Contains(values, fields[name]) }
	var risks []string
	risk := func(when bool, format string, args ...any) {
		if when {
			risks = append(risks, fmt.Sprintf(format, args...))
		}
	}
	risk(!is("role", "master", "slave"), "whether it is a master is unknown: its INFO does not say")
	risk(is("role", "slave"), "it is a replica: logouts can't be stored; name its master, %s, in REDIS_HOST or REDIS_URL",
		net.JoinHostPort(fields["master_host"], fields["master_port"]))
	risk(is("maxmemory", "") || is("maxmemory_policy", ""), "whether it evicts keys is unknown: its INFO does not say")
	risk(!is("maxmemory", "", "0") && !is("maxmemory_policy", "", "noeviction"),
		"it evicts keys when its memory is full, logouts among them: set maxmemory-policy noeviction, not %s",
		fields["maxmemory_policy"])
	risk(is("evicted_keys", ""), "whether it has evicted keys is unknown: its INFO does not say")
	risk(!is("evicted_keys", "", "0"), "it has evicted %s keys since its start: logouts may be among them; "+
		"once the policy is noeviction, CONFIG RESETSTAT clears this count", fields["evicted_keys"])
	risk(!is("aof_enabled", "0", "1"), "whether it has an append-only file is unknown: its INFO does not say")
	risk(is("aof_enabled", "0"),
		"its append-only file is off: a restart forgets the logouts since its last snapshot; set appendonly yes")
	risk(is("aof_last_write_status", "err"),
		"it could not write its append-only file the last time: look at its disk and its log")
	risk(is("aof_enabled", "0") && is("rdb_last_bgsave_status", "err"),
		"it could not save its last snapshot: look at its disk and its log")
	return risks
}

// logRisks examines Redis for risks and for missing rights, and logs those that it has not logged before. An error
// means that Redis did not answer.
func (d *DB) logRisks(ctx context.Context) error {
	if d.embedded != nil {
		return nil
	}
	risks, err := d.Risks(ctx)
	if err != nil {
		return err
	}
	missing, err := d.deniedRights(ctx)
	if err != nil {
		return err
	}
	d.state.mu.Lock()
	before := d.state.risks
	d.state.risks = append(slices.Clone(risks), missing...)
	d.state.mu.Unlock()
	for _, risk := range risks {
		if !slices.Contains(before, risk) {
			d.state.log.Warn("this Redis can lose logouts", "risk", risk)
		}
	}
	for _, sentence := range missing {
		if !slices.Contains(before, sentence) {
			d.state.log.Warn("a right is missing", "right", sentence)
		}
	}
	return nil
}
