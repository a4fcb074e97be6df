package secrets

import (
	"context"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"gin-auth/e2e/internal/harness"
)

// documentedUser returns the arguments of redis-server that create the user of docs/operations.md.
func documentedUser(t *testing.T) []string {
	t.Helper()
	line := regexp.MustCompile(`(?m)^ACL SETUSER auth .*$`).FindString(harness.ReadSource(t, "docs/operations.md"))
	if !strings.Contains(line, ">PASSWORD") {
		t.Fatalf("docs/operations.md has no line for the user auth with a password, but %q", line)
	}
	return strings.Fields(strings.NewReplacer("ACL SETUSER", "--user", ">PASSWORD", ">hush").Replace(line))
}

// managed is a Cluster of three masters as cloud providers run it: all connections are encrypted, those between the
// nodes too, and the user default is off.
type managed struct {
	ports []string
	nodes []*redis.Client // of a user with all rights
	ids   []string
}

// startManaged starts a Cluster whose nodes have one certificate. own has no address, and only the name localhost if
// the nodes announce that, otherwise redis.internal.
func startManaged(t *testing.T, ca *authority, own pair, args ...string) *managed {
	t.Helper()
	create := []string{
		"--tls", "--cacert", ca.file, "--cert", own.cert, "--key", own.key, "--user", "admin", "--cluster", "create", "--cluster-yes",
	}
	args = append(slices.Concat([]string{
		"--port", "0", "--tls-cluster", "yes", "--tls-replication", "yes", "--tls-auth-clients", "no",
		"--tls-cert-file", own.cert, "--tls-key-file", own.key, "--tls-ca-cert-file", ca.file,
		"--appendonly", "yes", "--cluster-enabled", "yes", "--cluster-node-timeout", "2000",
		"--user", "default", "off", "--user", "admin", "on", ">all", "~*", "&*", "+@all",
	}, documentedUser(t)), args...)
	m := &managed{}
	for range 3 {
		port := strconv.Itoa(harness.FreePort(t))
		own := []string{"--tls-port", port, "--cluster-port", strconv.Itoa(harness.FreePort(t))}
		harness.StartRedis(t, append(own, args...)...)
		m.ports, m.nodes = append(m.ports, port), append(m.nodes, admin(t, ca, "127.0.0.1:"+port))
		create = append(create, "127.0.0.1:"+port)
	}
	command := exec.Command(harness.Need(t, "redis-cli"), create...)
	command.Env = append(os.Environ(), "REDISCLI_AUTH=all")
	if out, err := command.CombinedOutput(); err != nil {
		t.Fatalf("redis-cli --cluster create: %v\n%s", err, out)
	}
	for _, node := range m.nodes {
		m.ids = append(m.ids, node.ClusterMyID(t.Context()).Val())
		harness.Eventually(t, "the nodes form a Cluster", func() error {
			info, err := node.ClusterInfo(context.Background()).Result()
			if !strings.Contains(info, "cluster_state:ok") {
				return errors.Join(err, errors.New(info))
			}
			return err
		})
	}
	return m
}

// admin returns a client of a node for the user with all rights. It does not verify the name in the certificate.
func admin(t *testing.T, ca *authority, addr string) *redis.Client {
	t.Helper()
	roots := x509.NewCertPool()
	roots.AddCert(ca.certificate)
	config := &tls.Config{RootCAs: roots, InsecureSkipVerify: true}
	client := redis.NewClient(&redis.Options{Addr: addr, Username: "admin", Password: "all", TLSConfig: config})
	t.Cleanup(func() { _ = client.Close() })
	return client
}

// do runs a command with all rights at a node.
func (m *managed) do(t *testing.T, node int, args ...any) any {
	t.Helper()
	return harness.Command(t, m.nodes[node], args...)
}

// move moves the slot of a key to another node, with the key if it exists. It calls during while the slot is moving and
// the key is at the old node, and while it is at the new one, and once the slot has moved. Then the nodes redirect with
// ASK, ASK and MOVED.
func (m *managed) move(t *testing.T, key string, during func(step string)) {
	t.Helper()
	slot := m.do(t, 0, "CLUSTER", "KEYSLOT", key)
	from := slices.IndexFunc(m.nodes, func(node *redis.Client) bool { return node.Exists(t.Context(), key).Err() == nil })
	to := (from + 1) % len(m.nodes)
	m.do(t, to, "CLUSTER", "SETSLOT", slot, "IMPORTING", m.ids[from])
	m.do(t, from, "CLUSTER", "SETSLOT", slot, "MIGRATING", m.ids[to])
	during("before the key is moved")
	if reply := m.do(t, from, "MIGRATE", "127.0.0.1", m.ports[to], "", 0, 5000, "AUTH2", "admin", "all", "KEYS", key); reply != "OK" {
		t.Errorf("MIGRATE of %s: %v", key, reply)
	}
	during("after the key was moved")
	rest := []any{"MIGRATE", "127.0.0.1", m.ports[to], "", 0, 5000, "AUTH2", "admin", "all", "KEYS"}
	rest = append(rest, m.do(t, from, "CLUSTER", "GETKEYSINSLOT", slot, 1000).([]any)...) // the epoch of the slot
	if reply := m.do(t, from, rest...); reply != "OK" {
		t.Errorf("MIGRATE of the rest: %v", reply)
	}
	for _, node := range []int{to, from} {
		m.do(t, node, "CLUSTER", "SETSLOT", slot, "NODE", m.ids[to])
	}
	during("after the slot was moved")
}

