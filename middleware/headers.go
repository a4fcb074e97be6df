package middleware

import "github.com/gin-gonic/gin"

// Headers sets what every answer tells a browser: not to store it, for nearly all carry a session or
// depend on one; not to take it for anything but what it says it is; and, if httpsOnly, to come by https
// alone for a year (RFC 6797; browsers mind it only in answers that came by https).
//
// Clear-Site-Data isn't among them, not even on a logout: "cookies" would clear every cookie of the
// registrable domain, those of other applications among them, and the one that matters is cleared by name.
func Headers(httpsOnly bool) gin.HandlerFunc {
	// All answers share these slices, which saves three allocations per request. Adding a value copies the slice.
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
