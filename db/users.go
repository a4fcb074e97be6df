package db

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/redis/go-redis/v9"
)

// User is a user as it is stored: one JSON value under the lower-case email.
type User struct {
	ID           string    `json:"id"`
	Email        string    `json:"email"`
	Username     string    `json:"username"`
	Role         string    `json:"role"`
	PasswordHash string    `json:"passwordHash"`       // bcrypt
	Disabled     bool      `json:"disabled,omitempty"` // may not log in
	Created      time.Time `json:"created"`
}

// CreateUser stores user unless one with its email exists; then it returns false.
func (d *DB) CreateUser(ctx context.Context, user User) (bool, error) {
	record, err := json.Marshal(user)
	if err != nil {
		return false, fmt.Errorf("encoding a user: %w", err)
	}
	var created bool
	err = d.call(ctx, "storing a user", func(ctx context.Context) error {
		// What is in the way may be this very record: the reply was lost, and the client tried again.
		var stored *redis.StringCmd
		err := d.pipelineAll(ctx, d.client, func(p redis.Pipeliner) {
			p.SetArgs(ctx, userKey(user.Email), record, redis.SetArgs{Mode: "NX"})
			stored = p.Get(ctx, userKey(user.Email))
		})
		created = err == nil && stored.Val() == string(record)
		return err
	})
	return created, err
}

// UserByEmail returns the user with that email, in any case; false if there is none.
func (d *DB) UserByEmail(ctx context.Context, email string) (User, bool, error) {
	var reply *redis.StringCmd
	err := d.call(ctx, "reading a user", func(ctx context.Context) error {
		return d.pipelineAll(ctx, d.client, func(p redis.Pipeliner) { reply = p.Get(ctx, userKey(email)) })
	})
	if err != nil || errors.Is(reply.Err(), redis.Nil) {
		return User{}, false, err
	}
	record := reply.Val()
	var user User
	if err := json.Unmarshal([]byte(record), &user); err != nil {
		return User{}, false, fmt.Errorf("reading a user: its record is broken: %w", err)
	}
	return user, true, nil
}

// errOther says that a user's hash isn't the one that was read.
var errOther = errors.New("changed meanwhile")

// ReplaceHash gives the user with that email another password hash if he still has the old one and isn't
// disabled; else it returns false. So it undoes nothing that somebody else did meanwhile.
func (d *DB) ReplaceHash(ctx context.Context, email, old, hash string) (replaced bool, err error) {
	_, replaced, err = d.UpdateUser(ctx, email, func(user *User) error {
		if user.PasswordHash == hash { // by an update whose answer was lost
			return nil
		}
		if user.Disabled || user.PasswordHash != old {
			return errOther
		}
		user.PasswordHash = hash
		return nil
	})
	if errors.Is(err, errOther) {
		return false, nil
	}
	return replaced && err == nil, err
}
