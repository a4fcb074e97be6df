package session

import (
	"hash/maphash"
	"sync/atomic"
)

// cache holds the sessions of recently verified tokens, so that the next request with such a token costs neither an HMAC
// nor the decoding of its claims. It holds nothing that can change: not whether the token is revoked, nor whether it has
// expired, which the guard asks Redis about on every request. docs/security.md says what an attacker can do with it.
//
// A token has one slot, which its hash decides. A token that comes later replaces the one in its slot. So nothing has to
// be locked, and the memory is bounded: about 0.8 KB for each token that is issued here.
type cache struct {
	// seed is random, so that nobody can choose tokens that have the same slot as another one.
	seed  maphash.Seed
	slots [cacheSlots]atomic.Pointer[cached]
}

const (
	// cacheSlots is how many tokens are cached at most. It must be a power of two.
	cacheSlots = 1 << 11
	// maxCachedToken is the longest token that is cached, in bytes.
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
// The tokens are compared only if their hashes are equal, which an attacker cannot bring about without knowing the seed.
// So the time that the comparison takes does not show how much of a guess is right.
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
	// Claims that are many would take far more memory than their token.
	if hash != 0 && len(session.claims.members) <= fewMembers {
		c.slots[hash%cacheSlots].Store(&cached{hash, session})
	}
}
