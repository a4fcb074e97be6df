package sessions

import (
	"maps"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/redis/go-redis/v9"

	"gin-auth/e2e/internal/harness"
)

// dump returns all keys and values of a Redis.
func dump(t *testing.T, c *redis.Client) (all []string) {
	t.Helper()
	ctx := t.Context()
	keys, err := c.Keys(ctx, "*").Result()
	if err != nil {
		t.Fatal(err)
	}
	for _, key := range keys {
		var values []string
		kind, err := c.Type(ctx, key).Result()
		if err != nil {
			t.Fatal(err)
		}
		switch kind {
		case "string":
			var value string
			value, err = c.Get(ctx, key).Result()
			values = []string{value}
		case "hash":
			var fields map[string]string
			fields, err = c.HGetAll(ctx, key).Result()
			values = slices.Concat(slices.Collect(maps.Keys(fields)), slices.Collect(maps.Values(fields)))
		case "list":
			values, err = c.LRange(ctx, key, 0, -1).Result()
		case "set":
			values, err = c.SMembers(ctx, key).Result()
		case "zset":
			values, err = c.ZRange(ctx, key, 0, -1).Result()
		default:
			t.Fatalf("%s has the type %s", key, kind)
		}
		if err != nil {
			t.Fatal(err)
		}
		all = append(append(all, key), values...)
	}
	return all
}

var (
	threeSegments = regexp.MustCompile(`[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+`)
	base64url     = regexp.MustCompile(`[A-Za-z0-9_-]{16,}`)
)

// candidates returns every token that can be built from a dump: each string with three segments, and the first two
// segments of it with every string that could be a signature.
func candidates(dump []string) (tokens []string) {
	text := strings.Join(dump, "\n")
	found, signatures := map[string]bool{}, map[string]bool{}
	for _, s := range base64url.FindAllString(text, -1) {
		signatures[s] = true
	}
	for _, record := range threeSegments.FindAllString(text, -1) {
		found[record] = true
		for signature := range signatures {
			found[cutSignature(record)+"."+signature] = true
		}
	}
	return slices.Sorted(maps.Keys(found))
}

// cutSignature returns the first two segments of a token.
func cutSignature(token string) string { return token[:strings.LastIndexByte(token, '.')] }

// TestDump reads all data of Redis while nothing is revoked. The data cannot be used to build a valid token: no
// string in it is one, no string in it is a signature, and the service's code with another secret does not sign
// one.
func TestDump(t *testing.T) {
	t.Parallel()
	s := startSite(t)
	c := s.redis.Client(t)
	p, token := mustRegister(t, s.auth, "ada")
	tokens := []string{token, p.mustLogin(t, s.auth), p.mustLogin(t, s.auth, "User-Agent", "a browser")}
	_, bobs := mustRegister(t, s.auth, "bob")
	tokens = append(tokens, bobs)

	all := dump(t, c)
	text := strings.Join(all, "\n")
	for _, token := range tokens {
		signed := cutSignature(token)
		signature := strings.TrimPrefix(token, signed+".")
		if !strings.Contains(text, signed) {
			t.Error("Redis does not contain the signed part of a token: the session is not stored")
		}
		if strings.Contains(text, token) || strings.Contains(text, signature) {
			t.Error("Redis contains a token or its signature")
		}
	}
	made := candidates(all)
	if node, auth := s.accepted(t, tokens); node != len(tokens) || auth != len(tokens) {
		t.Errorf("of %d valid tokens the Node service accepts %d and gin-auth %d, want all", len(tokens), node, auth)
	}
	for _, url := range []string{s.node, s.auth} {
		inParallel(t, len(made), func(i int) error {
			got, err := try("GET", url+"/me", made[i], nil)
			if err == nil {
				err = got.is("a token of the dump", 401)
			}
			return err
		})
	}
	t.Logf("%d tokens were built from %d strings", len(made), len(all))
	if len(made) < 10*len(tokens) {
		t.Errorf("only %d tokens were built", len(made))
	}
	otherSecret(t, s.redis, p)
}

// otherSecret runs gin-auth with another secret on the Redis that has a user's sessions.
func otherSecret(t *testing.T, server *harness.Redis, p person) {
	t.Helper()
	c := server.Client(t)
	url := startAuth(t, settings("another secret of more than thirty-two bytes", server.Env()...))
	own := p.mustLogin(t, url)
	if sessions := list(t, url, own); len(sessions) != 1 || sessions[0].ID != claims(own).JTI {
		t.Errorf("with another secret, gin-auth lists %+v, want only its own session", sessions)
	}
	for _, line := range strings.Split(strings.TrimSpace(c.Get(t.Context(), "auth:sessions:"+p.id).Val()), "\n") {
		if id := strings.Fields(line)[1]; id != claims(own).JTI {
			send(t, 404, "DELETE", url+"/sessions/"+id, own, nil)
		}
	}
	send(t, 200, "POST", url+"/logout-all", own, nil)
	keys := c.Keys(t.Context(), "blacklist:*").Val()
	if want := []string{"blacklist:" + own}; !slices.Equal(keys, want) {
		t.Errorf("with another secret, gin-auth wrote %d blacklist entries, want one for its own token", len(keys))
	}
	if stored := c.Get(t.Context(), "auth:sessions:"+p.id).Val(); strings.Contains(stored, claims(own).JTI) {
		t.Error("a session that has ended is still stored")
	}
}
