package controllers

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"time"

	"github.com/gin-gonic/gin"

	"gin-auth/session"
)

// Limiter counts failed logins. An error means that it can't tell now.
type Limiter interface {
	// TakeLogin counts a try before it is known whether it fails. A wait over 0 says that the limit is reached,
	// and for how long; busy that it would be, should all that are under way fail. Nothing is counted then.
	TakeLogin(ctx context.Context, account, address string) (wait time.Duration, busy bool, err error)
	// EndLogin says how it ended: whether the password was looked at, and whether it was right.
	EndLogin(ctx context.Context, account, address string, tried, good bool) error
}

// Login starts a session. An unknown email, a wrong password and a disabled user are told apart by
// neither the answer nor the work done for it.
//
// No session outlives a user's disabling or his old password: either ends with a logout of all behind the
// write, and the user is read once more behind the time that the token is issued at. So either this sees the
// write, or the write came after that time, and the cut of the logout behind it reaches the token.
func (a *Auth) Login(c *gin.Context) error {
	fields, err := readFields(c, "email", "password")
	if err != nil {
		return err
	}
	ctx, email, password := c.Request.Context(), normalizeEmail(fields["email"]), fields["password"]
	user, err := a.checkPassword(c, email, password, nil)
	switch {
	case errors.Is(err, ErrCredentials):
		a.audit(c, eventLoginFail, userAttr(user.ID), accountAttr(email))
		return err
	case errors.Is(err, ErrLimited):
		a.audit(c, eventLoginLimited, accountAttr(email))
		return err
	case err != nil:
		return err
	}
	s, err := a.issue(ctx, user)
	if err != nil {
		return err
	}
	if user, err = a.stillRight(ctx, user, password); err != nil {
		if errors.Is(err, ErrCredentials) {
			a.audit(c, eventLoginFail, userAttr(user.ID), accountAttr(email))
		}
		return err
	}
	a.renewHash(ctx, user, password)
	a.set(c, s)
	a.audit(c, eventLogin, userAttr(user.ID), tokenAttr(s.Hash()))
	return JSON(c, http.StatusOK, identity{"User logged in successfully", user.session()})
}

// ChangePassword gives the user another password, ends all his sessions and starts a new one. A user who is
// not of this service's store, one of a Node service say, has no password here that could be right.
func (a *Auth) ChangePassword(c *gin.Context) error {
	fields, err := readFields(c, "currentPassword", "newPassword")
	if err != nil {
		return err
	}
	if err := checkNewPassword(fields["newPassword"]); err != nil {
		return &InvalidError{"newPassword must have at least 8 characters and at most 72 bytes"}
	}
	s := session.FromContext(c.Request.Context())
	ofSession := func(user User) bool { return user.ID == s.UserID() }
	user, err := a.checkPassword(c, normalizeEmail(s.Email()), fields["currentPassword"], ofSession)
	switch {
	case errors.Is(err, ErrLimited):
		a.audit(c, eventLoginLimited, userAttr(s.UserID()))
		return err
	case errors.Is(err, ErrCredentials):
		a.audit(c, eventPasswordChangeFail, userAttr(s.UserID()), tokenAttr(s.Hash()))
		return err
	case err != nil:
		return err
	}
	next, err := a.replacePassword(c.Request.Context(), s, user, fields["newPassword"])
	if err != nil {
		return err
	}
	a.set(c, next)
	a.audit(c, eventPasswordChange, userAttr(user.ID), tokenAttr(next.Hash()))
	return JSON(c, http.StatusOK, identity{"Password changed successfully", user.session()})
}

