package containers

import (
	"crypto/tls"
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
	"time"

	"github.com/goccy/go-yaml"

	"gin-auth/e2e/internal/harness"
)

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
	if err := yaml.UnmarshalWithOptions([]byte(harness.ReadSource(t, "deploy/compose.yaml")), &c, yaml.Strict()); err != nil {
		t.Fatal(yaml.FormatError(err, false, true))
	}
	return c
}

// TestCompose checks what cannot be run here: how the parts of the file refer to each other, and which are
// reachable.
func TestCompose(t *testing.T) {
	t.Parallel()
	c := readCompose(t)
	for name, s := range c.Services {
		if (s.Image == "") == (s.Build.Context == "") {
			t.Errorf("%s has both an image and a build, or neither", name)
		}
		if strings.HasSuffix(s.Image, ":latest") || s.Image != "" && !strings.Contains(s.Image, ":") {
			t.Errorf("%s: the image %s has no fixed version", name, s.Image)
		}
		if len(s.Ports) > 0 && name != "nginx" {
			t.Errorf("%s can be reached without passing nginx, through the ports %q", name, s.Ports)
		}
		for _, volume := range s.Volumes {
			from, _, _ := strings.Cut(volume, ":")
			if strings.HasPrefix(from, ".") {
				harness.ReadSource(t, filepath.Join("deploy", from))
			} else if _, ok := c.Volumes[from]; !ok {
				t.Errorf("%s uses the volume %s, which is not defined", name, from)
			}
		}
		for _, network := range s.Networks {
			if _, ok := c.Networks[network]; !ok {
				t.Errorf("%s uses the network %s, which is not defined", name, network)
			}
		}
		for other, on := range s.DependsOn {
			needed, ok := c.Services[other]
			healthy := len(needed.Healthcheck.Test) > 0 || needed.Build.Context != "" // the Dockerfile has a HEALTHCHECK
			if !ok || on.Condition == "service_healthy" && !healthy {
				t.Errorf("%s waits forever until %s is healthy, which has no health check", name, other)
			}
		}
	}
	auth, redis, nginx := c.Services["gin-auth"], c.Services["redis"], c.Services["nginx"]
	if got := filepath.Join(harness.Root(), "deploy", auth.Build.Context); got != filepath.Clean(harness.Root()) || auth.Build.Dockerfile != "deploy/Dockerfile" {
		t.Errorf("gin-auth is built from %s in %s", auth.Build.Dockerfile, got)
	}
	if !auth.ReadOnly || !slices.Equal(auth.CapDrop, []string{"ALL"}) || len(auth.SecurityOpt) == 0 {
		t.Error("gin-auth has rights that it does not need")
	}
	check := c.Services["check"]
	if auth.DependsOn["check"].Condition != "service_completed_successfully" || !slices.Equal(check.Command, []string{"check"}) ||
		!maps.Equal(check.Environment, auth.Environment) || check.WorkingDir != auth.WorkingDir || check.Restart != "no" {
		t.Errorf("gin-auth must start after gin-auth check with the same settings: %+v", check)
	}
	if !c.Networks["back"].Internal || !slices.Equal(redis.Networks, []string{"back"}) || !slices.Contains(redis.Volumes, "redis:/data") {
		t.Errorf("redis has the networks %q and the volumes %q", redis.Networks, redis.Volumes)
	}
	if !slices.Equal(nginx.Ports, []string{"${HTTPS_PORT:-8443}:443"}) || !slices.Contains(nginx.Volumes, "./nginx.conf:/etc/nginx/conf.d/default.conf:ro") {
		t.Errorf("nginx has the ports %q and the volumes %q", nginx.Ports, nginx.Volumes)
	}
	config := harness.ReadSource(t, "deploy/nginx.conf")
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
		t.Error("nginx does not use Docker's resolver")
	}
	if port := c.Services["app"].Environment["WHOAMI_PORT_NUMBER"]; !strings.Contains(config, " app:"+port+";") {
		t.Errorf("app listens on %s", port)
	}
}

