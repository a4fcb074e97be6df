// Package postman runs the Postman collection with newman: against the service, as it starts by itself
// and on a real Redis, and the part that is for both against the Express app.
package postman

import (
	"bytes"
	"context"
	"encoding/json"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"gin-auth/e2e/internal/harness"
)

func TestMain(m *testing.M) { harness.Main(m) }

const (
	collectionFile  = "gin-auth.postman_collection.json"
	environmentFile = "local.postman_environment.json"
	secret          = "a secret of more than thirty-two bytes"
	both            = "Both services" // the folder that fits the Express app, too
)

func TestEmbedded(t *testing.T) {
	t.Parallel()
	harness.Node(t)
	s := harness.StartService(t)
	newman(t, s, "")
}

// TestRedis runs the collection twice on one service: a run leaves nothing behind that the next trips over.
func TestRedis(t *testing.T) {
	t.Parallel()
	harness.Node(t)
	redis := harness.StartRedis(t)
	s := harness.StartService(t, append(redis.Env(), "NODE_ENV=production", "JWT_SECRET="+secret)...)
	newman(t, s, "")
	newman(t, s, "")
}

func TestOriginal(t *testing.T) {
	t.Parallel()
	for _, express := range []string{"4", "5"} {
		t.Run("Express "+express, func(t *testing.T) {
			t.Parallel()
			harness.Node(t)
			redis := harness.StartRedis(t)
			s := harness.StartOriginal(t, append(redis.Env(),
				"NODE_ENV=production", "JWT_SECRET="+secret, "BCRYPT_COST=4", "EXPRESS="+express)...)
			newman(t, s, both)
			newman(t, s, both)
		})
	}
}

