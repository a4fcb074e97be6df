package users

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"testing"
	"time"

	"gin-auth/e2e/internal/harness"
)

// manyUsers returns an export that is imported in several batches.
func manyUsers(t *testing.T, n int) string {
	t.Helper()
	hash := goHash(t)
	var lines strings.Builder
	for i := range n {
		fmt.Fprintf(&lines, "{\"_id\":%d,\"email\":\"%d@example.com\",\"username\":\"user %d\",\"password\":\"%s\"}\n", i, i, i, hash)
	}
	return lines.String()
}

// keep imports users, lists them and changes some.
func keep(t *testing.T, env []string) {
	t.Helper()
	const n = 2500
	lines := manyUsers(t, n)
	command(t, env, lines, "import-users", "-").is(t, 0, "imported 2,500, kept 0 existing, 2,500 documents read in ", "")
	command(t, env, lines, "import-users", "-").is(t, 0, "imported 0, kept 2,500 existing, 2,500 documents read in ", "")
	command(t, env, lines, "import-users", "-", "--overwrite").is(t, 0, "imported 0, replaced 2,500, 2,500 documents read in ", "")
	for i := range 5 {
		email := strconv.Itoa(i) + "@example.com"
		command(t, env, "", "user", "role", email, "admin").is(t, 0, email+" has the role admin\n", "")
	}
	emails := map[string]bool{}
	list := command(t, env, "", "user", "list", "--json")
	for line := range strings.Lines(list.stdout) {
		emails[strings.Split(line, `"`)[3]] = true
	}
	if admins := strings.Count(list.stdout, `"role":"admin"`); len(emails) != n || admins != 5 {
		t.Errorf("the list has %d users and %d admins: %s", len(emails), admins, list.stderr)
	}
}

func TestCluster(t *testing.T) {
	t.Parallel()
	nodes := harness.StartCluster(t, 0)
	keep(t, []string{"REDIS_CLUSTER_NODES=" + nodes[0].Addr()})
}

// TestACLUser uses a Redis user with the permissions of the service, and one with the additional permission for
// user list.
func TestACLUser(t *testing.T) {
	t.Parallel()
	rights := "on >hush ~auth:* -@all +exists +get +set +eval +time +info +wait"
	args := strings.Fields("--user default off --user auth " + rights + " --user lister " + rights + " +scan")
	redis := harness.StartRedis(t, args...)
	command(t, []string{"REDIS_URL=redis://auth:hush@" + redis.Addr()}, "", "user", "list").is(t, 1, "", "gin-auth: listing the users: NOPERM ")
	keep(t, []string{"REDIS_URL=redis://lister:hush@" + redis.Addr()})
	command(t, []string{"REDIS_URL=redis://auth:wrong@" + redis.Addr()}, "", "user", "list").is(t, 1, "", "gin-auth: the Redis at 127.0.0.1:")
}

// TestImportOverARestart restarts Redis during an import, which waits for it.
func TestImportOverARestart(t *testing.T) {
	t.Parallel()
	redis := harness.StartRedis(t, "--appendonly", "yes", "--appendfsync", "always")
	lines := manyUsers(t, 40_000)
	cmd := prepare(t, redis.Env(), strings.NewReader(lines), "import-users", "-")
	var stdout, stderr strings.Builder
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	// Each write waits for the disk, so Redis can be killed between two batches.
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	harness.Eventually(t, "a batch is stored", func() error {
		if out := cli(t, redis, "dbsize"); out == "0\n" {
			return errors.New("nothing is stored yet")
		}
		return nil
	})
	redis.Kill()
	time.Sleep(time.Second)
	redis.Start(t)
	_ = cmd.Wait()
	if !strings.Contains(stderr.String(), "; trying again in 1s\n") {
		t.Errorf("the import did not report that it tries again: %q", &stderr)
	}
	result{cmd.ProcessState.ExitCode(), stdout.String(), ""}.is(t, 0, "imported 40,000, kept 0 existing, 40,000 documents read in ", "")
	if out := cli(t, redis, "dbsize"); out != "120000\n" {
		t.Errorf("Redis has %s keys, want 120000", out)
	}
}
