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

// saneRequestID limits what is copied from a client into the log: 64 characters are fewer than any token has.
var saneRequestID = regexp.MustCompile(`^[A-Za-z0-9._-]{1,64}$`)

// traceparent has a version, the trace's id, that of the caller's span and flags; a later version may have more.
var traceparent = regexp.MustCompile(`^[0-9a-f]{2}-([0-9a-f]{32})-[0-9a-f]{16}-[0-9a-f]{2}(-|$)`)

// AccessLog writes one line per request, without its query, headers and body, so that it holds no token, cookie or
// password. The error of a 5xx and the reason of a 403 or of an unanswered preflight are in the same line.
//
// The request's id is the client's X-Request-Id if that is sane, otherwise a new one. It is sent with the answer. The
// trace id is that of the client's traceparent (W3C Trace Context).
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

// loggedError returns the error of a request if its line has one: of a failure of this service, or of a request that
// somebody may have expected to be allowed.
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

// maxLogged is how much of a string that a client has sent is logged, in bytes.
const maxLogged = 200

// shorten returns a string that a client has sent as it is logged.
func shorten(text string) string {
	if len(text) <= maxLogged {
		return text
	}
	return strings.ToValidUTF8(text[:maxLogged], "") + "…"
}

// levelOf returns error for a failure of this service, warning for a request that may be sent again later, and debug
// for a successful probe.
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

// knownMethod keeps strings of a client's own choice out of logs and metrics.
func knownMethod(method string) string {
	switch method {
	case http.MethodGet, http.MethodHead, http.MethodPost, http.MethodPut,
		http.MethodPatch, http.MethodDelete, http.MethodOptions:
		return method
	}
	return "other"
}
