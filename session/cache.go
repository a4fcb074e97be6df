package session

import (
	"hash/maphash"
	"sync/atomic"
)

// cache holds the sessions of recently verified tokens, so that the next request with such a token needs no HMAC and
// no decoding of claims. It holds nothing that can change. Whether the token is revoked or has expired is not cached:
// the guard checks both on every request. docs/security.md describes what an attacker can do with the cache.
//
// The hash of a token selects its slot, and a new token replaces the one in its slot. So the cache needs no lock, and
// its memory is bounded: about 0.8 KB a slot with the tokens issued here.
type cache struct {
	// seed is random, so that nobody can choose tokens that share a slot.
	seed  maphash.Seed
	slots [cacheSlots]atomic.Pointer[cached]
}

const (
	// cacheSlots is the number of tokens that can be cached. It must be a power of two.
	cacheSlots = 1 << 11
	// maxCachedToken is the length of the longest token that is cached, in bytes.
	maxCachedToken = 1 << 10
)

type cached struct {
	hash    uint64
	session *Session
}

func newCache() *cache { return &cache{seed: maphash.MakeSeed()} }

// hash returns the hash of a token for get and add, and 0 for a token that is too long to be cached.
func (c *cache) hash(token string) uint64 {
	if len(token) > maxCachedToken {
		return 0
	}
	return maphash.String(c.seed, token) | 1<<63 // not 0
}

// get returns the session of a token, or nil.
//
// The tokens are compared only if their hashes are equal. An attacker who does not know the seed cannot make them
// equal, so the time of the comparison does not reveal how much of a guess is right.
func (c *cache) get(token string, hash uint64) *Session {
	if hash == 0 {
		return nil
	}
	entry := c.slots[hash%cacheSlots].Load()
	if entry == nil || entry.hash != hash || entry.session.Token != token {
		return nil
	}
	return entry.session
}

// add stores a session whose token was verified.
func (c *cache) add(session *Session, hash uint64) {
	// Many claims would take far more memory than their token.
	if hash != 0 && len(session.claims.members) <= fewMembers {
		c.slots[hash%cacheSlots].Store(&cached{hash, session})
	}
}
