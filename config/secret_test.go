package config

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"math/big"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

var line64 = regexp.MustCompile(".{1,64}")

// TestKeyAsSecret checks keys and certificates in the forms that people use in the environment and in .env files. The
// service starts with none of them, whatever NODE_ENV is.
func TestKeyAsSecret(t *testing.T) {
	t.Parallel()
	for kind, block := range keys(t) {
		text := string(pem.EncodeToMemory(block))
		oneLine := strings.ReplaceAll(strings.TrimSpace(text), "\n", `\n`)
		forms := map[string]string{
			"as it is":               text,
			"CRLF":                   strings.ReplaceAll(text, "\n", "\r\n"),
			`with \n for the breaks`: oneLine,
			"in quotes":              `"` + oneLine + `"`,
			"with spaces":            strings.ReplaceAll(text, "\n", " "),
			"in one run":             strings.ReplaceAll(text, "\n", ""),
			"indented":               "  " + strings.ReplaceAll(text, "\n", "\n  "),
			"after other text":       "Bag Attributes\n" + text,
			"a BOM":                  "\ufeff" + text,
			"the first line":         strings.SplitAfter(text, "\n")[0],
			"the first word":         strings.Fields(text)[0],
			"base64":                 base64.StdEncoding.EncodeToString([]byte(text)),
			"base64 of one line":     base64.StdEncoding.EncodeToString([]byte(oneLine)),
			"base64, indented":       " " + base64.StdEncoding.EncodeToString([]byte("\n "+text)) + "\n",
			"base64 in lines":        line64.ReplaceAllString(base64.StdEncoding.EncodeToString([]byte(text)), "$0\n"),
			"base64url":              base64.RawURLEncoding.EncodeToString([]byte(text)),
			"base64 in quotes":       `'` + base64.StdEncoding.EncodeToString([]byte(text)) + `'`,
		}
		if !strings.Contains(kind, "private") { // the bytes of a private key are not public
			forms["without its lines"] = base64.StdEncoding.EncodeToString(block.Bytes)
			forms["without its lines, URL"] = base64.RawURLEncoding.EncodeToString(block.Bytes)
		}
		for form, secret := range forms {
			for _, env := range []string{"", "development", "test", "production"} {
				for _, name := range []string{"JWT_SECRET", "JWT_SECRET_PREVIOUS"} {
					_, err := Load("", []string{"NODE_ENV=" + env, "REDIS_HOST=redis", "JWT_SECRET=" + strong, name + "=" + secret})
					wantKeyRefused(t, kind+", "+form, name, block, err)
				}
			}
		}
		path := filepath.Join(t.TempDir(), ".env")
		for _, value := range []string{"'" + text + "'", `"` + text + `"`, "'" + oneLine + "'", oneLine} {
			if err := os.WriteFile(path, []byte("JWT_SECRET="+value+"\n"), 0o600); err != nil {
				t.Fatal(err)
			}
			_, err := Load(path, nil)
			wantKeyRefused(t, kind+" in a .env file", "JWT_SECRET", block, err)
		}
	}
}

func wantKeyRefused(t *testing.T, what, name string, block *pem.Block, err error) {
	t.Helper()
	var wrong *Error
	if !errors.As(err, &wrong) {
		t.Errorf("%s: %v", what, err)
		return
	}
	message := wrong.Problems[0]
	if len(wrong.Problems) != 1 || !strings.HasPrefix(message, name+" is set (") ||
		!strings.Contains(message, "anyone who has its public key could sign tokens") {
		t.Errorf("%s: %v", what, err)
	}
	if strings.Contains(message, base64.StdEncoding.EncodeToString(block.Bytes)[:16]) {
		t.Errorf("%s: the key is in %v", what, err)
	}
}

// keys returns a block of each kind.
func keys(t *testing.T) map[string]*pem.Block {
	t.Helper()
	must := func(der []byte, err error) []byte {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return der
	}
	public, private, err := ed25519.GenerateKey(nil)
	if err != nil {
		t.Fatal(err)
	}
	curve, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	modulus := &rsa.PublicKey{N: new(big.Int).SetBytes(bytes.Repeat([]byte{0xed}, 256)), E: 65537}
	template := &x509.Certificate{SerialNumber: big.NewInt(1)}
	certificate := must(x509.CreateCertificate(rand.Reader, template, template, public, private))
	return map[string]*pem.Block{
		"RSA":            {Type: "PUBLIC KEY", Bytes: must(x509.MarshalPKIXPublicKey(modulus))},
		"RSA, PKCS #1":   {Type: "RSA PUBLIC KEY", Bytes: x509.MarshalPKCS1PublicKey(modulus)},
		"ECDSA":          {Type: "PUBLIC KEY", Bytes: must(x509.MarshalPKIXPublicKey(&curve.PublicKey))},
		"Ed25519":        {Type: "PUBLIC KEY", Bytes: must(x509.MarshalPKIXPublicKey(public))},
		"a certificate":  {Type: "CERTIFICATE", Bytes: certificate},
		"a private key":  {Type: "PRIVATE KEY", Bytes: must(x509.MarshalPKCS8PrivateKey(private))},
		"an EC private":  {Type: "EC PRIVATE KEY", Bytes: must(x509.MarshalECPrivateKey(curve))},
		"SSH's, private": {Type: "OPENSSH PRIVATE KEY", Bytes: bytes.Repeat([]byte("openssh-key-v1"), 9)},
	}
}

func TestSecretsThatAreNoKeys(t *testing.T) {
	t.Parallel()
	random := make([]byte, 48)
	rand.Read(random)
	for _, secret := range []string{
		strong, hex.EncodeToString(random), "6b054b00-1c2f-4c52-910a-fd9100000000",
		base64.StdEncoding.EncodeToString(random), base64.RawURLEncoding.EncodeToString(random),
		"the story BEGINs with --- and is long enough", `{"kid":"a secret of more than 32 bytes"}`,
		"MII" + base64.StdEncoding.EncodeToString(random), "-----a secret of more than 32 bytes-----",
	} {
		c, err := Load("", []string{"NODE_ENV=production", "REDIS_HOST=redis", "JWT_SECRET=" + secret})
		if err != nil || len(c.Warnings) > 0 {
			t.Errorf("%q: %v", secret, err)
		}
	}
}

// TestSpaceAroundSecrets checks the warnings about secrets that Node may read differently.
func TestSpaceAroundSecrets(t *testing.T) {
	t.Parallel()
	const rest = " begins or ends with a space or a line break, which another service or a secret manager may drop: " +
		"write it without, or make sure that all have the same bytes"
	for _, secret := range []string{
		strong + "\n", strong + "\r\n", strong + " ", " " + strong, "\t" + strong, strong + "\u00a0", "\ufeff" + strong,
	} {
		environ, want := []string{"REDIS_HOST=redis"}, []string{}
		for _, name := range []string{"JWT_SECRET", "JWT_SECRET_PREVIOUS", "REDIS_PASSWORD"} {
			environ, want = append(environ, name+"="+secret), append(want, name+rest)
		}
		c, err := Load("", environ)
		if err != nil {
			t.Errorf("%q: %v", secret, err)
			continue
		}
		if !slices.Equal(c.Warnings, want) {
			t.Errorf("%q: warnings %q", secret, c.Warnings)
		}
	}
}
