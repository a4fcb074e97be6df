package middleware

import (
	"crypto/rand"
	"errors"
	"log/slog"
	"net/http"
	"regexp"
	"strings"
	"time"

	"github.com/gin-gonic/gin"

	"gin-auth/session"
)

const requestIDHeader = "X-Request-Id"

// saneRequestID limits what is copied from a client into the log. Every token is longer than 64 characters.
var saneRequestID = regexp.MustCompile(`^[A-Za-z0-9._-]{1,64}$`)

// traceparent matches a version, the trace id, the id of the caller's span, and flags. A later version may have more
// fields.
var traceparent = regexp.MustCompile(`^[0-9a-f]{2}-([0-9a-f]{32})-[0-9a-f]{16}-[0-9a-f]{2}(-|$)`)

// AccessLog writes one line per request. The line leaves out the query, the headers and the body, so it has no token,
// cookie or password. It has the error of a 5xx, and the reason for a 403 or for a preflight that no route answers.
//
// The request's id is the client's X-Request-Id if it is well-formed, otherwise a new one. It is sent with the
// response. The trace id comes from the client's traceparent (W3C Trace Context).
func AccessLog(log *slog.Logger) gin.HandlerFunc {
	return func(c *gin.Context) {
		start := time.Now()
		id := c.GetHeader(requestIDHeader)
		if !saneRequestID.MatchString(id) {
			id = rand.Text()
		}
		c.Header(requestIDHeader, id)
		c.Next()

		level := levelOf(c)
		ctx := c.Request.Context()
		if !log.Enabled(ctx, level) {
			return
		}
		attrs := []slog.Attr{
			slog.String("method", knownMethod(c.Request.Method)),
			slog.String("path", shorten(hideTokens(c.Request.URL.Path))),
			slog.Int("status", c.Writer.Status()),
			slog.Float64("duration_ms", float64(time.Since(start).Microseconds())/1000),
			slog.String("client_address", c.ClientIP()),
			slog.String("request_id", id),
		}
		if parent := traceparent.FindStringSubmatch(c.GetHeader("Traceparent")); parent != nil {
			attrs = append(attrs, slog.String("trace_id", parent[1]))
		}
		if s := session.FromContext(ctx); s != nil {
			attrs = append(attrs, slog.String("user_id", s.UserID()))
		}
		if err := loggedError(c, level); err != nil {
			attrs = append(attrs, slog.String("error", err.Error()))
		}
		log.LogAttrs(ctx, level, "request", attrs...)
	}
}

// loggedError returns the error to log with a request, or nil. It is logged if this service failed, or if somebody
// may have expected the request to be allowed.
func loggedError(c *gin.Context, level slog.Level) error {
	for _, err := range c.Errors {
		if errors.Is(err.Err, ErrCrossOrigin) {
			return err.Err
		}
	}
	if level >= slog.LevelWarn || c.Writer.Status() == http.StatusForbidden {
		return LastError(c)
	}
	return nil
}

// maxLogged is how many bytes of a string from a client are logged.
const maxLogged = 200

// shorten returns the part of a string from a client that is logged.
func shorten(text string) string {
	if len(text) <= maxLogged {
		return text
	}
	return strings.ToValidUTF8(text[:maxLogged], "") + "…"
}

// levelOf returns error for a failure of this service, warning for a failed probe or a request that may be sent again
// later, debug for a successful probe, and otherwise info.
func levelOf(c *gin.Context) slog.Level {
	status := c.Writer.Status()
	switch route := c.FullPath(); {
	case route == "/healthz", route == "/readyz":
		if status == http.StatusOK {
			return slog.LevelDebug
		}
		return slog.LevelWarn
	case status == http.StatusServiceUnavailable && c.Writer.Header().Get("Retry-After") != "":
		return slog.LevelWarn
	case status >= http.StatusInternalServerError && c.Request.Context().Err() == nil:
		return slog.LevelError
	}
	return slog.LevelInfo
}

// knownMethod returns "other" for unknown methods, so that clients cannot choose strings in logs and metrics.
func knownMethod(method string) string {
	switch method {
	case http.MethodGet, http.MethodHead, http.MethodPost, http.MethodPut,
		http.MethodPatch, http.MethodDelete, http.MethodOptions:
		return method
	}
	return "other"
}
