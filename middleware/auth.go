// Package middleware has the handlers that wrap a route: the guard in auth.go, the access log, the metrics, the
// recovery from panics, the limit on bodies, and others.
package middleware

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/gin-gonic/gin"

	"gin-auth/session"
)

// The errors with which the guard rejects a request. The routes package maps each to a response: the message for a
// revoked token, for example, is in routes/errors.go.
var (
	ErrNoToken     = errors.New("no token")
	ErrRefused     = errors.New("token refused")
	ErrRevoked     = errors.New("token revoked")
	ErrUnavailable = errors.New("revocations cannot be looked up")
)

// Revocations looks up what was revoked. An error means that it is unavailable.
type Revocations interface {
	// Revoked reports whether a token is revoked: by itself, or together with all tokens of its user, or of all users,
	// that were issued at or before some time. userID is "" for a token that names no user. issuedAt returns the time at
	// which the token was issued, in seconds of Redis's clock, or 0 if the token does not have it. It is called only if
	// needed. now is the time to use for the token's expiry.
	Revoked(ctx context.Context, token, userID string, issuedAt func() int64) (revoked bool, now time.Time, err error)
}

// Auth is the guard of protected routes. It accepts only requests with a valid session, which later handlers get from
// session.FromContext.
//
// It checks whether the token is authentic, then whether it is revoked, then whether it is current. So a forged token
// causes no Redis command, and a token with a valid signature is checked in the same order as in the original.
func Auth(sessions *session.Sessions, revocations Revocations) gin.HandlerFunc {
	return func(c *gin.Context) {
		token := sessions.ReadToken(c.Request.Header)
		if token == "" {
			refuse(c, ErrNoToken)
			return
		}
		s, err := sessions.Authenticate(token)
		if err != nil {
			refuse(c, fmt.Errorf("%w: %w", ErrRefused, err))
			return
		}
		ctx := session.NewContext(c.Request.Context(), s)
		c.Request = c.Request.WithContext(ctx)

		revoked, now, err := revocations.Revoked(ctx, s.Token, s.UserID(), s.IssuedAt)
		switch {
		case err != nil:
			refuse(c, fmt.Errorf("%w: %w", ErrUnavailable, err))
		case revoked:
			sessions.ClearCookie(c.Writer.Header())
			refuse(c, ErrRevoked)
		default:
			if err := s.Current(now); err != nil {
				refuse(c, fmt.Errorf("%w: %w", ErrRefused, err))
			}
		}
	}
}

// refuse stops the request with err, which routes renders.
func refuse(c *gin.Context, err error) {
	_ = c.Error(err)
	c.Abort()
}

// LastError returns the error with which a request was stopped, or nil.
func LastError(c *gin.Context) error {
	if last := c.Errors.Last(); last != nil {
		return last.Err
	}
	return nil
}
