package user

import (
	"errors"
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

const maxRole = 64 // characters

// InvalidError is a value that breaks a rule. Its message is for the client and names the field at fault.
type InvalidError struct {
	Message string
}

func (e *InvalidError) Error() string { return e.Message }

// Why a new user is not stored: the email and the username belong to one user each.
var (
	ErrEmailTaken    = errors.New("a user with this email exists")
	ErrUsernameTaken = errors.New("a user with this username exists")
)

// CheckRole returns nil if a user may have the role, or an *InvalidError.
func CheckRole(role string) error {
	if role == "" || utf8.RuneCountInString(role) > maxRole || strings.ContainsFunc(role, unicode.IsControl) {
		return &InvalidError{fmt.Sprintf("role must have 1 to %d characters and no control characters", maxRole)}
	}
	return nil
}
