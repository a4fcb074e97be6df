package db

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/redis/go-redis/v9"

	"gin-auth/user"
)

// CreateUser stores a new user, whose id must be new as well. It returns user.ErrEmailTaken or user.ErrUsernameTaken if
// another user has the email or the username, and a *BrokenRecordError if something else is stored at one of the keys.
// A client that disconnects does not stop it.
//
// The keys may be at different nodes of a cluster, so they cannot be written at once. The username is claimed first,
// then the user is stored, then the claim is read again: another user may have replaced it if more than claimPending
// has passed. Whatever is left of this when it stops halfway is removed by the next claim on that username.
func (d *DB) CreateUser(ctx context.Context, u user.User) error {
	ctx = context.WithoutCancel(ctx)
	record, err := encodeUser(u)
	if err != nil {
		return err
	}
	if _, exists, err := d.UserByEmail(ctx, u.Email); err != nil || exists {
		return cmp.Or(err, user.ErrEmailTaken)
	}
	if err := d.claimUsername(ctx, u); err != nil {
		return err
	}
	stored, err := d.storeNewUser(ctx, u, record)
	if err != nil {
		return err
	}
	if !stored {
		return cmp.Or(d.releaseKeys(ctx, u), user.ErrEmailTaken)
	}
	owns, err := d.ownsUsername(ctx, u)
	if err != nil || owns {
		return err
	}
	if _, err := d.replaceRecord(ctx, userKey(u.Email), record, ""); err != nil {
		return err
	}
	return cmp.Or(d.releaseKeys(ctx, u), user.ErrUsernameTaken)
}

// storeNewUser stores a user unless there is one with that email; then it returns false.
func (d *DB) storeNewUser(ctx context.Context, u user.User, record string) (stored bool, err error) {
	err = d.call(ctx, "storing a user", func(ctx context.Context) error {
		// The existing record may be this one: its reply was lost, and go-redis sent the command again.
		var existing *redis.StringCmd
		err := d.pipelineAll(ctx, d.client, func(p redis.Pipeliner) {
			p.Set(ctx, userIDKey(u.ID), u.Email, 0)
			p.SetArgs(ctx, userKey(u.Email), record, redis.SetArgs{Mode: "NX"})
			existing = p.Get(ctx, userKey(u.Email))
		})
		if stored = err == nil && existing.Val() == record; err != nil || stored {
			return err
		}
		_, err = decodeUser(userKey(u.Email), existing) // a user, or a record that is not one
		return err
	})
	return stored, err
}

// UserByEmail returns the user with that email, whatever the case of its letters, and false if there is none. A record
// that is not a user is a *BrokenRecordError.
func (d *DB) UserByEmail(ctx context.Context, email string) (user.User, bool, error) {
	_, u, err := d.readUser(ctx, email)
	if errors.Is(err, redis.Nil) {
		return user.User{}, false, nil
	}
	return u, err == nil, err
}

// readUser returns a user, and their record as it is stored. If there is no record, the error is redis.Nil.
func (d *DB) readUser(ctx context.Context, email string) (record string, u user.User, err error) {
	replies, err := d.getAll(ctx, "reading a user", []string{userKey(email)})
	if err != nil {
		return "", user.User{}, err
	}
	u, err = decodeUser(userKey(email), replies[0])
	return replies[0].Val(), u, err
}

// BrokenRecordError is the error for a record under one of our keys that this service cannot have stored.
type BrokenRecordError struct {
	Key string // contains an email or a username, so it is not part of the message
	Err error
}

func (e *BrokenRecordError) Error() string { return "the record of a user is broken: " + e.Err.Error() }

func (e *BrokenRecordError) Unwrap() error { return e.Err }

// decodeUser decodes the reply to a GET of a user's key. If there is no record, the error is redis.Nil. If the record
// is not a user, it is a *BrokenRecordError.
func decodeUser(key string, reply *redis.StringCmd) (u user.User, err error) {
	record, err := reply.Bytes()
	switch {
	case redis.HasErrorPrefix(err, "WRONGTYPE"):
		return user.User{}, &BrokenRecordError{key, errors.New("it is not a string")}
	case err != nil:
		return user.User{}, err
	}
	if err := json.Unmarshal(record, &u); err != nil {
		return user.User{}, &BrokenRecordError{key, err}
	}
	if u.ID == "" || u.PasswordHash == "" || userKey(u.Email) != key {
		return user.User{}, &BrokenRecordError{key, errors.New("it is not a user of this service")}
	}
	return u, nil
}

