package controllers

import (
	"errors"
	"time"

	"gin-auth/user"
)

// The errors of handlers. The routes package maps each to a response. Any other error is internal.
var (
	ErrCredentials        = errors.New("unknown user or wrong password")
	ErrUserExists         = errors.New("the user already exists")
	ErrRegistrationClosed = errors.New("registration is closed")
	// ErrUnavailable means that users and sessions cannot be read or stored now.
	ErrUnavailable = errors.New("users and sessions are unavailable")
	// ErrLimited means that too many logins have failed. It is wrapped in a *RetryError.
	ErrLimited = errors.New("too many failed logins")
	// ErrRegistrationLimited means that too many users registered from an address. It is wrapped in a *RetryError.
	ErrRegistrationLimited = errors.New("too many registrations")
	// ErrBusy means that too many passwords are being hashed. It is wrapped in a *RetryError.
	ErrBusy = errors.New("too many passwords are being hashed")
	// ErrNotReady means that the service cannot answer requests now.
	ErrNotReady = errors.New("not ready")
)

// InvalidError means that a request breaks a rule. Its message is sent to the client and names the field.
type InvalidError = user.InvalidError

// MediaTypeError means that a body has an unsupported form. Its message is sent to the client.
type MediaTypeError struct {
	Message string
}

func (e *MediaTypeError) Error() string { return e.Message }

// RetryError means that a request is rejected now, but may be sent again after some time.
type RetryError struct {
	Err   error
	After time.Duration
}

func (e *RetryError) Error() string { return e.Err.Error() }

// Unwrap returns the reason.
func (e *RetryError) Unwrap() error { return e.Err }
