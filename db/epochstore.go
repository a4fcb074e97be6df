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
// because a token may be issued that far ahead (maxAhead). ARGV: the epoch that was seen ("" for none); of the new one
// the id, the lowest cut, and the suffix of epochSuffix; and how far another node's clock may be ahead of this one's,
// in microseconds. If that is "", the cut is exactly the lowest.
const replaceEpochScript = `
local stored = redis.call('GET', KEYS[1]) or ''
if stored ~= ARGV[1] then return stored end
local cut = tonumber(ARGV[3])
if ARGV[5] ~= '' then
  local now = redis.call('TIME')
  cut = math.max(cut, now[1] + 1 + math.floor((now[2] + ARGV[5]) / 1000000))
end
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

// storeFirstEpochs uses no script, so that it also works if scripts are denied. It and replaceEpochs have their own
// timeout: if Redis is far away, the call that needs them has already used most of its time.
func (d *DB) storeFirstEpochs(ctx context.Context, slots []int) ([]string, error) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), d.timeout)
	defer cancel()
	replies := make([]*redis.StringCmd, len(slots))
	err := d.pipelineAll(ctx, d.client, func(p redis.Pipeliner) {
		for i, slot := range slots {
			key := d.epochKeys[slot]
			p.SetArgs(ctx, key, rand.Text()+":0"+d.blacklist.epochSuffix(), redis.SetArgs{Mode: "NX"})
			replies[i] = p.Get(ctx, key)
		}
	})
	if err != nil {
		return nil, err
	}
	stored := make([]string, len(slots))
	for i, reply := range replies {
		stored[i] = reply.Val()
	}
	return stored, nil
}

func (d *DB) replaceEpochs(ctx context.Context, changes []epochChange) ([]string, error) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), d.timeout)
	defer cancel()
	replies := make([]*redis.Cmd, len(changes))
	pipeline := d.client.Pipeline()
	for i := range changes {
		change := &changes[i]
		change.id = rand.Text()
		ahead := any(d.clock.ahead(d.owner(ctx, change.slot)).Microseconds())
		if change.exact {
			ahead = ""
		}
		replies[i] = pipeline.Eval(ctx, replaceEpochScript, []string{d.epochKeys[change.slot]},
			change.seen, change.id, change.next.cut, change.next.template.epochSuffix(), ahead)
	}
	if _, err := pipeline.Exec(ctx); err != nil {
		return nil, err
	}
	stored := make([]string, len(changes))
	for i, reply := range replies {
		var err error
		if stored[i], err = reply.Text(); err != nil {
			return nil, err
		}
	}
	return stored, nil
}

// BlacklistKey returns the template of keys that the blacklist was last used with, "" if there is none.
func (d *DB) BlacklistKey(ctx context.Context) (template string, err error) {
	err = d.call(ctx, "reading the epoch", func(ctx context.Context) error {
		value, err := d.client.Get(ctx, d.epochKeys[0]).Result()
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
