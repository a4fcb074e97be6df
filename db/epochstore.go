package db

import (
	"context"
	"crypto/rand"
	"errors"
	"strconv"
	"strings"

	"github.com/redis/go-redis/v9"
)

// replaceEpochScript replaces the epoch if it is still the one that the caller saw, and returns the stored epoch. So a
// late reply, or a second instance that saw the same loss, does no harm. The cut is at least a second after now,
// because a token may be issued that far ahead (maxAhead). ARGV: the epoch that was seen ("" for none); and of the new
// one the id, the lowest cut, and the suffix of epochSuffix.
const replaceEpochScript = `
local stored = redis.call('GET', KEYS[1]) or ''
if stored ~= ARGV[1] then return stored end
local cut = math.max(tonumber(redis.call('TIME')[1]) + 1, tonumber(ARGV[3]))
stored = ARGV[2] .. ':' .. string.format('%.0f', cut) .. ARGV[4]
redis.call('SET', KEYS[1], stored)
return stored`

var errNoEpoch = errors.New("not an epoch")

// storedEpoch is an epoch as it is stored, without its id.
type storedEpoch struct {
	cut      int64
	template keyTemplate
}

// epochSuffix returns what follows the cut in an epoch.
func (k keyTemplate) epochSuffix() string {
	if k.String() == originalKey {
		return ""
	}
	return ":" + k.String()
}

// parseEpoch parses a stored epoch.
func parseEpoch(value string) (storedEpoch, error) {
	id, rest, _ := strings.Cut(value, ":")
	digits, template, _ := strings.Cut(rest, ":")
	cut, err := strconv.ParseInt(digits, 10, 64)
	if id == "" || err != nil || cut < 0 {
		return storedEpoch{}, errNoEpoch
	}
	return storedEpoch{cut, keyTemplate(template)}, nil
}

// storeFirstEpoch uses no script, so that it also works if scripts are denied. It and replaceEpoch have their own
// timeout: if Redis is far away, the call that needs them has already used most of its time.
func (d *DB) storeFirstEpoch(ctx context.Context) (string, error) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), d.timeout)
	defer cancel()
	var stored *redis.StringCmd
	err := d.pipelineAll(ctx, d.client, func(p redis.Pipeliner) {
		p.SetArgs(ctx, epochKey, rand.Text()+":0"+d.blacklist.epochSuffix(), redis.SetArgs{Mode: "NX"})
		stored = p.Get(ctx, epochKey)
	})
	if err != nil {
		return "", err
	}
	return stored.Val(), nil
}

func (d *DB) replaceEpoch(ctx context.Context, seen string, next storedEpoch) (string, error) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), d.timeout)
	defer cancel()
	return d.client.Eval(ctx, replaceEpochScript, []string{epochKey},
		seen, rand.Text(), next.cut, next.template.epochSuffix()).Text()
}

// BlacklistKey returns the template of keys that the blacklist was last used with, "" if there is none.
func (d *DB) BlacklistKey(ctx context.Context) (template string, err error) {
	err = d.call(ctx, "reading the epoch", func(ctx context.Context) error {
		value, err := d.client.Get(ctx, epochKey).Result()
		if err != nil {
			return err
		}
		if stored, err := parseEpoch(value); err == nil {
			template = stored.template.String()
		}
		return nil
	})
	return template, err
}

// RevokeAll revokes every token issued until now, at every instance, and returns the cut. It does not change the
// template that the instances use.
func (d *DB) RevokeAll(ctx context.Context) (cut int64, err error) {
	if d.cluster() {
		return 0, errors.New("revoking all tokens: a Redis Cluster has no epoch: change JWT_SECRET instead")
	}
	err = d.call(ctx, "revoking all tokens", func(ctx context.Context) error {
		for range maxEpochTries {
			seen, err := d.client.Get(ctx, epochKey).Result()
			if err != nil && !errors.Is(err, redis.Nil) {
				return err
			}
			before, err := parseEpoch(seen)
			if err != nil {
				before.template = d.blacklist
			}
			replaced, err := d.replaceEpoch(ctx, seen, storedEpoch{before.cut + 1, before.template})
			if err != nil {
				return err
			}
			if after, err := parseEpoch(replaced); err == nil && after.cut > before.cut {
				cut = after.cut
				return nil
			}
		}
		return errors.New("other instances keep changing the epoch")
	})
	return cut, err
}
