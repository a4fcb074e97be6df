package main

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/gin-gonic/gin"
	"github.com/pb33f/libopenapi"
	validator "github.com/pb33f/libopenapi-validator"
	"github.com/pb33f/libopenapi-validator/config"
	v3 "github.com/pb33f/libopenapi/datamodel/high/v3"
)

// description is the OpenAPI document that a service serves, for its answers to be held against.
type description struct {
	paths  map[string]map[string]any // path → method, in lower case
	cookie string                    // the name that it gives the session's cookie
	answer validator.Validator
	model  *v3.Document // what answer validates with
}

// The document can't have the answers for what isn't in it. It has them as components, and the tests
// hold such answers against these two paths.
const (
	noSuchPath   = "/no-such-path"
	noSuchMethod = "/no-such-method"
)

var descriptions struct {
	sync.Mutex
	made map[string]*description // by document
}

// describe returns the description that the service serves.
func describe(t testing.TB, handler http.Handler) *description {
	t.Helper()
	recorder := httptest.NewRecorder()
	handler.ServeHTTP(recorder, httptest.NewRequest(http.MethodGet, "/openapi.json", nil))
	if recorder.Code != http.StatusOK {
		t.Fatalf("/openapi.json: %d %s", recorder.Code, recorder.Body)
	}
	descriptions.Lock()
	defer descriptions.Unlock()
	text := recorder.Body.String()
	if descriptions.made[text] == nil {
		if descriptions.made == nil {
			descriptions.made = map[string]*description{}
		}
		descriptions.made[text] = newDescription(t, recorder.Body.Bytes())
	}
	return descriptions.made[text]
}

func newDescription(t testing.TB, text []byte) *description {
	t.Helper()
	d := &description{}
	var whole map[string]any
	for _, into := range []any{&whole, &struct {
		Paths *map[string]map[string]any `json:"paths"`
	}{&d.paths}} {
		if err := json.Unmarshal(text, into); err != nil {
			t.Fatal(err)
		}
	}
	schemes := whole["components"].(map[string]any)["securitySchemes"].(map[string]any)
	d.cookie, _ = schemes["session"].(map[string]any)["name"].(string)
	document, err := libopenapi.NewDocument(text)
	if err != nil {
		t.Fatal(err)
	}
	served, errs := validator.NewValidator(document)
	if len(errs) > 0 {
		t.Fatal(errs)
	}
	if ok, errs := served.ValidateDocument(); !ok {
		t.Fatalf("not an OpenAPI 3.1 document: %v", errs)
	}
	paths := whole["paths"].(map[string]any)
	for path, status := range map[string]string{noSuchPath: "404", noSuchMethod: "405"} {
		name := map[string]string{"404": "NotFound", "405": "MethodNotAllowed"}[status]
		paths[path] = map[string]any{"get": map[string]any{"responses": map[string]any{
			status: map[string]any{"$ref": "#/components/responses/" + name},
		}}}
	}
	if text, err = json.Marshal(whole); err != nil {
		t.Fatal(err)
	}
	if document, err = libopenapi.NewDocument(text); err != nil {
		t.Fatal(err)
	}
	model, err := document.BuildV3Model()
	if err != nil {
		t.Fatal(err)
	}
	d.model = &model.Model
	// Strict: a header that the document doesn't name fails, too.
	if d.answer, errs = validator.NewValidator(document, config.WithStrictMode(), config.WithFormatAssertions(),
		config.WithStrictIgnorePaths("$.body.user.*", "$.body.openapi", "$.body.paths", "$.body.components", "$.body.info", "$.body.servers", "$.body.tags"),
		config.WithStrictIgnoredHeaders("X-Content-Type-Options", "Strict-Transport-Security", "Date", "Content-Length", "Content-Type", "Connection", "Vary",
			"Access-Control-Allow-Origin", "Access-Control-Allow-Credentials", "Access-Control-Expose-Headers")); len(errs) > 0 {
		t.Fatal(errs)
	}
	return d
}

// hold fails the test for an answer that the description does not have.
func (d *description) hold(t *testing.T, request *http.Request, response *http.Response, body []byte) {
	t.Helper()
	if err := d.check(request, response, body); err != "" {
		t.Errorf("%s %s: %d is not as described: %s\n%v %s", request.Method, request.URL.Path, response.StatusCode, err, response.Header, body)
	}
}

func (d *description) check(request *http.Request, response *http.Response, body []byte) string {
	path, method := request.URL.EscapedPath(), request.Method
	switch status := response.StatusCode; {
	case d.paths[path] == nil:
		if status < 400 {
			return "no such path"
		}
		path, method = noSuchPath, http.MethodGet
	case d.paths[path][strings.ToLower(method)] == nil:
		path, method = noSuchMethod, http.MethodGet
	}
	if cookies := response.Header["Set-Cookie"]; len(cookies) > 0 && !d.setsCookie(path, method, response.StatusCode) {
		return "an unexpected Set-Cookie" // strict mode has nothing against it
	}
	asked := httptest.NewRequest(method, path, nil)
	asked.Header = request.Header
	answered := *response
	answered.Body = io.NopCloser(bytes.NewReader(body))
	if ok, errs := d.answer.ValidateHttpResponse(asked, &answered); !ok {
		text, _ := json.Marshal(errs)
		return string(text)
	}
	return ""
}

