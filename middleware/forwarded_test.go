package middleware_test

import (
	"bytes"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"

	"github.com/gin-gonic/gin"

	"gin-auth/middleware"
)

// TestForwardedFor checks which address the client gets for the header as proxies write it.
func TestForwardedFor(t *testing.T) {
	t.Parallel()
	const proxy, outside = "10.0.0.1:4321", "192.0.2.9:4321"
	for _, test := range []struct {
		peer  string
		lines []string
		want  string
		warns bool
	}{
		{proxy, nil, "10.0.0.1", false},
		{proxy, []string{"203.0.113.7"}, "203.0.113.7", false},
		{proxy, []string{"203.0.113.7:51234"}, "203.0.113.7", false},
		{proxy, []string{"2001:db8::1"}, "2001:db8::1", false},
		{proxy, []string{"[2001:db8::1]:443"}, "2001:db8::1", false},
		{proxy, []string{"[2001:db8::1]"}, "2001:db8::1", false},
		{proxy, []string{"2001:db8::1%eth0"}, "2001:db8::1", false},
		{proxy, []string{`"203.0.113.7"`}, "203.0.113.7", false},
		{proxy, []string{`"[2001:db8::1]:443"`}, "2001:db8::1", false},
		{proxy, []string{`for="[2001:db8::1]:443"`}, "2001:db8::1", false},
		{proxy, []string{"For=203.0.113.7"}, "203.0.113.7", false},
		{proxy, []string{"::ffff:203.0.113.7"}, "203.0.113.7", false},
		{proxy, []string{" 198.51.100.1 ,\t203.0.113.7:1 , 10.0.0.2:80"}, "203.0.113.7", false},
		{proxy, []string{"198.51.100.1", "203.0.113.7"}, "203.0.113.7", false}, // the client may have sent the first line
		{proxy, []string{"x, 203.0.113.7"}, "203.0.113.7", false},
		{proxy, []string{"203.0.113.7, unknown"}, "10.0.0.1", true},
		{proxy, []string{"unknown"}, "10.0.0.1", true},
		{proxy, []string{""}, "10.0.0.1", true},
		{proxy, []string{"203.0.113.7,"}, "10.0.0.1", true},
		{proxy, []string{"for="}, "10.0.0.1", true},
		{proxy, []string{"203.0.113.7:x"}, "10.0.0.1", true},
		{proxy, []string{"203.0.113.7, _hidden, 10.0.0.2"}, "10.0.0.1", true},
		{outside, []string{"203.0.113.7"}, "192.0.2.9", true},
		{outside, []string{"unknown"}, "192.0.2.9", true},
		{outside, nil, "192.0.2.9", false},
	} {
		var log bytes.Buffer
		r := gin.New()
		if err := r.SetTrustedProxies([]string{"10.0.0.0/8"}); err != nil {
			t.Fatal(err)
		}
		trusted := []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")}
		r.Use(middleware.ForwardedFor(trusted, slog.New(slog.NewTextHandler(&log, nil))))
		var got string
		r.GET("/", func(c *gin.Context) { got = c.ClientIP() })
		for range 3 { // logged once
			request := httptest.NewRequest(http.MethodGet, "/", nil)
			request.RemoteAddr = test.peer
			request.Header["X-Forwarded-For"] = test.lines
			r.ServeHTTP(httptest.NewRecorder(), request)
		}
		if got != test.want {
			t.Errorf("%q from %s: the client is %s, want %s", test.lines, test.peer, got, test.want)
		}
		if n := strings.Count(log.String(), "\n"); (n == 1) != test.warns || n > 1 {
			t.Errorf("%q from %s: the log has %d lines:\n%s", test.lines, test.peer, n, log.String())
		}
	}
}
