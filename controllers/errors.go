package controllers

import (
	"errors"
	"time"

	"gin-auth/user"
)

// The errors of handlers. The routes package decides what a client sees of each. Any other error is internal.
var (
	ErrCredentials        = errors.New("unknown email or wrong password")
	ErrUserExists         = errors.New("the user exists already")
	ErrRegistrationClosed = errors.New("registration is closed")
	// ErrUnavailable means that the users cannot be asked for now.
	ErrUnavailable = errors.New("users cannot be reached")
	// ErrLimited means that too many logins have failed. It is wrapped in a *RetryError.
	ErrLimited = errors.New("too many failed logins")
	// ErrRegistrationLimited means that too many users registered from an address. It is wrapped in a *RetryError.
	ErrRegistrationLimited = errors.New("too many registrations")
	// ErrBusy means that too many passwords are being hashed. It is wrapped in a *RetryError.
	ErrBusy = errors.New("too many passwords are being hashed")
	// ErrNotReady means that the service cannot do its work now.
	ErrNotReady = errors.New("not ready")
)

// InvalidError is a request that breaks a rule. Its message is for the client and names the field at fault.
type InvalidError = user.InvalidError

// MediaTypeError is a body in a form that is not read here. Its message is for the client.
type MediaTypeError struct {
	Message string
}

func (e *MediaTypeError) Error() string { return e.Message }

// RetryError is a request that is rejected now, and that may be sent again after some time.
type RetryError struct {
	Err   error
	After time.Duration
}

func (e *RetryError) Error() string { return e.Err.Error() }

// Unwrap returns why it is rejected.
func (e *RetryError) Unwrap() error { return e.Err }
