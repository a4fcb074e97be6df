package db

import (
	"cmp"
	"context"
	"errors"

	"github.com/redis/go-redis/v9"

	"gin-auth/user"
)

// Change is a user to store, with what FindUsers has found about them. A user at the same email is replaced; one with
// the same id elsewhere is moved to the new email.
type Change struct {
	User  user.User
	Found Found
}

// Outcome says what StoreUsers did with one of its changes.
type Outcome int

const (
	// Unsure means that the user may be stored or not, because no reply came: call StoreUsers again with them.
	Unsure Outcome = iota
	// Stored means that the user is stored as given.
	Stored
	// StoredWithoutName means that another user claimed the username first, and the user is stored without it.
	StoredWithoutName
	// Outdated means that what was found has changed: call FindUsers again.
	Outdated
)

// StoreUsers stores many users. It returns one Outcome per change, in their order. No two changes may have the same id,
// email or username.
//
// As in CreateUser, the usernames are claimed first, then the users are stored, then the claims are read again. With an
// error, which is the first that occurred, some outcomes are Unsure. Storing those again is safe: a user whose record
// is already stored as given counts as Stored.
func (d *DB) StoreUsers(ctx context.Context, changes []Change) ([]Outcome, error) {
	outcomes := make([]Outcome, len(changes))
	if len(changes) == 0 {
		return outcomes, nil
	}
	if err := d.claimUsernames(ctx, changes); err != nil {
		return outcomes, err
	}
	records := make([]string, len(changes))
	for i, c := range changes {
		var err error
		if records[i], err = encodeUser(c.User); err != nil {
			return outcomes, err
		}
	}
	err := d.storeAll(ctx, changes, records, outcomes)
	err = cmp.Or(err, d.compareExisting(ctx, changes, records, outcomes))
	for i, c := range changes {
		if outcomes[i] == Stored {
			outcomes[i] = Unsure
			if err == nil {
				outcomes[i], err = d.removeOld(ctx, c)
			}
		}
	}
	return outcomes, cmp.Or(err, d.recheckUsernames(ctx, changes, records, outcomes))
}

// claimUsernames claims the names that nobody has in one exchange, and the others, which are few, one by one. Only
// recheckUsernames, which reads the claims again, shows whether that succeeded.
func (d *DB) claimUsernames(ctx context.Context, changes []Change) error {
	now, err := d.now(ctx)
	if err != nil {
		return err
	}
	if err := d.call(ctx, "claiming usernames", func(ctx context.Context) error {
		return d.pipelineAll(ctx, d.client, func(p redis.Pipeliner) {
			for _, c := range changes {
				folded := user.FoldUsername(c.User.Username)
				if folded != "" && c.Found.claim.record == "" {
					p.SetArgs(ctx, usernameKey(folded), newClaim(c.User, now).record, redis.SetArgs{Mode: "NX"})
				}
			}
		})
	}); err != nil {
		return err
	}
	for _, c := range changes {
		// The claim of a user who is moved follows once they are stored at the new email.
		if c.Found.claim.record == "" || c.Found.claim.ID == c.User.ID {
			continue
		}
		if err := d.claimUsername(ctx, c.User); err != nil && !errors.Is(err, user.ErrUsernameTaken) {
			return err
		}
	}
	return nil
}

// storeAll stores the users, sets the outcome of each and returns the first error.
func (d *DB) storeAll(ctx context.Context, changes []Change, records []string, outcomes []Outcome) error {
	return d.call(ctx, "storing users", func(ctx context.Context) (first error) {
		replies := make([]redis.Cmder, len(changes))
		_, err := d.pipeline(ctx, d.client, func(p redis.Pipeliner) {
			for i, c := range changes {
				key := userKey(c.User.Email)
				if c.Found.Elsewhere.ID == "" {
					p.Set(ctx, userIDKey(c.User.ID), c.User.Email, 0)
				}
				if c.Found.record == "" {
					replies[i] = p.SetArgs(ctx, key, records[i], redis.SetArgs{Mode: "NX"})
				} else {
					replies[i] = p.Eval(ctx, replaceRecordScript, []string{key}, c.Found.record, records[i])
				}
			}
		})
		if err != nil {
			return err
		}
		for i, reply := range replies {
			var err error
			if outcomes[i], err = outcomeOf(reply); first == nil {
				first = err
			}
		}
		return first
	})
}

