package middleware

import (
	"net/http"

	"github.com/gin-gonic/gin"
)

// CloseAfterChunked closes the connection after a chunked request. If it has a Content-Length as well it must be the
// connection's last (RFC 9112, section 6.1), or what a proxy took for its body would be read as the next request.
// net/http keeps the connection, and does not show that there was a length.
func CloseAfterChunked(c *gin.Context) {
	if len(c.Request.TransferEncoding) > 0 {
		c.Header("Connection", "close")
	}
}

// MaxBody limits the body of a request to limit bytes. A longer one is rejected with an *http.MaxBytesError, before
// the handler runs if its length is announced.
func MaxBody(limit int64) gin.HandlerFunc {
	return func(c *gin.Context) {
		if c.Request.ContentLength > limit {
			c.Header("Connection", "close") // the rest of it is not read
			refuse(c, &http.MaxBytesError{Limit: limit})
			return
		}
		if c.Request.ContentLength == 0 { // there is no body
			return
		}
		c.Request.Body = http.MaxBytesReader(unwrap(c.Writer), c.Request.Body, limit)
	}
}

// unwrap returns net/http's own writer. MaxBytesReader needs it to close the connection when the limit is reached;
// otherwise the server would wait for the rest of the body before it answers.
func unwrap(w http.ResponseWriter) http.ResponseWriter {
	if wrapped, ok := w.(interface{ Unwrap() http.ResponseWriter }); ok {
		return wrapped.Unwrap()
	}
	return w
}
