package db

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/redis/go-redis/v9"

	"gin-auth/user"
)

// sessionList is a list of sessions of one user.
type sessionList struct {
	userID   string
	sessions []user.Session
}

// EndSession ends a session of a user and returns its token once that is stored. It returns "" if the user has no such
// session.
func (d *DB) EndSession(ctx context.Context, userID, id string) (token string, err error) {
	ctx = context.WithoutCancel(ctx) // a client that disconnects does not stop it
	lists, err := d.readSessions(ctx, []string{userID})
	if err != nil {
		return "", err
	}
	list := lists[0]
	list.sessions = slices.DeleteFunc(list.sessions, func(s user.Session) bool { return s.ID != id })
	revocations := d.keepRebuilt(&list)
	if len(revocations) == 0 {
		return "", nil
	}
	if err := d.revoke(ctx, revocations); err != nil {
		return "", err
	}
	return revocations[0].token, d.removeSessions(ctx, []sessionList{list})
}

// usersPerRead limits how many users' sessions are read and ended at a time.
const usersPerRead = 50

// endAllSessions ends every stored session of users that was issued at or before its user's cut.
func (d *DB) endAllSessions(ctx context.Context, userIDs []string, cuts []int64) error {
	for i := 0; i < len(userIDs); i += usersPerRead {
		end := min(i+usersPerRead, len(userIDs))
		lists, err := d.readSessions(ctx, userIDs[i:end])
		if err != nil {
			return err
		}
		var revocations []revocation
		for n, cut := range cuts[i:end] {
			l := &lists[n]
			l.sessions = slices.DeleteFunc(l.sessions, func(s user.Session) bool { return s.IssuedAt.Unix() > cut })
			revocations = append(revocations, d.keepRebuilt(l)...)
		}
		if err := d.revoke(ctx, revocations); err != nil {
			return err
		}
		if err := d.removeSessions(ctx, lists); err != nil {
			return err
		}
	}
	return nil
}

// keepRebuilt returns the revocations of a list's sessions. It removes from the list the sessions whose tokens cannot
// be rebuilt: they were signed with a secret that this process does not have, so they are not accepted here. They stay
// stored until they expire, because another process may have their secret.
func (d *DB) keepRebuilt(l *sessionList) (revocations []revocation) {
	l.sessions = slices.DeleteFunc(l.sessions, func(s user.Session) bool {
		token, until, err := d.rebuildToken(s.Record)
		if err == nil {
			revocations = append(revocations, revocation{token, until})
		}
		return err != nil
	})
	return revocations
}

// readSessions returns the stored sessions of users, in their order.
func (d *DB) readSessions(ctx context.Context, userIDs []string) ([]sessionList, error) {
	const doing = "reading the sessions of a user"
	keys := make([]string, len(userIDs))
	for i, id := range userIDs {
		keys[i] = sessionsKey(id)
	}
	replies, err := d.getAll(ctx, doing, keys)
	if err != nil {
		return nil, err
	}
	lists := make([]sessionList, len(userIDs))
	for i, id := range userIDs {
		sessions, err := decodeSessions(id, replies[i])
		if err != nil {
			return nil, fmt.Errorf("%s: %w", doing, err)
		}
		lists[i] = sessionList{id, sessions}
	}
	return lists, nil
}

// endOldest puts sessions of a user on the blacklist, then removes them, and returns their tokens.
func (d *DB) endOldest(ctx context.Context, userID string, sessions []user.Session) (tokens []string, err error) {
	rebuilt := sessionList{userID, slices.Clone(sessions)}
	revocations := d.keepRebuilt(&rebuilt)
	if err := d.revoke(ctx, revocations); err != nil {
		return nil, err
	}
	for _, r := range revocations {
		tokens = append(tokens, r.token)
	}
	return tokens, d.removeSessions(ctx, []sessionList{{userID, sessions}})
}

// removeSessions removes sessions from the stored sessions of their users.
func (d *DB) removeSessions(ctx context.Context, lists []sessionList) error {
	lists = slices.DeleteFunc(lists, func(l sessionList) bool { return len(l.sessions) == 0 })
	if len(lists) == 0 {
		return nil
	}
	return d.call(ctx, "removing sessions", func(ctx context.Context) error {
		return d.pipelineAll(ctx, d.client, func(p redis.Pipeliner) {
			for _, list := range lists {
				args := []any{"", maxSessions}
				for _, s := range list.sessions {
					args = append(args, s.ID)
				}
				p.Eval(ctx, changeSessionsScript, []string{sessionsKey(list.userID)}, args...)
			}
		})
	})
}

// revocation is a token to put on the blacklist.
type revocation struct {
	token string
	until time.Time // the zero time is forever
}

// maxRevocations limits how many tokens are revoked in one exchange.
const maxRevocations = 1000

// revoke puts tokens on the blacklist: see Revoke.
func (d *DB) revoke(ctx context.Context, revocations []revocation) error {
	for part := range slices.Chunk(revocations, maxRevocations) {
		err := d.call(context.WithoutCancel(ctx), "revoking a token", func(ctx context.Context) error {
			return d.storeRevocations(ctx, part)
		})
		d.metrics.countRevocations("token", err, float64(len(part)))
		if err != nil {
			return err
		}
	}
	return nil
}

// storeRevocations stores the entries of tokens.
func (d *DB) storeRevocations(ctx context.Context, revocations []revocation) error {
	writes := make([]write, len(revocations))
	for i, r := range revocations {
		args := redis.SetArgs{}
		if !r.until.IsZero() {
			args.ExpireAt = time.Unix(max(1, r.until.Unix()), 0) // SET rejects 0
		}
		key := d.blacklist.key(r.token)
		writes[i] = write{key, func(p redis.Pipeliner) redis.Cmder { return p.SetArgs(ctx, key, "true", args) }}
	}
	return d.store(ctx, writes)
}
