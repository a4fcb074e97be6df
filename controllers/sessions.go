package controllers

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"
	"unicode"

	"github.com/gin-gonic/gin"

	"gin-auth/session"
	"gin-auth/user"
)

// SessionStore stores the sessions that are issued here, so that users can see and end them, and so that a logout of
// all sessions can put each of them on the blacklist. An error means that the store is unavailable.
type SessionStore interface {
	// AddSession stores a new session and reports whether it is valid. It is not if a logout of all the user's sessions
	// came after it was issued. If the user had too many sessions, AddSession ends the oldest and returns their tokens.
	AddSession(ctx context.Context, userID string, s user.Session) (valid bool, ended []string, err error)
	// RemoveSession removes a session that is not valid, or no longer valid.
	RemoveSession(ctx context.Context, userID, id string) error
	// Sessions returns the active sessions of a user, newest first.
	Sessions(ctx context.Context, userID string) ([]user.Session, error)
	// EndSession revokes a session and returns its token after the revocation is stored, or "" if the user has no such
	// session.
	EndSession(ctx context.Context, userID, id string) (token string, err error)
}

// ErrNoSession means that the user has no session with that id.
var ErrNoSession = errors.New("no such session")

// listedSession is a session in a response.
type listedSession struct {
	ID        string `json:"id"`
	Current   bool   `json:"current"`
	CreatedAt string `json:"createdAt"`
	ExpiresAt string `json:"expiresAt"`
	Address   string `json:"address"`
	UserAgent string `json:"userAgent"`
}

// jsTime is the format of JavaScript's Date.toJSON.
const jsTime = "2006-01-02T15:04:05.000Z"

// ListSessions returns the user's active sessions.
func (a *Auth) ListSessions(c *gin.Context) error {
	s, err := userSession(c)
	if err != nil {
		return err
	}
	sessions, err := a.SessionStore.Sessions(c.Request.Context(), s.UserID())
	if err != nil {
		return fmt.Errorf("%w: %w", ErrUnavailable, err)
	}
	listed := make([]listedSession, len(sessions))
	for i, l := range sessions {
		listed[i] = listedSession{
			l.ID, l.ID == s.ID(), formatTime(l.IssuedAt), formatTime(l.ExpiresAt), l.Address, l.UserAgent,
		}
	}
	return JSON(c, http.StatusOK, struct {
		Sessions []listedSession `json:"sessions"`
	}{listed})
}

func formatTime(t time.Time) string { return t.UTC().Format(jsTime) }

// EndSession revokes one of the user's sessions. If it is the session of the request, the cookie is cleared. The id
// of somebody else's session gets the same response as an unknown id, after the same work.
func (a *Auth) EndSession(c *gin.Context) error {
	s, err := userSession(c)
	if err != nil {
		return err
	}
	token, err := a.SessionStore.EndSession(c.Request.Context(), s.UserID(), c.Param("id"))
	if err != nil {
		return err
	}
	if token == "" {
		return ErrNoSession
	}
	a.audit(c, eventRevoked, userAttr(s.UserID()), tokenAttr(session.ShortHash(token)))
	if token == s.Token {
		a.Sessions.ClearCookie(c.Writer.Header())
	}
	c.Status(http.StatusNoContent)
	return nil
}

// userSession returns the session of the request, or an error if its token names no user.
func userSession(c *gin.Context) (*session.Session, error) {
	s := session.FromContext(c.Request.Context())
	if s.UserID() == "" {
		return nil, invalid("the token names no user")
	}
	return s, nil
}

// addSession stores a session that was issued in response to a request. It reports whether the session is valid.
func (a *Auth) addSession(ctx context.Context, c *gin.Context, s *session.Session) (valid bool, err error) {
	valid, ended, err := a.SessionStore.AddSession(ctx, s.UserID(), user.Session{
		ID:        s.ID(),
		Record:    a.Sessions.Record(s),
		IssuedAt:  time.Unix(s.IssuedAt(), 0),
		ExpiresAt: s.ExpiresAt(),
		Address:   c.ClientIP(),
		UserAgent: shortUserAgent(c.Request.UserAgent()),
	})
	for _, token := range ended {
		a.audit(c, eventRevoked, userAttr(s.UserID()), tokenAttr(session.ShortHash(token)))
	}
	if err != nil {
		err = fmt.Errorf("%w: %w", ErrUnavailable, err)
	}
	return valid, err
}

// removeSession removes a session that has ended from the sessions of its user.
func (a *Auth) removeSession(ctx context.Context, s *session.Session) error {
	if s.ID() == "" { // a session of a Node service
		return nil
	}
	return a.SessionStore.RemoveSession(ctx, s.UserID(), s.ID())
}

// maxUserAgent is how many bytes of a User-Agent are stored. Those of browsers have about 120.
const maxUserAgent = 200

// shortUserAgent returns at most maxUserAgent bytes of a User-Agent header, without control characters and invalid
// UTF-8.
func shortUserAgent(header string) string {
	var short strings.Builder
	for _, r := range strings.ToValidUTF8(header, "") {
		if short.Len()+len(string(r)) > maxUserAgent {
			break
		}
		if !unicode.In(r, unicode.Cc, unicode.Cf) {
			short.WriteRune(r)
		}
	}
	return strings.TrimSpace(short.String())
}

// Me returns every claim of the session's token.
func (a *Auth) Me(c *gin.Context) error {
	return writeJSON(c, http.StatusOK, `{"user":`+session.FromContext(c.Request.Context()).Claims()+"}")
}

// LogoutAll revokes every session of the user, including this one.
func (a *Auth) LogoutAll(c *gin.Context) error {
	ctx := c.Request.Context()
	s, err := userSession(c)
	if err != nil {
		return err
	}
	if err := a.Revoker.LogoutAll(ctx, s.UserID()); err != nil {
		return err
	}
	// LogoutAll does not revoke a token that a Node service issued by a clock that is ahead. And a Node service asks only
	// the blacklist. So the token of this request is put there.
	if err := a.revoke(ctx, s); err != nil {
		return err
	}
	a.audit(c, eventRevoked, userAttr(s.UserID()), tokenAttr("all"))
	a.Sessions.ClearCookie(c.Writer.Header())
	return JSON(c, http.StatusOK, messageBody{"logged out everywhere successfully"})
}
