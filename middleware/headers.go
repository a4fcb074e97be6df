package middleware

import "github.com/gin-gonic/gin"

// Headers sets the headers of every response. Browsers must not store it, because nearly every response contains a
// session or depends on one. They must not guess another content type. If httpsOnly is true, they must use only https
// for a year (RFC 6797; browsers ignore that header in responses over plain http).
//
// Clear-Site-Data is not sent, not even by a logout. Its value "cookies" would clear every cookie of the registrable
// domain, including those of other applications. The session's cookie is cleared by name.
func Headers(httpsOnly bool) gin.HandlerFunc {
	// All responses share these slices, which saves three allocations per request. Adding a value copies the slice.
	noStore, noSniff, maxAge := []string{"no-store"}, []string{"nosniff"}, []string{"max-age=31536000"}
	return func(c *gin.Context) {
		header := c.Writer.Header()
		header["Cache-Control"] = noStore
		header["X-Content-Type-Options"] = noSniff
		if httpsOnly {
			header["Strict-Transport-Security"] = maxAge
		}
	}
}
