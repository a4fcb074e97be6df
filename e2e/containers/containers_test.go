// Package containers checks deploy/Dockerfile and deploy/compose.yaml, and runs the parts of them that need no
// Docker: the build's command, the binary in an empty root, Redis's command line, the script that creates the
// secrets and the certificate, and the service with them.
package containers

import (
	"debug/elf"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"gin-auth/e2e/internal/harness"
)

func TestMain(m *testing.M) { harness.Main(m) }

// dockerfile has the instructions of a Dockerfile for each stage, one string per instruction.
type dockerfile [][]string

func readDockerfile(t *testing.T) dockerfile {
	t.Helper()
	var d dockerfile
	text := strings.ReplaceAll(harness.ReadSource(t, "deploy/Dockerfile"), "\\\n", " ")
	for line := range strings.Lines(text) {
		line = strings.TrimSpace(line)
		switch {
		case line == "" || strings.HasPrefix(line, "#"):
		case strings.HasPrefix(line, "FROM "):
			d = append(d, []string{line})
		case len(d) == 0:
			t.Fatalf("the Dockerfile has an instruction before the first FROM: %s", line)
		default:
			d[len(d)-1] = append(d[len(d)-1], line)
		}
	}
	if len(d) != 2 {
		t.Fatalf("the Dockerfile has %d stages, want 2", len(d))
	}
	return d
}

// instruction returns the only instruction of a stage that begins with begins, without that prefix.
func (d dockerfile) instruction(t *testing.T, stage int, begins string) string {
	t.Helper()
	var found []string
	for _, line := range d[stage] {
		if rest, ok := strings.CutPrefix(line, begins); ok {
			found = append(found, rest)
		}
	}
	if len(found) != 1 {
		t.Fatalf("stage %d: %d instructions begin with %q, want one", stage, len(found), begins)
	}
	return found[0]
}

func TestDockerfile(t *testing.T) {
	t.Parallel()
	d := readDockerfile(t)
	goVersion := regexp.MustCompile(`(?m)^go (\d+\.\d+)`).FindStringSubmatch(harness.ReadSource(t, "go.mod"))[1]
	for _, want := range []struct {
		stage         int
		begins, value string
	}{
		{0, "FROM ", "golang:" + goVersion + "-bookworm AS build"},
		{1, "FROM ", "scratch"},
		{1, "COPY --from=build /etc/ssl/certs/ca-certificates.crt ", "/etc/ssl/certs/ca-certificates.crt"},
		{1, "COPY --from=build /gin-auth ", "/gin-auth"},
		{1, "ENV ", "NODE_ENV=production"},
		{1, "USER ", "65532:65532"},
		{1, "ENTRYPOINT ", `["/gin-auth"]`},
		{1, "EXPOSE ", "3000"},
	} {
		if got := d.instruction(t, want.stage, want.begins); got != want.value {
			t.Errorf("%s%s, want %s", want.begins, got, want.value)
		}
	}
	if got := d.instruction(t, 1, "HEALTHCHECK "); !strings.HasSuffix(got, ` CMD ["/gin-auth", "healthcheck"]`) {
		t.Errorf("HEALTHCHECK %s", got)
	}
	ignored := strings.Split(harness.ReadSource(t, ".dockerignore"), "\n")
	for _, secret := range []string{"/.env", "**/node_modules"} {
		if !slices.Contains(ignored, secret) {
			t.Errorf(".dockerignore has no %s", secret)
		}
	}
	for _, pattern := range ignored {
		if strings.Contains(pattern, ".git") {
			t.Errorf(".dockerignore has %s, but the build reads the version from there", pattern)
		}
	}
}

// TestEmptyRoot builds the binary with the Dockerfile's command and runs it in an empty root directory as nobody.
func TestEmptyRoot(t *testing.T) {
	t.Parallel()
	if os.Getuid() != 0 {
		t.Skip("this test needs root, because it runs the binary in an empty root directory")
	}
	chroot := harness.Need(t, "chroot")
	redis := harness.StartRedis(t) // first, because the build takes minutes: no other test builds with these flags
	build := readDockerfile(t).instruction(t, 0, "RUN CGO_ENABLED=0 go build ")
	root := t.TempDir()
	binary := filepath.Join(root, "gin-auth")
	if !strings.Contains(build, " -o /gin-auth ") {
		t.Fatalf("the Dockerfile does not build the expected file: %s", build)
	}
	command := exec.Command("sh", "-c", "CGO_ENABLED=0 go build "+strings.Replace(build, "/gin-auth", binary, 1))
	command.Dir = harness.Root()
	if out, err := command.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	file, err := elf.Open(binary)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	for _, segment := range file.Progs {
		if segment.Type == elf.PT_INTERP || segment.Type == elf.PT_DYNAMIC {
			t.Errorf("the binary is not static: it has a segment %s", segment.Type)
		}
	}
	for _, name := range []string{".symtab", ".debug_info", ".zdebug_info"} {
		if file.Section(name) != nil {
			t.Errorf("the binary has the section %s, which is not needed", name)
		}
	}
	if strings.Contains(harness.ReadFile(t, binary), harness.Root()) {
		t.Error("the binary contains paths of the machine that built it")
	}
	port := strconv.Itoa(harness.FreePort(t))
	env := append(redis.Env(), "NODE_ENV=production", "JWT_SECRET=a secret of more than thirty-two bytes", "SHUTDOWN_DELAY=0s", "PORT="+port)
	run := func(args ...string) *harness.Process {
		return harness.Start(t, "/", env, chroot, append([]string{"--userspec=65532:65532", root, "/gin-auth"}, args...)...)
	}
	if status := run("healthcheck").Exit(t); status != 1 {
		t.Errorf("the health check of a stopped service: exit status %d, want another than 0", status)
	}
	s := run()
	s.WaitFor(t, "listening")
	if p := run("healthcheck"); p.Exit(t) != 0 {
		t.Errorf("the health check of the running service failed: %s", p.Output())
	}
	for path, want := range map[string]int{"/healthz": 200, "/readyz": 200, "/api/auth/me": 401} {
		response, err := http.Get("http://127.0.0.1:" + port + path)
		if err != nil {
			t.Fatal(err)
		}
		_ = response.Body.Close()
		if response.StatusCode != want {
			t.Errorf("%s: %s", path, response.Status)
		}
	}
	if status := s.Stop(t); status != 0 {
		t.Errorf("SIGTERM: exit status %d, want 0", status)
	}
}
