package controllers

import (
	"crypto/sha256"
	"encoding/hex"
	"log/slog"

	"github.com/gin-gonic/gin"
)

// What the audit lines tell of, in the words of OWASP's logging vocabulary.
const (
	eventCreated            = "user_created"
	eventLogin              = "authn_login_success"
	eventLoginFail          = "authn_login_fail"
	eventLoginLimited       = "authn_login_fail_max"
	eventPasswordChange     = "authn_password_change"
	eventPasswordChangeFail = "authn_password_change_fail"
	eventRevoked            = "authn_token_revoked"
)

// audit writes a line about what happened to a user, and nothing that opens anything. An event that went
// wrong is a warning. See also middleware.AccessLog, which writes authn_token_reuse.
func (a *Auth) audit(c *gin.Context, event string, attrs ...slog.Attr) {
	level := slog.LevelInfo
	switch event {
	case eventLoginFail, eventLoginLimited, eventPasswordChangeFail:
		level = slog.LevelWarn
	}
	attrs = append([]slog.Attr{
		slog.String("event", event),
		slog.String("request_id", c.Writer.Header().Get("X-Request-Id")),
		slog.String("client_address", c.ClientIP()),
	}, attrs...)
	a.Log.LogAttrs(c.Request.Context(), level, "audit", attrs...)
}

func userAttr(id string) slog.Attr { return slog.String("user_id", id) }

func tokenAttr(hash string) slog.Attr { return slog.String("token", hash) }

// accountAttr names the account that somebody failed to log in to by a short hash of the email: what is
// typed there may be a password.
func accountAttr(email string) slog.Attr {
	sum := sha256.Sum256([]byte(email))
	return slog.String("account", hex.EncodeToString(sum[:8]))
}
