package controllers

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/gin-gonic/gin"

	"gin-auth/user"
)

// Limiter counts what may be tried only so often. Each method counts an attempt before it is known how it ends, and
// returns a function that has to be called then. If the limit is reached, the error is a *user.LimitError, and nothing
// is counted; any other error means that the Limiter cannot be asked now.
type Limiter interface {
	// BeginLogin counts a login to an account from an IP address. If ownAddress is true, and a login to the account
	// from there was successful within 30 days, what fails elsewhere does not block it. end says whether the password
	// was checked, and whether it was right.
	BeginLogin(ctx context.Context, account, address string, ownAddress bool) (
		end func(ctx context.Context, checked, right bool) error, err error)
	// BeginPasswordChange counts a password change of a user, apart from logins.
	BeginPasswordChange(ctx context.Context, userID string) (
		end func(ctx context.Context, checked, right bool) error, err error)
	// BeginRegistration counts a registration from an IP address. end says whether a password was hashed.
	BeginRegistration(ctx context.Context, address string) (
		end func(ctx context.Context, hashed bool) error, err error)
}

// limitError returns the error of a handler for that of a Limiter: a *RetryError with limited or ErrBusy, or
// ErrUnavailable.
func limitError(err, limited error) error {
	var limit *user.LimitError
	switch {
	case !errors.As(err, &limit):
		return fmt.Errorf("%w: %w", ErrUnavailable, err)
	case limit.Wait > 0:
		return &RetryError{limited, limit.Wait}
	default:
		return &RetryError{ErrBusy, busyRetryTime}
	}
}

// isOwnAddress reports whether the address of the request, c.ClientIP, is the client's own as far as the headers show.
// Everybody who uses a proxy that is not trusted has the proxy's address, so a user who has logged in from there must
// not get the address known for all of them. Such a proxy adds X-Forwarded-For, where its own address is not the first,
// or only headers that are not read here. A client that forges one of these headers loses its own exemption and nothing
// else.
func isOwnAddress(c *gin.Context) bool {
	header := c.Request.Header
	forwarded := header.Values("X-Forwarded-For")
	if len(forwarded) == 0 {
		return header.Values("X-Real-IP") == nil && header.Values("Forwarded") == nil
	}
	first, _, _ := strings.Cut(forwarded[0], ",")
	return strings.TrimSpace(first) == c.ClientIP()
}
