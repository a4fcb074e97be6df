package db

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"iter"

	"github.com/redis/go-redis/v9"
)

// BrokenUserError is a record under a user's key that is none.
type BrokenUserError struct {
	Key string // it has the email in it
	Err error
}

func (e *BrokenUserError) Error() string {
	return fmt.Sprintf("the record %s is broken: %v", e.Key, e.Err)
}

func (e *BrokenUserError) Unwrap() error { return e.Err }

// decodeUser reads what a GET of a user's key has brought. No record is a redis.Nil; a record that is
// no user, whatever its type, is a *BrokenUserError.
func decodeUser(key string, reply *redis.StringCmd) (user User, err error) {
	record, err := reply.Bytes()
	switch {
	case redis.HasErrorPrefix(err, "WRONGTYPE"):
		return User{}, &BrokenUserError{key, errors.New("it is no string")}
	case err != nil:
		return User{}, err
	}
	if err := json.Unmarshal(record, &user); err != nil {
		return User{}, &BrokenUserError{key, err}
	}
	return user, nil
}

// listPage is how many keys a SCAN looks at, and so about how much a listing holds at a time.
const listPage = 500

// Users returns every user, in no order and a page at a time, however many there are. A broken record
// comes as a *BrokenUserError and the rest follows; any other error is the last that comes. As with
// every SCAN, a user who is added or removed meanwhile may be there or not, and while Redis resizes its
// table a user may come twice. It takes the right to SCAN, which serving does not.
func (d *DB) Users(ctx context.Context) iter.Seq2[User, error] {
	return func(yield func(User, error) bool) {
		nodes, err := d.masters(ctx)
		if err != nil {
			yield(User{}, err)
			return
		}
		for _, node := range nodes {
			if !d.usersOf(ctx, node, yield) {
				return
			}
		}
	}
}

// usersOf yields the users on one node. It returns false when the listing is over.
func (d *DB) usersOf(ctx context.Context, node redis.Cmdable, yield func(User, error) bool) bool {
	for cursor := uint64(0); ; {
		var keys []string
		err := d.call(ctx, "listing the users", func(ctx context.Context) (err error) {
			keys, cursor, err = node.Scan(ctx, cursor, userKey("*"), listPage).Result()
			return err
		})
		if err != nil {
			yield(User{}, err)
			return false
		}
		if !d.yieldUsers(ctx, keys, yield) {
			return false
		}
		if cursor == 0 {
			return true
		}
	}
}

// yieldUsers yields the users under keys. It returns false when the listing is over.
func (d *DB) yieldUsers(ctx context.Context, keys []string, yield func(User, error) bool) bool {
	replies, err := d.getAll(ctx, "listing the users", keys)
	if err != nil {
		yield(User{}, err)
		return false
	}
	for i, reply := range replies {
		user, err := decodeUser(keys[i], reply)
		if errors.Is(err, redis.Nil) {
			continue // removed since the SCAN
		}
		if !yield(user, err) {
			return false
		}
	}
	return true
}

// replaceRecord stores a record in the place of the one that was read, and says 0 if another has taken
// that place. A record that is there already is the one that a lost answer was about.
const replaceRecord = `
local there = redis.call('GET', KEYS[1])
if there == ARGV[2] then return 1 end
if there ~= ARGV[1] then return 0 end
redis.call('SET', KEYS[1], ARGV[2])
return 1`

// updateTries bounds how often an update starts anew because somebody else was faster.
const updateTries = 20

// UpdateUser lets change alter the user with that email, in any case, and stores what it made of him,
// unless somebody else altered him meanwhile: then it starts anew with what is there now. So change may
// be called more than once, and has to set values, not to add to them: two who make the same of a user
// at once can't be told from one whose answer was lost.
//
// It returns false if there is no such user. An error of change is returned as it is, and nothing is
// stored. The email, which is the key, stays what it was.
func (d *DB) UpdateUser(ctx context.Context, email string, change func(*User) error) (User, bool, error) {
	for range updateTries {
		old, user, err := d.userForUpdate(ctx, email)
		if errors.Is(err, redis.Nil) {
			return User{}, false, nil
		}
		if err != nil {
			return User{}, false, err
		}
		stays := user.Email
		if err := change(&user); err != nil {
			return User{}, true, err
		}
		user.Email = stays
		record, err := json.Marshal(user)
		if err != nil {
			return User{}, true, fmt.Errorf("encoding a user: %w", err)
		}
		if replaced, err := d.replaceUser(ctx, email, old, string(record)); replaced || err != nil {
			return user, true, err
		}
	}
	return User{}, true, errors.New("changing a user: others change him all the time")
}

// userForUpdate returns a user with his record as it is stored, or a redis.Nil.
func (d *DB) userForUpdate(ctx context.Context, email string) (record string, user User, err error) {
	replies, err := d.getAll(ctx, "reading a user", []string{userKey(email)})
	if err != nil {
		return "", User{}, err
	}
	user, err = decodeUser(userKey(email), replies[0])
	return replies[0].Val(), user, err
}

func (d *DB) replaceUser(ctx context.Context, email, old, record string) (replaced bool, err error) {
	err = d.call(ctx, "changing a user", func(ctx context.Context) (err error) {
		replaced, err = d.client.Eval(ctx, replaceRecord, []string{userKey(email)}, old, record).Bool()
		return err
	})
	return replaced, err
}
