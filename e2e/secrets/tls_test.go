package secrets

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"gin-auth/e2e/internal/harness"
)

// user has the permissions that the service needs, and no others.
const user = "auth on >hush ~blacklist:* ~auth:* -@all +exists +get +set +eval +time +wait +info +pttl +del"

// startTLS starts a Redis with TLS on one port, which requires client certificates and has one user. It returns
// that port.
func startTLS(t *testing.T, ca *authority, own pair, args ...string) (port string) {
	t.Helper()
	port = strconv.Itoa(harness.FreePort(t))
	args = append([]string{
		"--tls-port", port, "--tls-cert-file", own.cert, "--tls-key-file", own.key, "--tls-ca-cert-file", ca.file,
		"--appendonly", "yes", "--user", "default", "off", "--user",
	}, append(strings.Fields(user), args...)...)
	harness.StartRedis(t, args...)
	return port
}

// client returns the settings of a client certificate.
func client(p pair) []string { return []string{"REDIS_TLS_CERT=" + p.cert, "REDIS_TLS_KEY=" + p.key} }

// TestTLS uses a Redis with a certificate of a private CA that accepts only clients with a certificate.
func TestTLS(t *testing.T) {
	t.Parallel()
	ca, other := newAuthority(t), newAuthority(t)
	later, before := time.Now().Add(time.Hour), time.Now().Add(-time.Hour)
	mine := client(ca.sign(t, "gin-auth", later))
	host := startTLS(t, ca, ca.sign(t, "localhost", later))
	named := startTLS(t, ca, ca.sign(t, "redis.internal", later), "--tls-protocols", "TLSv1.2")
	addressed := startTLS(t, ca, ca.sign(t, "127.0.0.1", later))
	expired := startTLS(t, ca, ca.sign(t, "localhost", before))
	env := func(url string, more ...string) []string {
		return production(t, append([]string{"REDIS_URL=" + url, "REDIS_USERNAME=auth", "REDIS_PASSWORD=hush"}, more...)...)
	}
	trusted := append([]string{"REDIS_TLS_CA=" + ca.file}, mine...)

	for name, env := range map[string][]string{
		"a host":              env("rediss://localhost:"+host, trusted...),
		"REDIS_TLS":           env("redis://localhost:"+host, append(trusted, "REDIS_TLS=true")...),
		"an address":          env("rediss://127.0.0.1:"+addressed, trusted...),
		"another name":        env("rediss://127.0.0.1:"+named, append(trusted, "REDIS_TLS_SERVER_NAME=redis.internal")...),
		"the CAs of the OS":   env("rediss://localhost:"+host, append(mine, "SSL_CERT_FILE="+ca.file)...),
		"a bundle, by host":   env("rediss://localhost:"+host, append(mine, "REDIS_TLS_CA="+bundle(t, other.file, ca.file))...),
		"the same name again": env("rediss://localhost:"+host, append(trusted, "REDIS_TLS_SERVER_NAME=localhost")...),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			works(t, env)
		})
	}

	const (
		noClient = "does Redis want a client certificate (tls-auth-clients)? Then set REDIS_TLS_CERT and REDIS_TLS_KEY"
		rejected = "does Redis reject the certificate of REDIS_TLS_CERT? Its CA must be in the tls-ca-cert-file of Redis, and it must be valid now"
		unknown  = "x509: certificate signed by unknown authority"
	)
	for name, test := range map[string]struct {
		env  []string
		says string
	}{
		"no CA":                      {env("rediss://localhost:"+host, mine...), unknown + ": set REDIS_TLS_CA to the file with the CA of Redis"},
		"another CA":                 {env("rediss://localhost:"+host, append(mine, "REDIS_TLS_CA="+other.file)...), ": the CA of this Redis is not in the file that REDIS_TLS_CA names"},
		"no client certificate":      {env("rediss://localhost:"+host, "REDIS_TLS_CA="+ca.file), noClient},
		"no client certificate, 1.2": {env("rediss://127.0.0.1:"+named, "REDIS_TLS_CA="+ca.file, "REDIS_TLS_SERVER_NAME=redis.internal"), noClient},
		"an alien one":               {env("rediss://localhost:"+host, append(client(other.sign(t, "gin-auth", later)), "REDIS_TLS_CA="+ca.file)...), rejected},
		"an expired one":             {env("rediss://localhost:"+host, append(client(ca.sign(t, "gin-auth", before)), "REDIS_TLS_CA="+ca.file)...), rejected},
		"an expired Redis": {
			env("rediss://localhost:"+expired, trusted...), "renew the certificate of Redis, or correct this machine's clock",
		},
		"another name": {
			env("rediss://localhost:"+named, trusted...),
			"x509: certificate is valid for redis.internal, not localhost: if this is the right Redis, set REDIS_TLS_SERVER_NAME to a name in its certificate, which has redis.internal",
		},
		"an address": {
			env("rediss://127.0.0.1:"+named, trusted...),
			"doesn't contain any IP SANs: if this is the right Redis, set REDIS_TLS_SERVER_NAME to a name in its certificate, which has redis.internal",
		},
		"a wrong REDIS_TLS_SERVER_NAME": {
			env("rediss://127.0.0.1:"+named, append(trusted, "REDIS_TLS_SERVER_NAME=redis.example")...),
			"x509: certificate is valid for redis.internal, not redis.example: REDIS_TLS_SERVER_NAME must be a name in the certificate, which has redis.internal",
		},
		"no TLS": {env("redis://localhost:" + host), "if this port speaks TLS, set REDIS_TLS=true"},
	} {
		t.Run("not: "+name, func(t *testing.T) {
			t.Parallel()
			fails(t, test.env, test.says)
		})
	}
}