func encodeUser(u user.User) (string, error) {
	record, err := json.Marshal(u)
	if err != nil {
		return "", fmt.Errorf("encoding a user: %w", err)
	}
	return string(record), nil
}

var errHashChanged = errors.New("the hash was changed meanwhile, or the user was disabled")

// ReplaceHash gives the user with that email another password hash if they still have the old one and are not disabled;
// otherwise it returns false. So it does not undo what somebody else did in the meantime.
func (d *DB) ReplaceHash(ctx context.Context, email, old, hash string) (replaced bool, err error) {
	_, replaced, err = d.UpdateUser(ctx, email, func(u *user.User) error {
		if u.PasswordHash == hash { // by an update whose reply was lost
			return nil
		}
		if u.Disabled || u.PasswordHash != old {
			return errHashChanged
		}
		u.PasswordHash = hash
		return nil
	})
	if errors.Is(err, errHashChanged) {
		return false, nil
	}
	return replaced && err == nil, err
}

// replaceRecordScript replaces a record by another and returns 1, or returns 0 if it is no longer the one that was
// read. "" means no record, so the script also creates and deletes records. If the new record is stored already, the
// reply to an earlier try was lost. ARGV: the old record, the new record.
const replaceRecordScript = `
local stored = redis.call('GET', KEYS[1]) or ''
if stored == ARGV[2] then return 1 end
if stored ~= ARGV[1] then return 0 end
if ARGV[2] == '' then redis.call('DEL', KEYS[1]) else redis.call('SET', KEYS[1], ARGV[2]) end
return 1`

func (d *DB) replaceRecord(ctx context.Context, key, old, record string) (replaced bool, err error) {
	err = d.call(ctx, "changing a record", func(ctx context.Context) (err error) {
		replaced, err = d.client.Eval(ctx, replaceRecordScript, []string{key}, old, record).Bool()
		return err
	})
	return replaced, err
}

// updateTries limits how often an update starts again because another one was faster.
const updateTries = 20

// UpdateUser lets change modify the user with that email, whatever the case of its letters, and stores the result. If
// somebody else has changed the user meanwhile, it starts again from what is stored then. So change may be called
// several times, and must set values instead of adding to them: two callers who make the same change at once cannot be
// distinguished from one whose reply was lost.
//
// It returns false if there is no such user. An error of change is returned unchanged, and nothing is stored. The
// email, which is the key, and the username, which is claimed, cannot be changed.
func (d *DB) UpdateUser(ctx context.Context, email string, change func(*user.User) error) (user.User, bool, error) {
	for range updateTries {
		old, u, err := d.readUser(ctx, email)
		if errors.Is(err, redis.Nil) {
			return user.User{}, false, nil
		}
		if err != nil {
			return user.User{}, false, err
		}
		email, username := u.Email, u.Username
		if err := change(&u); err != nil {
			return user.User{}, true, err
		}
		u.Email, u.Username = email, username
		record, err := encodeUser(u)
		if err != nil {
			return user.User{}, true, err
		}
		if replaced, err := d.replaceRecord(ctx, userKey(email), old, record); replaced || err != nil {
			return u, true, err
		}
	}
	return user.User{}, true, errors.New("changing a user: somebody else keeps changing the same user")
}

// DeleteUser deletes a user, given as UpdateUser returned it, and frees the email and the username. It returns false if
// the user was changed meanwhile; then it has freed the username already, so it has to be called again. It does not end
// the user's sessions: see LogoutAll.
func (d *DB) DeleteUser(ctx context.Context, u user.User) (deleted bool, err error) {
	record, err := encodeUser(u)
	if err != nil {
		return false, err
	}
	if err := d.releaseKeys(ctx, u); err != nil {
		return false, err
	}
	return d.replaceRecord(ctx, userKey(u.Email), record, "")
}
