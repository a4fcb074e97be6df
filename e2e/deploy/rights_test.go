package deploy

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"gin-auth/e2e/internal/harness"
)

// pasted returns the lines of docs/operations.md that begin with "ACL SETUSER": the permissions of the service, and
// the additional permission for listing users.
func pasted(t *testing.T) (serve, list string) {
	t.Helper()
	lines := regexp.MustCompile(`(?m)^ACL SETUSER .*$`).FindAllString(harness.ReadSource(t, "docs/operations.md"), -1)
	if len(lines) != 2 {
		t.Fatalf("docs/operations.md has the ACL SETUSER lines %q, want two lines", lines)
	}
	return strings.Replace(lines[0], ">PASSWORD", ">hush", 1), lines[1]
}

var asUser = []string{"REDIS_USERNAME=auth", "REDIS_PASSWORD=hush"}

// paste runs lines in redis-cli on each server, as if they were typed.
func paste(t *testing.T, servers []*harness.Redis, lines ...string) {
	t.Helper()
	for _, server := range servers {
		cli := exec.Command(harness.Need(t, "redis-cli"), "-p", strconv.Itoa(server.Port))
		cli.Stdin = strings.NewReader(strings.Join(lines, "\n") + "\n")
		out, err := cli.CombinedOutput()
		if err != nil || strings.TrimSpace(strings.ReplaceAll(string(out), "OK\n", "")) != "" {
			t.Fatalf("redis-cli: %v\n%s", err, out)
		}
	}
}

// TestRights runs the documented ACL line, then the service, the check and the commands with it. Redis denies
// nothing.
func TestRights(t *testing.T) {
	t.Parallel()
	serve, list := pasted(t)
	for name, start := range topologies {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			redis := start(t)
			paste(t, redis.servers, serve)
			env := production(append(redis.env, asUser...)...)
			s := harness.StartService(t, env...)
			useAll(t, s.URL, "ada")
			if name == "a Cluster" {
				move(t, redis.servers, "auth:user:grace@example.com")
			}
			useAll(t, s.URL, "grace")
			status, said := run(t, env, "check")
			if status != 0 || strings.Contains(said, "a right is missing") {
				t.Errorf("check: exit status %d, want 0\n%s", status, said)
			}
			users := filepath.Join(t.TempDir(), "users.json")
			user := `{"_id":{"$oid":"64b7f0c2a1b2c3d4e5f60718"},"username":"mary","email":"mary@example.com",` +
				`"password":"$2b$10$N9qo8uLOickgx2ZMRZoMyeIjZAgcfl7p92ldGxad68LJZdL17lhWy"}`
			if err := os.WriteFile(users, []byte(user), 0o600); err != nil {
				t.Fatal(err)
			}
			for _, args := range [][]string{
				{"import-users", users}, {"user", "role", "ada@example.com", "user"}, {"user", "disable", "ada@example.com"},
				{"user", "enable", "ada@example.com"}, {"user", "sessions", "ada@example.com"},
				{"user", "logout", "ada@example.com"}, {"user", "delete", "ada@example.com"}, {"revoke-all"},
			} {
				if status, said := run(t, env, args...); status != 0 {
					t.Errorf("gin-auth %s: exit status %d, want 0\n%s", strings.Join(args, " "), status, said)
				}
			}
			for _, server := range redis.servers {
				if denied, err := server.Client(t).ACLLog(t.Context(), 10).Result(); err != nil || len(denied) > 0 {
					t.Errorf("Redis at %s denied commands: %+v, %v", server.Addr(), denied, err)
				}
			}
			if status, said := run(t, env, "user", "list"); status != 1 || !strings.Contains(said, "'scan' command") {
				t.Errorf("user list without +scan: exit status %d and another message than expected\n%s", status, said)
			}
			paste(t, redis.servers, list)
			if status, said := run(t, env, "user", "list"); status != 0 || !strings.Contains(said, "mary@example.com") {
				t.Errorf("user list with +scan: exit status %d, want 0 and the user\n%s", status, said)
			}
		})
	}
}

