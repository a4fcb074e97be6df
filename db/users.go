package db

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/redis/go-redis/v9"

	"gin-auth/user"
)

// CreateUser stores a user unless one with that email exists; then it returns false. An existing record that is not a
// user is a *BrokenUserError.
func (d *DB) CreateUser(ctx context.Context, u user.User) (bool, error) {
	record, err := encodeUser(u)
	if err != nil {
		return false, err
	}
	var created bool
	err = d.call(ctx, "storing a user", func(ctx context.Context) error {
		// The existing record may be this one: its reply was lost, and go-redis sent the command again.
		var stored *redis.StringCmd
		err := d.pipelineAll(ctx, d.client, func(p redis.Pipeliner) {
			p.SetArgs(ctx, userKey(u.Email), record, redis.SetArgs{Mode: "NX"})
			stored = p.Get(ctx, userKey(u.Email))
		})
		if created = err == nil && stored.Val() == record; err != nil || created {
			return err
		}
		_, err = decodeUser(userKey(u.Email), stored) // a user, or a record that is not one
		return err
	})
	return created, err
}

// UserByEmail returns the user with that email, in any case; false if there is none. A record that is not a user is
// a *BrokenUserError.
func (d *DB) UserByEmail(ctx context.Context, email string) (user.User, bool, error) {
	_, u, err := d.readUser(ctx, email)
	if errors.Is(err, redis.Nil) {
		return user.User{}, false, nil
	}
	return u, err == nil, err
}

// readUser returns a user with their record as it is stored. No record is a redis.Nil.
func (d *DB) readUser(ctx context.Context, email string) (record string, u user.User, err error) {
	replies, err := d.getAll(ctx, "reading a user", []string{userKey(email)})
	if err != nil {
		return "", user.User{}, err
	}
	u, err = decodeUser(userKey(email), replies[0])
	return replies[0].Val(), u, err
}

// BrokenUserError is a record under a user's key that is not a user.
type BrokenUserError struct {
	Key string // contains the email, so it is not part of the message
	Err error
}

func (e *BrokenUserError) Error() string { return "the record of a user is broken: " + e.Err.Error() }

func (e *BrokenUserError) Unwrap() error { return e.Err }

// decodeUser decodes the reply to a GET of a user's key. No record is a redis.Nil. A record that is not a user,
// whatever its type, is a *BrokenUserError.
func decodeUser(key string, reply *redis.StringCmd) (u user.User, err error) {
	record, err := reply.Bytes()
	switch {
	case redis.HasErrorPrefix(err, "WRONGTYPE"):
		return user.User{}, &BrokenUserError{key, errors.New("it is not a string")}
	case err != nil:
		return user.User{}, err
	}
	if err := json.Unmarshal(record, &u); err != nil {
		return user.User{}, &BrokenUserError{key, err}
	}
	if u.ID == "" || u.PasswordHash == "" || userKey(u.Email) != key {
		return user.User{}, &BrokenUserError{key, errors.New("it is not a user of this service")}
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

// ReplaceHash gives the user with that email another password hash if they still have the old one and are not
// disabled; otherwise it returns false. So it undoes nothing that somebody else did meanwhile.
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

// replaceRecordScript replaces a record by another, or deletes it if that is "", and returns 0 if it is no longer the
// one that was read. If the new record is stored already, the reply to an earlier try was lost. ARGV: the old record,
// the new record.
const replaceRecordScript = `
local stored = redis.call('GET', KEYS[1]) or ''
if stored == ARGV[2] then return 1 end
if stored ~= ARGV[1] then return 0 end
if ARGV[2] == '' then redis.call('DEL', KEYS[1]) else redis.call('SET', KEYS[1], ARGV[2]) end
return 1`

// updateTries limits how often an update starts again because another one was faster.
const updateTries = 20

// UpdateUser lets change modify the user with that email, in any case, and stores the result. If somebody else has
// changed the user meanwhile, it starts again from what is stored then. So change may be called several times, and
// must set values instead of adding to them: two callers who make the same change at once cannot be told from one
// whose reply was lost.
//
// It returns false if there is no such user. An error of change is returned unchanged, and nothing is stored. The
// email, which is the key, cannot be changed.
func (d *DB) UpdateUser(ctx context.Context, email string, change func(*user.User) error) (user.User, bool, error) {
	for range updateTries {
		old, u, err := d.readUser(ctx, email)
		if errors.Is(err, redis.Nil) {
			return user.User{}, false, nil
		}
		if err != nil {
			return user.User{}, false, err
		}
		kept := u.Email
		if err := change(&u); err != nil {
			return user.User{}, true, err
		}
		u.Email = kept
		record, err := encodeUser(u)
		if err != nil {
			return user.User{}, true, err
		}
		if replaced, err := d.replaceRecord(ctx, email, old, record); replaced || err != nil {
			return u, true, err
		}
	}
	return user.User{}, true, errors.New("changing a user: others change the same user all the time")
}

func (d *DB) replaceRecord(ctx context.Context, email, old, record string) (replaced bool, err error) {
	err = d.call(ctx, "changing a user", func(ctx context.Context) (err error) {
		replaced, err = d.client.Eval(ctx, replaceRecordScript, []string{userKey(email)}, old, record).Bool()
		return err
	})
	return replaced, err
}

// DeleteUser deletes a user, given as UpdateUser returned it, and frees the email. It returns false if the user was
// changed meanwhile. It does not end the user's sessions: see LogoutAll.
func (d *DB) DeleteUser(ctx context.Context, u user.User) (deleted bool, err error) {
	record, err := encodeUser(u)
	if err != nil {
		return false, err
	}
	return d.replaceRecord(ctx, u.Email, record, "")
}
