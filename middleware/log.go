package middleware

import (
	"crypto/rand"
	"log/slog"
	"net/http"
	"regexp"
	"time"

	"github.com/gin-gonic/gin"

	"gin-auth/session"
)

const requestIDHeader = "X-Request-Id"

// saneRequestID limits what is copied from a client into the log: 64 characters are fewer than any token has.
var saneRequestID = regexp.MustCompile(`^[A-Za-z0-9._-]{1,64}$`)

// AccessLog writes one line per request, with its route instead of its path and without headers, so that it holds no
// token, cookie or password. The error of a 5xx is in the same line.
//
// The request's id is the client's X-Request-Id if that is sane, otherwise a new one. It is sent with the answer.
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
			slog.String("route", c.FullPath()),
			slog.Int("status", c.Writer.Status()),
			slog.Float64("duration_ms", float64(time.Since(start).Microseconds())/1000),
			slog.String("request_id", id),
		}
		if s := session.FromContext(ctx); s != nil {
			attrs = append(attrs, slog.String("user_id", s.UserID()))
		}
		if err := LastError(c); err != nil && level >= slog.LevelWarn {
			attrs = append(attrs, slog.String("error", err.Error()))
		}
		log.LogAttrs(ctx, level, "request", attrs...)
	}
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