// TestComposeRuns runs the init service's script and starts Redis with its command. Then gin-auth check must find
// nothing unsafe for production, and the service must log a user in and out.
func TestComposeRuns(t *testing.T) {
	t.Parallel()
	harness.Need(t, "openssl")
	c := readCompose(t)
	command := c.Services["init"].Command
	if len(command) != 3 || !slices.Equal(c.Services["init"].Volumes, []string{"config:/config", "acl:/acl", "tls:/tls"}) {
		t.Fatalf("init runs %q with %q", command, c.Services["init"].Volumes)
	}
	dir := t.TempDir()
	here := strings.NewReplacer("$$", "$", "/config/", dir+"/", "/acl/", dir+"/", "/tls/", dir+"/")
	script := here.Replace(command[2])
	if os.Getuid() != 0 {
		script = regexp.MustCompile(`(?m)^chown .*$`).ReplaceAllString(script, "")
	}
	var made []string
	for range 2 { // the second time, the files exist
		if out, err := exec.Command(command[0], command[1], script).CombinedOutput(); err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
		made = append(made, harness.ReadFile(t, dir+"/.env")+harness.ReadFile(t, dir+"/users.acl")+harness.ReadFile(t, dir+"/tls.crt"))
		for _, name := range []string{"/.env", "/users.acl"} {
			info, err := os.Stat(dir + name)
			if err != nil || info.Mode().Perm() != 0o600 {
				t.Errorf("%s: %v, %v", name, info.Mode(), err)
			}
		}
	}
	if made[0] != made[1] {
		t.Error("a second start replaced the secret or the certificate")
	}
	pair, err := tls.LoadX509KeyPair(dir+"/tls.crt", dir+"/tls.key")
	if err != nil {
		t.Fatal(err)
	}
	if err := pair.Leaf.VerifyHostname("localhost"); err != nil {
		t.Error(err)
	}

	rights := regexp.MustCompile(`(?m)^ACL SETUSER (auth .*)>PASSWORD( .*)$`).FindStringSubmatch(harness.ReadSource(t, "docs/operations.md"))
	if users := harness.ReadFile(t, dir+"/users.acl"); rights == nil || !regexp.MustCompile(
		"\nuser "+regexp.QuoteMeta(rights[1])+">[0-9a-f]{64}"+regexp.QuoteMeta(rights[2])+"\n$").MatchString(users) {
		t.Errorf("Redis's users do not have the documented rights %q:\n%s", rights, users)
	}
	server := c.Services["redis"]
	if !slices.Equal(server.Volumes, []string{"redis:/data", "acl:/acl:ro"}) || server.DependsOn["init"].Condition != "service_completed_successfully" {
		t.Errorf("redis starts without its ACL file: %+v", server)
	}
	var args []string
	for _, arg := range server.Command[1:] {
		args = append(args, here.Replace(arg))
	}
	redis := harness.StartRedis(t, args...)
	healthy := strings.Replace(server.Healthcheck.Test[1], "redis-cli", "redis-cli -p "+strconv.Itoa(redis.Port), 1)
	if out, err := exec.Command("sh", "-c", healthy).CombinedOutput(); err != nil {
		t.Errorf("%s: %v\n%s", healthy, err, out)
	}
	if out, err := exec.Command(harness.Need(t, "redis-cli"), "-p", strconv.Itoa(redis.Port), "GET", "auth:epoch").CombinedOutput(); !strings.HasPrefix(string(out), "NOPERM") {
		t.Errorf("without a password, Redis replied %s, %v: want an error", out, err)
	}

	auth := c.Services["check"]
	if auth.WorkingDir != "/config" || auth.Environment["REDIS_HOST"] != "redis" {
		t.Errorf("gin-auth runs in %s and uses the Redis at %s", auth.WorkingDir, auth.Environment["REDIS_HOST"])
	}
	var env []string
	for name, value := range auth.Environment {
		env = append(env, name+"="+value)
	}
	port := strconv.Itoa(harness.FreePort(t))
	env = append(append(env, redis.Env()...), "PORT="+port)
	p := harness.Start(t, dir, env, harness.Binary(t), auth.Command...)
	if status := p.Exit(t); status != 0 {
		t.Errorf("gin-auth check found settings that are unsafe for production:\n%s", p.Output())
	}
	s := harness.Start(t, dir, env, harness.Binary(t))
	s.WaitFor(t, "listening")
	logInAndOut(t, "http://127.0.0.1:"+port+"/api/auth/")
	grace, err := time.ParseDuration(c.Services["gin-auth"].GracePeriod)
	began := time.Now()
	if status := s.Stop(t); status != 0 || time.Since(began) > grace || err != nil {
		t.Errorf("SIGTERM: exit status %d after %s, %v; want 0 before it is killed after %s", status, time.Since(began), err, grace)
	}
}

// logInAndOut registers, logs out, and checks that the old session is rejected.
func logInAndOut(t *testing.T, url string) {
	t.Helper()
	ada := `{"username":"ada","email":"ada@example.com","password":"correct horse battery"}`
	registered, body := harness.Send(t, http.DefaultClient, "POST", url+"register", http.Header{"Content-Type": {"application/json"}}, ada)
	if registered.StatusCode != 201 || len(registered.Cookies()) != 1 {
		t.Fatalf("register: %s %s", registered.Status, body)
	}
	cookie := http.Header{"Cookie": {"token=" + registered.Cookies()[0].Value}}
	for _, request := range []struct {
		method, path string
		want         int
	}{{"GET", "me", 200}, {"POST", "logout", 200}, {"GET", "me", 401}} {
		if response, body := harness.Send(t, http.DefaultClient, request.method, url+request.path, cookie, ""); response.StatusCode != request.want {
			t.Errorf("%s: got %s %s, want %d", request.path, response.Status, body, request.want)
		}
	}
}
