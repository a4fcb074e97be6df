package controllers

import (
	"context"
	"fmt"
	"log/slog"
	"strings"

	"github.com/gin-gonic/gin"

	"gin-auth/user"
)

// Users stores the users. An error means that it cannot be asked now.
type Users interface {
	// CreateUser returns user.ErrEmailTaken or user.ErrUsernameTaken if another user has the email or the username.
	CreateUser(ctx context.Context, u user.User) error
	// UserByEmail returns false if there is none.
	UserByEmail(ctx context.Context, email string) (u user.User, found bool, err error)
	// UserByUsername returns false if there is none. Usernames are compared by user.FoldUsername.
	UserByUsername(ctx context.Context, username string) (u user.User, found bool, err error)
	// ReplaceHash gives a user another password hash. It returns false if the user no longer has the old one, or
	// is disabled.
	ReplaceHash(ctx context.Context, email, old, hash string) (replaced bool, err error)
}

// account is whom somebody wants to log in as.
type account struct {
	name    string // an email in lower case, or a username in the form in which usernames are compared
	isEmail bool
}

func emailAccount(email string) account { return account{user.NormalizeEmail(email), true} }

// readCredentials returns the account and the password that a login names. The email decides unless it is missing or
// empty. A username with an @ is an email: no user has one that is not their own email.
func readCredentials(body fields) (account account, password string, err error) {
	email, err := body.text("email")
	if err != nil {
		return account, "", err
	}
	username, err := body.text("username")
	if err != nil {
		return account, "", err
	}
	folded := user.FoldUsername(username)
	switch {
	case strings.TrimSpace(email) != "":
		account = emailAccount(email)
	case strings.TrimSpace(username) == "":
		return account, "", invalid("email or username is required")
	case strings.Contains(username, "@") || strings.Contains(folded, "@"):
		account = emailAccount(username)
	default:
		account.name = folded
	}
	texts, err := body.texts("password")
	return account, texts["password"], err
}

// find returns the user of an account. Whether there is one makes no difference to how often Redis is asked.
func (a *Auth) find(ctx context.Context, account account) (u user.User, found bool, err error) {
	if account.isEmail {
		u, found, err = a.Users.UserByEmail(ctx, account.name)
	} else {
		u, found, err = a.Users.UserByUsername(ctx, account.name)
	}
	if err != nil {
		return user.User{}, false, fmt.Errorf("%w: %w", ErrUnavailable, err)
	}
	return u, found, nil
}

// checkLogin returns the user of an account if the password is right and the user is not disabled; otherwise
// ErrCredentials, with the user if there is one. It counts against the login limit of the user, by whatever name, or
// else of the account's name.
func (a *Auth) checkLogin(c *gin.Context, account account, password string) (user.User, error) {
	ctx := c.Request.Context()
	u, found, err := a.find(ctx, account)
	if err != nil {
		return user.User{}, err
	}
	counted := account.name
	if found {
		counted = u.Email
	}
	end, err := a.Limiter.BeginLogin(ctx, counted, c.ClientIP(), isOwnAddress(c))
	if err != nil {
		return user.User{}, limitError(err, ErrLimited)
	}
	return u, a.checkPassword(ctx, u, password, found, end)
}

// checkPassword returns ErrCredentials unless the password of u is right, u is not disabled, and allowed is true. All
// three cost the same work. end is that of a Limiter, which is asked before anything is hashed.
func (a *Auth) checkPassword(
	ctx context.Context, u user.User, password string, allowed bool, end func(context.Context, bool, bool) error,
) error {
	right, err := a.Passwords.Check(ctx, u.PasswordHash, password)
	right = right && allowed && !u.Disabled
	if err := end(ctx, err == nil, right); err != nil {
		a.Log.WarnContext(ctx, "a login stays counted as under way", slog.String("error", err.Error()))
	}
	if err == nil && !right {
		err = ErrCredentials
	}
	return err
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
