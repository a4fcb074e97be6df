package secrets

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"gin-auth/e2e/internal/harness"
)

// TestSentinel uses a Redis and a sentinel with TLS, client certificates and a user each. The sentinel's user has
// the permissions listed in docs/configuration.md.
func TestSentinel(t *testing.T) {
	t.Parallel()
	ca := newAuthority(t)
	own := ca.sign(t, "redis.internal", time.Now().Add(time.Hour))
	redis := startTLS(t, ca, own, "--user", "sentinel", "on", ">hush", "allcommands", "allchannels")
	port, dir := strconv.Itoa(harness.FreePort(t)), t.TempDir()
	conf := fmt.Sprintf(`port 0
tls-port %s
bind 127.0.0.1
tls-replication yes
tls-cert-file %s
tls-key-file %s
tls-ca-cert-file %s
user default off
user asks on >rush &* -@all +subscribe +sentinel|get-master-addr-by-name +sentinel|sentinels
sentinel monitor mymaster 127.0.0.1 %s 1
sentinel auth-user mymaster sentinel
sentinel auth-pass mymaster hush
`, port, own.cert, own.key, ca.file, redis)
	if err := os.WriteFile(filepath.Join(dir, "sentinel.conf"), []byte(conf), 0o600); err != nil {
		t.Fatal(err)
	}
	sentinel := harness.Start(t, dir, nil, harness.Need(t, "redis-server"), "sentinel.conf", "--sentinel")
	sentinel.WaitFor(t, "+monitor master")

	env := func(more ...string) []string {
		mine := client(ca.sign(t, "gin-auth", time.Now().Add(time.Hour)))
		return production(t, append(append(mine, "REDIS_SENTINELS=127.0.0.1:"+port, "REDIS_SENTINEL_MASTER=mymaster",
			"REDIS_USERNAME=auth", "REDIS_PASSWORD=hush", "REDIS_TLS=true", "REDIS_TLS_CA="+ca.file), more...)...)
	}
	named := "REDIS_TLS_SERVER_NAME=redis.internal"
	works(t, env(named, "REDIS_SENTINEL_USERNAME=asks", "REDIS_SENTINEL_PASSWORD_FILE="+file(t, "password", "rush\n")))
	fails(t, env(named, "REDIS_SENTINEL_USERNAME=asks", "REDIS_SENTINEL_PASSWORD=hush"),
		"the sentinel at 127.0.0.1:"+port+": WRONGPASS invalid username-password pair or user is disabled: see REDIS_SENTINEL_USERNAME and REDIS_SENTINEL_PASSWORD")
	fails(t, env(named), "the sentinel at 127.0.0.1:"+port+": NOAUTH authentication is required: see REDIS_SENTINEL_USERNAME and REDIS_SENTINEL_PASSWORD")
	fails(t, env("REDIS_SENTINEL_USERNAME=asks", "REDIS_SENTINEL_PASSWORD=rush"), "set REDIS_TLS_SERVER_NAME to a name in its certificate, which has redis.internal")
	fails(t, env(named, "REDIS_TLS_CERT=", "REDIS_TLS_KEY=", "REDIS_SENTINEL_USERNAME=asks", "REDIS_SENTINEL_PASSWORD=rush"), "set REDIS_TLS_CERT and REDIS_TLS_KEY")
	refuses(t, production(t, "REDIS_HOST=localhost", "REDIS_SENTINEL_USERNAME=asks"),
		`REDIS_SENTINEL_USERNAME is "asks"; it should be an ACL user of the sentinels, with REDIS_SENTINELS`)
}

