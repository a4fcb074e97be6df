package controllers

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"

	"github.com/gin-gonic/gin"

	"gin-auth/session"
	"gin-auth/user"
)

// ChangePassword gives the user another password, ends all their sessions and starts a new one. For a user who is not
// stored here, such as a user of a Node service, every current password is wrong.
func (a *Auth) ChangePassword(c *gin.Context) error {
	body, err := readFields(c.Request)
	if err != nil {
		return err
	}
	fields, err := body.texts("currentPassword", "newPassword")
	if err != nil {
		return err
	}
	if err := a.Passwords.CheckNew("newPassword", fields["newPassword"]); err != nil {
		return err
	}
	s := session.FromContext(c.Request.Context())
	u, err := a.checkCurrent(c.Request.Context(), s, fields["currentPassword"])
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
	next, err := a.replacePassword(c, s, u, fields["newPassword"])
	if err != nil {
		return err
	}
	a.setSession(c, next)
	a.audit(c, eventPasswordChange, userAttr(u.ID), tokenAttr(next.Hash()))
	return JSON(c, http.StatusOK, identity{"Password changed successfully", answerUser(u)})
}

// checkCurrent returns the user of a session if the password is theirs; otherwise ErrCredentials.
func (a *Auth) checkCurrent(ctx context.Context, s *session.Session, password string) (user.User, error) {
	u, found, err := a.find(ctx, user.NormalizeEmail(s.Email()))
	if err != nil {
		return user.User{}, err
	}
	end, err := a.Limiter.BeginPasswordChange(ctx, s.UserID())
	if err != nil {
		return user.User{}, limitError(err, ErrLimited)
	}
	right, err := a.isRight(ctx, u, password, found && u.ID == s.UserID())
	a.endAttempt(ctx, end, err == nil, right)
	if !right {
		err = cmp.Or(err, ErrCredentials)
	}
	return u, err
}

// replacePassword stores a new password and returns a new session. All sessions are ended twice. The first time is
// before the write: when the new password becomes valid, the old sessions have ended, even if this function fails
// after the write. The second time is after the write, for logins with the old password in the meantime.
func (a *Auth) replacePassword(
	c *gin.Context, s *session.Session, u user.User, password string,
) (*session.Session, error) {
	ctx := c.Request.Context()
	hash, err := a.Passwords.Hash(ctx, password)
	if err != nil {
		return nil, err
	}
	ctx = context.WithoutCancel(ctx) // a client that disconnects does not stop it halfway
	if err := a.revoke(ctx, s); err != nil {
		return nil, err
	}
	if err := a.Revoker.LogoutAll(ctx, u.ID); err != nil {
		return nil, err
	}
	replaced, err := a.Users.ReplaceHash(ctx, u.Email, u.PasswordHash, hash)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrUnavailable, err)
	}
	if !replaced {
		return nil, ErrCredentials // another request has changed the password
	}
	if err := a.Revoker.LogoutAll(ctx, u.ID); err != nil {
		return nil, err
	}
	u.PasswordHash = hash
	at, err := a.issueTime(ctx, u.ID, nil)
	if err != nil {
		return nil, err
	}
	_, next, err := a.issue(ctx, c, u, password, at)
	return next, err
}
