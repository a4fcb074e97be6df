package controllers

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"time"

	"github.com/gin-gonic/gin"

	"gin-auth/user"
)

// Users stores the users. An error means that the store is unavailable, unless the method says otherwise.
type Users interface {
	// CreateUser returns user.ErrEmailTaken or user.ErrUsernameTaken if another user has the email or the username.
	CreateUser(ctx context.Context, u user.User) error
	// UserByEmail returns the user with an email; found is false if there is none. Emails are compared by
	// user.NormalizeEmail. A user with another email counts as not found, because logins are counted for the email that
	// was asked for.
	UserByEmail(ctx context.Context, email string) (u user.User, found bool, err error)
	// UsernameOwner returns the email and the id of the user who has a username, or "" for both if nobody has it.
	// Usernames are compared by user.FoldUsername. The caller then reads the user by that email. The user has the
	// username only if the id and the username in their record agree with it.
	UsernameOwner(ctx context.Context, username string) (email, id string, err error)
	// ReplaceHash gives a user another password hash. replaced is false if the user no longer has the old one, or is
	// disabled.
	ReplaceHash(ctx context.Context, email, old, hash string) (replaced bool, err error)
}

// account identifies the user that somebody wants to log in as.
type account struct {
	name    string // an email in lower case, or a username as user.FoldUsername returns it
	isEmail bool
}

func emailAccount(email string) account { return account{user.NormalizeEmail(email), true} }

// readCredentials returns the account and the password of a login request. The email decides unless it is missing or
// empty. A username with an @ is used as an email, because such a username is always its user's own email.
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

// find returns the user with an email.
func (a *Auth) find(ctx context.Context, email string) (u user.User, found bool, err error) {
	u, found, err = a.Users.UserByEmail(ctx, email)
	switch {
	case err != nil:
		return user.User{}, false, fmt.Errorf("%w: %w", ErrUnavailable, err)
	case !found || user.NormalizeEmail(u.Email) != user.NormalizeEmail(email):
		return user.User{}, false, nil
	default:
		return u, true, nil
	}
}

// resolve returns the email by which the user of an account is read. owns reports whether the user with that email is
// the user of the account. If nobody has the username, the username is used as the email, so that Redis gets as many
// commands as for an existing one.
func (a *Auth) resolve(ctx context.Context, account account) (email string, owns func(user.User) bool, err error) {
	if account.isEmail {
		return account.name, func(user.User) bool { return true }, nil
	}
	email, id, err := a.Users.UsernameOwner(ctx, account.name)
	if err != nil {
		return "", nil, fmt.Errorf("%w: %w", ErrUnavailable, err)
	}
	taken := email != ""
	return cmp.Or(email, account.name), func(u user.User) bool {
		return taken && u.ID == id && user.FoldUsername(u.Username) == account.name
	}, nil
}

// checkLogin returns the user of an account, and the time at which to issue their session, if the password is right
// and the user is not disabled. Otherwise it returns ErrCredentials, and the user if there is one.
//
// Requests to Redis that do not depend on each other are made at the same time. The password is checked only after
// the limit allows the attempt. Hashing is slow, so the time is taken after it: otherwise a logout of all sessions
// during the hashing would make the new session invalid.
func (a *Auth) checkLogin(
	c *gin.Context, account account, password string,
) (u user.User, at time.Time, err error) {
	ctx := c.Request.Context()
	email, owns, err := a.resolve(ctx, account)
	if err != nil {
		return user.User{}, time.Time{}, err
	}
	u, found, end, err := a.beginLogin(c, email)
	if err != nil {
		return user.User{}, time.Time{}, err
	}
	if found = found && owns(u); !found {
		u = user.User{}
	}
	right, err := a.isRight(ctx, u, password, found)
	checked := err == nil
	ended := func() { a.endAttempt(ctx, end, checked, right) }
	if !right {
		ended()
		return u, time.Time{}, cmp.Or(err, ErrCredentials)
	}
	at, err = a.issueTime(ctx, u.ID, ended)
	return u, at, err
}

// beginLogin returns the user with an email and, at the same time, counts a login against the limit of that email,
// whoever has it. So all logins of a user count together, by email or by username. A username may still lead to the
// email of a user who was deleted or has another name now. Logins by it count for that email too, which gives an
// attacker nothing: anybody can count logins for an email by sending it.
//
// If the limit is reached, the error says so, whatever was found. If the error is nil, the caller must call end.
func (a *Auth) beginLogin(c *gin.Context, email string) (
	u user.User, found bool, end func(ctx context.Context, checked, right bool) error, err error,
) {
	ctx, address, isOwn := c.Request.Context(), c.ClientIP(), isOwnAddress(c)
	var refusal error
	var both sync.WaitGroup
	both.Go(func() { end, refusal = a.Limiter.BeginLogin(ctx, user.NormalizeEmail(email), address, isOwn) })
	u, found, err = a.find(ctx, email)
	both.Wait()
	if refusal != nil {
		return user.User{}, false, nil, limitError(refusal, ErrLimited)
	}
	if err != nil {
		a.endAttempt(ctx, end, false, false)
	}
	return u, found, end, err
}

// isRight reports whether the password of u is right, u is not disabled, and allowed is true. The work is the same in
// every case. It must be called only after a Limiter has counted the attempt.
func (a *Auth) isRight(ctx context.Context, u user.User, password string, allowed bool) (bool, error) {
	right, err := a.Passwords.Check(ctx, u.PasswordHash, password)
	return right && allowed && !u.Disabled, err
}

// endAttempt calls end, a function that a Limiter returned. If that fails, the attempt counts until the counter
// expires.
func (a *Auth) endAttempt(
	ctx context.Context, end func(ctx context.Context, checked, right bool) error, checked, right bool,
) {
	if err := end(ctx, checked, right); err != nil {
		a.Log.WarnContext(ctx, "a login still counts as in progress", slog.String("error", err.Error()))
	}
}

// recheckUser returns the user as stored now, or ErrCredentials if they may no longer log in with that password. The
// hash may have changed although the password did not: another login at the same time may have renewed it.
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

// renewHash replaces the hash of a right password if it has a lower cost than new ones. If that fails, the next login
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
