package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"
)

// description is the OpenAPI document that a service serves. Every answer is checked against it.
type description struct {
	whole   part
	cookie  string                        // the name of the session's cookie
	schemas map[string]*jsonschema.Schema // by prefix and JSON pointer
}

// The prefixes of the two forms of each schema. In the closed form, an object has only the members that its
// schema names, unless the schema has additionalProperties.
const (
	openForm   = "test:open#"
	closedForm = "test:closed#"
)

// unnamed are the headers that an answer may have although the document does not name them.
var unnamed = map[string]bool{
	"X-Content-Type-Options": true, "Strict-Transport-Security": true, "Date": true, "Content-Length": true,
	"Content-Type": true, "Connection": true, "Vary": true, "Access-Control-Allow-Origin": true,
	"Access-Control-Allow-Credentials": true, "Access-Control-Expose-Headers": true,
}

var descriptions sync.Map // *description by document

// describe returns the description that the service serves.
func describe(t testing.TB, handler http.Handler) *description {
	t.Helper()
	recorder := httptest.NewRecorder()
	handler.ServeHTTP(recorder, httptest.NewRequest(http.MethodGet, "/openapi.json", nil))
	if recorder.Code != http.StatusOK {
		t.Fatalf("/openapi.json: %d %s", recorder.Code, recorder.Body)
	}
	text := recorder.Body.String()
	if made, ok := descriptions.Load(text); ok {
		return made.(*description)
	}
	d, err := newDescription(text)
	if err != nil {
		t.Fatal(err)
	}
	descriptions.Store(text, d)
	return d
}

// pathOf returns the path in the document that a request's path belongs to: itself, or one with a parameter in the place
// of a segment.
func (d *description) pathOf(path string) string {
	paths := d.whole.get("paths").members
	if paths[path] != nil {
		return path
	}
	for template := range paths {
		fixed, _, found := strings.Cut(template, "{")
		if rest := strings.TrimPrefix(path, fixed); found && rest != path && !strings.Contains(rest, "/") {
			return template
		}
	}
	return path
}

// routes returns the routes of the document, as "GET /path/:parameter".
func (d *description) routes() map[string]bool {
	routes := map[string]bool{}
	paths := d.whole.get("paths")
	for path := range paths.members {
		for method := range paths.get(path).members {
			routes[strings.ToUpper(method)+" "+parameters.Replace(path)] = true
		}
	}
	return routes
}

var parameters = strings.NewReplacer("{", ":", "}", "")

// hold fails the test if check returns an error.
func (d *description) hold(t *testing.T, request *http.Request, response *http.Response, body []byte) {
	t.Helper()
	if err := d.check(request, response, body); err != nil {
		t.Errorf("%s %s: %d is not as described: %v\n%v %s",
			request.Method, request.URL.Path, response.StatusCode, err, response.Header, body)
	}
}

// check returns an error if the document does not have this answer to this request or, when the request was
// successful, if it does not have the request's body.
func (d *description) check(request *http.Request, response *http.Response, body []byte) error {
	path, method := d.pathOf(request.URL.EscapedPath()), strings.ToLower(request.Method)
	operation := d.whole.get("paths", path, method)
	answer := operation.get("responses", strconv.Itoa(response.StatusCode))
	switch described := d.whole.get("paths", path).members; {
	case described == nil && response.StatusCode == http.StatusNotFound:
		answer = d.whole.get("components", "responses", "NotFound")
	case described != nil && operation.members == nil && response.StatusCode == http.StatusMethodNotAllowed:
		answer = d.whole.get("components", "responses", "MethodNotAllowed")
	}
	if answer.members == nil || request.Method == method {
		return errors.New("no such answer")
	}
	form := closedForm
	if path == "/openapi.json" {
		form = openForm // newDescription checked the members
	}
	err := d.checkHeaders(answer, response.Header)
	if request.Method == http.MethodHead && len(body) == 0 {
		body = nil
	}
	err = errors.Join(err, d.checkBody(form, answer, response.Header, body))
	if sent := operation.get("requestBody"); response.StatusCode < 300 && sent.members != nil && request.GetBody != nil {
		copied, _ := request.GetBody()
		text, _ := io.ReadAll(copied)
		text = bytes.TrimPrefix(text, []byte("\ufeff")) // the service skips a byte order mark
		err = errors.Join(err, d.checkBody(openForm, sent, request.Header, text))
	}
	return err
}

func (d *description) checkHeaders(answer part, header http.Header) error {
	named := answer.get("headers")
	for name := range header {
		if !unnamed[name] && named.members[name] == nil {
			return fmt.Errorf("the header %s is not described", name)
		}
	}
	for name := range named.members {
		described := named.get(name)
		if described.members["required"] == true && header[name] == nil {
			return fmt.Errorf("the header %s is missing", name)
		}
		for _, value := range header[name] {
			if err := checkText(d.schemas[closedForm+described.pointer+"/schema"], value); err != nil {
				return fmt.Errorf("the header %s: %w", name, err)
			}
		}
	}
	return nil
}

// checkText checks a header's value, which may be a number.
func checkText(schema *jsonschema.Schema, value string) error {
	if number, err := strconv.Atoi(value); err == nil && schema.Validate(number) == nil {
		return nil
	}
	return schema.Validate(value)
}

// checkBody checks the body of a request or of an answer against a form of the schema. A nil body is not checked.
func (d *description) checkBody(form string, described part, header http.Header, body []byte) error {
	if described.members["content"] == nil {
		if len(body) > 0 {
			return errors.New("a body is not described")
		}
		return nil
	}
	kind, _, _ := mime.ParseMediaType(header.Get("Content-Type"))
	schema := d.schemas[form+described.get("content", kind).pointer+"/schema"]
	if schema == nil {
		return fmt.Errorf("the content type %q is not described", kind)
	}
	if body == nil {
		return nil
	}
	value, err := jsonschema.UnmarshalJSON(bytes.NewReader(body))
	if err != nil {
		return err
	}
	return schema.Validate(value)
}
