package config

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"os"
	"slices"
	"strings"
	"testing"
	"time"
)

// A certificate is one that a test made, with its key.
type certificate struct{ pem, key, der []byte }

// newCertificate makes a self-signed certificate for a name. change modifies it before it is signed.
func newCertificate(t *testing.T, name string, change func(*x509.Certificate)) certificate {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name}, DNSNames: []string{name},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
	}
	if change != nil {
		change(template)
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	return certificate{
		pem: pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}),
		key: pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: private}),
		der: der,
	}
}

// TestTLSFiles checks the problems that are reported about TLS files that cannot be used.
func TestTLSFiles(t *testing.T) {
	t.Parallel()
	one, other := newCertificate(t, "one", nil), newCertificate(t, "other", nil)
	file := func(text []byte) string { return write(t, "file", string(text)) }
	cert, key := file(one.pem), file(one.key)
	const (
		noCert = "it contains no certificate in PEM form (-----BEGIN CERTIFICATE-----)"
		noKey  = "it contains no private key in PEM form (-----BEGIN PRIVATE KEY-----)"
		locked = "the key is encrypted; write it without a passphrase (openssl pkey -in FILE -out FILE)"
		alien  = "it is not the key of the first certificate in REDIS_TLS_CERT"
		off    = "TLS is off; set REDIS_TLS=true, or write rediss:// in REDIS_URL, or remove "
		socket = "REDIS_URL is a Unix socket, which has no TLS"
	)
	tls := []string{"REDIS_URL=rediss://a"}
	for _, test := range []struct {
		env  []string
		want map[string]string // setting → how its problem ends
	}{
		{append(tls, "REDIS_TLS_CA="+cert, "REDIS_TLS_CERT="+cert, "REDIS_TLS_KEY="+key, "REDIS_TLS_SERVER_NAME=redis.internal"), nil},
		{append(tls, "REDIS_TLS_CA="+file(append(other.pem, one.pem...))), nil},
		{append(tls, "REDIS_TLS_CA="+file([]byte("Bag Attributes\n"+string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: []byte("odd")}))+string(one.pem)))), nil},
		{append(tls, "REDIS_TLS_CERT="+file(append(one.pem, one.key...)), "REDIS_TLS_KEY="+file(append(one.pem, one.key...))), nil},
		{append(tls, "REDIS_TLS_CA=/etc/none"), map[string]string{"REDIS_TLS_CA": "no such file or directory"}},
		{append(tls, "REDIS_TLS_CA=ca.pem"), map[string]string{"REDIS_TLS_CA": "it does not begin with /"}},
		{append(tls, "REDIS_TLS_CA="+string(one.pem)), map[string]string{"REDIS_TLS_CA": "this is what the file should contain, not its path"}},
		{append(tls, "REDIS_TLS_CA="+file(nil)), map[string]string{"REDIS_TLS_CA": noCert}},
		{append(tls, "REDIS_TLS_CA="+file(one.der)), map[string]string{"REDIS_TLS_CA": noCert}},
		{append(tls, "REDIS_TLS_CA="+key), map[string]string{"REDIS_TLS_CA": noCert}},
		{append(tls, "REDIS_TLS_CA="+file(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: one.der[:99]}))), map[string]string{"REDIS_TLS_CA": "its certificate can't be read: x509: malformed certificate"}},
		{append(tls, "REDIS_TLS_CERT="+cert), map[string]string{"REDIS_TLS_KEY": "REDIS_TLS_CERT is set, and a client certificate needs both"}},
		{append(tls, "REDIS_TLS_KEY="+key), map[string]string{"REDIS_TLS_CERT": "REDIS_TLS_KEY is set, and a client certificate needs both"}},
		{append(tls, "REDIS_TLS_CERT="+key, "REDIS_TLS_KEY="+cert), map[string]string{"REDIS_TLS_CERT": noCert, "REDIS_TLS_KEY": "it contains a certificate, but no private key"}},
		{append(tls, "REDIS_TLS_CERT="+cert, "REDIS_TLS_KEY="+file(other.key)), map[string]string{"REDIS_TLS_KEY": alien}},
		{append(tls, "REDIS_TLS_CERT="+cert, "REDIS_TLS_KEY="+file([]byte("hush"))), map[string]string{"REDIS_TLS_KEY": noKey}},
		{append(tls, "REDIS_TLS_CERT="+cert, "REDIS_TLS_KEY="+file(pem.EncodeToMemory(&pem.Block{Type: "ENCRYPTED PRIVATE KEY"}))), map[string]string{"REDIS_TLS_KEY": locked}},
		{append(tls, "REDIS_TLS_CERT="+cert, "REDIS_TLS_KEY="+file(pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Headers: map[string]string{"Proc-Type": "4,ENCRYPTED"}}))), map[string]string{"REDIS_TLS_KEY": locked}},
		{append(tls, "REDIS_TLS_SERVER_NAME=redis:6379"), map[string]string{"REDIS_TLS_SERVER_NAME": "in the certificate of Redis"}},
		{[]string{"REDIS_HOST=a", "REDIS_TLS_CA=" + cert}, map[string]string{"REDIS_TLS_CA": off + "REDIS_TLS_CA"}},
		{
			[]string{"REDIS_URL=redis://a", "REDIS_TLS_CERT=" + cert, "REDIS_TLS_KEY=/etc/none", "REDIS_TLS_SERVER_NAME=b"},
			map[string]string{"REDIS_TLS_CERT": off + "REDIS_TLS_CERT", "REDIS_TLS_KEY": off + "REDIS_TLS_KEY", "REDIS_TLS_SERVER_NAME": off + "REDIS_TLS_SERVER_NAME"},
		},
		{[]string{"REDIS_URL=unix:///a", "REDIS_TLS_CA=" + cert}, map[string]string{"REDIS_TLS_CA": socket}},
		{[]string{"REDIS_URL=unix:///a", "REDIS_TLS=true"}, map[string]string{"REDIS_TLS": socket}},
		{[]string{"REDIS_URL=rediss://a:b", "REDIS_TLS_CA=" + cert}, map[string]string{"REDIS_URL": "unix:///path?db=0"}},
		{[]string{"REDIS_HOST=a", "REDIS_TLS=maybe", "REDIS_TLS_CA=/etc/none"}, map[string]string{"REDIS_TLS": "true or false", "REDIS_TLS_CA": "no such file or directory"}},
		{[]string{"REDIS_TLS_CA=" + cert}, map[string]string{"REDIS_HOST": "REDIS_TLS_CA is set, but no Redis is specified (the original uses 127.0.0.1)", "REDIS_TLS_CA": off + "REDIS_TLS_CA"}},
	} {
		c, err := Load("", append(slices.Clone(test.env), "JWT_SECRET="+strong))
		problems := strings.Split(fmt.Sprint(err), "\n")
		if err == nil {
			problems = nil
			if len(c.Warnings) > 0 {
				t.Errorf("%q: warnings %q", test.env, c.Warnings)
			}
		}
		if len(problems) != len(test.want) {
			t.Errorf("%q: %v\nwant %q", test.env, err, test.want)
		}
		for name, end := range test.want {
			if !slices.ContainsFunc(problems, func(p string) bool { return strings.HasPrefix(p, name+" is ") && strings.HasSuffix(p, end) }) {
				t.Errorf("%q: %v\nwant %s … %s", test.env, err, name, end)
			}
		}
	}
}

