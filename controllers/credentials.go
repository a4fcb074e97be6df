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

// Users stores the users. An error means that it cannot be asked now.
type Users interface {
	// CreateUser returns user.ErrEmailTaken or user.ErrUsernameTaken if another user has the email or the username.
	CreateUser(ctx context.Context, u user.User) error
	// UserByEmail returns false if there is none. Emails are compared by user.NormalizeEmail: a user with another one
	// is taken for none, because logins are counted for the email that is asked for.
	UserByEmail(ctx context.Context, email string) (u user.User, found bool, err error)
	// UsernameOwner returns the email and the id of the user who has a username, "" for both if nobody has it.
	// Usernames are compared by user.FoldUsername. The user is read by that email then, and has the username only if
	// the id and the name in their record agree.
	UsernameOwner(ctx context.Context, username string) (email, id string, err error)
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

// find returns the user with that email.
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

// resolve returns the email by which the user of an account is read, and whether a user who has that email is the one
// of the account. If nobody has the username, the name stands for the email: so Redis is asked as often as for one
// that somebody has.
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

// checkLogin returns the user of an account, and the time at which to issue a session of theirs, if the password is
// right and the user is not disabled; otherwise ErrCredentials, with the user if there is one.
//
// What does not depend on each other is asked at the same time. The password is not looked at before the limit has
// answered. The time is taken after the hash, which is slow: a logout of all sessions meanwhile does not make the
// session invalid.
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

// beginLogin returns the user with that email and, at the same time, counts a login against the limit of that email,
// whoever has it: so all logins of a user count together, by email or by username. A username may still lead to the
// email of a user who is gone or has another name now. Its logins count for that email too, for which anybody can
// count logins by sending it.
//
// If the limit is reached, that is the error, whatever was found. Without an error, end has to be called.
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

// isRight reports whether the password of u is right, u is not disabled, and allowed is true. All three cost the same
// work. It is called only after a Limiter has counted the attempt.
func (a *Auth) isRight(ctx context.Context, u user.User, password string, allowed bool) (bool, error) {
	right, err := a.Passwords.Check(ctx, u.PasswordHash, password)
	return right && allowed && !u.Disabled, err
}

// endAttempt calls end, which a Limiter has returned. If that fails, the attempt counts until the counter expires.
func (a *Auth) endAttempt(
	ctx context.Context, end func(ctx context.Context, checked, right bool) error, checked, right bool,
) {
	if err := end(ctx, checked, right); err != nil {
		a.Log.WarnContext(ctx, "a login stays counted as under way", slog.String("error", err.Error()))
	}
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
