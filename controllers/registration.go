package controllers

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"github.com/gin-gonic/gin"

	"gin-auth/user"
)

// Register creates a user and starts their first session.
//
// The session is stored before the user. So a logout of all their sessions that follows, because somebody disables the
// user at once, revokes it.
func (a *Auth) Register(c *gin.Context) error {
	if a.RegistrationClosed {
		return ErrRegistrationClosed
	}
	body, err := readFields(c.Request)
	if err != nil {
		return err
	}
	ctx := c.Request.Context()
	u, err := a.newUser(ctx, body)
	if err != nil {
		return err
	}
	at, err := a.Clock.IssueTime(ctx, u.ID)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrUnavailable, err)
	}
	s, err := a.Sessions.Issue(sessionUser(u), at)
	if err != nil {
		return err
	}
	if valid, err := a.addSession(ctx, c, s); err != nil || !valid {
		return cmp.Or(err, ErrUnavailable) // not valid: everybody was logged out since then
	}
	if err := a.Users.CreateUser(ctx, u); err != nil {
		err = errors.Join(err, a.removeSession(ctx, s))
		if errors.Is(err, user.ErrEmailTaken) || errors.Is(err, user.ErrUsernameTaken) {
			return fmt.Errorf("%w: %w", ErrUserExists, err)
		}
		return fmt.Errorf("%w: %w", ErrUnavailable, err)
	}
	a.setSession(c, s)
	a.audit(c, eventCreated, userAttr(u.ID), tokenAttr(s.Hash()))
	return JSON(c, http.StatusCreated, identity{"User registered successfully", answerUser(u)})
}

// newUser returns the user that a registration asks for.
func (a *Auth) newUser(ctx context.Context, body fields) (u user.User, err error) {
	texts, err := body.texts("username", "email", "password")
	if err != nil {
		return user.User{}, err
	}
	if u.Username, err = user.CleanUsername(texts["username"], texts["email"]); err != nil {
		return user.User{}, err
	}
	if u.Email, err = user.CleanEmail(texts["email"]); err != nil {
		return user.User{}, err
	}
	if err = body.read("fullName", &u.FullName, "{firstName,lastName}, each a string, or a string"); err != nil {
		return user.User{}, err
	}
	if u.FullName, err = user.CleanFullName(u.FullName); err != nil {
		return user.User{}, err
	}
	if u.Role, err = a.chosenRole(body); err != nil {
		return user.User{}, err
	}
	if u.PasswordHash, err = a.Passwords.HashRegistered(ctx, texts["password"]); err != nil {
		return user.User{}, err
	}
	u.Created = user.Now()
	u.ID = user.NewID(u.Created)
	return u, nil
}

// chosenRole returns the role that a registration asks for, or the default role. Any role that users may not choose is
// an error: replacing it would give somebody an account that cannot do what it is for.
func (a *Auth) chosenRole(body fields) (string, error) {
	if !body.has("role") {
		return a.RegistrationRoles[0], nil
	}
	role, err := body.text("role")
	if err == nil && !slices.Contains(a.RegistrationRoles, role) {
		err = invalid("role must be one of: " + strings.Join(a.RegistrationRoles, ", "))
	}
	return role, err
}
