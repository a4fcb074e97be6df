// Package containers holds deploy/Dockerfile and deploy/compose.yaml against what they are for, and runs what of
// them runs without Docker: the build's command, the binary in an empty root, Redis's command line and the
// script that makes secret and certificate.
package containers

import (
	"crypto/tls"
	"debug/elf"
	"maps"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/goccy/go-yaml"

	"gin-auth/e2e/internal/harness"
)

func TestMain(m *testing.M) { harness.Main(m) }

// dockerfile is the instructions of a Dockerfile, one text each, stage by stage.
type dockerfile [][]string

func readDockerfile(t *testing.T) dockerfile {
	t.Helper()
	var d dockerfile
	text := strings.ReplaceAll(read(t, "deploy/Dockerfile"), "\\\n", " ")
	for line := range strings.Lines(text) {
		line = strings.TrimSpace(line)
		switch {
		case line == "" || strings.HasPrefix(line, "#"):
		case strings.HasPrefix(line, "FROM "):
			d = append(d, []string{line})
		case len(d) == 0:
			t.Fatalf("before any FROM: %s", line)
		default:
			d[len(d)-1] = append(d[len(d)-1], line)
		}
	}
	if len(d) != 2 {
		t.Fatalf("%d stages, want 2", len(d))
	}
	return d
}

// instruction returns the one instruction of a stage that begins so, without that.
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
	goVersion := regexp.MustCompile(`(?m)^go (\d+\.\d+)`).FindStringSubmatch(read(t, "go.mod"))[1]
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
	ignored := strings.Split(read(t, ".dockerignore"), "\n")
	for _, secret := range []string{"/.env", "**/node_modules"} {
		if !slices.Contains(ignored, secret) {
			t.Errorf(".dockerignore has no %s", secret)
		}
	}
	for _, pattern := range ignored {
		if strings.Contains(pattern, ".git") {
			t.Errorf(".dockerignore has %s: the version comes from there", pattern)
		}
	}
}

// TestEmptyRoot builds as the Dockerfile does and runs what comes out with nothing but itself, as nobody.
func TestEmptyRoot(t *testing.T) {
	t.Parallel()
	if os.Getuid() != 0 {
		t.Skip("an empty root takes the rights of root")
	}
	chroot := harness.Need(t, "chroot")
	redis := harness.StartRedis(t) // first: building takes minutes, because no other test builds with these flags
	build := readDockerfile(t).instruction(t, 0, "RUN CGO_ENABLED=0 go build ")
	root := t.TempDir()
	binary := filepath.Join(root, "gin-auth")
	if !strings.Contains(build, " -o /gin-auth ") {
		t.Fatalf("builds another file: %s", build)
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
			t.Errorf("it is not static: it has a segment %s", segment.Type)
		}
	}
	for _, name := range []string{".symtab", ".debug_info", ".zdebug_info"} {
		if file.Section(name) != nil {
			t.Errorf("it has a section %s, which nothing reads", name)
		}
	}
	if strings.Contains(readFile(t, binary), harness.Root()) {
		t.Error("it has the paths of the machine that built it")
	}
	port := strconv.Itoa(harness.FreePort(t))
	env := append(redis.Env(), "NODE_ENV=production", "JWT_SECRET=a secret of more than thirty-two bytes", "SHUTDOWN_DELAY=0s", "PORT="+port)
	run := func(args ...string) *harness.Process {
		return harness.Start(t, "/", env, chroot, append([]string{"--userspec=65532:65532", root, "/gin-auth"}, args...)...)
	}
	if status := run("healthcheck").Exit(t); status != 1 {
		t.Errorf("before it runs it is healthy: exit status %d", status)
	}
	s := run()
	s.WaitFor(t, "listening")
	if p := run("healthcheck"); p.Exit(t) != 0 {
		t.Errorf("not healthy: %s", p.Output())
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
		t.Errorf("SIGTERM: exit status %d", status)
	}
}

