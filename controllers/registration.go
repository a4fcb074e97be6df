package controllers

import (
	"cmp"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/gin-gonic/gin"

	"gin-auth/user"
)

// Register creates a user and starts their first session.
//
// The session is stored before the user. So if the user is disabled at once, the logout of all their sessions revokes
// it.
func (a *Auth) Register(c *gin.Context) error {
	if a.RegistrationClosed {
		return ErrRegistrationClosed
	}
	body, err := readFields(c.Request)
	if err != nil {
		return err
	}
	ctx := c.Request.Context()
	u, password, err := a.newUser(body)
	if err != nil {
		return err
	}
	hash, at, err := a.hashRegistered(c, u.ID, password)
	if err != nil {
		return err
	}
	u.PasswordHash = hash
	s, err := a.Sessions.Issue(sessionUser(u), at)
	if err != nil {
		return err
	}
	if valid, err := a.addSession(ctx, c, s); err != nil || !valid {
		return cmp.Or(err, ErrUnavailable) // not valid if everybody was logged out in the meantime
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

// newUser returns the user of a registration, without a password hash, and the password.
func (a *Auth) newUser(body fields) (u user.User, password string, err error) {
	texts, err := body.texts("username", "email", "password")
	if err != nil {
		return user.User{}, "", err
	}
	if u.Username, err = user.CleanUsername(texts["username"], texts["email"]); err != nil {
		return user.User{}, "", err
	}
	if u.Email, err = user.CleanEmail(texts["email"]); err != nil {
		return user.User{}, "", err
	}
	if err = body.read("fullName", &u.FullName, "{firstName,lastName}, each a string, or a string"); err != nil {
		return user.User{}, "", err
	}
	if u.FullName, err = user.CleanFullName(u.FullName); err != nil {
		return user.User{}, "", err
	}
	if u.Role, err = a.chosenRole(body); err != nil {
		return user.User{}, "", err
	}
	if err = a.Passwords.CheckNew("password", texts["password"]); err != nil {
		return user.User{}, "", err
	}
	u.Created = user.Now()
	u.ID = user.NewID(u.Created)
	return u, texts["password"], nil
}

// hashRegistered returns the hash of a registration's password, and the time at which to issue the first session. The
// registration counts against the limit of the address if its password is hashed, even if the user already exists:
// hashing costs the same, and the response reveals who has an account.
func (a *Auth) hashRegistered(c *gin.Context, id, password string) (hash string, at time.Time, err error) {
	ctx := c.Request.Context()
	end, err := a.Limiter.BeginRegistration(ctx, c.ClientIP())
	if err != nil {
		return "", time.Time{}, limitError(err, ErrRegistrationLimited)
	}
	hash, err = a.Passwords.HashRegistered(ctx, password)
	hashed := err == nil
	ended := func() {
		if err := end(ctx, hashed); err != nil {
			a.Log.WarnContext(ctx, "a registration still counts as in progress", slog.String("error", err.Error()))
		}
	}
	if !hashed {
		ended()
		return "", time.Time{}, err
	}
	at, err = a.issueTime(ctx, id, ended)
	return hash, at, err
}

// chosenRole returns the role that a registration asks for, or the default role if it asks for none. A role that
// users may not choose is an error, because an account with the default role instead could not do what it is for.
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
