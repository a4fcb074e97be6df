package middleware_test

import (
	"bytes"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/gin-gonic/gin"

	"gin-auth/middleware"
)

// TestDroppedCookie checks for which logins the log says that the browser drops the cookie, and which setting it names.
func TestDroppedCookie(t *testing.T) {
	t.Parallel()
	strict := http.Cookie{Name: "token", Value: "x", Secure: true, SameSite: http.SameSiteStrictMode}
	none := http.Cookie{Name: "token", Value: "x", Secure: true, SameSite: http.SameSiteNoneMode}
	plain := http.Cookie{Name: "token", Value: "x", SameSite: http.SameSiteLaxMode}
	for _, test := range []struct {
		cookie                   http.Cookie
		path, host, origin, site string
		names                    string
	}{
		{strict, "/login", "auth.example.com", "http://auth.example.com", "", "COOKIE_SECURE"},
		{strict, "/login", "192.168.1.5:3000", "http://192.168.1.5:3000", "", "COOKIE_SECURE"},
		{none, "/login", "auth.example.com", "http://auth.example.com", "same-origin", "COOKIE_SECURE"},
		{plain, "/login", "auth.example.com", "http://auth.example.com", "", ""},
		{strict, "/me", "auth.example.com", "http://auth.example.com", "", ""}, // sets no cookie
		{strict, "/login", "auth.example.com", "https://auth.example.com", "same-origin", ""},
		{strict, "/login", "auth.example.com", "http://app.example.com", "", ""}, // the request itself may use https
		{strict, "/login", "auth.example.com", "", "", ""},
		{strict, "/login", "localhost:3000", "http://localhost:3000", "", ""},
		{strict, "/login", "app.localhost", "http://app.localhost", "", ""},
		{strict, "/login", "127.0.0.1:3000", "http://127.0.0.1:3000", "", ""},
		{strict, "/login", "[::1]:3000", "http://[::1]:3000", "", ""},
		{strict, "/login", "auth.example.com", "https://app.example.net", "cross-site", "COOKIE_SAMESITE"},
		{plain, "/login", "auth.example.com", "https://app.example.net", "cross-site", "COOKIE_SAMESITE"},
		{none, "/login", "auth.example.com", "https://app.example.net", "cross-site", ""},
		{strict, "/login", "auth.example.com", "https://app.example.com", "same-site", ""},
	} {
		var log bytes.Buffer
		r := gin.New()
		r.Use(middleware.DroppedCookie(test.cookie, slog.New(slog.NewTextHandler(&log, nil))))
		r.POST("/login", func(c *gin.Context) { c.SetCookieData(&test.cookie) })
		r.POST("/me", func(*gin.Context) {})
		for range 3 { // logged once
			request := httptest.NewRequest(http.MethodPost, test.path, nil)
			request.Host = test.host
			request.Header.Set("Origin", test.origin)
			request.Header.Set("Sec-Fetch-Site", test.site)
			r.ServeHTTP(httptest.NewRecorder(), request)
		}
		n := strings.Count(log.String(), "\n")
		if (n == 1) != (test.names != "") || n > 1 || !strings.Contains(log.String(), test.names) {
			t.Errorf("%+v: the log has\n%s", test, log.String())
		}
	}
}
