// Package postman runs the Postman collection with newman: all of it against the service, with an embedded and with
// a real Redis, and the folder for both services against the Express app. Each runs with several settings.
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
	both            = "Both services" // the folder that the Express app also passes

	// A busy machine may need more than the default of REDIS_TIMEOUT.
	patience = "REDIS_TIMEOUT=5s"
)

// TestEmbedded runs the collection with the environment file of an earlier release, which has none of the settings.
func TestEmbedded(t *testing.T) {
	t.Parallel()
	harness.Node(t)
	s := harness.StartService(t, patience)
	newman(t, s, "", olderEnvironment)
}

// TestRedis runs the collection twice on one service. Data of the first run must not make the second one fail.
func TestRedis(t *testing.T) {
	t.Parallel()
	harness.Node(t)
	redis := harness.StartRedis(t)
	s := harness.StartService(t, append(redis.Env(), patience, "NODE_ENV=production", "JWT_SECRET="+secret,
		"LOGIN_LIMIT=20/1m")...) // the default permits one run per minute
	newman(t, s, "")
	newman(t, s, "")
}

// TestSettings runs the collection against services with settings other than the defaults.
func TestSettings(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct{ env, values []string }{
		"another cookie and bearer tokens": {
			[]string{"COOKIE_NAME=accessToken", "COOKIE_SAMESITE=lax", "JWT_EXPIRES_IN=7d", "ACCEPT_BEARER=true"},
			[]string{"cookieName=accessToken", "cookieSameSite=Lax", "cookieMaxAge=604800", "acceptBearer=true"},
		},
		"no Secure, logout by GET alone, bodies not compared": {
			[]string{"COOKIE_SECURE=false"},
			[]string{"cookieSecure=false", "logoutMethods=GET", "exactBodies=false"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			harness.Node(t)
			newman(t, harness.StartService(t, append(test.env, patience)...), "", test.values...)
		})
	}
}

// TestOriginal runs the folder against the Express app, with its defaults and with the traits of other
// applications.
func TestOriginal(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct{ env, values []string }{
		"Express 4": {[]string{"EXPRESS=4"}, nil},
		"Express 5": {[]string{"EXPRESS=5"}, nil},
		"the most frequent traits": {
			[]string{"COOKIE_SAMESITE=omit", "CHECK_BLACKLIST=false", "VALIDATION=errors", "ME_MESSAGE=User fetched"},
			[]string{"cookieSameSite=", "checksBlacklist=false", "exactBodies=false"},
		},
		"the least frequent traits": {
			[]string{
				"NODE_ENV=development", "COOKIE_NAME=accessToken", "COOKIE_SAMESITE=lax", "COOKIE_SECURE=production",
				"JWT_EXPIRES_IN=7d", "USER_CLAIM=userId", "REGISTER_COOKIE=false", "LOGIN_BY=email",
				"WRONG_PASSWORD=Invalid email or password",
			},
			[]string{
				"cookieName=accessToken", "cookieSameSite=Lax", "cookieSecure=false", "cookieMaxAge=604800",
				"registerCookie=false", "loginByUsername=false", "invalidCredentials=Invalid email or password",
				"exactBodies=false",
			},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			harness.Node(t)
			redis := harness.StartRedis(t)
			env := append(redis.Env(), "NODE_ENV=production", "JWT_SECRET="+secret, "BCRYPT_COST=4")
			s := harness.StartOriginal(t, append(env, test.env...)...)
			newman(t, s, both, test.values...)
			newman(t, s, both, test.values...)
		})
	}
}

