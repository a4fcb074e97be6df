package user

import (
	"fmt"
	"net/mail"
	"strings"
	"unicode"
	"unicode/utf8"
)

const (
	maxEmail    = 254 // bytes: RFC 5321, section 4.5.3.1.3, less the angle brackets
	maxUsername = 64  // characters
	maxRole     = 64  // characters
)

// InvalidError is a value that breaks a rule. Its message is for the client and names the field at fault.
type InvalidError struct {
	Message string
}

func (e *InvalidError) Error() string { return e.Message }

// NormalizeEmail returns an email in the form that is stored and looked up: in lower case, without surrounding
// space. It may not be valid.
func NormalizeEmail(email string) string { return strings.ToLower(strings.TrimSpace(email)) }

// CleanEmail returns the normalized email, or an *InvalidError.
func CleanEmail(email string) (string, error) {
	email = NormalizeEmail(email)
	address, err := mail.ParseAddress(email)
	if err != nil || address.Address != email || len(email) > maxEmail {
		return "", &InvalidError{"email must be a valid email address"}
	}
	return email, nil
}

// CleanUsername returns the username without surrounding space, or an *InvalidError.
func CleanUsername(username string) (string, error) {
	username = strings.TrimSpace(username)
	if username == "" {
		return "", &InvalidError{"username is required"}
	}
	if utf8.RuneCountInString(username) > maxUsername || strings.ContainsFunc(username, unicode.IsControl) {
		return "", &InvalidError{
			fmt.Sprintf("username must have at most %d characters and no control characters", maxUsername),
		}
	}
	return username, nil
}

// CheckRole returns nil if a user may have the role, or an *InvalidError.
func CheckRole(role string) error {
	if role == "" || utf8.RuneCountInString(role) > maxRole || strings.ContainsFunc(role, unicode.IsControl) {
		return &InvalidError{fmt.Sprintf("role must have 1 to %d characters and no control characters", maxRole)}
	}
	return nil
}
