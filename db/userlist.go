package db

import (
	"context"
	"errors"
	"iter"

	"github.com/redis/go-redis/v9"

	"gin-auth/user"
)

// listPage is how many keys a SCAN examines, and so about how many users a listing holds at a time.
const listPage = 500

// Users returns every user, in no particular order. It reads a page at a time, so the number of users does not matter.
// A broken record is a *BrokenRecordError, after which the listing continues; any other error is the last element. As
// with every SCAN, a user who is added or removed in the meantime may be missing or not, and while Redis resizes its
// table a user may occur twice. It needs the right to SCAN, which serving does not.
func (d *DB) Users(ctx context.Context) iter.Seq2[user.User, error] {
	return func(yield func(user.User, error) bool) {
		nodes, err := d.masters(ctx)
		if err != nil {
			yield(user.User{}, err)
			return
		}
		for _, node := range nodes {
			if !d.usersOf(ctx, node, yield) {
				return
			}
		}
	}
}

// usersOf yields the users on one node. It returns false when the listing has ended.
func (d *DB) usersOf(ctx context.Context, node redis.Cmdable, yield func(user.User, error) bool) bool {
	for cursor := uint64(0); ; {
		var keys []string
		err := d.call(ctx, "listing the users", func(ctx context.Context) (err error) {
			keys, cursor, err = node.Scan(ctx, cursor, userKey("*"), listPage).Result()
			return err
		})
		if err != nil {
			yield(user.User{}, err)
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

// yieldUsers yields the users stored under keys. It returns false when the listing has ended.
func (d *DB) yieldUsers(ctx context.Context, keys []string, yield func(user.User, error) bool) bool {
	replies, err := d.getAll(ctx, "listing the users", keys)
	if err != nil {
		yield(user.User{}, err)
		return false
	}
	for i, reply := range replies {
		u, err := decodeUser(keys[i], reply)
		if errors.Is(err, redis.Nil) {
			continue // removed since the SCAN
		}
		if !yield(u, err) {
			return false
		}
	}
	return true
}
