package db

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"time"

	"github.com/redis/go-redis/v9"

	"gin-auth/user"
)

// A username belongs to one user. Its key holds a claim, which has the id and the email of that user. A claim is valid
// while the user exists and has that name, or while it is younger than claimPending: the user may be stored at any
// moment. Any other claim was left by an interrupted registration or by a change of the name, and the next claim
// replaces it.

// claimPending is how long a claim is valid without its user, by Redis's clock.
const claimPending = time.Minute

// claim is the claim on a username.
type claim struct {
	ID      string `json:"id"`
	Email   string `json:"email"`
	Claimed int64  `json:"claimed"` // seconds since 1970, by Redis's clock

	record string // as it is stored, "" for none
}

func newClaim(u user.User, now time.Time) claim {
	c := claim{ID: u.ID, Email: u.Email, Claimed: now.Unix()}
	record, _ := json.Marshal(c) // strings and a number always encode
	c.record = string(record)
	return c
}

// decodeClaim decodes the reply to a GET of a username's key, the zero claim if there is none. A record that is not a
// claim is a *BrokenRecordError.
func decodeClaim(key string, reply *redis.StringCmd) (c claim, err error) {
	record, err := reply.Result()
	switch {
	case errors.Is(err, redis.Nil):
		return claim{}, nil
	case redis.HasErrorPrefix(err, "WRONGTYPE"):
		return claim{}, &BrokenRecordError{key, errors.New("it is not a string")}
	case err != nil:
		return claim{}, err
	}
	if err := json.Unmarshal([]byte(record), &c); err != nil {
		return claim{}, &BrokenRecordError{key, err}
	}
	if c.ID == "" || c.Email == "" || record == "" {
		return claim{}, &BrokenRecordError{key, errors.New("it is not a claim on a username")}
	}
	c.record = record
	return c, nil
}

// readClaim returns the claim on a folded username, the zero claim if there is none, and Redis's time.
func (d *DB) readClaim(ctx context.Context, folded string) (c claim, now time.Time, err error) {
	err = d.call(ctx, "reading who has a username", func(ctx context.Context) (err error) {
		var reply *redis.StringCmd
		var clock *redis.TimeCmd
		if _, err := d.pipeline(ctx, d.client, func(p redis.Pipeliner) {
			reply, clock = p.Get(ctx, usernameKey(folded)), p.Time(ctx)
		}); err != nil {
			return err
		}
		if now, err = clock.Result(); err != nil {
			return err
		}
		c, err = decodeClaim(usernameKey(folded), reply)
		return err
	})
	return c, now, err
}

// UsernameOwner returns the email and the id in the claim on a username, which may be in any of its forms. Both are ""
// if there is no claim. The user in the claim may be deleted or have another name now: the user with that email has the
// username only if their record has that id and that name.
func (d *DB) UsernameOwner(ctx context.Context, username string) (email, id string, err error) {
	c, _, err := d.readClaim(ctx, user.FoldUsername(username))
	return c.Email, c.ID, err
}

// claimTries limits how often a claim starts again because another one was faster.
const claimTries = 3

// claimUsername stores a claim on the user's name, if they have one. It returns user.ErrUsernameTaken if another user
// has the name.
func (d *DB) claimUsername(ctx context.Context, u user.User) error {
	folded := user.FoldUsername(u.Username)
	if folded == "" {
		return nil
	}
	for range claimTries {
		old, now, err := d.readClaim(ctx, folded)
		if err != nil || old.ID == u.ID && old.Email == u.Email {
			return err
		}
		if old.ID != u.ID {
			if valid, err := d.isValid(ctx, folded, old, now); err != nil || valid {
				return cmp.Or(err, user.ErrUsernameTaken)
			}
		}
		replaced, err := d.replaceRecord(ctx, usernameKey(folded), old.record, newClaim(u, now).record)
		if err != nil {
			return err
		}
		if replaced {
			return d.removeAbandoned(ctx, folded, u, old)
		}
	}
	return user.ErrUsernameTaken
}

// isValid reports whether the user in a claim has the name, or may be about to get it.
func (d *DB) isValid(ctx context.Context, folded string, c claim, now time.Time) (bool, error) {
	if c.record == "" {
		return false, nil
	}
	if now.Sub(time.Unix(c.Claimed, 0)) < claimPending {
		return true, nil
	}
	u, found, err := d.UserByEmail(ctx, c.Email)
	return found && u.ID == c.ID && user.FoldUsername(u.Username) == folded, err
}

// removeAbandoned removes what is left of the user whose claim was replaced by that of u. If that user was stored in
// the meantime, they get the name back. The user is looked for after the claim was replaced, and CreateUser reads the
// claim after it has stored the user, so at least one of the two sees the other.
func (d *DB) removeAbandoned(ctx context.Context, folded string, u user.User, old claim) error {
	if old.record == "" || old.ID == u.ID {
		return nil
	}
	owner, found, err := d.UserByEmail(ctx, old.Email)
	switch {
	case err != nil:
		return err
	case !found || owner.ID != old.ID:
		return d.removeUserID(ctx, old.ID, old.Email)
	case user.FoldUsername(owner.Username) != folded: // they have another name now
		return nil
	}
	replacing, _, err := d.readClaim(ctx, folded)
	if err == nil && replacing.ID == u.ID {
		_, err = d.replaceRecord(ctx, usernameKey(folded), replacing.record, old.record)
	}
	return cmp.Or(err, user.ErrUsernameTaken)
}

// ownsUsername reports whether the claim on the user's name is theirs. It is true if they have no name.
func (d *DB) ownsUsername(ctx context.Context, u user.User) (bool, error) {
	folded := user.FoldUsername(u.Username)
	if folded == "" {
		return true, nil
	}
	c, _, err := d.readClaim(ctx, folded)
	return c.ID == u.ID, err
}

// releaseUsername deletes the claim on a username if it is the user's.
func (d *DB) releaseUsername(ctx context.Context, username, id string) error {
	folded := user.FoldUsername(username)
	if folded == "" {
		return nil
	}
	c, _, err := d.readClaim(ctx, folded)
	if err != nil || c.ID != id {
		return err
	}
	_, err = d.replaceRecord(ctx, usernameKey(folded), c.record, "")
	return err
}

// releaseKeys deletes the keys that are stored in addition to a user's record, except keys of other users. It deletes
// the claim last: if it stops halfway, the next claim on the username finds the rest.
func (d *DB) releaseKeys(ctx context.Context, u user.User) error {
	if err := d.removeUserID(ctx, u.ID, u.Email); err != nil {
		return err
	}
	return d.releaseUsername(ctx, u.Username, u.ID)
}

// removeUserID deletes the key of an id if it holds that email.
func (d *DB) removeUserID(ctx context.Context, id, email string) error {
	_, err := d.replaceRecord(ctx, userIDKey(id), email, "")
	return err
}
