package secrets

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"gin-auth/e2e/internal/harness"
)

// TestSecretFiles reads each secret from a file, as Docker and Kubernetes mount them.
func TestSecretFiles(t *testing.T) {
	t.Parallel()
	redis := harness.StartRedis(t, "--appendonly", "yes", "--requirepass", password)
	asURL := file(t, "url", "redis://:"+strings.ReplaceAll(password, " ", "%20")+"@"+redis.Addr()+"\r\n")
	asPassword := file(t, "password", password+"\n")
	env := production(t, "REDIS_URL_FILE="+asURL)
	works(t, env)
	works(t, production(t, append(redis.Env(), "REDIS_DB=1", "REDIS_PASSWORD_FILE="+asPassword)...))
	said := check(t, env, 0, "REDIS_URL                 (secret, ", " bytes in "+asURL+")\n")
	if want := fmt.Sprintf("JWT_SECRET                (secret, %d bytes in /", len(secret)); !strings.Contains(said, want) {
		t.Errorf("check printed\n%s\nwant %s", said, want)
	}

	// One run reports every mistake. The path /hush is not printed, because it may be the secret itself.
	missing := filepath.Join(t.TempDir(), "missing")
	refuses(t, production(t, append(redis.Env(), "JWT_SECRET="+secret, "REDIS_PASSWORD_FILE="+missing, "JWT_SECRET_PREVIOUS_FILE=/hush")...),
		"JWT_SECRET and JWT_SECRET_FILE are both set; keep one of them\n"+
			"JWT_SECRET_PREVIOUS_FILE is set (5 bytes, not shown because it may contain a password); "+
			"it should be the absolute path of a file with the value of JWT_SECRET_PREVIOUS: no such file or directory\n"+
			`REDIS_PASSWORD_FILE is "`+missing+`"; it should be the absolute path of a file with the value of REDIS_PASSWORD: no such file or directory`)
}

// TestDotenv names secret files in .env, and sets variables there that have an effect only in the environment.
func TestDotenv(t *testing.T) {
	t.Parallel()
	a := newAuthority(t)
	dir := t.TempDir()
	dotenv := "NODE_ENV=production\nREDIS_URL=rediss://127.0.0.1:1\nREDIS_TLS_CA=" + a.file + "\nJWT_SECRET_FILE=" + file(t, "jwt", secret) +
		"\nSSL_CERT_FILE=" + a.file + "\nREDIS_HOST_FILE=/run/secrets/host\n"
	if err := os.WriteFile(filepath.Join(dir, ".env"), []byte(dotenv), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, args := range [][]string{{"check"}, nil} {
		p := harness.Start(t, dir, []string{"PORT=0"}, harness.Binary(t), args...)
		p.WaitFor(t, "SSL_CERT_FILE has no effect in .env: set REDIS_TLS_CA to the file with the CA of Redis")
		p.WaitFor(t, "REDIS_HOST_FILE has no effect: only secrets are read from files; set REDIS_HOST")
		p.WaitFor(t, "connection refused: is Redis running there?")
	}
}
