// Package symptoms makes the mistakes that operators make in the settings of the built service or in its
// environment. The log and the output of gin-auth check must name the fix.
package symptoms

import (
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/golang-jwt/jwt/v5"

	"gin-auth/e2e/internal/harness"
)

func TestMain(m *testing.M) { harness.Main(m) }

const secret = "a secret of more than thirty-two bytes"

// production adds settings to those that every setup has. If a name occurs twice, the last value counts.
func production(more ...string) []string {
	return append([]string{
		"NODE_ENV=production", "JWT_SECRET=" + secret, "SHUTDOWN_DELAY=0s", "BCRYPT_COST=4", "REDIS_TIMEOUT=2s",
	}, more...)
}

// startTLS starts a Redis with TLS on one port, with a certificate of a private CA, and returns the port.
func startTLS(t *testing.T) string {
	t.Helper()
	donor := httptest.NewTLSServer(http.NotFoundHandler()) // for its certificate
	t.Cleanup(donor.Close)
	certificate := donor.TLS.Certificates[0]
	key, err := x509.MarshalPKCS8PrivateKey(certificate.PrivateKey)
	if err != nil {
		t.Fatal(err)
	}
	cert := file(t, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: certificate.Certificate[0]}))
	port := fmt.Sprint(harness.FreePort(t))
	harness.StartRedis(t, "--tls-port", port, "--tls-cert-file", cert, "--tls-ca-cert-file", cert, "--tls-auth-clients", "no",
		"--tls-key-file", file(t, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: key})))
	return port
}

func file(t *testing.T, text []byte) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(path, text, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// nodeToken returns a file with a token as issued by a Node service with another secret.
func nodeToken(t *testing.T) string {
	t.Helper()
	claims := jwt.MapClaims{"id": "64b7f0c2a1b2c3d4e5f60718", "email": "ada@example.com", "iat": 1893456000, "exp": 1893542400}
	token, err := jwt.NewWithClaims(jwt.SigningMethodHS256, claims).SignedString([]byte("another secret of more than 32 bytes"))
	if err != nil {
		t.Fatal(err)
	}
	return file(t, []byte(token))
}

// send sends a request as a browser or a proxy does. A header has the form "Name: value".
func send(t *testing.T, client *http.Client, method, url, body string, headers ...string) *http.Response {
	t.Helper()
	header := http.Header{"Content-Type": {"application/json"}}
	for _, line := range headers {
		name, value, _ := strings.Cut(line, ": ")
		header.Add(name, value)
	}
	response, _ := harness.Send(t, client, method, url, header, body)
	return response
}

// wantStatus checks the status that the user sees.
func wantStatus(t *testing.T, response *http.Response, status int) {
	t.Helper()
	if response.StatusCode != status {
		t.Errorf("%s %s: got %s, want %d", response.Request.Method, response.Request.URL, response.Status, status)
	}
}

// run runs a command of gin-auth and returns its exit status and its output.
func run(t *testing.T, env []string, args ...string) (status int, said string) {
	t.Helper()
	p := harness.Start(t, t.TempDir(), env, harness.Binary(t), args...)
	return p.Exit(t), p.Output()
}
