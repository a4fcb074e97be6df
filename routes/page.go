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

// page is the page for the first five minutes.
//
//go:embed page.html
var page string

// addPage adds the page at /, and at /replay what it needs to send a token again that the browser has
// dropped. Both are for development alone.
//
// No script can read the session's cookie, so the page can't keep its token. PUT /replay keeps it in a
// second cookie, HttpOnly as well, that the browser sends to /replay alone; POST /replay asks for
// /me with that one and passes the answer on.
func addPage(r *gin.Engine, prefix string, session http.Cookie) {
	text := strings.NewReplacer(
		"{{prefix}}", html.EscapeString(prefix),
		"{{cookie}}", html.EscapeString(session.String()),
	).Replace(page)
	policy := "default-src 'none'; style-src " + hash(text, "style") + "; script-src " + hash(text, "script") +
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

// hash returns what a Content-Security-Policy calls the only element of that name in text.
func hash(text, element string) string {
	_, inside, _ := strings.Cut(text, "<"+element+">")
	inside, _, _ = strings.Cut(inside, "</"+element+">")
	sum := sha256.Sum256([]byte(inside))
	return "'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) + "'"
}
