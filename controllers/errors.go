package controllers

import (
	"errors"
	"time"
)

// What a handler refuses with. The routes package says what a client gets to see of each; an error
// that is none of these is an internal one.
var (
	ErrCredentials        = errors.New("unknown email or wrong password")
	ErrUserExists         = errors.New("a user with this email exists")
	ErrRegistrationClosed = errors.New("registration is closed")
	// ErrUnavailable says that the users can't be asked for now.
	ErrUnavailable = errors.New("users can't be reached")
	// ErrLimited says that too many logins have failed; it comes in a *RetryError.
	ErrLimited = errors.New("too many failed logins")
	// ErrBusy says that too many passwords are being hashed; it comes in a *RetryError.
	ErrBusy = errors.New("too many passwords are being hashed")
	// ErrNotReady says that the service can't do its work now.
	ErrNotReady = errors.New("not ready")
)

// InvalidError is a request that can't be taken. Its text is for the client and names the field at
// fault.
type InvalidError struct {
	Message string
}

func (e *InvalidError) Error() string { return e.Message }

// MediaTypeError is a body in a form that is not read here. Its text is for the client.
type MediaTypeError struct {
	Message string
}

func (e *MediaTypeError) Error() string { return e.Message }

// RetryError is a request that can't be taken now, but may be again after a while.
type RetryError struct {
	Err   error
	After time.Duration
}

func (e *RetryError) Error() string { return e.Err.Error() }

// Unwrap returns why it can't be taken.
func (e *RetryError) Unwrap() error { return e.Err }
