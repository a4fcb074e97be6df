package parity

import (
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/redis/go-redis/v9"
)

// entry is a key of Redis with its value.
type entry struct {
	kind    string // string, list, …; "" if the key is gone
	value   string // the value of a string, otherwise the result of DUMP
	expires int64  // Unix time in milliseconds, -1 if never
}

// state is the contents of Redis.
type state map[string]entry

// keep reports whether a key must remain after a case: the service's epoch and clock, which no request of a case
// changes, and the users that existed before.
func keep(key string) bool {
	return key == "auth:epoch" || key == "auth:clock" || isSeededKey(key)
}

// look returns every key with its type, its value and its expiry, atomically.
var look = redis.NewScript(`
	local all = {}
	for _, key in ipairs(redis.call('KEYS', '*')) do
		local kind = redis.call('TYPE', key).ok
		table.insert(all, key)
		table.insert(all, kind)
		table.insert(all, redis.call(kind == 'string' and 'GET' or 'DUMP', key))
		table.insert(all, redis.call('PEXPIRETIME', key))
	end
	return all`)

// snapshot returns the keys of Redis that belong to the current case.
func snapshot(t *testing.T, client *redis.Client) state {
	t.Helper()
	all, err := look.Run(t.Context(), client, nil).Slice()
	if err != nil {
		t.Fatalf("reading the keys of Redis: %v", err)
	}
	found := state{}
	for entryOf := range slices.Chunk(all, 4) {
		if key := entryOf[0].(string); !keep(key) {
			found[key] = entry{kind: entryOf[1].(string), value: entryOf[2].(string), expires: entryOf[3].(int64)}
		}
	}
	return found
}

// sessionsPrefix is the prefix of the keys of users' sessions, which the original does not have.
const sessionsPrefix = "auth:sessions:"

// changed returns the keys that the request changed, with their new values, except for the sessions.
func (a answer) changed() state {
	changed := state{}
	for key, e := range a.after {
		if a.before[key] != e {
			changed[key] = e
		}
	}
	for key := range a.before {
		if _, there := a.after[key]; !there {
			changed[key] = entry{}
		}
	}
	maps.DeleteFunc(changed, func(key string, _ entry) bool { return strings.HasPrefix(key, sessionsPrefix) })
	return changed
}

// clean removes every key that belongs to a case.
func clean(t *testing.T, client *redis.Client) {
	t.Helper()
	for key := range snapshot(t, client) {
		if err := client.Del(t.Context(), key).Err(); err != nil {
			t.Fatalf("removing %q: %v", key, err)
		}
	}
}
