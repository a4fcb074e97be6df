package db

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync/atomic"

	"github.com/redis/go-redis/v9"
)

// errNotMaster is the error of a round trip that a replica answered. A replica answers reads without an error, but may
// not know the newest revocations.
var errNotMaster = errors.New("this Redis is a replica, which cannot know the newest logouts: " +
	"connect to the master, or wait until the host name or the sentinels lead to it")

// roleProof is the command at the end of a pipeline that shows whether a master answered it.
type roleProof int32

const (
	// proofWait is WAIT 0 0. It returns at once on a master and is an error on a replica.
	proofWait roleProof = iota
	// proofRole is ROLE, which names the role. It is used if WAIT is denied.
	proofRole
	// proofNone means that both are denied: a demoted master cannot be recognized.
	proofNone
)

// role remembers which proof this Redis permits. Its zero value is proofWait.
type role struct{ proof atomic.Int32 }

func (r *role) now() roleProof      { return roleProof(r.proof.Load()) }
func (r *role) set(proof roleProof) { r.proof.Store(int32(proof)) }

// command returns the proof's command, or nil for proofNone.
func (p roleProof) command(ctx context.Context) redis.Cmder {
	switch p {
	case proofWait:
		return redis.NewIntCmd(ctx, "WAIT", 0, 0)
	case proofRole:
		return redis.NewSliceCmd(ctx, "ROLE")
	default:
		return nil
	}
}

// judge returns nil if the reply to the proof came from a master, and errNotMaster if it came from a replica. Any other
// error is returned as it is.
func (p roleProof) judge(reply redis.Cmder) error {
	err := reply.Err()
	if err != nil && (strings.Contains(err.Error(), "replica") || strings.Contains(err.Error(), "slave")) {
		return errNotMaster
	}
	if roles, ok := reply.(*redis.SliceCmd); ok && err == nil {
		if len(roles.Val()) == 0 || roles.Val()[0] != "master" {
			return errNotMaster
		}
	}
	return err
}

// isDenied reports whether Redis refused a command because the user has no right to it, or because the command was
// renamed or does not exist there.
func isDenied(err error) bool {
	return redis.HasErrorPrefix(err, "NOPERM") || redis.HasErrorPrefix(err, "unknown command")
}

// pipeliner is a client of one node, or of a cluster.
type pipeliner interface{ Pipeline() redis.Pipeliner }

// pipeline sends the commands that build adds, and last a proof that a master answered, in one round trip. Its
// error is that of the round trip, or errNotMaster; an error of a single command stays with that command.
//
// If the proof is denied, the round trip is repeated with the next one, so build may be called more than once. On a
// Cluster no proof is needed: a node that is not the master of a key redirects.
func (d *DB) pipeline(ctx context.Context, client pipeliner, build func(redis.Pipeliner)) ([]redis.Cmder, error) {
	for {
		pipeline := client.Pipeline()
		build(pipeline)
		proof := d.role.now()
		command := proof.command(ctx)
		if d.cluster() {
			command = nil
		}
		if command != nil {
			_ = pipeline.Process(ctx, command)
		}
		commands, err := exec(ctx, pipeline)
		if err != nil || command == nil {
			return commands, err
		}
		if isDenied(command.Err()) {
			d.role.set(proof + 1)
			continue
		}
		if err := proof.judge(command); err != nil {
			if errors.Is(err, errNotMaster) {
				d.dialer.leaveReplica() // new connections may lead to the master already
			}
			return commands, err
		}
		return commands[:len(commands)-1], nil
	}
}

// pipelineAll is pipeline, but returns the first error of a command as well, except redis.Nil.
func (d *DB) pipelineAll(ctx context.Context, client pipeliner, build func(redis.Pipeliner)) error {
	commands, err := d.pipeline(ctx, client, build)
	if err != nil {
		return err
	}
	for _, command := range commands {
		if err := command.Err(); err != nil && !errors.Is(err, redis.Nil) {
			return err
		}
	}
	return nil
}

// exec runs a pipeline. It returns an error if the pipeline as a whole failed; a command that Redis refused has its own
// error. Both have to be checked: if there is no connection, for example because of a wrong password, go-redis sets no
// error in the commands, and an EXISTS that was never sent returns 0.
func exec(ctx context.Context, pipeline redis.Pipeliner) ([]redis.Cmder, error) {
	commands, err := pipeline.Exec(ctx)
	if errors.Is(err, redis.Nil) || errors.As(err, new(redis.Error)) && slices.ContainsFunc(commands, hasFailed) {
		err = nil
	}
	return commands, err
}

func hasFailed(command redis.Cmder) bool { return command.Err() != nil }
