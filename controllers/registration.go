package controllers

import (
	"context"
	"errors"
	"fmt"
	"net/http"

	"github.com/gin-gonic/gin"

	"gin-auth/user"
)

// Register creates a user. As in the original, it does not start a session.
func (a *Auth) Register(c *gin.Context) error {
	if a.RegistrationClosed {
		return ErrRegistrationClosed
	}
	fields, err := readFields(c, "username", "email", "password")
	if err != nil {
		return err
	}
	u, err := a.newUser(c.Request.Context(), fields)
	if err != nil {
		return err
	}
	switch err := a.Users.CreateUser(c.Request.Context(), u); {
	case errors.Is(err, user.ErrEmailTaken) || errors.Is(err, user.ErrUsernameTaken):
		return fmt.Errorf("%w: %w", ErrUserExists, err)
	case err != nil:
		return fmt.Errorf("%w: %w", ErrUnavailable, err)
	}
	a.audit(c, eventCreated, userAttr(u.ID))
	return JSON(c, http.StatusCreated, identity{"User registered successfully", sessionUser(u)})
}

// newUser returns the user that a registration asks for.
func (a *Auth) newUser(ctx context.Context, fields map[string]string) (u user.User, err error) {
	if u.Username, err = user.CleanUsername(fields["username"], fields["email"]); err != nil {
		return user.User{}, err
	}
	if u.Email, err = user.CleanEmail(fields["email"]); err != nil {
		return user.User{}, err
	}
	if u.PasswordHash, err = a.Passwords.Hash(ctx, fields["password"]); err != nil {
		return user.User{}, err
	}
	u.Role = user.DefaultRole
	u.Created = user.Now()
	u.ID = user.NewID(u.Created)
	return u, nil
}
