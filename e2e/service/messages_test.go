package service

import (
	"net"
	"strconv"
	"strings"
	"testing"

	"gin-auth/e2e/internal/harness"
)

// TestStartupMessages checks what the service logs at startup about variables of another application, at every log
// level.
func TestStartupMessages(t *testing.T) {
	t.Parallel()
	s := harness.StartService(t, "LOG_LEVEL=silent", "NODE_ENV=staging", "REDIS_URI=redis://:hush@cache", "JWT_KEY=hush")
	for _, text := range []string{
		`NODE_ENV is \"staging\": only production, spelled exactly so`,
		`LOG_LEVEL is \"silent\", which is read as error`,
		"JWT_KEY is set: if it is the secret that signs the tokens, set JWT_SECRET to the same value",
		`hint="REDIS_URI is set: if it is the URL of Redis, set REDIS_URL to the same value"`,
	} {
		s.WaitFor(t, text)
	}
	if strings.Contains(s.Output(), "hush") {
		t.Errorf("the output contains a secret: %s", s.Output())
	}
}

// TestConnectionAdvice checks that the log and gin-auth check say why Redis cannot be used and what to try.
func TestConnectionAdvice(t *testing.T) {
	t.Parallel()
	cert, key := certificate(t)
	tlsPort := strconv.Itoa(harness.FreePort(t))
	harness.StartRedis(t, "--tls-port", tlsPort, "--tls-cert-file", cert, "--tls-key-file", key,
		"--tls-ca-cert-file", cert, "--tls-auth-clients", "no")
	plain := harness.StartRedis(t)
	full := harness.StartRedis(t, "--maxclients", "3")
	for range 3 {
		conn, err := net.Dial("tcp", full.Addr())
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = conn.Close() })
	}
	silent, err := net.Listen("tcp", "127.0.0.1:0") // accepts connections and never replies
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = silent.Close() })
	nobody := strconv.Itoa(harness.FreePort(t))

	for name, test := range map[string]struct {
		env    []string
		advice string
	}{
		"too many clients": {full.Env(), "max number of clients reached: raise maxclients in Redis"},
		"plain text to a TLS port": {
			[]string{"REDIS_HOST=127.0.0.1", "REDIS_PORT=" + tlsPort},
			"if this port speaks TLS, set REDIS_TLS=true",
		},
		"TLS to a plain port": {
			append(plain.Env(), "REDIS_TLS=true"),
			"if this port does not speak TLS, set REDIS_TLS=false, or redis:// in REDIS_URL",
		},
		"nobody there, in production": {
			[]string{"REDIS_HOST=127.0.0.1", "REDIS_PORT=" + nobody}, "connection refused: is Redis running there?",
		},
		"nobody there, in development": {
			[]string{"REDIS_HOST=127.0.0.1", "REDIS_PORT=" + nobody, "NODE_ENV="},
			"connection refused: start Redis, or remove REDIS_HOST to use the embedded one",
		},
		"something that says nothing": {
			[]string{"REDIS_URL=redis://" + silent.Addr().String()},
			"it accepts connections but does not answer: does it hang, or is this not a Redis",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := harness.StartService(t, production(test.env...)...)
			s.WaitFor(t, test.advice)
			// gin-auth check waits at most REDIS_TIMEOUT for a reply, and up to two seconds for a connection.
			check := harness.Start(t, t.TempDir(), production(append(test.env, "REDIS_TIMEOUT=3s")...), harness.Binary(t), "check")
			if status := check.Exit(t); status != 1 || !strings.Contains(check.Output(), test.advice) {
				t.Errorf("check: exit status %d, want 1 and the advice:\n%s", status, check.Output())
			}
		})
	}
}