// replacePassword stores a new password and returns a new session. The sessions end twice: before the write,
// so that whoever knows the new password is there knows them ended, whatever stops this behind the write; and
// behind it, for logins with the old password meanwhile.
func (a *Auth) replacePassword(ctx context.Context, s *session.Session, user User, password string) (*session.Session, error) {
	hash, err := a.Passwords.Hash(ctx, password)
	if err != nil {
		return nil, err
	}
	ctx = context.WithoutCancel(ctx) // a client that goes away doesn't stop it halfway
	if err := a.revoke(ctx, s); err != nil {
		return nil, err
	}
	if err := a.Revoker.LogoutAll(ctx, user.ID); err != nil {
		return nil, err
	}
	replaced, err := a.Users.ReplaceHash(ctx, user.Email, user.PasswordHash, hash)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrUnavailable, err)
	}
	if !replaced {
		return nil, ErrCredentials // somebody was faster: the current password isn't current any more
	}
	if err := a.Revoker.LogoutAll(ctx, user.ID); err != nil {
		return nil, err
	}
	user.PasswordHash = hash
	next, err := a.issue(ctx, user)
	if err != nil {
		return nil, err
	}
	_, err = a.stillRight(ctx, user, password)
	return next, err
}

// checkPassword returns the user with that email if the password is his, he isn't disabled and also, unless
// that is nil, says yes; else ErrCredentials, with the user if there is one. It is counted against the
// limit, which is asked before anything is looked up or hashed.
func (a *Auth) checkPassword(c *gin.Context, email, password string, also func(User) bool) (User, error) {
	ctx, address := c.Request.Context(), c.ClientIP()
	wait, busy, err := a.Limiter.TakeLogin(ctx, email, address)
	switch {
	case err != nil:
		return User{}, fmt.Errorf("%w: %w", ErrUnavailable, err)
	case wait > 0:
		return User{}, &RetryError{ErrLimited, wait}
	case busy:
		return User{}, &RetryError{ErrBusy, time.Second}
	}
	user, right, err := a.userWith(ctx, email, password)
	right = right && (also == nil || also(user))
	if err := a.Limiter.EndLogin(ctx, email, address, err == nil, right); err != nil {
		a.Log.WarnContext(ctx, "a login stays counted as under way", slog.String("error", err.Error()))
	}
	if err == nil && !right {
		err = ErrCredentials
	}
	return user, err
}

// userWith returns the user with that email, and whether he may log in with that password.
func (a *Auth) userWith(ctx context.Context, email, password string) (user User, right bool, err error) {
	user, found, err := a.Users.UserByEmail(ctx, email)
	if err != nil {
		return User{}, false, fmt.Errorf("%w: %w", ErrUnavailable, err)
	}
	right, err = a.Passwords.Check(ctx, user.PasswordHash, password)
	return user, right && found && !user.Disabled, err
}

// issue makes a session for user, later than every cut.
func (a *Auth) issue(ctx context.Context, user User) (*session.Session, error) {
	at, err := a.Clock.IssueTime(ctx, user.ID)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrUnavailable, err)
	}
	return a.Sessions.Issue(user.session(), at)
}

// stillRight returns the user as he is now, or ErrCredentials if he may not log in with that password any
// more. Another hash may be one of the same password: a login beside this one renewed it.
func (a *Auth) stillRight(ctx context.Context, before User, password string) (User, error) {
	user, found, err := a.Users.UserByEmail(ctx, before.Email)
	if err != nil {
		return before, fmt.Errorf("%w: %w", ErrUnavailable, err)
	}
	if !found || user.ID != before.ID || user.Disabled {
		return before, ErrCredentials
	}
	if user.PasswordHash == before.PasswordHash {
		return user, nil
	}
	right, err := a.Passwords.Check(ctx, user.PasswordHash, password)
	if err == nil && !right {
		err = ErrCredentials
	}
	return user, err
}

// renewHash hashes a right password anew if its hash was made at a lower cost. Where that fails, the next
// login tries again.
func (a *Auth) renewHash(ctx context.Context, user User, password string) {
	hash, err := a.Passwords.Renew(ctx, user.PasswordHash, password)
	if hash == "" || err != nil {
		return
	}
	if _, err := a.Users.ReplaceHash(ctx, user.Email, user.PasswordHash, hash); err != nil {
		a.Log.WarnContext(ctx, "a password hash was not renewed", slog.String("error", err.Error()))
	}
}

// set makes s the session of the request and of the client.
func (a *Auth) set(c *gin.Context, s *session.Session) {
	c.Request = c.Request.WithContext(session.NewContext(c.Request.Context(), s))
	a.Sessions.Set(c.Writer.Header(), s)
}
