package db

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/redis/go-redis/v9"
)

// A batch of users is one exchange with Redis and gets the DB's timeout as a whole. The 300 ms that a
// request may wait are for one answer: open a DB that is for batches with seconds.

// Found is what is stored under one email.
type Found struct {
	Exists bool
	// User is the one who is there. If he exists and Err is set, his record is broken and this is zero.
	User User
	Err  error
}

// FindUsers looks many users up in one exchange: one Found for each email, in their order.
func (d *DB) FindUsers(ctx context.Context, emails []string) ([]Found, error) {
	keys := make([]string, len(emails))
	for i, email := range emails {
		keys[i] = userKey(email)
	}
	replies, err := d.getAll(ctx, "looking users up", keys)
	if err != nil {
		return nil, err
	}
	found := make([]Found, len(emails))
	for i, reply := range replies {
		user, err := decodeUser(keys[i], reply)
		if !errors.Is(err, redis.Nil) {
			found[i] = Found{Exists: true, User: user, Err: err}
		}
	}
	return found, nil
}

// Outcome is what became of one of the users that StoreUsers was given.
type Outcome int

const (
	// Unsure users may be stored or not, as there was no answer: give them to StoreUsers again.
	Unsure Outcome = iota
	// Stored users are there as they were given.
	Stored
	// Existing users have another record with their email, which was kept.
	Existing
)

// StoreUsers stores many users in one exchange, or two if some of them exist: one Outcome for each, in
// their order. A user that exists is kept, or replaced if overwrite says so. No two of them may have the
// same email: which of them would stay, if one has to be stored again?
//
// With an error, which is the first there was, some outcomes are Unsure. Storing those again is safe: one
// whose very record is there counts as Stored, as it does in CreateUser.
func (d *DB) StoreUsers(ctx context.Context, users []User, overwrite bool) ([]Outcome, error) {
	outcomes := make([]Outcome, len(users))
	if len(users) == 0 {
		return outcomes, nil
	}
	records, err := encodeUsers(users)
	if err != nil {
		return outcomes, err
	}
	failed := d.setAll(ctx, users, records, overwrite, outcomes)
	return outcomes, errors.Join(failed, d.compareExisting(ctx, users, records, outcomes))
}

func encodeUsers(users []User) ([]string, error) {
	records := make([]string, len(users))
	for i, user := range users {
		record, err := json.Marshal(user)
		if err != nil {
			return nil, fmt.Errorf("encoding a user: %w", err)
		}
		records[i] = string(record)
	}
	return records, nil
}

// setAll notes the outcome of each SET and returns the first error that is one.
func (d *DB) setAll(ctx context.Context, users []User, records []string, overwrite bool, outcomes []Outcome) error {
	var args redis.SetArgs // no expiry
	if !overwrite {
		args.Mode = "NX"
	}
	return d.call(ctx, "storing users", func(ctx context.Context) (first error) {
		pipeline := d.client.Pipeline()
		replies := make([]*redis.StatusCmd, len(users))
		for i, user := range users {
			replies[i] = pipeline.SetArgs(ctx, userKey(user.Email), records[i], args)
		}
		_, _ = pipeline.Exec(ctx) // the first of the replies' errors, which may be none
		for i, reply := range replies {
			switch err := reply.Err(); {
			case errors.Is(err, redis.Nil):
				outcomes[i] = Existing
			case err == nil && reply.Val() == "OK":
				outcomes[i] = Stored
			case first == nil:
				first = cmp.Or(err, errors.New("no answer"))
			}
		}
		return first
	})
}

// compareExisting calls those Stored that exist just as they were given: an answer was lost, and the
// client has tried again.
func (d *DB) compareExisting(ctx context.Context, users []User, records []string, outcomes []Outcome) error {
	var existing []int
	var keys []string
	for i, outcome := range outcomes {
		if outcome == Existing {
			existing, keys = append(existing, i), append(keys, userKey(users[i].Email))
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
