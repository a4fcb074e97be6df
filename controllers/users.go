package controllers

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"encoding/hex"
	"net/mail"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"gin-auth/session"
)

// User is a user with what his password is checked against.
type User struct {
	ID           string
	Email        string // lower case
	Username     string
	Role         string
	PasswordHash string // bcrypt
	Disabled     bool   // may not log in
	Created      time.Time
}

// Users keeps the users. An error means that it can't tell now.
type Users interface {
	// CreateUser returns false if there is a user with that email.
	CreateUser(ctx context.Context, user User) (created bool, err error)
	// UserByEmail returns false if there is none.
	UserByEmail(ctx context.Context, email string) (user User, found bool, err error)
	// ReplaceHash gives a user another password hash. It returns false if he doesn't have the old one any
	// more, or is disabled.
	ReplaceHash(ctx context.Context, email, old, hash string) (replaced bool, err error)
}

// DefaultRole is the role of whoever registers.
const DefaultRole = "user"

// session is the part of a user that his token and answers carry.
func (u User) session() session.User {
	return session.User{ID: u.ID, Email: u.Email, Username: u.Username, Role: u.Role}
}

const (
	maxEmail    = 254 // bytes: RFC 5321, section 4.5.3.1.3, less the angle brackets
	maxUsername = 64  // characters
)

// CleanUsername returns the username without the space around it, or an *InvalidError.
func CleanUsername(username string) (string, error) {
	username = strings.TrimSpace(username)
	if username == "" {
		return "", &InvalidError{"username is required"}
	}
	if utf8.RuneCountInString(username) > maxUsername || strings.ContainsFunc(username, unicode.IsControl) {
		return "", &InvalidError{"username must have at most 64 characters and no control characters"}
	}
	return username, nil
}

// CleanEmail returns the email in lower case without the space around it, or an *InvalidError.
func CleanEmail(email string) (string, error) {
	email = normalizeEmail(email)
	address, err := mail.ParseAddress(email)
	if err != nil || address.Address != email || len(email) > maxEmail {
		return "", &InvalidError{"email must be a valid email address"}
	}
	return email, nil
}

func normalizeEmail(email string) string { return strings.ToLower(strings.TrimSpace(email)) }

// newUser makes a user of what somebody registers with.
func (a *Auth) newUser(ctx context.Context, fields map[string]string) (user User, err error) {
	if user.Username, err = CleanUsername(fields["username"]); err != nil {
		return User{}, err
	}
	if user.Email, err = CleanEmail(fields["email"]); err != nil {
		return User{}, err
	}
	if user.PasswordHash, err = a.Passwords.Hash(ctx, fields["password"]); err != nil {
		return User{}, err
	}
	user.Role = DefaultRole
	user.Created = time.Now().UTC().Truncate(time.Second)
	user.ID = NewID(user.Created)
	return user, nil
}

// NewID makes an id of the form that the original's users have, MongoDB's: 24 hexadecimal digits, the
// first eight of them the time in seconds. So whatever stores or checks such ids takes these too.
func NewID(now time.Time) string {
	var id [12]byte
	rand.Read(id[:])                                      // never fails: see crypto/rand
	binary.BigEndian.PutUint32(id[:], uint32(now.Unix())) //nolint:gosec // G115: cut off in 2106, as MongoDB's
	return hex.EncodeToString(id[:])
}