// TestManagedCluster uses Clusters as cloud providers run them, with the documented rights and no others. They announce
// IP addresses or, as those of Amazon do, names.
func TestManagedCluster(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		certified string
		announces string
		args      []string
		env       string
	}{
		"addresses": {"redis.internal", "127.0.0.1", nil, "REDIS_TLS_SERVER_NAME=redis.internal"},
		"names": {
			"localhost", "localhost", []string{"--cluster-announce-hostname", "localhost", "--cluster-preferred-endpoint-type", "hostname"}, "",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			ca := newAuthority(t)
			m := startManaged(t, ca, ca.sign(t, test.certified, time.Now().Add(time.Hour)), test.args...)
			env := production(t, "BCRYPT_COST=4", "REDIS_CLUSTER_NODES=localhost:"+m.ports[0], "REDIS_TLS=true", "REDIS_TLS_CA="+ca.file,
				"REDIS_USERNAME=auth", "REDIS_PASSWORD_FILE="+file(t, "password", "hush\n"), test.env)
			s := harness.StartService(t, env...)
			harness.Eventually(t, "the service is ready", func() error { return ready(s) })
			p := harness.Start(t, t.TempDir(), env, harness.Binary(t), "check")
			if status := p.Exit(t); status != 0 {
				t.Errorf("check: exit status %d, want 0", status)
			}
			for _, port := range m.ports {
				if want := "\n  " + test.announces + ":" + port + ", version "; !strings.Contains(p.Output(), want) {
					t.Errorf("check printed\n%s\nwant %s", p.Output(), want)
				}
			}
			for _, wrong := range []string{"a right is missing", "cannot be used", "can't be used"} {
				if strings.Contains(p.Output(), wrong) || strings.Contains(s.Output(), wrong) {
					t.Errorf("check and the service printed %s:\n%s\n%s", wrong, p.Output(), s.Output())
				}
			}
			useWhileMoving(t, s, m)
			for _, node := range m.nodes {
				if denied, err := node.ACLLog(t.Context(), 10).Result(); err != nil || len(denied) > 0 {
					t.Errorf("Redis denied commands: %+v, %v", denied, err)
				}
			}
			refusedByOne(t, m, env, test.announces)
		})
	}
}

// useWhileMoving logs users in and out while the slots of a user and of a revoked token move to other nodes.
func useWhileMoving(t *testing.T, s *harness.Service, m *managed) {
	t.Helper()
	send := func(method, path, token, body string, want int) (set string) {
		t.Helper()
		header := http.Header{"Content-Type": {"application/json"}, "Cookie": {"token=" + token}}
		answer, text := harness.Send(t, http.DefaultClient, method, s.URL+"/api/auth"+path, header, body)
		if answer.StatusCode != want {
			t.Errorf("%s: got %d %s, want %d", path, answer.StatusCode, text, want)
		}
		for _, cookie := range answer.Cookies() {
			set = cookie.Value
		}
		return set
	}
	name := strings.ToLower(rand.Text())
	email := name + "@example.com"
	register := fmt.Sprintf(`{"username":"%s","email":"%s","password":"correct horse"}`, name, email)
	logIn := fmt.Sprintf(`{"email":"%s","password":"correct horse"}`, email)
	loggedOut, valid := send("POST", "/register", "", register, 201), send("POST", "/login", "", logIn, 200)
	send("GET", "/me", loggedOut, "", 200)
	send("POST", "/logout", loggedOut, "", 200)
	judge := func(step string) {
		t.Helper()
		t.Log(step)
		send("GET", "/me", loggedOut, "", 401)
		send("GET", "/me", valid, "", 200)
		another := send("POST", "/login", "", logIn, 200)
		send("POST", "/logout", another, "", 200)
		send("GET", "/me", another, "", 401)
	}
	m.move(t, "blacklist:"+loggedOut, judge)
	m.move(t, "auth:user:"+email, judge)
	other := send("POST", "/login", "", logIn, 200)
	send("POST", "/logout-all", other, "", 200)
	for _, token := range []string{loggedOut, valid, other} {
		send("GET", "/me", token, "", 401)
	}
}

// refusedByOne removes the user at one node, and gives it another password there. The check and the log name the node.
func refusedByOne(t *testing.T, m *managed, env []string, announced string) {
	t.Helper()
	says := "the node at " + announced + ":" + m.ports[1] + " cannot be used: WRONGPASS invalid username-password pair or user is disabled: " +
		"each node needs the user of REDIS_USERNAME with the password of REDIS_PASSWORD, because Redis does not copy users"
	rush := append(slices.Clone(env), "REDIS_PASSWORD_FILE="+file(t, "password", "rush\n"))
	check(t, rush, 1, "WRONGPASS ", " (at localhost:"+m.ports[0]+": each node needs the user of REDIS_USERNAME ")
	m.do(t, 1, "ACL", "SETUSER", "auth", "resetpass", ">rush")
	check(t, env, 1, "\n  "+announced+":"+m.ports[0]+", version ", "\n  "+announced+":"+m.ports[1]+", cannot be used\n", says)
	m.do(t, 1, "ACL", "DELUSER", "auth")
	check(t, env, 1, "\n  "+announced+":"+m.ports[2]+", version ", says)
	s := harness.StartService(t, env...)
	s.WaitFor(t, says)
}
