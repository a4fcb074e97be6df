package service

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"gin-auth/e2e/internal/harness"
)

// flow registers, logs in and out, and checks that the old token is rejected.
func flow(t *testing.T, s *harness.Service) {
	t.Helper()
	harness.Eventually(t, "the service is ready", func() error {
		if status, body, _, err := try(s, "GET", "/readyz", "", ""); err != nil || status != 200 {
			return fmt.Errorf("%d %s %w", status, body, err)
		}
		return nil
	})
	token := login(t, s)
	status, body, _ := send(t, s, "GET", "/api/auth/me", token, "")
	want(t, "me", status, body, 200, "")
	status, body, _ = send(t, s, "POST", "/api/auth/logout", token, "")
	want(t, "logout", status, body, 200, logoutMsg)
	status, body, _ = send(t, s, "GET", "/api/auth/me", token, "")
	want(t, "me with the old token", status, body, 401, revoked)
}

// TestACLUser runs the service with a Redis user that has only the documented permissions.
func TestACLUser(t *testing.T) {
	t.Parallel()
	rights := "auth on >hush ~blacklist:* ~auth:* -@all +exists +get +set +eval +time +info +wait +pttl +del"
	args := append([]string{"--user"}, strings.Fields(rights)...)
	redis := harness.StartRedis(t, append(args, "--user", "default", "off")...)
	s := harness.StartService(t, production("REDIS_URL=redis://auth:hush@"+redis.Addr())...)
	flow(t, s)
}

// TestSuperfluousPassword sets a password for a Redis that requires none. ioredis connects to it anyway, so the
// service must also accept such a .env.
func TestSuperfluousPassword(t *testing.T) {
	t.Parallel()
	redis := harness.StartRedis(t)
	s := harness.StartService(t, production(append(redis.Env(), "REDIS_PASSWORD=nobody asks")...)...)
	flow(t, s)
}

func TestTLS(t *testing.T) {
	t.Parallel()
	cert, key := certificate(t)
	port := strconv.Itoa(harness.FreePort(t))
	harness.StartRedis(t, "--tls-port", port, "--tls-cert-file", cert, "--tls-key-file", key,
		"--tls-ca-cert-file", cert, "--tls-auth-clients", "no", "--requirepass", "hush")
	for _, settings := range [][]string{
		{"REDIS_URL=rediss://:hush@localhost:" + port},
		{"REDIS_HOST=localhost", "REDIS_PORT=" + port, "REDIS_PASSWORD=hush", "REDIS_TLS=true"},
	} {
		flow(t, harness.StartService(t, production(append(settings, "SSL_CERT_FILE="+cert)...)...))
	}
	s := harness.StartService(t, production("REDIS_URL=rediss://:hush@localhost:"+port)...)
	s.WaitFor(t, "Redis connection failed")
	s.WaitFor(t, "certificate signed by unknown authority")
}

// certificate creates a certificate for localhost and returns its file and the file of its key.
func certificate(t *testing.T) (certFile, keyFile string) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber:          big.NewInt(1),
		Subject:               pkix.Name{CommonName: "localhost"},
		DNSNames:              []string{"localhost"},
		IPAddresses:           []net.IP{net.IPv4(127, 0, 0, 1)},
		NotBefore:             time.Now().Add(-time.Hour),
		NotAfter:              time.Now().Add(time.Hour),
		IsCA:                  true,
		BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	certFile, keyFile = filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	for file, block := range map[string]*pem.Block{
		certFile: {Type: "CERTIFICATE", Bytes: der},
		keyFile:  {Type: "PRIVATE KEY", Bytes: private},
	} {
		if err := os.WriteFile(file, pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return certFile, keyFile
}

func TestSentinel(t *testing.T) {
	t.Parallel()
	redis := harness.StartRedis(t, "--requirepass", "hush")
	port := harness.FreePort(t)
	dir := t.TempDir()
	conf := fmt.Sprintf("port %d\nbind 127.0.0.1\nsentinel monitor mymaster 127.0.0.1 %d 1\nsentinel auth-pass mymaster hush\n", port, redis.Port)
	if err := os.WriteFile(filepath.Join(dir, "sentinel.conf"), []byte(conf), 0o600); err != nil {
		t.Fatal(err)
	}
	sentinel := harness.Start(t, dir, nil, harness.Need(t, "redis-server"), "sentinel.conf", "--sentinel")
	sentinel.WaitFor(t, "+monitor master")
	flow(t, harness.StartService(t, production("REDIS_PASSWORD=hush",
		"REDIS_SENTINELS=127.0.0.1:"+strconv.Itoa(port), "REDIS_SENTINEL_MASTER=mymaster")...))
}

func TestCluster(t *testing.T) {
	t.Parallel()
	addrs := harness.Addrs(harness.StartCluster(t, 0))
	s := harness.StartService(t, production("REDIS_CLUSTER_NODES="+addrs[0])...)
	flow(t, s)
	check := harness.Start(t, t.TempDir(), production("REDIS_CLUSTER_NODES="+addrs[0]), harness.Binary(t), "check")
	status, said := check.Exit(t), check.Output()
	for _, addr := range addrs {
		if !strings.Contains(said, "\n  "+addr+", version ") {
			status = -1
		}
	}
	if status != 1 || strings.Contains(said, "a right is missing") || strings.Count(said, "this Redis can lose logouts") != 1 ||
		strings.Count(said, "its append-only file is off") != 1 {
		t.Errorf("check: exit status %d, want 1 and only the risk of no append-only file:\n%s", status, said)
	}
	for range 20 { // so many tokens that every node has some keys
		token := login(t, s)
		status, body, _ := send(t, s, "POST", "/api/auth/logout", token, "")
		want(t, "logout", status, body, 200, logoutMsg)
		status, body, _ = send(t, s, "GET", "/api/auth/me", token, "")
		want(t, "me with the old token", status, body, 401, revoked)
	}
}
