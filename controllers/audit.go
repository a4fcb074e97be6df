package controllers

import (
	"log/slog"

	"github.com/gin-gonic/gin"

	"gin-auth/session"
)

// The events of the audit lines, with names from OWASP's logging vocabulary.
const (
	eventCreated            = "user_created"
	eventLogin              = "authn_login_success"
	eventLoginFail          = "authn_login_fail"
	eventLoginLimited       = "authn_login_fail_max"
	eventPasswordChange     = "authn_password_change"
	eventPasswordChangeFail = "authn_password_change_fail"
	eventRevoked            = "authn_token_revoked"
	eventReuse              = "authn_token_reuse"
)

// audit writes a line about what happened to a user. It has no token, cookie or password. Failures are warnings.
func (a *Auth) audit(c *gin.Context, event string, attrs ...slog.Attr) {
	level := slog.LevelInfo
	switch event {
	case eventLoginFail, eventLoginLimited, eventPasswordChangeFail, eventReuse:
		level = slog.LevelWarn
	}
	attrs = append([]slog.Attr{
		slog.String("event", event),
		slog.String("request_id", c.Writer.Header().Get("X-Request-Id")),
		slog.String("client_address", c.ClientIP()),
	}, attrs...)
	a.Log.LogAttrs(c.Request.Context(), level, "audit", attrs...)
}

// AuditReuse writes the audit line of a request that presented a revoked token.
func (a *Auth) AuditReuse(c *gin.Context) {
	s := session.FromContext(c.Request.Context())
	a.audit(c, eventReuse, userAttr(s.UserID()), tokenAttr(s.Hash()))
}

func userAttr(id string) slog.Attr { return slog.String("user_id", id) }

func tokenAttr(hash string) slog.Attr { return slog.String("token", hash) }

// accountAttr identifies the account of a failed login by a short hash of the email or the username. These are not
// logged, because the user may have typed a password there by mistake.
func accountAttr(name string) slog.Attr {
	return slog.String("account", session.ShortHash(name))
}
