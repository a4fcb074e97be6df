package parity

import (
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/redis/go-redis/v9"
)

// entry is one key of Redis.
type entry struct {
	kind    string // string, list, …; "" if the key is gone
	value   string // of a string the value, else what DUMP says
	expires int64  // Unix time in milliseconds, -1 if never
}

// state is what Redis holds.
type state map[string]entry

// keep reports whether a key outlives a case: the service's epoch and clock, which no request of a case changes, and
// the users that existed before.
func keep(key string) bool {
	return key == "auth:epoch" || key == "auth:clock" || isSeededKey(key)
}

// look returns every key with its type, its value and when it expires, in one step.
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

// snapshot returns every key of Redis that belongs to the case at hand.
func snapshot(t *testing.T, client *redis.Client) state {
	t.Helper()
	all, err := look.Run(t.Context(), client, nil).Slice()
	if err != nil {
		t.Fatalf("looking into Redis: %v", err)
	}
	found := state{}
	for entryOf := range slices.Chunk(all, 4) {
		if key := entryOf[0].(string); !keep(key) {
			found[key] = entry{kind: entryOf[1].(string), value: entryOf[2].(string), expires: entryOf[3].(int64)}
		}
	}
	return found
}

// sessionsPrefix begins the key of a user's sessions, which the original does not have.
const sessionsPrefix = "auth:sessions:"

// changed returns the keys that the request changed, as they are after it, except for the sessions.
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