// TestWrongValues checks that a wrong value of each setting fails an assertion.
func TestWrongValues(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		folder string
		wrong  map[string]string // value → the assertion that fails with it
	}{
		{"", map[string]string{
			"cookieSameSite=Lax":        "Its SameSite is cookieSameSite",
			"cookieSecure=false":        "Its Secure is cookieSecure",
			"cookieMaxAge=3600":         "Its Max-Age is cookieMaxAge, and Expires is the same time",
			"registerStatus=200":        "The status is registerStatus, and the body has the user",
			"registerCookie=false":      "The cookie is set if registerCookie is true",
			"loginByUsername=false":     "She is logged in if loginByUsername is true",
			"invalidCredentials=Failed": "The message is invalidCredentials",
			"logoutMethods=PUT":         "She is logged out",
			"acceptBearer=true":         "The token in the header is valid if acceptBearer is true, and is otherwise ignored",
		}},
		{both, map[string]string{"cookieName=accessToken": "The cookie is set if registerCookie is true"}},
		{both, map[string]string{"checksBlacklist=false": "The token is rejected if checksBlacklist is true"}},
	} {
		values := slices.Sorted(maps.Keys(test.wrong))
		t.Run(strings.Join(values, " "), func(t *testing.T) {
			t.Parallel()
			harness.Node(t)
			result, out, err := runNewman(t, harness.StartService(t, patience), test.folder, values...)
			if err == nil {
				t.Errorf("newman succeeded, want a failed assertion:\n%s", out)
			}
			for value, assertion := range test.wrong {
				failed := func(f failure) bool { return f.Error.Test == assertion }
				if !slices.ContainsFunc(result.Run.Failures, failed) {
					t.Errorf("with %s, the assertion %q did not fail:\n%s", value, assertion, out)
				}
			}
		})
	}
}

// olderEnvironment is a value for newman that makes it run without the environment file.
const olderEnvironment = "prefix=/api/auth"

// newman runs a folder of the collection, or all of it for "", against s. It fails the test if an assertion fails.
// The values are name=value and replace those of the environment file.
func newman(t *testing.T, s *harness.Service, folder string, values ...string) {
	t.Helper()
	result, out, err := runNewman(t, s, folder, values...)
	if err != nil {
		t.Fatalf("newman: %v\n%s", err, out)
	}
	requests, assertions := result.Run.Stats.Requests, result.Run.Stats.Assertions
	if len(result.Run.Failures)+requests.Failed+assertions.Failed+requests.Pending+assertions.Pending != 0 {
		t.Errorf("newman succeeded, but its report has failures:\n%s", out)
	}
	if want := len(collection(t, folder)); requests.Total != want {
		t.Errorf("newman sent %d requests, want %d", requests.Total, want)
	}
	t.Logf("%d requests, %d assertions", requests.Total, assertions.Total)
}

// report is newman's report of a run.
type report struct {
	Run struct {
		Stats struct {
			Requests, Assertions struct{ Total, Pending, Failed int }
		}
		Failures []failure
	}
}

type failure struct {
	Error struct{ Test string }
}

// runNewman runs newman and returns its report and its output. The error is not nil if an assertion failed.
func runNewman(
	t *testing.T, s *harness.Service, folder string, values ...string,
) (result report, out []byte, failed error) {
	t.Helper()
	dir := t.TempDir()
	file := filepath.Join(dir, "report.json")
	args := []string{
		filepath.Join(harness.Root(), "e2e", "node_modules", "newman", "bin", "newman.js"),
		"run", path(collectionFile), "--env-var", "baseUrl=" + s.URL,
		"--timeout-request", "20000", "--color", "off",
		"--reporters", "cli,json", "--reporter-cli-no-success-assertions", "--reporter-json-export", file,
	}
	if !slices.Contains(values, olderEnvironment) {
		args = append(args, "--environment", path(environmentFile))
	}
	for _, value := range values {
		args = append(args, "--env-var", value)
	}
	if folder != "" {
		args = append(args, "--folder", folder)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
	defer cancel()
	command := exec.CommandContext(ctx, harness.Node(t), args...)
	command.Dir = dir // without a .newmanrc here or in HOME, and without a proxy
	command.Env = []string{"PATH=" + os.Getenv("PATH"), "HOME=" + dir}
	out, failed = command.CombinedOutput()
	text, err := os.ReadFile(file)
	if err == nil {
		err = json.Unmarshal(text, &result)
	}
	if err != nil {
		t.Fatalf("newman's report: %v (%v)\n%s", err, failed, out)
	}
	return result, out, failed
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
			Query      []struct{ Key, Value string }
		}
	}
}

// collection returns the requests in a folder of the collection, or all requests for "".
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

