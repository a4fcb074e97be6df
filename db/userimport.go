package db

import (
	"context"
	"errors"
	"time"

	"github.com/redis/go-redis/v9"

	"gin-auth/user"
)

// A batch of users takes a few exchanges with Redis, each of which has to end within the DB's timeout. The default of
// 300 ms is meant for a single request: a DB for batches needs a timeout of seconds.

// Found is what is already stored about a user who is to be imported.
type Found struct {
	// Err is set if a record is broken. Then the rest is undefined.
	Err error
	// AtEmail is the user with the same email, the zero value if there is none.
	AtEmail user.User
	// Elsewhere is the user with the same id and another email, the zero value if there is none.
	Elsewhere user.User
	// NameTaken reports whether another user has the username.
	NameTaken bool

	claim           claim  // on the username
	record          string // of AtEmail
	elsewhereRecord string
}

// FindUsers looks up many users by id, email and username. It returns one Found per user, in their order.
func (d *DB) FindUsers(ctx context.Context, users []user.User) ([]Found, error) {
	var keys []string
	for _, u := range users {
		keys = append(keys, userKey(u.Email), userIDKey(u.ID), usernameKey(user.FoldUsername(u.Username)))
	}
	replies, err := d.getAll(ctx, "looking up users", keys)
	if err != nil || len(users) == 0 {
		return nil, err
	}
	now, err := d.now(ctx)
	if err != nil {
		return nil, err
	}
	found := make([]Found, len(users))
	for i, u := range users {
		f := &found[i]
		f.AtEmail, f.Err = decodeFound(keys[3*i], replies[3*i])
		f.record = replies[3*i].Val()
		if f.Err == nil {
			err = d.findElsewhere(ctx, f, u, replies[3*i+1].Val())
		}
		if f.Err == nil && err == nil {
			err = d.findName(ctx, f, u, replies[3*i+2], now)
		}
		if err != nil {
			return nil, err
		}
	}
	return found, nil
}

// now returns Redis's time.
func (d *DB) now(ctx context.Context) (now time.Time, err error) {
	err = d.call(ctx, "asking for the time", func(ctx context.Context) (err error) {
		now, err = d.client.Time(ctx).Result()
		return err
	})
	return now, err
}

// decodeFound is decodeUser, except that it returns the zero user if there is no record.
func decodeFound(key string, reply *redis.StringCmd) (user.User, error) {
	u, err := decodeUser(key, reply)
	if errors.Is(err, redis.Nil) {
		err = nil
	}
	return u, err
}

// findElsewhere sets the user with the same id and another email. email is the value of the key of the id.
func (d *DB) findElsewhere(ctx context.Context, f *Found, u user.User, email string) error {
	if u.ID == "" || email == "" || email == u.Email {
		return nil
	}
	record, owner, err := d.readUser(ctx, email)
	if errors.Is(err, redis.Nil) {
		return nil
	}
	if err == nil && owner.ID == u.ID {
		f.Elsewhere, f.elsewhereRecord = owner, record
	}
	return f.setBroken(err)
}

// findName sets the claim on the username, and whether another user has the name. reply is that to a GET of its key.
func (d *DB) findName(ctx context.Context, f *Found, u user.User, reply *redis.StringCmd, now time.Time) (err error) {
	folded := user.FoldUsername(u.Username)
	if folded == "" {
		return nil
	}
	if f.claim, err = decodeClaim(usernameKey(folded), reply); err != nil {
		return f.setBroken(err)
	}
	if f.claim.ID == u.ID {
		return nil
	}
	f.NameTaken, err = d.isValid(ctx, folded, f.claim, now)
	return f.setBroken(err)
}

// setBroken returns an error unless it is a broken record, which concerns this user alone.
func (f *Found) setBroken(err error) error {
	if broken := (*BrokenRecordError)(nil); errors.As(err, &broken) {
		f.Err = broken
		return nil
	}
	return err
}
