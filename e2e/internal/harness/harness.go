// Package harness starts the programs that the tests in e2e need: the built service, Redis and Node programs. Each
// listens on a free loopback port and ends with its test.
package harness

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"sync"
	"testing"
	"time"
)

// Root is the directory of the repository.
func Root() string {
	_, file, _, _ := runtime.Caller(0)
	return filepath.Join(filepath.Dir(file), "..", "..", "..")
}

// ReadSource returns the contents of a file of the repository.
func ReadSource(t testing.TB, name string) string {
	t.Helper()
	return ReadFile(t, filepath.Join(Root(), name))
}

// ReadFile returns the contents of a file.
func ReadFile(t testing.TB, path string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// Need returns the path of a program. If it is missing, the test is skipped, or fails with E2E=all.
func Need(t testing.TB, program string) string {
	t.Helper()
	path, err := exec.LookPath(program)
	if err != nil {
		missing(t, program+" is not installed")
	}
	return path
}

// Node returns the path of node, with the packages of e2e/package.json installed beside it.
func Node(t testing.TB) string {
	t.Helper()
	node := Need(t, "node")
	if _, err := os.Stat(filepath.Join(Root(), "e2e", "node_modules")); err != nil {
		missing(t, "the npm packages are not installed: run npm ci in e2e")
	}
	return node
}

func missing(t testing.TB, what string) {
	t.Helper()
	if os.Getenv("E2E") == "all" {
		t.Fatalf("%s, but E2E=all requires it", what)
	}
	t.Skipf("%s", what)
}

// built is the directory of the built service. It is built once for all tests of a package.
var built struct {
	once sync.Once
	dir  string
	err  error
}

// Binary returns the path of the built service.
func Binary(t testing.TB) string {
	t.Helper()
	built.once.Do(func() {
		if built.dir, built.err = os.MkdirTemp("", "gin-auth-e2e-"); built.err != nil {
			return
		}
		command := exec.Command("go", "build", "-o", built.dir, ".")
		command.Dir = Root()
		if out, err := command.CombinedOutput(); err != nil {
			built.err = fmt.Errorf("go build: %w\n%s", err, out)
		}
	})
	if built.err != nil {
		t.Fatal(built.err)
	}
	return filepath.Join(built.dir, "gin-auth")
}

// Main runs a package's tests and removes the files of Binary. Every TestMain must call it.
func Main(m *testing.M) {
	status := m.Run()
	for _, dir := range []string{built.dir, shifted.dir} {
		if dir != "" {
			_ = os.RemoveAll(dir)
		}
	}
	os.Exit(status)
}

// Eventually calls try until it returns nil, for at most 20 seconds.
func Eventually(t testing.TB, what string, try func() error) {
	t.Helper()
	var err error
	for deadline := time.Now().Add(20 * time.Second); time.Now().Before(deadline); time.Sleep(10 * time.Millisecond) {
		if err = try(); err == nil {
			return
		}
	}
	t.Fatalf("waited too long for this: %s; the last result: %v", what, err)
}

// Each calls do concurrently for every number below n, and waits.
func Each(n int, do func(i int)) {
	var all sync.WaitGroup
	for i := range n {
		all.Go(func() { do(i) })
	}
	all.Wait()
}
