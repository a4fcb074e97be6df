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

// What the guard refuses with. The routes package says what a client gets to see of each.
var (
	ErrNoToken     = errors.New("no token")
	ErrRefused     = errors.New("token refused")
	ErrRevoked     = errors.New("token revoked")
	ErrUnavailable = errors.New("revocations can't be asked for")
)

// Revocations knows what was revoked. An error means that it cannot tell now.
type Revocations interface {
	// Revoked reports whether a token is revoked: by itself, or with all tokens of its user, or of all users, that
	// were issued at or before some time. userID is "" for a token that names no user. issuedAt returns when the
	// token was issued, in seconds of Redis's clock, 0 if it does not say; it is called only if that matters. now
	// is the time to judge the token's expiry by.
	Revoked(ctx context.Context, token, userID string, issuedAt func() int64) (revoked bool, now time.Time, err error)
}

// Auth guards a route: only a request with a session that holds gets through, and the handlers behind
// it find that session by session.FromContext.
//
// The questions come in this order: is it authentic, is it revoked, is it current. So a forged token
// costs no command to Redis, and for one with a good signature the order is the original's.
func Auth(sessions *session.Sessions, revocations Revocations) gin.HandlerFunc {
	return func(c *gin.Context) {
		token := sessions.Read(c.Request.Header)
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
			sessions.Clear(c.Writer.Header())
			refuse(c, ErrRevoked)
		default:
			if err := s.Current(now); err != nil {
				refuse(c, fmt.Errorf("%w: %w", ErrRefused, err))
			}
		}
	}
}

// refuse stops the request with err, which is answered in one place, by routes.
func refuse(c *gin.Context, err error) {
	_ = c.Error(err)
	c.Abort()
}
