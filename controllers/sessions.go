package controllers

import (
	"net/http"

	"github.com/gin-gonic/gin"

	"gin-auth/session"
)

// Me returns every claim of the session's token.
func (a *Auth) Me(c *gin.Context) error {
	claims := session.FromContext(c.Request.Context()).Claims()
	return JSON(c, http.StatusOK, struct {
		User any `json:"user"`
	}{claims})
}

// LogoutAll revokes every session of the user, including this one.
func (a *Auth) LogoutAll(c *gin.Context) error {
	ctx := c.Request.Context()
	s := session.FromContext(ctx)
	if s.UserID() == "" {
		return invalid("the token names no user")
	}
	if err := a.Revoker.LogoutAll(ctx, s.UserID()); err != nil {
		return err
	}
	// A Node service beside this one knows the blacklist only, and a token that it issued may be from a later time
	// than now, which LogoutAll does not reach.
	if err := a.revoke(ctx, s); err != nil {
		return err
	}
	a.audit(c, eventRevoked, userAttr(s.UserID()), tokenAttr("all"))
	a.Sessions.ClearCookie(c.Writer.Header())
	return JSON(c, http.StatusOK, messageBody{"logged out everywhere successfully"})
}