// TestCluster uses a Cluster of one node, which announces an address that is not in its certificate.
func TestCluster(t *testing.T) {
	t.Parallel()
	ca := newAuthority(t)
	mine := client(ca.sign(t, "gin-auth", time.Now().Add(time.Hour)))
	port := strconv.Itoa(harness.FreePort(t))
	own := ca.sign(t, "localhost", time.Now().Add(time.Hour))
	node := harness.StartRedis(t, "--cluster-enabled", "yes", "--cluster-port", strconv.Itoa(harness.FreePort(t)),
		"--cluster-announce-ip", "127.0.0.1", "--tls-cluster", "yes", "--appendonly", "yes",
		"--tls-port", port, "--tls-cert-file", own.cert, "--tls-key-file", own.key, "--tls-ca-cert-file", ca.file)
	if err := node.Client(t).ClusterAddSlotsRange(t.Context(), 0, 16383).Err(); err != nil {
		t.Fatal(err)
	}
	harness.Eventually(t, "the nodes form a Cluster", func() error {
		info, err := node.Client(t).ClusterInfo(t.Context()).Result()
		if !strings.Contains(info, "cluster_state:ok") {
			return fmt.Errorf("%s %w", info, err)
		}
		return nil
	})
	env := production(t, append(mine, "REDIS_CLUSTER_NODES=localhost:"+port, "REDIS_TLS=true", "REDIS_TLS_CA="+ca.file)...)
	fails(t, env, "set REDIS_TLS_SERVER_NAME to a name in its certificate, which has localhost")
	s := harness.StartService(t, append(env, "REDIS_TLS_SERVER_NAME=localhost")...)
	harness.Eventually(t, "the service is ready", func() error { return ready(s) })
	check(t, append(env, "REDIS_TLS_SERVER_NAME=localhost"), 0, "\n  127.0.0.1:"+port+", version ")
}

// TestSocket connects to Redis through a Unix socket.
func TestSocket(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	path := filepath.Join(dir, "redis.sock")
	args := append([]string{"--appendonly", "yes", "--unixsocket", path, "--user", "default", "off", "--user"}, strings.Fields(user+" +select")...)
	redis := harness.StartRedis(t, args...)
	works(t, production(t, "REDIS_URL=unix://auth:hush@"+path))
	works(t, production(t, "REDIS_URL=unix://"+path+"?db=1", "REDIS_USERNAME=auth", "REDIS_PASSWORD=hush"))
	fails(t, production(t, "REDIS_URL=unix://auth:rush@"+path), "WRONGPASS")
	fails(t, production(t, "REDIS_URL=unix://"+dir+"/other.sock"),
		"dial unix "+dir+"/other.sock: connect: no such file or directory: is Redis running there, with this path as its unixsocket?")
	check(t, production(t, "REDIS_URL=unix://auth:hush@"+path), 0, "\n  "+path+", version ")

	replica := filepath.Join(dir, "replica.sock")
	harness.StartRedis(t, "--unixsocket", replica, "--replicaof", "127.0.0.1", strconv.Itoa(redis.Port))
	env := production(t, "REDIS_URL=unix://"+replica)
	harness.StartService(t, env...).WaitFor(t, "this Redis is a replica, which cannot know the newest logouts")
	check(t, env, 1, "it is a replica: logouts can't be stored")
	silent := filepath.Join(dir, "silent.sock")
	listener, err := net.Listen("unix", silent)
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	fails(t, production(t, "REDIS_URL=unix://"+silent, "REDIS_TIMEOUT=3s"), "it accepts connections but does not answer: does it hang, or is this not the socket of a Redis?")
	if os.Getuid() != 0 { // root may open every file
		if err := os.Chmod(path, 0); err != nil {
			t.Fatal(err)
		}
		fails(t, production(t, "REDIS_URL=unix://auth:hush@"+path), "permission denied: this process has no permission to open the socket: see unixsocketperm in the configuration of Redis")
	}
	redis.Kill()
	fails(t, production(t, "REDIS_URL=unix://auth:hush@"+path), "dial unix "+path+": connect: connection refused: is Redis running there?")

	refuses(t, production(t, "REDIS_HOST="+path),
		fmt.Sprintf("REDIS_HOST is %q; it should be a host name or an IP address, without a port: set REDIS_URL=unix:///path instead for a Unix socket", path))
}

// TestSocketRecovers checks that the service becomes ready when Redis listens on its socket again.
func TestSocketRecovers(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "redis.sock")
	redis := harness.StartRedis(t, "--unixsocket", path)
	s := harness.StartService(t, production(t, "REDIS_URL=unix://"+path)...)
	harness.Eventually(t, "the service is ready", func() error { return ready(s) })
	redis.Kill()
	harness.Eventually(t, "the service detects the outage", func() error {
		if ready(s) == nil {
			return fmt.Errorf("still ready")
		}
		return nil
	})
	redis.Start(t)
	harness.Eventually(t, "the service is ready again", func() error { return ready(s) })
}
