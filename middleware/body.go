package middleware

import (
	"net/http"

	"github.com/gin-gonic/gin"
)

// CloseAfterChunked closes the connection after a chunked request. If such a request also has a Content-Length, it
// must be the last one on the connection (RFC 9112, section 6.1). Otherwise, a part of it that a proxy took for the
// body could be read as the next request. net/http keeps the connection open, and does not show that there was a
// Content-Length.
func CloseAfterChunked(c *gin.Context) {
	if len(c.Request.TransferEncoding) > 0 {
		c.Header("Connection", "close")
	}
}

// MaxBody limits the body of a request to limit bytes. A longer body causes an *http.MaxBytesError. If its length is
// in Content-Length, the handler does not run.
func MaxBody(limit int64) gin.HandlerFunc {
	return func(c *gin.Context) {
		if c.Request.ContentLength > limit {
			c.Header("Connection", "close") // the body is not read
			refuse(c, &http.MaxBytesError{Limit: limit})
			return
		}
		if c.Request.ContentLength == 0 { // no body
			return
		}
		c.Request.Body = http.MaxBytesReader(unwrap(c.Writer), c.Request.Body, limit)
	}
}

// unwrap returns net/http's own writer. MaxBytesReader needs it to close the connection when the limit is reached.
// Otherwise the server would wait for the rest of the body before it responds.
func unwrap(w http.ResponseWriter) http.ResponseWriter {
	if wrapped, ok := w.(interface{ Unwrap() http.ResponseWriter }); ok {
		return wrapped.Unwrap()
	}
	return w
}
