package middleware

import (
	"net/http"

	"github.com/gin-gonic/gin"
)

// MaxBody bounds the body of a request to limit bytes: a longer one is answered with an
// *http.MaxBytesError, before the handler where its length is announced.
func MaxBody(limit int64) gin.HandlerFunc {
	return func(c *gin.Context) {
		if c.Request.ContentLength > limit {
			c.Header("Connection", "close") // what is left of it is not read
			refuse(c, &http.MaxBytesError{Limit: limit})
			return
		}
		c.Request.Body = http.MaxBytesReader(unwrap(c.Writer), c.Request.Body, limit)
	}
}

// unwrap returns net/http's own writer, which MaxBytesReader tells to close the connection when the
// limit is hit: else the server would wait for the rest of the body before it answers.
func unwrap(w http.ResponseWriter) http.ResponseWriter {
	if wrapped, ok := w.(interface{ Unwrap() http.ResponseWriter }); ok {
		return wrapped.Unwrap()
	}
	return w
}