// outcomeOf returns the outcome that the reply to a SET NX or to replaceRecordScript means.
func outcomeOf(reply redis.Cmder) (Outcome, error) {
	err := reply.Err()
	if errors.Is(err, redis.Nil) {
		return Outdated, nil
	}
	if err != nil {
		return Unsure, err
	}
	if script, ok := reply.(*redis.Cmd); ok && script.Val() != int64(1) {
		return Outdated, nil
	}
	return Stored, nil
}

// compareExisting sets the outcome of users whose existing record is the given one to Stored: a reply was lost, and the
// command was sent again.
func (d *DB) compareExisting(ctx context.Context, changes []Change, records []string, outcomes []Outcome) error {
	var existing []int
	var keys []string
	for i, outcome := range outcomes {
		if outcome == Outdated {
			existing, keys = append(existing, i), append(keys, userKey(changes[i].User.Email))
		}
	}
	replies, err := d.getAll(ctx, "storing users", keys)
	for n, i := range existing {
		switch {
		case err != nil:
			outcomes[i] = Unsure
		case replies[n].Val() == records[i]:
			outcomes[i] = Stored
		}
	}
	return err
}

// removeOld removes what a stored change replaces: the user's record at their old email, and their claim on an old
// name. It removes the record before it sets the key of the id to the new email, so that the record is found again if
// this stops halfway.
func (d *DB) removeOld(ctx context.Context, c Change) (Outcome, error) {
	old := cmp.Or(c.Found.Elsewhere.Username, c.Found.AtEmail.Username)
	if c.Found.Elsewhere.ID != "" {
		// The claim has the old email.
		if err := d.claimUsername(ctx, c.User); err != nil && !errors.Is(err, user.ErrUsernameTaken) {
			return Unsure, err
		}
		removed, err := d.replaceRecord(ctx, userKey(c.Found.Elsewhere.Email), c.Found.elsewhereRecord, "")
		if err != nil {
			return Unsure, err
		}
		if !removed {
			return Outdated, nil
		}
		if _, err := d.replaceRecord(ctx, userIDKey(c.User.ID), c.Found.Elsewhere.Email, c.User.Email); err != nil {
			return Unsure, err
		}
	}
	if user.FoldUsername(old) == user.FoldUsername(c.User.Username) {
		return Stored, nil
	}
	return Stored, d.releaseUsername(ctx, old, c.User.ID)
}

// recheckUsernames reads the claims of the stored users again, and removes the name from users who lost it.
func (d *DB) recheckUsernames(ctx context.Context, changes []Change, records []string, outcomes []Outcome) error {
	var named []int
	var keys []string
	for i, c := range changes {
		if folded := user.FoldUsername(c.User.Username); folded != "" && outcomes[i] == Stored {
			named, keys = append(named, i), append(keys, usernameKey(folded))
		}
	}
	replies, err := d.getAll(ctx, "storing users", keys)
	for n, i := range named {
		if err != nil {
			outcomes[i] = Unsure
			continue
		}
		if c, _ := decodeClaim(keys[n], replies[n]); c.ID == changes[i].User.ID {
			continue
		}
		u := changes[i].User
		u.Username = ""
		record, _ := encodeUser(u) // StoreUsers has encoded it before
		outcomes[i] = Unsure
		if _, err = d.replaceRecord(ctx, userKey(u.Email), records[i], record); err == nil {
			outcomes[i] = StoredWithoutName
		}
	}
	return err
}
