// Package controllers has the handlers of the routes, one file per resource. A handler does not render its error but
// returns it: routes renders all errors in one place.
package controllers

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"sync"
	"time"

	"github.com/gin-gonic/gin"

	"gin-auth/session"
	"gin-auth/user"
)

// Revoker revokes tokens.
type Revoker interface {
	// Revoke revokes a token until the given time by Redis's clock, or forever if that is the zero time. It returns nil
	// only after that is stored.
	Revoke(ctx context.Context, token string, until time.Time) error
	// LogoutAll revokes every token that was issued here to the user until now. It returns nil only after that is stored.
	LogoutAll(ctx context.Context, userID string) error
}

// Clock provides the time at which a token is issued. All instances share it.
type Clock interface {
	// IssueTime returns a time later than every cut that applies to the user's tokens.
	IssueTime(ctx context.Context, userID string) (time.Time, error)
}

// Auth has the handlers for users and their sessions. All fields except RegistrationClosed are required.
type Auth struct {
	Sessions     *session.Sessions
	SessionStore SessionStore
	Revoker      Revoker
	Clock        Clock
	Users        Users
	Passwords    *Passwords
	Limiter      Limiter
	// Log gets the audit lines.
	Log *slog.Logger
	// RegistrationRoles are the roles that users may choose when they register. The first is the default role.
	RegistrationRoles []string
	// RegistrationClosed rejects every registration.
	RegistrationClosed bool
}

// identity is the body of a response after which the client is logged in.
type identity struct {
	Message string       `json:"message"`
	User    answeredUser `json:"user"`
}

// answeredUser is a user in a response: what tokens contain, and the full name.
type answeredUser struct {
	session.User
	FullName any `json:"fullName,omitempty"`
}

func answerUser(u user.User) answeredUser { return answeredUser{sessionUser(u), u.FullName.Value()} }

// Login starts a session for a user who is named by their email or username. If both are sent, the email decides. An
// unknown user, a wrong password and a disabled user get the same response, after the same work.
//
// A session does not survive if its user is disabled or changed. Whoever does that logs out all sessions of the user
// after the write. A login first takes the time at which the token is issued, and then reads the user once more. So
// the token either has what was written, or the write came after that time and the logout of all sessions revokes the
// token. That logout also puts the stored sessions of the user on the blacklist: see start.
func (a *Auth) Login(c *gin.Context) error {
	body, err := readFields(c.Request)
	if err != nil {
		return err
	}
	account, password, err := readCredentials(body)
	if err != nil {
		return err
	}
	ctx := c.Request.Context()
	u, at, err := a.checkLogin(c, account, password)
	if err != nil {
		a.auditFailedLogin(c, u, account, err)
		return err
	}
	u, s, err := a.issue(ctx, c, u, password, at)
	if err != nil {
		a.auditFailedLogin(c, u, account, err)
		return err
	}
	a.renewHash(ctx, u, password)
	a.setSession(c, s)
	a.audit(c, eventLogin, userAttr(u.ID), tokenAttr(s.Hash()))
	return JSON(c, http.StatusOK, identity{"User logged in successfully", answerUser(u)})
}

// Logout revokes every session whose token the request has, and clears the cookie. It answers 200 only after the
// revocations are stored. If that fails, the client keeps the cookie and can try again.
func (a *Auth) Logout(c *gin.Context) error {
	ctx := c.Request.Context()
	for _, s := range a.Sessions.ReadAll(c.Request.Header) {
		c.Request = c.Request.WithContext(session.NewContext(ctx, s))
		if err := a.revoke(ctx, s); err != nil {
			return err
		}
		a.audit(c, eventRevoked, userAttr(s.UserID()), tokenAttr(s.Hash()))
	}
	a.Sessions.ClearCookie(c.Writer.Header())
	return JSON(c, http.StatusOK, messageBody{"logged out successfully"})
}

