// Package middleware holds the handlers around a route: the guard in auth.go, the access log, the
// recovery from panics and the bound on bodies.
package middleware

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/gin-gonic/gin"

	"gin-auth/session"
)

// The errors that the guard stops a request with. The routes package decides what a client sees of each: the message
// for a revoked token, for example, is in routes/errors.go.
var (
	ErrNoToken     = errors.New("no token")
	ErrRefused     = errors.New("token refused")
	ErrRevoked     = errors.New("token revoked")
	ErrUnavailable = errors.New("revocations cannot be looked up")
)

// Revocations knows what was revoked. An error means that it cannot be asked now.
type Revocations interface {
	// Revoked reports whether a token is revoked: by itself, or with all tokens of its user, or of all users, that
	// were issued at or before some time. userID is "" for a token that names no user. issuedAt returns when the
	// token was issued, in seconds of Redis's clock, 0 if it does not say; it is called only if that matters. now
	// is the time to judge the token's expiry by.
	Revoked(ctx context.Context, token, userID string, issuedAt func() int64) (revoked bool, now time.Time, err error)
}

// Auth is the guard of protected routes. It accepts only requests with a valid session, which the handlers after it
// get from session.FromContext.
//
// It checks whether the token is authentic, then whether it is revoked, then whether it is current. So a forged token
// causes no Redis command, and a token with a valid signature is checked in the original's order.
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

// LastError returns the error that a request was stopped with, or nil.
func LastError(c *gin.Context) error {
	if last := c.Errors.Last(); last != nil {
		return last.Err
	}
	return nil
}
