package middleware_test

import (
	"context"
	"encoding/base64"
	"errors"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/gin-gonic/gin"
	"github.com/golang-jwt/jwt/v5"

	"gin-auth/middleware"
)

type neverRevoked struct{}

func (neverRevoked) Revoked(context.Context, string, string, func() int64) (bool, time.Time, error) {
	return false, time.Now(), nil
}

// roleClaims are payloads of tokens, each with the role that it gives, "" for none.
var roleClaims = map[string]string{
	`{"role":"admin"}`:                "admin",
	`{"role":"\u0061dmin"}`:           "admin",
	`{"role":"user","role":"admin"}`:  "admin",
	`{"role":"admin","role":"user"}`:  "user",
	`{"role":"user"}`:                 "user",
	`{"role":"Admin"}`:                "Admin",
	`{"role":"admin "}`:               "admin ",
	`{"role":"admin\u0000"}`:          "admin\x00",
	`{"role":"admin,user"}`:           "admin,user",
	`{"role":"7"}`:                    "7",
	`{"role":""}`:                     "",
	`{"role":7}`:                      "",
	`{"role":7.0}`:                    "",
	`{"role":true}`:                   "",
	`{"role":null}`:                   "",
	`{"role":["admin"]}`:              "",
	`{"role":{"admin":true}}`:         "",
	`{"role":{"role":"admin"}}`:       "",
	`{"ROLE":"admin"}`:                "",
	`{"roles":"admin"}`:               "",
	`{"user":{"role":"admin"}}`:       "",
	`{}`:                              "",
	`{"id":"admin","isAdmin":true}`:   "",
	`{"role":"admin","role":["x"]}`:   "",
	`{"role":"admin","role":null}`:    "",
	`{"role":["admin"],"role":"x y"}`: "x y",
}

func roleToken(t *testing.T, payload string) string {
	t.Helper()
	signed := "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9." + base64.RawURLEncoding.EncodeToString([]byte(payload))
	signature, err := jwt.SigningMethodHS256.Sign(signed, []byte("secret"))
	if err != nil {
		t.Fatal(err)
	}
	return signed + "." + base64.RawURLEncoding.EncodeToString(signature)
}

// TestRoles requires roles, by the query and by RequireRole, for claims of every type.
func TestRoles(t *testing.T) {
	t.Parallel()
	guard := middleware.Auth(newSessions(t, "secret"), neverRevoked{})
	ran, failed := false, error(nil)
	r := gin.New()
	r.Use(func(c *gin.Context) {
		c.Next()
		failed = middleware.LastError(c)
	})
	run := func(*gin.Context) { ran = true }
	r.GET("/verify", middleware.RoleQuery, guard, middleware.RequireQueriedRole, run)
	r.GET("/admin", guard, middleware.RequireRole("admin"), run)
	r.GET("/both", guard, middleware.RequireRole("admin", "user"), run)
	r.GET("/none", guard, middleware.RequireRole(), run)
	get := func(path, token string) error {
		request := httptest.NewRequest(http.MethodGet, path, nil)
		request.Header.Set("Cookie", "token="+token)
		ran, failed = false, nil
		r.ServeHTTP(httptest.NewRecorder(), request)
		if ran != (failed == nil) {
			t.Errorf("%s: the handler ran: %v, error %v", path, ran, failed)
		}
		return failed
	}
	admitted := map[string]func(role string) bool{
		"/verify":                      func(string) bool { return true },
		"/verify?":                     func(string) bool { return true },
		"/verify?role=admin":           func(role string) bool { return role == "admin" },
		"/verify?role=%61dmin":         func(role string) bool { return role == "admin" },
		"/verify?role=user&role=admin": func(role string) bool { return role == "admin" || role == "user" },
		"/verify?role=admin,user":      func(role string) bool { return role == "admin,user" },
		"/verify?role=x+y":             func(role string) bool { return role == "x y" },
		"/verify?role=7":               func(role string) bool { return role == "7" },
		"/verify?role=nobody":          func(string) bool { return false },
		"/admin":                       func(role string) bool { return role == "admin" },
		"/both":                        func(role string) bool { return role == "admin" || role == "user" },
		"/none":                        func(string) bool { return false },
	}
	typos := []string{
		"?role", "?role=", "?role=admin&role=", "?role=&role=admin", "?roles=admin", "?Role=admin", "?role=admin&x=1", "?x",
		"?role=admin;role=user", "?role=%zz", "?&", "?role=admin&Role=user", "?role[]=admin", "?=admin", "?rd=/",
	}
	for payload, role := range roleClaims {
		token := roleToken(t, payload)
		for path, admits := range admitted {
			if err := get(path, token); (err == nil) != admits(role) || err != nil && !errors.Is(err, middleware.ErrForbidden) {
				t.Errorf("%s, %s: %v", path, payload, err)
			}
		}
		for _, typo := range typos {
			if err := get("/verify"+typo, token); !errors.Is(err, middleware.ErrRoleQuery) {
				t.Errorf("%s, %s: %v", typo, payload, err)
			}
		}
	}
	for path, want := range map[string]error{
		"/verify?role=admin": middleware.ErrRefused, "/verify?role=": middleware.ErrRoleQuery, "/admin": middleware.ErrRefused,
	} {
		if err := get(path, roleToken(t, `{"role":"admin"}`)+"x"); !errors.Is(err, want) {
			t.Errorf("%s with a forged token: %v, want %v", path, err, want)
		}
	}
}