// TestTLSFilesAreReadAgain: renewed certificates are used, and a file that no longer exists is an error.
func TestTLSFilesAreReadAgain(t *testing.T) {
	t.Parallel()
	before, after := newCertificate(t, "before", nil), newCertificate(t, "after", nil)
	cert, key := write(t, "cert", string(before.pem)), write(t, "key", string(before.key))
	c, err := Load("", []string{"REDIS_URL=rediss://a", "REDIS_TLS_CA=" + cert, "REDIS_TLS_CERT=" + cert, "REDIS_TLS_KEY=" + key, "JWT_SECRET=" + strong})
	if err != nil {
		t.Fatal(err)
	}
	for file, text := range map[string][]byte{cert: after.pem, key: after.key} {
		if err := os.WriteFile(file, text, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	config, err := c.Redis.TLSConfig()
	if err != nil {
		t.Fatal(err)
	}
	sent, err := config.GetClientCertificate(nil)
	if err != nil || !slices.Equal(sent.Certificate[0], after.der) {
		t.Errorf("the old certificate is sent, %v", err)
	}
	leaf, _ := x509.ParseCertificate(after.der)
	if _, err := leaf.Verify(x509.VerifyOptions{Roots: config.RootCAs, DNSName: "after"}); err != nil {
		t.Errorf("the new CA is not known: %v", err)
	}
	if err := os.Remove(key); err != nil {
		t.Fatal(err)
	}
	if _, err := c.Redis.TLSConfig(); fmt.Sprint(err) != "REDIS_TLS_KEY: no such file or directory" {
		t.Errorf("without the key: %v", err)
	}
}

// TestExpiredCertificates: expired certificates are warnings, because they may be renewed while the service runs.
func TestExpiredCertificates(t *testing.T) {
	t.Parallel()
	good := newCertificate(t, "good", nil)
	old := newCertificate(t, "old", func(c *x509.Certificate) {
		c.NotAfter = time.Date(2020, 1, 2, 3, 4, 5, 0, time.UTC)
		c.NotBefore = c.NotAfter.AddDate(-1, 0, 0)
	})
	early := newCertificate(t, "early", func(c *x509.Certificate) { c.NotBefore = time.Now().Add(time.Minute) })
	key := write(t, "key", string(old.key))
	for _, test := range []struct {
		env  []string
		want string
	}{
		{[]string{"REDIS_TLS_CA=" + write(t, "ca", string(old.pem))}, "REDIS_TLS_CA has no certificate that is valid now (2019-01-02T03:04:05Z to 2020-01-02T03:04:05Z): renew it, which needs no restart, or correct this machine's clock"},
		{[]string{"REDIS_TLS_CA=" + write(t, "ca", string(old.pem)+string(good.pem))}, ""},
		{[]string{"REDIS_TLS_CA=" + write(t, "ca", string(early.pem))}, "REDIS_TLS_CA has no certificate that is valid now"},
		{[]string{"REDIS_TLS_KEY=" + key, "REDIS_TLS_CERT=" + write(t, "cert", string(old.pem)+string(good.pem))}, "REDIS_TLS_CERT has no certificate that is valid now (2019"},
	} {
		c, err := Load("", append(test.env, "REDIS_URL=rediss://a", "JWT_SECRET="+strong))
		if err != nil || !strings.HasPrefix(strings.Join(c.Warnings, "\n"), test.want) || len(c.Warnings) > 0 != (test.want != "") {
			t.Errorf("%q: %+v, %v", test.env, c, err)
		}
	}
}
