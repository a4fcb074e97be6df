package db

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"

	"gin-auth/user"
)

// knownTemplates are the keys under which Node services commonly store a revoked token.
var knownTemplates = []keyTemplate{
	originalKey, "blacklist_{token}", "bl_{token}", "Blacklist:{token}", "blacklist : {token}", "{token}", "token:{token}",
	"blacklisted:{token}", "bl:{token}", "blacklist-{token}", "blacklist{token}", "revoked:{token}",
}

// Entry is an entry of a token on a blacklist.
type Entry struct {
	Template string        // of the key, with {token} in the token's place
	Value    string        // "" for an empty string, or if it is not a string
	TTL      time.Duration // until it expires, negative for never
}

// FindEntries returns the entries of a token under the usual keys or, if there are none, under any key that contains
// the token. tried lists where it has looked. If Redis refused some of that, for example because the user lacks a
// right, refused is not nil. It stores nothing.
func (d *DB) FindEntries(ctx context.Context, token string) (found []Entry, tried []string, refused, err error) {
	templates := slices.Clone(knownTemplates)
	if !slices.Contains(templates, keyTemplate(d.blacklist.String())) {
		templates = slices.Insert(templates, 0, d.blacklist)
	}
	for _, template := range templates {
		entry, exists, err := d.entry(ctx, template.key(token))
		switch {
		case isRefusal(err):
			refused = fmt.Errorf("%s cannot be read: %w", template.pattern(), err)
			continue
		case err != nil:
			return nil, nil, nil, err
		case exists:
			entry.Template = template.String()
			found = append(found, entry)
		}
		tried = append(tried, template.String())
	}
	if len(found) > 0 {
		return found, tried, nil, nil
	}
	switch found, err = d.scanFor(ctx, token); {
	case isRefusal(err):
		return nil, tried, fmt.Errorf("SCAN: %w", err), nil
	case err != nil:
		return nil, nil, nil, err
	}
	return found, append(tried, "any key with the token in it"), refused, nil
}

// isRefusal reports whether err is an error that Redis has replied with, such as that a right is missing.
func isRefusal(err error) bool {
	var refusal redis.Error
	return errors.As(err, &refusal) && !errors.Is(err, redis.Nil)
}

// entry returns what is stored under a key, as far as this Redis user may read it.
func (d *DB) entry(ctx context.Context, key string) (e Entry, exists bool, err error) {
	err = d.withTimeout(ctx, func(ctx context.Context) error {
		n, err := d.client.Exists(ctx, key).Result()
		if exists = n > 0; err != nil || !exists {
			return err
		}
		e.Value, _ = d.client.Get(ctx, key).Result() // an error leaves it empty
		e.TTL, err = d.client.PTTL(ctx, key).Result()
		if isRefusal(err) {
			err = nil
		}
		return err
	})
	return e, exists, err
}

// scanFor returns the entries under keys that contain the token anywhere.
func (d *DB) scanFor(ctx context.Context, token string) (found []Entry, err error) {
	nodes, err := d.masters(ctx)
	for _, node := range nodes {
		for cursor, first := uint64(0), true; err == nil && (first || cursor != 0); first = false {
			var keys []string
			if err = d.withTimeout(ctx, func(ctx context.Context) (err error) {
				keys, cursor, err = node.Scan(ctx, cursor, "*"+token+"*", listPage).Result()
				return err
			}); err != nil {
				break
			}
			for _, key := range keys {
				entry, exists, err := d.entry(ctx, key)
				if err == nil && exists {
					entry.Template = strings.ReplaceAll(key, token, tokenPlace)
					found = append(found, entry)
				}
			}
		}
	}
	return found, err
}

// UserByID returns the user with that id, false if there is none.
func (d *DB) UserByID(ctx context.Context, id string) (user.User, bool, error) {
	var email string
	err := d.call(ctx, "looking for a user's id", func(ctx context.Context) (err error) {
		email, err = d.client.Get(ctx, userIDKey(id)).Result()
		return err
	})
	if err != nil || email == "" {
		return user.User{}, false, err
	}
	u, found, err := d.UserByEmail(ctx, email)
	return u, found && u.ID == id, err
}