func (a *Auth) revoke(ctx context.Context, s *session.Session) error {
	if err := a.Revoker.Revoke(ctx, s.Token, s.RevocableUntil()); err != nil {
		return err
	}
	if err := a.removeSession(context.WithoutCancel(ctx), s); err != nil { // the session is revoked even so
		a.Log.WarnContext(ctx, "a revoked session was not removed from the session list", slog.String("error", err.Error()))
	}
	return nil
}

// maxIssueTries is how often a session is issued before the login fails. Another try is needed if the user was
// changed or logged out everywhere in the meantime.
const maxIssueTries = 3

// issueTime returns the time at which to issue a session of a user. It calls meanwhile, unless that is nil, at the
// same time and waits for it.
func (a *Auth) issueTime(ctx context.Context, userID string, meanwhile func()) (at time.Time, err error) {
	var both sync.WaitGroup
	if meanwhile != nil {
		both.Go(meanwhile)
	}
	at, err = a.Clock.IssueTime(ctx, userID)
	both.Wait()
	if err != nil {
		return time.Time{}, fmt.Errorf("%w: %w", ErrUnavailable, err)
	}
	return at, nil
}

// issue returns a new session of a user, issued later than every cut, and the user as stored after the time of issue
// was taken: see Login. at is that time for the first try; each further try takes a new one. It returns
// ErrCredentials if the user may no longer log in with that password.
func (a *Auth) issue(
	ctx context.Context, c *gin.Context, u user.User, password string, at time.Time,
) (user.User, *session.Session, error) {
	for try := range maxIssueTries {
		var err error
		if try > 0 {
			if at, err = a.issueTime(ctx, u.ID, nil); err != nil {
				return u, nil, err
			}
		}
		s, err := a.Sessions.Issue(sessionUser(u), at)
		if err != nil {
			return u, nil, err
		}
		current, valid, err := a.start(ctx, c, s, u, password)
		if err == nil && valid && sessionUser(current) == sessionUser(u) {
			return current, s, nil
		}
		if failed := a.removeSession(ctx, s); err == nil && failed != nil {
			err = fmt.Errorf("%w: %w", ErrUnavailable, failed)
		}
		if err != nil {
			return current, nil, err
		}
		u = current
	}
	return u, nil, fmt.Errorf("%w: on each try, the user was changed or logged out everywhere", ErrUnavailable)
}

// start stores a session and, at the same time, reads its user again. It reports whether the session is valid.
func (a *Auth) start(
	ctx context.Context, c *gin.Context, s *session.Session, u user.User, password string,
) (current user.User, valid bool, err error) {
	var failed error
	var both sync.WaitGroup
	both.Go(func() { current, failed = a.recheckUser(ctx, u, password) })
	valid, err = a.addSession(ctx, c, s)
	both.Wait()
	return current, valid, cmp.Or(failed, err)
}

// setSession makes s the session of the request, and sends its cookie to the client.
func (a *Auth) setSession(c *gin.Context, s *session.Session) {
	c.Request = c.Request.WithContext(session.NewContext(c.Request.Context(), s))
	a.Sessions.SetCookie(c.Writer.Header(), s)
}

// sessionUser returns the part of a user that tokens and responses contain.
func sessionUser(u user.User) session.User {
	s := session.User{ID: u.ID, Email: u.Email, Username: u.Username, Role: u.Role}
	if u.NumericID {
		s.ID = json.Number(u.ID)
	}
	return s
}

// auditFailedLogin writes the audit line of a login that failed with err, if that error has one. u is the user of the
// account, if there is one.
func (a *Auth) auditFailedLogin(c *gin.Context, u user.User, account account, err error) {
	switch {
	case errors.Is(err, ErrCredentials):
		a.audit(c, eventLoginFail, userAttr(u.ID), accountAttr(account.name))
	case errors.Is(err, ErrLimited):
		a.audit(c, eventLoginLimited, accountAttr(account.name))
	}
}
