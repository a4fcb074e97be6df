package deploy

import (
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"gin-auth/e2e/internal/harness"
)

// startRedis starts a Redis that has only the documented user.
func startRedis(t *testing.T) *harness.Redis {
	t.Helper()
	serve, _ := pasted(t)
	args := strings.Fields(strings.Replace(serve, "ACL SETUSER", "--user", 1))
	return harness.StartRedis(t, append(args, "--user", "default", "off", "--appendonly", "yes")...)
}

// runs starts the service with the settings of a file in deploy, uses it, and checks that it stops within limit.
func runs(t *testing.T, env []string, limit time.Duration, probes ...string) {
	t.Helper()
	port := strconv.Itoa(harness.FreePort(t))
	s := harness.Start(t, t.TempDir(), append(env, "PORT="+port), harness.Binary(t))
	s.WaitFor(t, "listening")
	url := "http://127.0.0.1:" + port
	useAll(t, url, "ada")
	for _, path := range probes {
		if response, body := harness.Send(t, http.DefaultClient, "GET", url+path, http.Header{}, ""); response.StatusCode != 200 {
			t.Errorf("%s: got %s %s, want 200", path, response.Status, body)
		}
	}
	began := time.Now()
	status, took := s.Stop(t), time.Since(began)
	if status != 0 || took > limit || took < time.Second { // SHUTDOWN_DELAY is not 0 in production
		t.Errorf("SIGTERM: exit status %d after %s; want 0 after 1s to %s\n%s", status, took, limit, s.Output())
	}
}

// TestUnitRuns runs the commands of docs/operations.md, except for systemctl's, and starts the service with the
// environment of the unit.
func TestUnitRuns(t *testing.T) {
	t.Parallel()
	harness.Need(t, "openssl")
	redis := startRedis(t)
	u := readUnit(t)
	root := t.TempDir()
	for _, dir := range []string{"usr/local/bin", "etc/systemd/system", "credentials", "deploy"} {
		if err := os.MkdirAll(filepath.Join(root, dir), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	for name, text := range map[string]string{"gin-auth": harness.ReadFile(t, harness.Binary(t)), "deploy/gin-auth.service": harness.ReadSource(t, "deploy/gin-auth.service")} {
		if err := os.WriteFile(filepath.Join(root, name), []byte(text), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	_, section, _ := strings.Cut(harness.ReadSource(t, "docs/operations.md"), "\n## With systemd\n")
	section, _, _ = strings.Cut(section, "\n## ")
	commands := ""
	for _, block := range regexp.MustCompile("(?s)```bash\n(.*?)```").FindAllStringSubmatch(section, -1) {
		commands += regexp.MustCompile(`(?m)^systemctl .*\n`).ReplaceAllString(block[1], "")
	}
	commands = regexp.MustCompile(`/(etc|usr)/`).ReplaceAllString(commands, root+"/$1/")
	commands = strings.Replace(commands, "127.0.0.1", `127.0.0.1\nREDIS_PORT=`+strconv.Itoa(redis.Port), 1)
	shell := exec.Command("bash", "-euc", commands)
	shell.Dir, shell.Stdin = root, strings.NewReader("hush\n")
	shell.Env = []string{"PATH=" + root + "/usr/local/bin:" + os.Getenv("PATH")}
	out, err := shell.CombinedOutput()
	if err != nil || !strings.Contains(string(out), "Production can run on this.") {
		t.Fatalf("%v\n%s", err, out)
	}
	var env []string
	for _, credential := range u["LoadCredential"] {
		name, from, _ := strings.Cut(credential, ":")
		info, err := os.Stat(root + from)
		if err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("%s: %v, %v", from, info, err)
		}
		if err := os.WriteFile(filepath.Join(root, "credentials", name), []byte(harness.ReadFile(t, root+from)), 0o400); err != nil {
			t.Fatal(err)
		}
	}
	for _, settings := range u["Environment"] {
		env = append(env, strings.Fields(strings.ReplaceAll(settings, "%d", root+"/credentials"))...)
	}
	env = append(env, strings.Fields(harness.ReadFile(t, root+u.one(t, "EnvironmentFile")))...)
	limit, err := time.ParseDuration(u.one(t, "TimeoutStopSec"))
	if err != nil {
		t.Fatal(err)
	}
	runs(t, env, limit)
}

// TestManifestRuns starts the service with the settings of the manifest and sends the requests of its probes.
func TestManifestRuns(t *testing.T) {
	t.Parallel()
	redis := startRedis(t)
	d, _, _ := readManifest(t)
	p := d.Spec.Template.Spec
	c := p.Containers[0]
	secrets := t.TempDir()
	commands := regexp.MustCompile(`(?m)^kubectl create secret generic .*$`).FindString(harness.ReadSource(t, "docs/operations.md"))
	if !strings.HasPrefix(commands, "kubectl create secret generic "+p.Volumes[0].Secret.Name+" ") {
		t.Errorf("the manifest needs the secret %s, which is not created by the commands %q", p.Volumes[0].Secret.Name, commands)
	}
	for name, text := range map[string]string{"jwt-secret": secret + "\n", "redis-password": "hush\n"} {
		if !strings.Contains(commands, " --from-file="+name) {
			t.Errorf("the secret has no %s; it is created by the commands %q", name, commands)
		}
		if err := os.WriteFile(filepath.Join(secrets, name), []byte(text), 0o440); err != nil {
			t.Fatal(err)
		}
	}
	env := redis.Env()
	for _, setting := range c.env() {
		if setting != "REDIS_HOST=redis" {
			env = append(env, strings.Replace(setting, "="+c.Mounts[0].Path+"/", "="+secrets+"/", 1))
		}
	}
	runs(t, env, time.Duration(p.GracePeriod)*time.Second, c.Liveness.HTTPGet.Path, c.Readiness.HTTPGet.Path)
}
