package main

import (
	"net/http"
	"strings"
	"testing"

	"github.com/gin-gonic/gin"
)

// TestDescribedRoutes: the document and the table of routes have the same routes, with the configured prefix and cookie
// name, and the page only in development.
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
			want := s.described.routes()
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
			if !s.described.routes()["POST "+test.prefix+"/login"] {
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

// TestUndescribedAnswers checks that answers which the service must not give are found. The other tests rely on that.
func TestUndescribedAnswers(t *testing.T) {
	t.Parallel()
	// An object has only the members that are described, even if its schema does not say so.
	d, err := newDescription(strings.ReplaceAll(served(t), `"additionalProperties": false,`, ""))
	if err != nil {
		t.Fatal(err)
	}
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
		"without a body":       {"GET", "/api/auth/verify", 200, without("Content-Type"), "", true},
		"HEAD":                 {"HEAD", "/nowhere", 404, header(), "", true},
		"HEAD of text":         {"HEAD", "/nowhere", 404, header("Content-Type", "text/plain"), "", false},
		"too many logins":      {"POST", "/api/auth/login", 429, header("Retry-After", "7"), message, true},
		"no path":              {"GET", "/nowhere", 404, header(), message, true},
		"no method":            {"GET", "/api/auth/login", 405, header("Allow", "POST"), message, true},
		"another status":       {"GET", "/healthz", 418, header(), message, false},
		"another member":       {"GET", "/healthz", 200, header(), `{"message":"ok","more":1}`, false},
		"another type":         {"GET", "/healthz", 200, header(), `{"message":1}`, false},
		"text":                 {"GET", "/healthz", 200, header("Content-Type", "text/plain"), message, false},
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
		"an unexpected body":   {"GET", "/api/auth/verify", 200, without("Content-Type"), message, false},
		"no body":              {"GET", "/healthz", 200, header(), "", false},
		"no JSON":              {"GET", "/healthz", 200, header(), message + message, false},
		"another request":      {"POST", "/api/auth/register", 201, header(), `{"message":"in","user":` + user + `}`, false}, // it has no username
		"a method in letters":  {"get", "/healthz", 200, header(), message, false},
		"a path missing":       {"GET", "/api/auth/me", 404, header(), message, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			request, err := http.NewRequest(test.method, test.path, strings.NewReader(adaLogin))
			if err != nil {
				t.Fatal(err)
			}
			request.Header.Set("Content-Type", "application/json")
			err = d.check(request, &http.Response{StatusCode: test.status, Header: test.header}, []byte(test.body))
			if test.described != (err == nil) {
				t.Errorf("taken as described: %v, want %v: %v", err == nil, test.described, err)
			}
		})
	}
}

// served returns the document that the service serves.
func served(t *testing.T) string {
	t.Helper()
	s := newService(t)
	return s.send(t, s.tls.Client(), "GET", "/openapi.json", "").body
}

// TestInvalidDescriptions checks documents that are not OpenAPI 3.1, or that refer to a missing part.
func TestInvalidDescriptions(t *testing.T) {
	t.Parallel()
	document := served(t)
	for name, edit := range map[string]struct{ from, to string }{
		"another version":   {`"openapi": "3.1.0"`, `"openapi": "3.0.3"`},
		"no title":          {`"title": "gin-auth",`, ``},
		"an unknown member": {`"operationId": "login",`, `"operationId": "login", "colour": "",`},
		"a relative path":   {`"/healthz"`, `"healthz"`},
		"no such status":    {`"429": {`, `"4x9": {`},
		"no cookie":         {`"name": "token",`, ``},
		"no such location":  {`"in": "cookie"`, `"in": "cookies"`},
		"no such type":      {`"type": "integer"`, `"type": "whole"`},
		"no such length":    {`"minLength": 8`, `"minLength": "8"`},
		"no URL":            {`"version": "1"`, `"version": "1", "termsOfService": "%"`},
		"no pattern":        {`"pattern": "^`, `"pattern": "(`},
		"no such schema":    {`#/components/schemas/Claims`, `#/components/schemas/Claim`},
		"no such response":  {`#/components/responses/TooMany`, `#/components/responses/TooFew`},
		"no such header":    {`#/components/headers/NoStore`, `#/components/headers/Store`},
	} {
		edited := strings.Replace(document, edit.from, edit.to, 1)
		if _, err := newDescription(edited); err == nil || edited == document {
			t.Errorf("%s: taken as a description", name)
		}
	}
}
