package user

import (
	"errors"
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

const maxRole = 64 // characters

// InvalidError means that a value breaks a rule. Its message is sent to the client and names the field.
type InvalidError struct {
	Message string
}

func (e *InvalidError) Error() string { return e.Message }

// The errors for a new user whose email or username another user already has.
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
