package sessions

import (
	"errors"
	"fmt"
	"testing"

	"github.com/redis/go-redis/v9"

	"gin-auth/e2e/internal/harness"
)

// cluster is gin-auth on a Redis Cluster. The Express app cannot use a Cluster, so these tests look up the
// blacklist as a Node service would.
type cluster struct {
	auth   string
	client *redis.ClusterClient
}

// wants returns an error unless every token is on the blacklist and rejected by gin-auth (revoked), or none is.
func (c cluster) wants(t *testing.T, revoked bool, tokens ...string) (err error) {
	t.Helper()
	for _, token := range tokens {
		n, failed := c.client.Exists(t.Context(), "blacklist:"+token).Result()
		if failed != nil || (n > 0) != revoked {
			err = errors.Join(err, failed, fmt.Errorf("the blacklist has %d entries for a token; it should be revoked: %v", n, revoked))
		}
		status := 200
		if revoked {
			status = 401
		}
		_, failed = tryFor(status, "GET", c.auth+"/me", token, nil)
		err = errors.Join(err, failed)
	}
	return err
}

// round logs a new user in three times, ends one session, and then all sessions.
func (c cluster) round(t *testing.T, name string) error {
	t.Helper()
	p, first, err := register(c.auth, name)
	if err != nil {
		return err
	}
	second, err := p.login(c.auth)
	if err != nil {
		return err
	}
	third, err := p.login(c.auth)
	if err != nil {
		return err
	}
	if sessions, err := tryList(c.auth, third); err != nil || len(sessions) != 3 || sessions[1].ID != claims(second).JTI {
		return fmt.Errorf("the listed sessions are %+v, %w", sessions, err)
	}
	if err := c.wants(t, false, first, second, third); err != nil {
		return err
	}
	if _, err := tryFor(204, "DELETE", c.auth+"/sessions/"+claims(second).JTI, third, nil); err != nil {
		return err
	}
	if err := errors.Join(c.wants(t, true, second), c.wants(t, false, first, third)); err != nil {
		return fmt.Errorf("after DELETE: %w", err)
	}
	if _, err := tryFor(200, "POST", c.auth+"/logout-all", third, nil); err != nil {
		return err
	}
	if err := c.wants(t, true, first, second, third); err != nil {
		return fmt.Errorf("after logout-all: %w", err)
	}
	if n := c.client.Exists(t.Context(), "auth:sessions:"+p.id).Val(); n != 0 {
		return errors.New("the sessions are still stored")
	}
	fourth, err := p.login(c.auth)
	if err != nil {
		return err
	}
	return c.wants(t, false, fourth)
}

// TestCluster ends sessions on a Redis Cluster, where each key can be on a different node.
func TestCluster(t *testing.T) {
	t.Parallel()
	nodes := harness.StartCluster(t, 0)
	client := redis.NewClusterClient(&redis.ClusterOptions{Addrs: harness.Addrs(nodes)})
	t.Cleanup(func() { _ = client.Close() })
	c := cluster{startAuth(t, settings(secret, "REDIS_CLUSTER_NODES="+nodes[0].Addr())), client}
	const rounds = 100
	inParallel(t, rounds, func(round int) error { return c.round(t, fmt.Sprint("user-", round)) })
}
