package parity

import (
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"gin-auth/e2e/internal/harness"
)

// startCase is an environment in which a process is started.
type startCase struct {
	name     string
	env      []string
	diverges string
}

const startAbout = "with which environments the process starts"

var (
	production = []string{"NODE_ENV=production", "REDIS_HOST=127.0.0.1", "REDIS_PORT=" + nowhere}
	goodSecret = "JWT_SECRET=" + secret
	publicKey  = "-----BEGIN PUBLIC KEY-----\nMCowBQYDK2VwAyEAGb9ECWmEzf6FQbrBZ9w7lshQhqowtrbLDFw4rXAxZuE=\n-----END PUBLIC KEY-----\n"
)

var startCases = []startCase{
	{"Redis is not there", plus(production, goodSecret), ""},
	{"not production", plus(production, goodSecret, "NODE_ENV=development"), ""},
	{"no JWT_SECRET", plus(production), "no-secret"},
	{"empty JWT_SECRET", plus(production, "JWT_SECRET="), "no-secret"},
	{"no JWT_SECRET, not production", plus(production, "NODE_ENV="), "no-secret"},
	{"JWT_SECRET of 32 bytes", plus(production, "JWT_SECRET="+secret[:32]), ""},
	{"JWT_SECRET of 31 bytes", plus(production, "JWT_SECRET="+secret[:31]), "weak-secret"},
	{"JWT_SECRET of a character", plus(production, "JWT_SECRET=x"), "weak-secret"},
	{"JWT_SECRET of a character, allowed", plus(production, "JWT_SECRET=x", "JWT_ALLOW_WEAK_SECRET=true"), ""},
	{"JWT_SECRET of a character, not production", plus(production, "JWT_SECRET=x", "NODE_ENV=development"), ""},
	{"JWT_SECRET of umlauts", plus(production, "JWT_SECRET="+oddSecret), ""},
	{"JWT_SECRET a public key", plus(production, "JWT_SECRET="+publicKey), "key-as-secret"},
	{"JWT_SECRET a public key, not production", plus(production, "JWT_SECRET="+publicKey, "NODE_ENV="), "key-as-secret"},
	{"no REDIS_HOST", []string{"NODE_ENV=production", goodSecret}, "no-redis"},
	{"superfluous variables", plus(production, goodSecret, "COOKIE_SECRET=x", "MONGO_URI=mongodb://x/y"), ""},
}

func plus(env []string, more ...string) []string { return append(env[:len(env):len(env)], more...) }

// TestStart starts both sides in every environment.
func TestStart(t *testing.T) {
	t.Parallel()
	needPrograms(t)
	server := filepath.Join(harness.Root(), "e2e", "parity", "express", "server.js")
	for _, c := range startCases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			o := outcome{ready: ready{testCase: testCase{name: c.name, diverges: c.diverges}}}
			o.original.start = startsHow(t, c.env, harness.Node(t), server)
			o.ours.start = startsHow(t, c.env, harness.Binary(t))
			judge(t, "4", o)
		})
	}
}

// startsHow starts a program and returns whether it listens or exits by itself.
func startsHow(t *testing.T, env []string, program string, args ...string) string {
	t.Helper()
	p := harness.Start(t, t.TempDir(), plus(env, "HOST=127.0.0.1", "PORT=0"), program, args...)
	for deadline := time.Now().Add(20 * time.Second); time.Now().Before(deadline); time.Sleep(5 * time.Millisecond) {
		if strings.Contains(p.Output(), "listening") {
			return "listens"
		}
		if p.Process.Signal(syscall.Signal(0)) != nil {
			if p.Exit(t) == 1 {
				return "exits 1: " + p.Output()
			}
			break
		}
	}
	t.Fatalf("%s neither listens nor exits with 1; it printed:\n%s", program, p.Output())
	return ""
}
