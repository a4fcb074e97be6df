package controllers

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"github.com/gin-gonic/gin"

	"gin-auth/user"
)

// Users stores the users. An error means that it cannot be asked now.
type Users interface {
	// CreateUser returns user.ErrEmailTaken or user.ErrUsernameTaken if another user has the email or the username.
	CreateUser(ctx context.Context, u user.User) error
	// UserByEmail returns false if there is none.
	UserByEmail(ctx context.Context, email string) (u user.User, found bool, err error)
	// ReplaceHash gives a user another password hash. It returns false if the user no longer has the old one, or
	// is disabled.
	ReplaceHash(ctx context.Context, email, old, hash string) (replaced bool, err error)
}

// Limiter counts failed logins. An error means that it cannot be asked now.
type Limiter interface {
	// BeginLogin counts a login before it is known whether it fails. A wait over 0 says that the limit is reached,
	// and for how long; busy that it would be reached if all logins under way failed. Then nothing is counted.
	BeginLogin(ctx context.Context, account, address string) (wait time.Duration, busy bool, err error)
	// EndLogin says how it ended: whether the password was checked, and whether it was right.
	EndLogin(ctx context.Context, account, address string, checked, right bool) error
}

// checkPassword returns the user with that email if the password is right, the user is not disabled, and accept, if
// it is not nil, returns true; otherwise ErrCredentials, with the user if there is one. It counts against the login
// limit, which is asked before anything is looked up or hashed.
func (a *Auth) checkPassword(
	c *gin.Context, email, password string, accept func(user.User) bool,
) (user.User, error) {
	ctx, address := c.Request.Context(), c.ClientIP()
	wait, busy, err := a.Limiter.BeginLogin(ctx, email, address)
	switch {
	case err != nil:
		return user.User{}, fmt.Errorf("%w: %w", ErrUnavailable, err)
	case wait > 0:
		return user.User{}, &RetryError{ErrLimited, wait}
	case busy:
		return user.User{}, &RetryError{ErrBusy, busyRetryTime}
	}
	u, right, err := a.userWithPassword(ctx, email, password)
	right = right && (accept == nil || accept(u))
	if err := a.Limiter.EndLogin(ctx, email, address, err == nil, right); err != nil {
		a.Log.WarnContext(ctx, "a login stays counted as under way", slog.String("error", err.Error()))
	}
	if err == nil && !right {
		err = ErrCredentials
	}
	return u, err
}

// userWithPassword returns the user with that email, and whether they may log in with that password.
func (a *Auth) userWithPassword(ctx context.Context, email, password string) (u user.User, right bool, err error) {
	u, found, err := a.Users.UserByEmail(ctx, email)
	if err != nil {
		return user.User{}, false, fmt.Errorf("%w: %w", ErrUnavailable, err)
	}
	right, err = a.Passwords.Check(ctx, u.PasswordHash, password)
	return u, right && found && !u.Disabled, err
}

// recheckUser returns the user as stored now, or ErrCredentials if they may no longer log in with that password.
// The hash may have changed without the password: a login at the same time may have renewed it.
func (a *Auth) recheckUser(ctx context.Context, before user.User, password string) (user.User, error) {
	u, found, err := a.Users.UserByEmail(ctx, before.Email)
	if err != nil {
		return before, fmt.Errorf("%w: %w", ErrUnavailable, err)
	}
	if !found || u.ID != before.ID || u.Disabled {
		return before, ErrCredentials
	}
	if u.PasswordHash == before.PasswordHash {
		return u, nil
	}
	right, err := a.Passwords.Check(ctx, u.PasswordHash, password)
	if err == nil && !right {
		err = ErrCredentials
	}
	return u, err
}

// renewHash replaces the hash of a right password if it was made at a lower cost. If that fails, the next login
// tries again.
func (a *Auth) renewHash(ctx context.Context, u user.User, password string) {
	hash, err := a.Passwords.Renew(ctx, u.PasswordHash, password)
	if hash == "" || err != nil {
		return
	}
	if _, err := a.Users.ReplaceHash(ctx, u.Email, u.PasswordHash, hash); err != nil {
		a.Log.WarnContext(ctx, "a password hash was not renewed", slog.String("error", err.Error()))
	}
}
