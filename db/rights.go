package db

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"strings"

	"github.com/redis/go-redis/v9"
)

// right is a command that the service sends, and its name in reports, with the pattern of its keys if it has any.
type right struct {
	name    string
	command redis.Cmder
}

// String returns a sentence with Redis's refusal of the command, and which right to grant.
func (r right) String() string {
	text := fmt.Sprintf("%s is refused: %v", r.name, r.command.Err())
	command, key, _ := strings.Cut(r.name, " ")
	switch refusal := r.command.Err().Error(); {
	case !strings.HasPrefix(refusal, "NOPERM"):
		return text
	case strings.Contains(refusal, "command"):
		return text + ": grant +" + strings.ToLower(command)
	case strings.HasPrefix(key, "auth:"):
		return text + ": grant ~auth:*"
	default:
		return text + ": grant ~" + key
	}
}

// nodeRights returns the commands that concern a node and no key. SELECT and CLUSTER SLOTS are not among them: without
// the right to them there is no connection.
func (d *DB) nodeRights(ctx context.Context) []right {
	rights := []right{{"TIME", redis.NewTimeCmd(ctx, "TIME")}}
	if d.cluster() {
		// go-redis sends it before a command whose key is moving to another node. It affects only the next command:
		// here INFO.
		rights = append(rights, right{"ASKING", redis.NewStatusCmd(ctx, "ASKING")})
	}
	rights = append(rights, right{"INFO", redis.NewStringCmd(ctx, "INFO")})
	if d.waitReplicas > 0 {
		rights = append(rights, right{"WAIT", redis.NewIntCmd(ctx, "WAIT", 0, 0)}) // for no replicas: it returns at once
	}
	return rights
}

// keyRights returns the commands on a key of every kind. Only auth:epoch and auth:clock may exist: they are only read
// and passed to a script, which needs the right to write as well. The other keys do not exist, so SET XX and DEL need
// the right to write but write nothing.
func (d *DB) keyRights(ctx context.Context) (rights []right) {
	nobody := "eyJ-gin-auth-check-" + rand.Text() // begins like a token: the user may have rights to such keys only
	kinds := []struct{ key, name string }{
		{d.blacklist.key(nobody), d.blacklist.pattern()},
		{logoutAllKey(nobody), "auth:logout-all:*"},
		{userKey(nobody), "auth:user:*"},
		{usernameKey(nobody), "auth:username:*"},
		{userIDKey(nobody), "auth:user-id:*"},
		{loginLimitKey("pair", nobody), "auth:login-limit:*"},
		{sessionsKey(nobody), "auth:sessions:*"},
		{d.epochKeys[0], epochKey},
		{d.clockKeys[0], clockKey},
	}
	for _, kind := range kinds {
		add := func(name string, command redis.Cmder) {
			rights = append(rights, right{name + " " + kind.name, command})
		}
		add("EXISTS", redis.NewIntCmd(ctx, "EXISTS", kind.key))
		add("GET", redis.NewStringCmd(ctx, "GET", kind.key))
		add("EVAL", redis.NewCmd(ctx, "EVAL", "return 1", 1, kind.key))
		switch kind.name {
		case epochKey, clockKey:
		case d.blacklist.pattern():
			add("SET with EXAT (Redis 6.2)", redis.NewStatusCmd(ctx, "SET", kind.key, "", "XX", "EXAT", 1<<33))
		default:
			add("SET", redis.NewStatusCmd(ctx, "SET", kind.key, "", "XX"))
		}
		if kind.name == "auth:login-limit:*" {
			add("PTTL", redis.NewIntCmd(ctx, "PTTL", kind.key))
			add("DEL", redis.NewIntCmd(ctx, "DEL", kind.key))
		}
	}
	return rights
}

// try sends the commands in one pipeline and returns those that Redis refuses. An error means that Redis did not
// answer.
func (d *DB) try(ctx context.Context, client pipeliner, rights []right) (refused []right, err error) {
	err = d.withTimeout(ctx, func(ctx context.Context) error {
		pipeline := client.Pipeline()
		for _, r := range rights {
			_ = pipeline.Process(ctx, r.command)
		}
		_, err := exec(ctx, pipeline)
		return err
	})
	for _, r := range rights {
		var refusal redis.Error
		switch failed := r.command.Err(); {
		case failed == nil || errors.Is(failed, redis.Nil):
		case errors.As(failed, &refusal) && !isPasswordError(failed):
			refused = append(refused, r)
		default:
			err = cmp.Or(err, failed)
		}
	}
	if err != nil {
		return nil, fmt.Errorf("trying %s: %w", rights[0].name, d.explain(err))
	}
	return refused, nil
}

// deniedRights returns the rights that this user lacks, one sentence each. A command that Redis refuses for another
// reason, such as a full memory, is not among them.
func (d *DB) deniedRights(ctx context.Context) (missing []string, err error) {
	nodes, err := d.masters(ctx)
	if err != nil {
		return nil, err
	}
	refused, err := d.try(ctx, d.client, d.keyRights(ctx))
	for _, node := range nodes {
		var more []right
		if err == nil {
			more, err = d.try(ctx, node, d.nodeRights(ctx))
		}
		refused = append(refused, more...)
	}
	for _, r := range refused {
		if isDenied(r.command.Err()) {
			missing = append(missing, r.String())
		}
	}
	return missing, err
}
