package middleware

import (
	"crypto/rand"
	"errors"
	"log/slog"
	"net/http"
	"regexp"
	"time"

	"github.com/gin-gonic/gin"

	"gin-auth/session"
)

const requestIDHeader = "X-Request-Id"

// saneRequestID bounds what is taken from a client into the log: 64 characters are fewer than any
// token has.
var saneRequestID = regexp.MustCompile(`^[A-Za-z0-9._-]{1,64}$`)

// AccessLog writes one line a request: its route, not its path, and no header, so that no token,
// cookie or password is in it. An error that made the answer a 5xx is in the same line.
//
// A revoked token that was seen has a line of its own, in the words of controllers.Auth's audit.
//
// The request's id is the client's X-Request-Id if that is sane, else a new one, and it is answered.
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
		if s := session.FromContext(ctx); s != nil && errors.Is(lastError(c), ErrRevoked) {
			log.LogAttrs(ctx, slog.LevelWarn, "audit",
				slog.String("event", "authn_token_reuse"),
				slog.String("request_id", id),
				slog.String("client_address", c.ClientIP()),
				slog.String("user_id", s.UserID()),
				slog.String("token", s.Hash()))
		}
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
		if err := lastError(c); err != nil && level >= slog.LevelWarn {
			attrs = append(attrs, slog.String("error", err.Error()))
		}
		log.LogAttrs(ctx, level, "request", attrs...)
	}
}

func lastError(c *gin.Context) error {
	if last := c.Errors.Last(); last != nil {
		return last.Err
	}
	return nil
}

// levelOf is error for what went wrong here, a warning for who was told to come again, and debug for probes
// that found all well.
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

// knownMethod keeps texts of a client's own choice out of the log.
func knownMethod(method string) string {
	switch method {
	case http.MethodGet, http.MethodHead, http.MethodPost, http.MethodPut,
		http.MethodPatch, http.MethodDelete, http.MethodOptions:
		return method
	}
	return "other"
}
