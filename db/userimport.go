package db

import (
	"cmp"
	"context"
	"errors"

	"github.com/redis/go-redis/v9"

	"gin-auth/user"
)

// A batch of users is one exchange with Redis and has to end within the DB's timeout. The default of 300 ms is meant
// for a single request: a DB for batches needs a timeout of seconds.

// Found is what is stored under one email.
type Found struct {
	Exists bool
	User   user.User // the existing user, the zero value if Err is set
	Err    error     // set if the record is broken
}

// FindUsers looks up many users in one exchange. It returns one Found per email, in their order.
func (d *DB) FindUsers(ctx context.Context, emails []string) ([]Found, error) {
	keys := make([]string, len(emails))
	for i, email := range emails {
		keys[i] = userKey(email)
	}
	replies, err := d.getAll(ctx, "looking up users", keys)
	if err != nil {
		return nil, err
	}
	found := make([]Found, len(emails))
	for i, reply := range replies {
		u, err := decodeUser(keys[i], reply)
		if !errors.Is(err, redis.Nil) {
			found[i] = Found{Exists: true, User: u, Err: err}
		}
	}
	return found, nil
}

// Outcome says what StoreUsers did with one of its users.
type Outcome int

const (
	// Unsure means that the user may be stored or not, because no reply came: call StoreUsers again with them.
	Unsure Outcome = iota
	// Stored means that the user is stored as given.
	Stored
	// Existing means that another record with that email exists and was kept.
	Existing
)

// StoreUsers stores many users in one exchange, or two if some of them exist. It returns one Outcome per user, in
// their order. An existing user is kept, or replaced if overwrite is set. No two users may have the same email,
// because it would be undefined which of them stays.
//
// With an error, which is the first that occurred, some outcomes are Unsure. Storing those again is safe: a user
// whose very record exists counts as Stored, as in CreateUser.
func (d *DB) StoreUsers(ctx context.Context, users []user.User, overwrite bool) ([]Outcome, error) {
	outcomes := make([]Outcome, len(users))
	if len(users) == 0 {
		return outcomes, nil
	}
	records := make([]string, len(users))
	for i, u := range users {
		var err error
		if records[i], err = encodeUser(u); err != nil {
			return outcomes, err
		}
	}
	failed := d.setAll(ctx, users, records, overwrite, outcomes)
	return outcomes, errors.Join(failed, d.compareExisting(ctx, users, records, outcomes))
}

// setAll sets the outcome of each SET and returns the first error.
func (d *DB) setAll(
	ctx context.Context, users []user.User, records []string, overwrite bool, outcomes []Outcome,
) error {
	var args redis.SetArgs // no expiry
	if !overwrite {
		args.Mode = "NX"
	}
	return d.call(ctx, "storing users", func(ctx context.Context) (first error) {
		pipeline := d.client.Pipeline()
		replies := make([]*redis.StatusCmd, len(users))
		for i, u := range users {
			replies[i] = pipeline.SetArgs(ctx, userKey(u.Email), records[i], args)
		}
		_, _ = pipeline.Exec(ctx) // its error is the first of the replies', which are examined one by one
		for i, reply := range replies {
			switch err := reply.Err(); {
			case errors.Is(err, redis.Nil):
				outcomes[i] = Existing
			case err == nil && reply.Val() == "OK":
				outcomes[i] = Stored
			case first == nil:
				first = cmp.Or(err, errors.New("no reply"))
			}
		}
		return first
	})
}

// compareExisting changes the outcome of users whose existing record is the given one to Stored: a reply was lost,
// and the command was sent again.
func (d *DB) compareExisting(ctx context.Context, users []user.User, records []string, outcomes []Outcome) error {
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
