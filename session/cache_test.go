package session

import (
	"errors"
	"fmt"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"
	"unsafe"
)

// cachedTokens issues n tokens, for the users 0 to n-1.
func cachedTokens(t *testing.T, sessions *Sessions, n int) []string {
	t.Helper()
	tokens := make([]string, n)
	for i := range tokens {
		s, err := sessions.Issue(User{ID: fmt.Sprint(i), Email: fmt.Sprint(i, "@example.com"), Username: fmt.Sprint("u", i), Role: "user"}, now)
		if err != nil {
			t.Fatal(err)
		}
		tokens[i] = s.Token
	}
	return tokens
}

func (c *cache) len() (n int) {
	for i := range c.slots {
		if c.slots[i].Load() != nil {
			n++
		}
	}
	return n
}

// TestCache checks that a token is verified only once, and that only short, authentic tokens are cached.
func TestCache(t *testing.T) {
	t.Parallel()
	sessions := newSessions(t)
	token := cachedTokens(t, sessions, 1)[0]
	cookies := "theme=dark; token=" + token + "; " + strings.Repeat("x", 8000)
	part := cookies[len("theme=dark; token="):][:len(token)]
	first, err := sessions.Authenticate(part)
	if err != nil {
		t.Fatal(err)
	}
	if second, err := sessions.Authenticate(token); second != first || err != nil {
		t.Error("an authentic token is not cached", err)
	}
	if unsafe.StringData(first.Token) == unsafe.StringData(part) {
		t.Error("the cache keeps the whole header")
	}
	if a, b := first.Current(now), first.Current(now.Add(48*time.Hour)); a != nil || b == nil {
		t.Errorf("the cached session is current now: %v, after two days: %v", a, b)
	}
	if sessions.cache.len() != 1 {
		t.Error("more than one token is cached")
	}
	other := newSessions(t, "another secret")
	if _, err := other.Authenticate(token); !errors.Is(err, ErrNotAuthentic) {
		t.Error("the token is authentic with another secret:", err)
	}
	many := `{"id":"7"`
	for i := range fewMembers {
		many += fmt.Sprintf(`,"%d":0`, i)
	}
	for name, token := range map[string]string{
		"forged":           token[:len(token)-1] + map[bool]string{true: "Q", false: "A"}[token[len(token)-1] != 'Q'],
		"another spelling": token + "=",
		"garbage":          "garbage",
		"empty":            "",
		"long":             sign(hs256, `{"id":"`+strings.Repeat("x", maxCachedToken)+`"}`, secret),
		"of many claims":   sign(hs256, many+"}", secret),
	} {
		for range 2 {
			_, err := sessions.Authenticate(token)
			if authentic := name == "long" || name == "of many claims"; (err == nil) != authentic {
				t.Errorf("%s: %v", name, err)
			}
		}
		if sessions.cache.len() != 1 {
			t.Fatalf("%s: it is cached", name)
		}
	}
}

// TestCacheSlots uses more tokens than slots, from several goroutines. Each token must give its own session.
func TestCacheSlots(t *testing.T) {
	t.Parallel()
	sessions := newSessions(t)
	tokens := cachedTokens(t, sessions, 2*cacheSlots)
	var all sync.WaitGroup
	for worker := range 4 {
		all.Go(func() {
			for i := range 2 * len(tokens) {
				n := (i*7 + worker*1001) % len(tokens)
				s, err := sessions.Authenticate(tokens[n])
				want := fmt.Sprintf(`{"id":"%d","email":"%d@example.com",`, n, n)
				if err != nil || s.Token != tokens[n] || s.UserID() != fmt.Sprint(n) || !strings.HasPrefix(s.Claims(), want) {
					t.Errorf("token %d: %v, %+v", n, err, s)
					return
				}
			}
		})
	}
	all.Wait()
	if n := sessions.cache.len(); n < cacheSlots/2 {
		t.Errorf("only %d tokens are cached", n)
	}
}

// TestCacheComparesTokens checks that tokens with equal hashes are still compared.
func TestCacheComparesTokens(t *testing.T) {
	t.Parallel()
	sessions := newSessions(t)
	tokens := cachedTokens(t, sessions, 2)
	s, err := sessions.Authenticate(tokens[0])
	if err != nil {
		t.Fatal(err)
	}
	c := sessions.cache
	c.add(s, c.hash(tokens[1]))
	if got := c.get(tokens[1], c.hash(tokens[1])); got != nil {
		t.Error("a token gets the session of another with the same hash")
	}
	if c.hash(tokens[0]) == newCache().hash(tokens[0]) {
		t.Error("two caches have the same seed")
	}
}

// TestCacheCostLittle measures the memory of a full cache, with tokens that are issued here and with the largest that
// are cached.
func TestCacheCostLittle(t *testing.T) {
	used := func() uint64 {
		var m runtime.MemStats
		runtime.GC()
		runtime.GC()
		runtime.ReadMemStats(&m)
		return m.HeapAlloc
	}
	for name, bar := range map[string]int{"issued here": 2, "largest": 8} {
		sessions := newSessions(t)
		before := used()
		for i := range 3 * cacheSlots {
			var token string
			if name == "largest" {
				token = sign(hs256, largestClaims(i), secret)
			} else {
				token = cachedTokens(t, sessions, 1)[0]
			}
			s, err := sessions.Authenticate(token)
			if err != nil || len(token) > maxCachedToken {
				t.Fatal(err, len(token))
			}
			s.Claims()
		}
		n := sessions.cache.len()
		megabytes := int(used()-before+1<<19) >> 20
		t.Logf("%s: %d cached tokens take %d MB (bar %d)", name, n, megabytes, bar)
		if measuring && megabytes > 3*bar {
			t.Errorf("%s: %d MB", name, megabytes)
		}
		runtime.KeepAlive(sessions)
	}
}

// largestClaims returns the largest claims that a cached token can have: the most members, with the longest values.
func largestClaims(seed int) string {
	claims := fmt.Sprintf(`{"id":"%09d"`, seed)
	for i := range fewMembers - 1 {
		claims += fmt.Sprintf(`,"claim%02d":"%s"`, i, strings.Repeat("x", 29))
	}
	return claims + "}"
}