func bundle(t *testing.T, files ...string) string {
	t.Helper()
	var text strings.Builder
	for _, name := range files {
		part, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		text.Write(part)
	}
	return file(t, "bundle.crt", text.String())
}

// TestTLSMistakes makes mistakes that prevent startup.
func TestTLSMistakes(t *testing.T) {
	t.Parallel()
	ca := newAuthority(t)
	one, other := ca.sign(t, "one", time.Now().Add(time.Hour)), ca.sign(t, "other", time.Now().Add(time.Hour))
	refuses(t, production(t, "REDIS_URL=rediss://localhost", "REDIS_TLS_CA="+one.key, "REDIS_TLS_CERT="+one.cert, "REDIS_TLS_KEY="+other.key),
		fmt.Sprintf("REDIS_TLS_CA is %q; it should be the absolute path of a PEM file with the CA of Redis: it contains no certificate in PEM form (-----BEGIN CERTIFICATE-----)\n"+
			"REDIS_TLS_KEY is %q; it should be the absolute path of a PEM file with the key of REDIS_TLS_CERT: it is not the key of the first certificate in REDIS_TLS_CERT", one.key, other.key))
	refuses(t, production(t, "REDIS_HOST=localhost", "REDIS_TLS_CA="+ca.file, "REDIS_TLS_CERT="+one.cert),
		fmt.Sprintf("REDIS_TLS_CA is %q; it should be the absolute path of a PEM file with the CA of Redis: TLS is off; set REDIS_TLS=true, or write rediss:// in REDIS_URL, or remove REDIS_TLS_CA\n"+
			"REDIS_TLS_CERT is %q; it should be the absolute path of a PEM file with the client certificate: TLS is off; set REDIS_TLS=true, or write rediss:// in REDIS_URL, or remove REDIS_TLS_CERT\n"+
			"REDIS_TLS_KEY is not set; it should be the absolute path of a PEM file with the key of REDIS_TLS_CERT: REDIS_TLS_CERT is set, and a client certificate needs both", ca.file, one.cert))
}

// TestRenewedCertificate renews an expired client certificate while the service runs.
func TestRenewedCertificate(t *testing.T) {
	t.Parallel()
	ca := newAuthority(t)
	port := startTLS(t, ca, ca.sign(t, "localhost", time.Now().Add(time.Hour)))
	old, renewed := ca.sign(t, "gin-auth", time.Now().Add(-time.Hour)), ca.sign(t, "gin-auth", time.Now().Add(time.Hour))
	s := harness.StartService(t, production(t, append(client(old), "REDIS_URL=rediss://auth:hush@localhost:"+port, "REDIS_TLS_CA="+ca.file)...)...)
	s.WaitFor(t, "REDIS_TLS_CERT has no certificate that is valid now")
	s.WaitFor(t, "Redis connection failed")
	for to, from := range map[string]string{old.cert: renewed.cert, old.key: renewed.key} {
		if err := os.Rename(from, to); err != nil {
			t.Fatal(err)
		}
	}
	harness.Eventually(t, "the service is ready", func() error { return ready(s) })
	if err := os.Remove(old.key); err != nil {
		t.Fatal(err)
	}
	check(t, production(t, append(client(old), "REDIS_URL=rediss://auth:hush@localhost:"+port)...), 1, "REDIS_TLS_KEY is ", ": no such file or directory")
}