// TestRequests checks that each route has a request, and that each request has a test.
func TestRequests(t *testing.T) {
	t.Parallel()
	sent, names := map[string]bool{}, map[string]bool{}
	for _, request := range collection(t, "") {
		method, url := request.Request.Method, request.Request.URL
		if names[request.Name] {
			t.Errorf("two requests have the name %q", request.Name)
		}
		names[request.Name] = true
		whole := strings.Join(append(url.Host, url.Path...), "/")
		for n, parameter := range url.Query {
			whole += string("?&"[min(n, 1)]) + parameter.Key + "=" + parameter.Value
		}
		if url.Raw != whole {
			t.Errorf("%s: the URL is shown as %q but sent as %q", request.Name, url.Raw, whole)
		}
		path, _, _ := strings.Cut(url.Raw, "?")
		route, ok := strings.CutPrefix(path, "{{baseUrl}}")
		if !ok || strings.Contains(route, "/api/auth") {
			t.Errorf("%s: the URL %s does not begin with {{baseUrl}} and {{prefix}}", request.Name, url.Raw)
		}
		sent[method+" "+strings.Replace(route, "{{prefix}}", "/api/auth", 1)] = true

		var tests int
		for _, event := range request.Event {
			if event.Listen == "test" {
				tests += strings.Count(strings.Join(event.Script.Exec, "\n"), "pm.test(")
			}
		}
		if tests == 0 {
			t.Errorf("%s has no test", request.Name)
		}
	}
	routes := append(routesInReadme(t), routesInSource(t)...)
	routes = slices.AppendSeq(routes, maps.Keys(routesInDescription(t)))
	slices.Sort(routes)
	for _, route := range slices.Compact(routes) {
		if !sent[route] {
			t.Errorf("the collection has no request for %s", route)
		}
	}
}

// routesInReadme returns the method and path of each route in the README's table. A method without a path belongs
// to the path before it.
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

// routesInSource returns the routes that routes.go registers: those on r are at the root, those on a group have the
// prefix.
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

// parameters rewrites the path parameters of the OpenAPI document as those of a route.
var parameters = strings.NewReplacer("{", ":", "}", "")

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
			routes[strings.ToUpper(method)+" "+parameters.Replace(path)] = true
		}
	}
	if len(routes) == 0 {
		t.Fatal("found no routes in routes/openapi.json")
	}
	return routes
}

// personal matches fields that Postman adds to an export and that must not be in the repository.
var personal = regexp.MustCompile(`"(_postman_id|_exporter_id|_collection_link|_postman_exported_\w+|id|uid|owner)":.*`)

// TestFiles checks that the files are formatted as Postman exports them, so that a diff shows only real changes,
// and that they contain no personal ids.
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
		if id := personal.Find(text); id != nil {
			t.Errorf("%s contains %s, which belongs to one person's Postman", name, id)
		}
	}
	if !bytes.Contains(read(t, path(environmentFile)), []byte(`"http://localhost:3000"`)) {
		t.Errorf("%s names another service", environmentFile)
	}
}

// TestDefaults checks that a setting has the same default with the environment file, without it, and in its README.
func TestDefaults(t *testing.T) {
	t.Parallel()
	type variable struct{ Key, Value, Description string }
	var environment struct{ Values []variable }
	var defaults struct{ Variable []variable }
	for name, value := range map[string]any{environmentFile: &environment, collectionFile: &defaults} {
		if err := json.Unmarshal(read(t, path(name)), value); err != nil {
			t.Fatal(err)
		}
	}
	readme := string(read(t, path("README.md")))
	for _, setting := range environment.Values {
		if !strings.Contains(readme, "\n| `"+setting.Key+"` | `"+setting.Value+"` | ") {
			t.Errorf("README.md does not have %s with its default %q", setting.Key, setting.Value)
		}
		if setting.Key == "baseUrl" || setting.Key == "prefix" {
			continue
		}
		i := slices.IndexFunc(defaults.Variable, func(v variable) bool { return v.Key == setting.Key })
		switch {
		case i < 0:
			t.Errorf("%s: no default in %s", setting.Key, collectionFile)
		case defaults.Variable[i].Value != setting.Value || defaults.Variable[i].Description == "":
			t.Errorf("%s: want the default %q and a description, got %+v", setting.Key, setting.Value, defaults.Variable[i])
		}
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