type compose struct {
	Services map[string]struct {
		Build       struct{ Context, Dockerfile string }
		Image       string
		Command     []string
		Environment map[string]string
		WorkingDir  string `yaml:"working_dir"`
		Ports       []string
		Volumes     []string
		Networks    []string
		NetworkMode string                                `yaml:"network_mode"`
		DependsOn   map[string]struct{ Condition string } `yaml:"depends_on"`
		ReadOnly    bool                                  `yaml:"read_only"`
		CapDrop     []string                              `yaml:"cap_drop"`
		SecurityOpt []string                              `yaml:"security_opt"`
		GracePeriod string                                `yaml:"stop_grace_period"`
		Restart     string
		Healthcheck struct {
			Test              []string
			Interval, Timeout string
			Retries           int
		}
	}
	Name     string
	Networks map[string]struct{ Internal bool }
	Volumes  map[string]struct{}
}

func readCompose(t *testing.T) compose {
	t.Helper()
	var c compose
	if err := yaml.UnmarshalWithOptions([]byte(read(t, "deploy/compose.yaml")), &c, yaml.Strict()); err != nil {
		t.Fatal(yaml.FormatError(err, false, true))
	}
	return c
}

// TestCompose has what of the file nothing here can run: what belongs to what, and who can be reached.
func TestCompose(t *testing.T) {
	t.Parallel()
	c := readCompose(t)
	for name, s := range c.Services {
		if (s.Image == "") == (s.Build.Context == "") {
			t.Errorf("%s: neither an image nor a build, or both", name)
		}
		if strings.HasSuffix(s.Image, ":latest") || s.Image != "" && !strings.Contains(s.Image, ":") {
			t.Errorf("%s: %s is another one every day", name, s.Image)
		}
		if len(s.Ports) > 0 && name != "nginx" {
			t.Errorf("%s can be reached past nginx: %q", name, s.Ports)
		}
		for _, volume := range s.Volumes {
			from, _, _ := strings.Cut(volume, ":")
			if strings.HasPrefix(from, ".") {
				read(t, filepath.Join("deploy", from))
			} else if _, ok := c.Volumes[from]; !ok {
				t.Errorf("%s: there is no volume %s", name, from)
			}
		}
		for _, network := range s.Networks {
			if _, ok := c.Networks[network]; !ok {
				t.Errorf("%s: there is no network %s", name, network)
			}
		}
		for other, on := range s.DependsOn {
			needed, ok := c.Services[other]
			healthy := len(needed.Healthcheck.Test) > 0 || needed.Build.Context != "" // the Dockerfile has one
			if !ok || on.Condition == "service_healthy" && !healthy {
				t.Errorf("%s waits for ever for %s", name, other)
			}
		}
	}
	auth, redis, nginx := c.Services["gin-auth"], c.Services["redis"], c.Services["nginx"]
	if got := filepath.Join(harness.Root(), "deploy", auth.Build.Context); got != filepath.Clean(harness.Root()) || auth.Build.Dockerfile != "deploy/Dockerfile" {
		t.Errorf("builds %s in %s", auth.Build.Dockerfile, got)
	}
	if !auth.ReadOnly || !slices.Equal(auth.CapDrop, []string{"ALL"}) || len(auth.SecurityOpt) == 0 {
		t.Error("gin-auth has rights that it does not need")
	}
	check := c.Services["check"]
	if auth.DependsOn["check"].Condition != "service_completed_successfully" || !slices.Equal(check.Command, []string{"check"}) ||
		!maps.Equal(check.Environment, auth.Environment) || check.WorkingDir != auth.WorkingDir || check.Restart != "no" {
		t.Errorf("gin-auth starts without gin-auth check, or with other settings: %+v", check)
	}
	if !c.Networks["back"].Internal || !slices.Equal(redis.Networks, []string{"back"}) || !slices.Contains(redis.Volumes, "redis:/data") {
		t.Errorf("redis can be reached by %q and keeps %q", redis.Networks, redis.Volumes)
	}
	if !slices.Equal(nginx.Ports, []string{"${HTTPS_PORT:-8443}:443"}) || !slices.Contains(nginx.Volumes, "./nginx.conf:/etc/nginx/conf.d/default.conf:ro") {
		t.Errorf("nginx has %q and %q", nginx.Ports, nginx.Volumes)
	}
	config := read(t, "deploy/nginx.conf")
	addresses := regexp.MustCompile(`(?m)^    \S.* ([a-z-]+):(\d+);$`).FindAllStringSubmatch(config, -1)
	if len(addresses) != 2 {
		t.Errorf("nginx.conf has the addresses %q", addresses)
	}
	for _, address := range addresses {
		needed, ok := c.Services[address[1]]
		if !ok || !slices.Contains(needed.Networks, nginx.Networks[0]) {
			t.Errorf("nginx does not reach %s", address[1])
		}
		if _, ok := nginx.DependsOn[address[1]]; !ok {
			t.Errorf("nginx does not wait for %s", address[1])
		}
	}
	if !strings.Contains(config, "resolver 127.0.0.11 ") {
		t.Error("nginx does not ask Docker's resolver")
	}
	if port := c.Services["app"].Environment["WHOAMI_PORT_NUMBER"]; !strings.Contains(config, " app:"+port+";") {
		t.Errorf("app listens on %s", port)
	}
}