// newman runs a folder of the collection, "" for all of it, against s.
func newman(t *testing.T, s *harness.Service, folder string) {
	t.Helper()
	dir := t.TempDir()
	report := filepath.Join(dir, "report.json")
	args := []string{
		filepath.Join(harness.Root(), "e2e", "node_modules", "newman", "bin", "newman.js"),
		"run", path(collectionFile), "--environment", path(environmentFile), "--env-var", "baseUrl=" + s.URL,
		"--timeout-request", "20000", "--color", "off",
		"--reporters", "cli,json", "--reporter-cli-no-success-assertions", "--reporter-json-export", report,
	}
	if folder != "" {
		args = append(args, "--folder", folder)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
	defer cancel()
	command := exec.CommandContext(ctx, harness.Node(t), args...)
	command.Dir = dir // no .newmanrc here, nor in HOME, and no proxy
	command.Env = []string{"PATH=" + os.Getenv("PATH"), "HOME=" + dir}
	out, err := command.CombinedOutput()
	if err != nil {
		t.Fatalf("newman: %v\n%s", err, out)
	}

	var result struct {
		Run struct {
			Stats struct {
				Requests, Assertions struct{ Total, Pending, Failed int }
			}
			Failures []json.RawMessage
		}
	}
	if err := json.Unmarshal(read(t, report), &result); err != nil {
		t.Fatal(err)
	}
	requests, assertions := result.Run.Stats.Requests, result.Run.Stats.Assertions
	if len(result.Run.Failures)+requests.Failed+assertions.Failed+requests.Pending+assertions.Pending != 0 {
		t.Errorf("newman ended well, but its report has failures:\n%s", out)
	}
	if want := len(collection(t, folder)); requests.Total != want {
		t.Errorf("newman sent %d requests of %d", requests.Total, want)
	}
	t.Logf("%d requests, %d assertions", requests.Total, assertions.Total)
}

// item is a folder of the collection, or a request in it.
type item struct {
	Name  string
	Item  []item
	Event []struct {
		Listen string
		Script struct{ Exec []string }
	}
	Request struct {
		Method string
		URL    struct {
			Raw        string
			Host, Path []string
		}
	}
}

// collection returns the requests in a folder of the collection, those of all with "".
func collection(t *testing.T, folder string) []item {
	t.Helper()
	var top item
	if err := json.Unmarshal(read(t, path(collectionFile)), &top); err != nil {
		t.Fatal(err)
	}
	var requests []item
	var walk func(from item, inside bool)
	walk = func(from item, inside bool) {
		for _, next := range from.Item {
			walk(next, inside || next.Name == folder)
		}
		if len(from.Item) == 0 && inside {
			requests = append(requests, from)
		}
	}
	walk(top, folder == "")
	if len(requests) == 0 {
		t.Fatalf("the collection has no requests in %q", folder)
	}
	return requests
}

// TestRequests needs no newman: it holds the collection against the routes, and each request to test
// something.
func TestRequests(t *testing.T) {
	t.Parallel()
	sent, names := map[string]bool{}, map[string]bool{}
	for _, request := range collection(t, "") {
		method, url := request.Request.Method, request.Request.URL
		if names[request.Name] {
			t.Errorf("two requests are called %q", request.Name)
		}
		names[request.Name] = true
		if whole := strings.Join(append(url.Host, url.Path...), "/"); url.Raw != whole {
			t.Errorf("%s: %q is shown and %q is sent", request.Name, url.Raw, whole)
		}
		route, ok := strings.CutPrefix(url.Raw, "{{baseUrl}}")
		if !ok || strings.Contains(route, "/api/auth") {
			t.Errorf("%s: %s is not of {{baseUrl}} and {{prefix}}", request.Name, url.Raw)
		}
		sent[method+" "+strings.Replace(route, "{{prefix}}", "/api/auth", 1)] = true

		var tests int
		for _, event := range request.Event {
			if event.Listen == "test" {
				tests += strings.Count(strings.Join(event.Script.Exec, "\n"), "pm.test(")
			}
		}
		if tests == 0 {
			t.Errorf("%s tests nothing", request.Name)
		}
	}
	routes := append(routesInReadme(t), routesInSource(t)...)
	routes = slices.AppendSeq(routes, maps.Keys(routesInDescription(t)))
	slices.Sort(routes)
	for _, route := range slices.Compact(routes) {
		if !sent[route] {
			t.Errorf("no request for %s", route)
		}
	}
}

// routesInReadme returns the method and path of each route in the README's table. A method alone goes
// with the path before it.
func routesInReadme(t *testing.T) []string {
	t.Helper()
	_, section, _ := strings.Cut(string(read(t, filepath.Join(harness.Root(), "README.md"))), "\n## Routes\n")
	section, _, _ = strings.Cut(section, "\n## ")
	var routes []string
	var to string
	for line := range strings.Lines(section) {
		if cells := strings.Split(line, "|"); len(cells) > 1 {
			for _, match := range regexp.MustCompile("`([A-Z]+)( /[^ `]*)?`").FindAllStringSubmatch(cells[1], -1) {
				if match[2] != "" {
					to = match[2]
				}
				routes = append(routes, match[1]+to)
			}
		}
	}
	if len(routes) == 0 {
		t.Fatal("found no routes in README.md")
	}
	return routes
}

// routesInSource returns what routes.go registers: on r at the root, on a group under the prefix.
func routesInSource(t *testing.T) []string {
	t.Helper()
	source := string(read(t, filepath.Join(harness.Root(), "routes", "routes.go")))
	var routes []string
	for _, match := range regexp.MustCompile(`(?m)^\s*(\w+)\.([A-Z]+)\("(/[^"]*)"`).FindAllStringSubmatch(source, -1) {
		prefix := "/api/auth"
		if match[1] == "r" {
			prefix = ""
		}
		routes = append(routes, match[2]+" "+prefix+match[3])
	}
	if len(routes) == 0 {
		t.Fatal("found no routes in routes/routes.go")
	}
	return routes
}

// routesInDescription returns the method and path of each operation in the OpenAPI document.
func routesInDescription(t *testing.T) map[string]bool {
	t.Helper()
	var document struct{ Paths map[string]map[string]any }
	if err := json.Unmarshal(read(t, filepath.Join(harness.Root(), "routes", "openapi.json")), &document); err != nil {
		t.Fatal(err)
	}
	routes := map[string]bool{}
	for path, operations := range document.Paths {
		for method := range operations {
			routes[strings.ToUpper(method)+" "+path] = true
		}
	}
	if len(routes) == 0 {
		t.Fatal("found no routes in routes/openapi.json")
	}
	return routes
}

// TestFiles keeps the files as Postman exports them, so that a change shows what it changes, and
// without what only one person's Postman knows.
func TestFiles(t *testing.T) {
	t.Parallel()
	for _, name := range []string{collectionFile, environmentFile} {
		text := read(t, path(name))
		var indented bytes.Buffer
		if err := json.Indent(&indented, text, "", "\t"); err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if !bytes.Equal(bytes.TrimSpace(text), bytes.TrimSpace(indented.Bytes())) {
			t.Errorf("%s is not indented by tabs alone", name)
		}
		if id := regexp.MustCompile(`"(_postman_id|_exporter_id|_collection_link|_postman_exported_\w+|id|uid|owner)":.*`).Find(text); id != nil {
			t.Errorf("%s has %s", name, id)
		}
	}
	if !bytes.Contains(read(t, path(environmentFile)), []byte(`"http://localhost:3000"`)) {
		t.Errorf("%s names another service", environmentFile)
	}
}

func path(name string) string { return filepath.Join(harness.Root(), "postman", name) }

func read(t *testing.T, name string) []byte {
	t.Helper()
	text, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return text
}
