package routes

import (
	"crypto/sha256"
	_ "embed" // the page
	"encoding/base64"
	"html"
	"net/http"
	"strings"

	"github.com/gin-gonic/gin"
)

// page is an HTML page for trying out the service.
//
//go:embed page.html
var page string

// addPage adds the page at /, and the routes of /replay, with which the page sends a token again after the browser
// has dropped it. Both are only for development.
//
// No script can read the session's cookie, so the page cannot keep the token. PUT /replay stores it in a second
// HttpOnly cookie, which the browser sends only to /replay. POST /replay requests /me with that token and returns the
// response.
func addPage(r *gin.Engine, prefix string, session http.Cookie) {
	text := strings.NewReplacer(
		"{{prefix}}", html.EscapeString(prefix),
		"{{cookie}}", html.EscapeString(session.String()),
	).Replace(page)
	policy := "default-src 'none'; style-src " + cspHash(text, "style") + "; script-src " + cspHash(text, "script") +
		"; connect-src 'self'; img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'" +
		"; require-trusted-types-for 'script'"
	show := func(c *gin.Context) {
		c.Header("Content-Security-Policy", policy)
		c.Header("Referrer-Policy", "no-referrer")
		c.Header("X-Content-Type-Options", "nosniff")
		c.Data(http.StatusOK, "text/html; charset=utf-8", []byte(text))
	}
	r.GET("/", show)
	r.HEAD("/", show)

	kept := session
	kept.Name, kept.Path = "old-"+session.Name, "/replay"
	r.PUT(kept.Path, func(c *gin.Context) {
		if cookie, err := c.Request.Cookie(session.Name); err == nil {
			kept := kept
			kept.Value = cookie.Value
			http.SetCookie(c.Writer, &kept)
		}
		c.Status(http.StatusNoContent)
	})
	r.POST(kept.Path, func(c *gin.Context) {
		again := c.Request.Clone(c.Request.Context())
		again.Method, again.URL.Path, again.URL.RawPath = http.MethodGet, prefix+"/me", ""
		again.Header.Del("Cookie")
		if cookie, err := c.Request.Cookie(kept.Name); err == nil {
			again.AddCookie(&http.Cookie{Name: session.Name, Value: cookie.Value})
		}
		r.ServeHTTP(c.Writer, again)
	})
}

// cspHash returns the Content-Security-Policy hash of the only element with that name in text.
func cspHash(text, element string) string {
	_, inside, _ := strings.Cut(text, "<"+element+">")
	inside, _, _ = strings.Cut(inside, "</"+element+">")
	sum := sha256.Sum256([]byte(inside))
	return "'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) + "'"
}