// TestComposeRuns has the init service's script make what the others need, Redis start with its command, and
// gin-auth check find production fit to run on it.
func TestComposeRuns(t *testing.T) {
	t.Parallel()
	harness.Need(t, "openssl")
	c := readCompose(t)
	command := c.Services["init"].Command
	if len(command) != 3 || !slices.Equal(c.Services["init"].Volumes, []string{"config:/config", "tls:/tls"}) {
		t.Fatalf("init runs %q with %q", command, c.Services["init"].Volumes)
	}
	dir := t.TempDir()
	script := strings.NewReplacer("$$", "$", "/config/", dir+"/", "/tls/", dir+"/").Replace(command[2])
	if os.Getuid() != 0 {
		script = regexp.MustCompile(`(?m)^chown .*$`).ReplaceAllString(script, "")
	}
	var made []string
	for range 2 { // the second time, everything is there
		if out, err := exec.Command(command[0], command[1], script).CombinedOutput(); err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
		made = append(made, readFile(t, dir+"/.env")+readFile(t, dir+"/tls.crt"))
		info, err := os.Stat(dir + "/.env")
		if err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("the secret's file: %v, %v", info.Mode(), err)
		}
	}
	if made[0] != made[1] {
		t.Error("a second start makes another secret or certificate")
	}
	pair, err := tls.LoadX509KeyPair(dir+"/tls.crt", dir+"/tls.key")
	if err != nil {
		t.Fatal(err)
	}
	if err := pair.Leaf.VerifyHostname("localhost"); err != nil {
		t.Error(err)
	}

	redis := harness.StartRedis(t, c.Services["redis"].Command[1:]...)
	auth := c.Services["check"]
	if auth.WorkingDir != "/config" || auth.Environment["REDIS_HOST"] != "redis" {
		t.Errorf("gin-auth is in %s and asks %s", auth.WorkingDir, auth.Environment["REDIS_HOST"])
	}
	var env []string
	for name, value := range auth.Environment {
		env = append(env, name+"="+value)
	}
	p := harness.Start(t, dir, append(env, redis.Env()...), harness.Binary(t), auth.Command...)
	if status := p.Exit(t); status != 0 {
		t.Errorf("production should not run on it:\n%s", p.Output())
	}
}

func read(t *testing.T, name string) string {
	t.Helper()
	return readFile(t, filepath.Join(harness.Root(), name))
}

func readFile(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}
