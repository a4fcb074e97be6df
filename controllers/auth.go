// Package controllers holds what is behind the routes, one file a resource. A handler returns what
// went wrong instead of answering it: routes answers every error, in one place.
package controllers

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"time"

	"github.com/gin-gonic/gin"

	"gin-auth/session"
)

// Revoker takes tokens back.
type Revoker interface {
	// Revoke returns nil once it is stored that token is revoked until the given time by Redis's clock, forever if
	// that is the zero time.
	Revoke(ctx context.Context, token string, until time.Time) error
	// LogoutAll returns nil once it is stored that every token which the user was issued here until now
	// is revoked.
	LogoutAll(ctx context.Context, userID string) error
}

// Clock tells when a token is issued: at a time that all instances share.
type Clock interface {
	// IssueTime returns a time after every cut that the user's tokens are held against.
	IssueTime(ctx context.Context, userID string) (time.Time, error)
}

// Auth answers register, login, logout, me and verify.
type Auth struct {
	Sessions *session.Sessions
	Revoker  Revoker
	Clock    Clock
	Users    Users
	// Passwords hashes and checks passwords.
	Passwords *Passwords
	Limiter   Limiter
	// Log gets the audit lines.
	Log *slog.Logger
	// RegistrationClosed refuses every registration.
	RegistrationClosed bool
}

// identity is a user as clients see him.
type identity struct {
	Message string       `json:"message"`
	User    session.User `json:"user"`
}

// Register creates a user. It does not sign him in, as the original doesn't.
func (a *Auth) Register(c *gin.Context) error {
	if a.RegistrationClosed {
		return ErrRegistrationClosed
	}
	fields, err := readFields(c, "username", "email", "password")
	if err != nil {
		return err
	}
	user, err := a.newUser(c.Request.Context(), fields)
	if err != nil {
		return err
	}
	created, err := a.Users.CreateUser(c.Request.Context(), user)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrUnavailable, err)
	}
	if !created {
		return ErrUserExists
	}
	a.audit(c, eventCreated, userAttr(user.ID))
	return JSON(c, http.StatusCreated, identity{"User registered successfully", user.session()})
}

// Logout revokes the session, if there is one, and clears the cookie. Its 200 says that the revocation
// is stored; where that failed, the client keeps the cookie and can try again.
func (a *Auth) Logout(c *gin.Context) error {
	s, err := a.Sessions.Authenticate(a.Sessions.Read(c.Request.Header))
	if err == nil {
		ctx := session.NewContext(c.Request.Context(), s)
		c.Request = c.Request.WithContext(ctx)
		if err := a.revoke(ctx, s); err != nil {
			return err
		}
		a.audit(c, eventRevoked, userAttr(s.UserID()), tokenAttr(s.Hash()))
	}
	a.Sessions.Clear(c.Writer.Header())
	return JSON(c, http.StatusOK, message{"logged out successfully"})
}

// LogoutAll revokes every session of the user, this one among them.
func (a *Auth) LogoutAll(c *gin.Context) error {
	ctx := c.Request.Context()
	s := session.FromContext(ctx)
	if s.UserID() == "" {
		return &InvalidError{"the token names no user"}
	}
	if err := a.Revoker.LogoutAll(ctx, s.UserID()); err != nil {
		return err
	}
	// The blacklist is what a Node service beside this one knows of, and a token that one issued may say
	// that it is from later.
	if err := a.revoke(ctx, s); err != nil {
		return err
	}
	a.audit(c, eventRevoked, userAttr(s.UserID()), tokenAttr("all"))
	a.Sessions.Clear(c.Writer.Header())
	return JSON(c, http.StatusOK, message{"logged out everywhere successfully"})
}

func (a *Auth) revoke(ctx context.Context, s *session.Session) error {
	return a.Revoker.Revoke(ctx, s.Token, s.RevocableUntil())
}

// Me returns every claim of the session's token.
func (a *Auth) Me(c *gin.Context) error {
	claims := session.FromContext(c.Request.Context()).Claims()
	return JSON(c, http.StatusOK, struct {
		User any `json:"user"`
	}{claims})
}