// TestMissingRights removes one right of the line after the other. The check and the log name the missing right.
func TestMissingRights(t *testing.T) {
	t.Parallel()
	serve, _ := pasted(t)
	rights := regexp.MustCompile(` [+~]\S+`).FindAllString(serve, -1)
	if len(rights) < 10 {
		t.Fatalf("the documented line %q has fewer rights than expected", serve)
	}
	for name, start := range topologies {
		if name == "Sentinel and a replica" {
			continue // the same rights as with a single Redis
		}
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			redis := start(t)
			env := production(append(redis.env, asUser...)...)
			for _, right := range rights {
				right = strings.TrimSpace(right)
				special := slices.Contains([]string{"+select", "+cluster|slots", "+asking"}, right)
				if special != (len(redis.also) > 0) || special && !slices.Contains(redis.also, right) {
					continue // not needed here, or removed in another case
				}
				paste(t, redis.servers, strings.Replace(serve, " "+right, "", 1))
				named := names(right)
				status, said := run(t, env, "check")
				_, against, _ := strings.Cut(said, "Production should not run on this:\n")
				if status != 1 || !named.MatchString(against) {
					t.Errorf("check without %s: exit status %d, want 1 and %s in the output:\n%s", right, status, named, said)
				}
				s := harness.StartService(t, env...)
				harness.Eventually(t, "the log names "+right, func() error {
					if !named.MatchString(s.Output()) {
						return fmt.Errorf("%s is missing in the log:\n%s", named, s.Output())
					}
					return nil
				})
				s.Kill()
			}
		})
	}
}

// names returns an expression that matches a message that names a right.
func names(right string) *regexp.Regexp {
	pattern := map[string]string{
		"~blacklist:*": `SET with EXAT \(Redis 6\.2\) blacklist:\* is refused: NOPERM`,
		"~auth:*":      `NOPERM`,
		"+wait":        `grant \+wait`, "+info": `grant \+info`,
	}[right]
	if pattern == "" {
		pattern = `NOPERM .*'` + regexp.QuoteMeta(right[1:]) + `' command`
	}
	return regexp.MustCompile(pattern)
}

// TestRightsForBlacklistKey replaces ~blacklist:* by the pattern that docs/operations.md has for each
// BLACKLIST_KEY.
func TestRightsForBlacklistKey(t *testing.T) {
	t.Parallel()
	serve, _ := pasted(t)
	pairs := regexp.MustCompile("`(~\\S+)` for\\s`(\\S*\\{token\\})`").FindAllStringSubmatch(harness.ReadSource(t, "docs/operations.md"), -1)
	if len(pairs) != 2 {
		t.Fatalf("docs/operations.md has the patterns %q, want two", pairs)
	}
	for _, pair := range pairs {
		redis := harness.StartRedis(t, "--appendonly", "yes")
		env := production(slices.Concat(redis.Env(), asUser, []string{"BLACKLIST_KEY=" + pair[2]})...)
		paste(t, []*harness.Redis{redis}, serve)
		if status, said := run(t, env, "check"); status != 1 || !strings.Contains(said, "EXISTS "+pair[1][1:]+" is refused: NOPERM") {
			t.Errorf("check with %s and the rights for blacklist:*: exit status %d, want 1\n%s", pair[2], status, said)
		}
		paste(t, []*harness.Redis{redis}, strings.Replace(serve, "~blacklist:*", pair[1], 1))
		if status, said := run(t, env, "check"); status != 0 {
			t.Errorf("check with %s and its own rights: exit status %d, want 0\n%s", pair[2], status, said)
		}
		useAll(t, harness.StartService(t, env...).URL, "ada")
	}
}

// TestRightsAreKept puts the line into an ACL file, and saves pasted lines with ACL SAVE and with CONFIG REWRITE.
// The user exists after a restart.
func TestRightsAreKept(t *testing.T) {
	t.Parallel()
	serve, _ := pasted(t)
	write := func(name, text string) string {
		t.Helper()
		file := filepath.Join(t.TempDir(), name)
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return file
	}
	check := func(redis *harness.Redis) {
		t.Helper()
		if status, said := run(t, production(append(redis.Env(), asUser...)...), "check"); status != 0 {
			t.Errorf("check with the ACL file: exit status %d, want 0\n%s", status, said)
		}
	}
	line := strings.Replace(serve, "ACL SETUSER", "user", 1) + "\n"
	check(harness.StartRedis(t, "--appendonly", "yes", "--aclfile", write("users.acl", line)))

	redis := harness.StartRedis(t, "--appendonly", "yes", "--aclfile", write("users.acl", ""))
	paste(t, []*harness.Redis{redis}, serve, "ACL SAVE")
	redis.Kill()
	redis.Start(t)
	check(redis)

	port := harness.FreePort(t)
	conf := write("redis.conf", fmt.Sprintf("port %d\nbind 127.0.0.1\nappendonly yes\n", port))
	for range 2 {
		server := harness.Start(t, filepath.Dir(conf), nil, harness.Need(t, "redis-server"), conf)
		server.WaitFor(t, "Ready to accept connections")
		redis := &harness.Redis{Process: server, Port: port}
		if !strings.Contains(harness.ReadFile(t, conf), "user auth") {
			paste(t, []*harness.Redis{redis}, serve, "CONFIG REWRITE")
		} else {
			check(redis)
		}
		server.Kill()
	}
	if !strings.Contains(harness.ReadFile(t, conf), "user auth") {
		t.Error("CONFIG REWRITE did not keep the user")
	}
}