// TestDescribedRoutes has the document and the table of routes name the same routes, under the prefix and
// the cookie's name that are set, and the page in development alone.
func TestDescribedRoutes(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		settings []string
		prefix   string
		page     bool
	}{
		"production":     {nil, "/api/auth", false},
		"other names":    {[]string{"ROUTE_PREFIX=/v1/login.d", "COOKIE_NAME=__Host-sid"}, "/v1/login.d", false},
		"without prefix": {[]string{"ROUTE_PREFIX=/"}, "", false},
		"development":    {[]string{"NODE_ENV="}, "/api/auth", true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newService(t, test.settings...)
			want := map[string]bool{}
			for path, methods := range s.described.paths {
				for method := range methods {
					want[strings.ToUpper(method)+" "+path] = true
				}
			}
			if test.page {
				for _, route := range []string{"GET /", "HEAD /", "PUT /replay", "POST /replay"} {
					want[route] = true
				}
			}
			for _, route := range s.app.handler.(*gin.Engine).Routes() {
				if !want[route.Method+" "+route.Path] {
					t.Errorf("%s %s is served, and not described", route.Method, route.Path)
				}
				delete(want, route.Method+" "+route.Path)
			}
			for route := range want {
				t.Errorf("%s is described, and not served", route)
			}
			if s.described.paths[test.prefix+"/login"]["post"] == nil {
				t.Errorf("no login under %q", test.prefix)
			}
			cookie := "token"
			if name == "other names" {
				cookie = "__Host-sid"
			}
			if s.described.cookie != cookie {
				t.Errorf("the cookie is described as %q, want %q", s.described.cookie, cookie)
			}
		})
	}
}

// TestUndescribedAnswers has answers that the service must not give: that they are found is what the
// other tests rely on.
func TestUndescribedAnswers(t *testing.T) {
	t.Parallel()
	d := newService(t).described
	header := func(pairs ...string) http.Header {
		h := http.Header{"Content-Type": {"application/json; charset=utf-8"}, "Cache-Control": {"no-store"}, "X-Request-Id": {"1"}}
		for i := 0; i < len(pairs); i += 2 {
			h.Set(pairs[i], pairs[i+1])
		}
		return h
	}
	without := func(name string) http.Header { h := header(); h.Del(name); return h }
	const (
		message = `{"message":"ok"}`
		user    = `{"id":"1","email":"a@example.com","username":"a","role":"user"}`
		cookie  = "token=a.b.c; Path=/; Expires=Fri, 10 Oct 2025 08:53:20 GMT; Max-Age=86400; HttpOnly; Secure; SameSite=Strict"
	)
	for name, test := range map[string]struct {
		method, path string
		status       int
		header       http.Header
		body         string
		described    bool
	}{
		"as described":         {"GET", "/healthz", 200, header(), message, true},
		"a login":              {"POST", "/api/auth/login", 200, header("Set-Cookie", cookie), `{"message":"in","user":` + user + `}`, true},
		"too many logins":      {"POST", "/api/auth/login", 429, header("Retry-After", "7"), message, true},
		"no path":              {"GET", "/nowhere", 404, header(), message, true},
		"no method":            {"GET", "/api/auth/login", 405, header("Allow", "POST"), message, true},
		"another status":       {"GET", "/healthz", 418, header(), message, false},
		"another member":       {"GET", "/healthz", 200, header(), `{"message":"ok","more":1}`, false},
		"another type":         {"GET", "/healthz", 200, header(), `{"message":1}`, false},
		"text":                 {"GET", "/healthz", 200, header("Content-Type", "text/plain"), "ok", false},
		"no request id":        {"GET", "/healthz", 200, without("X-Request-Id"), message, false},
		"may be stored":        {"GET", "/healthz", 200, header("Cache-Control", "public"), message, false},
		"another header":       {"GET", "/healthz", 200, header("X-Powered-By", "Express"), message, false},
		"an unexpected cookie": {"GET", "/healthz", 200, header("Set-Cookie", cookie), message, false},
		"no cookie":            {"POST", "/api/auth/login", 200, header(), `{"message":"in","user":` + user + `}`, false},
		"not HttpOnly":         {"POST", "/api/auth/login", 200, header("Set-Cookie", "token=a.b.c; Path=/; Expires=x; Max-Age=1"), `{"message":"in","user":` + user + `}`, false},
		"a password":           {"POST", "/api/auth/login", 200, header("Set-Cookie", cookie), `{"message":"in","user":{"id":"1","email":"a@example.com","username":"a","role":"user","password":"x"}}`, false},
		"no Retry-After":       {"POST", "/api/auth/login", 429, header(), message, false},
		"Retry-After at once":  {"POST", "/api/auth/login", 429, header("Retry-After", "0"), message, false},
		"no Allow":             {"GET", "/api/auth/login", 405, header(), message, false},
		"a path too many":      {"GET", "/nowhere", 200, header(), message, false},
		"a method too many":    {"GET", "/api/auth/login", 200, header("Allow", "POST"), message, false},
		"a path missing":       {"GET", "/api/auth/me", 404, header(), message, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			response := &http.Response{StatusCode: test.status, Header: test.header}
			err := d.check(httptest.NewRequest(test.method, test.path, nil), response, []byte(test.body))
			if test.described != (err == "") {
				t.Errorf("taken as described: %v, want %v: %s", err == "", test.described, err)
			}
		})
	}
}

// setsCookie tells whether the answer is described with a Set-Cookie header.
func (d *description) setsCookie(path, method string, status int) bool {
	item := d.model.Paths.PathItems.GetOrZero(path)
	if item == nil {
		return false
	}
	response := item.GetOperations().GetOrZero(strings.ToLower(method)).Responses.Codes.GetOrZero(strconv.Itoa(status))
	return response != nil && response.Headers.GetOrZero("Set-Cookie") != nil
}
