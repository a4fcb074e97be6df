package middleware

import (
	"log/slog"
	"net/http"
	"strings"
	"sync/atomic"

	"github.com/gin-gonic/gin"
)

// DroppedCookie logs once that a browser drops the session's cookie. In that case the login succeeds, but the next
// request is answered with 401. cookie has the attributes of the session's cookie.
func DroppedCookie(cookie http.Cookie, log *slog.Logger) gin.HandlerFunc {
	var logged atomic.Bool
	return func(c *gin.Context) {
		c.Next()
		if c.Writer.Header().Get("Set-Cookie") == "" {
			return
		}
		if reason := reasonToDrop(cookie, c.Request); reason != "" && !logged.Swap(true) {
			log.Warn("the browser drops the session cookie", "reason", reason, "origin", shorten(c.GetHeader("Origin")))
		}
	}
}

// reasonToDrop returns why the browser that sent the request drops the cookie in the response, and what to do about
// it; "" if there is no known reason.
func reasonToDrop(cookie http.Cookie, r *http.Request) string {
	switch {
	case cookie.Secure && r.Header.Get("Origin") == "http://"+r.Host && !isThisMachine(r.Host):
		return "the page uses plain http and COOKIE_SECURE is true: use https, or set COOKIE_SECURE=false in development"
	case cookie.SameSite != http.SameSiteNoneMode && r.Header.Get("Sec-Fetch-Site") == "cross-site":
		return "the page belongs to another site: set COOKIE_SAMESITE=none, or serve both from one site"
	}
	return ""
}

// isThisMachine reports whether the host of a request, with or without a port, is the browser's own machine. Browsers
// accept Secure cookies from it over plain http.
func isThisMachine(host string) bool {
	if address := parseAddress(host); address.IsValid() {
		return address.IsLoopback()
	}
	name, _, _ := strings.Cut(strings.ToLower(host), ":")
	return name == "localhost" || strings.HasSuffix(name, ".localhost")
}
