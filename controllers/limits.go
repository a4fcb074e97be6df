package controllers

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/gin-gonic/gin"

	"gin-auth/user"
)

// Limiter limits how often something may be tried. Each method counts an attempt before its outcome is known, and
// returns a function that must be called when it is. If the limit is reached, the error is a *user.LimitError, and
// nothing is counted. Any other error means that the Limiter is unavailable.
type Limiter interface {
	// BeginLogin counts a login to an account from an IP address. If ownAddress is true, and a login to the account from
	// that address was successful within 30 days, failures from elsewhere do not block it. The arguments of end are
	// whether the password was checked, and whether it was right.
	BeginLogin(ctx context.Context, account, address string, ownAddress bool) (
		end func(ctx context.Context, checked, right bool) error, err error)
	// BeginPasswordChange counts a password change of a user. It is counted separately from logins.
	BeginPasswordChange(ctx context.Context, userID string) (
		end func(ctx context.Context, checked, right bool) error, err error)
	// BeginRegistration counts a registration from an IP address. The argument of end is whether a password was hashed.
	BeginRegistration(ctx context.Context, address string) (
		end func(ctx context.Context, hashed bool) error, err error)
}

// limitError returns a handler's error for the error of a Limiter: a *RetryError with limited or ErrBusy, or
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

// isOwnAddress reports whether c.ClientIP is the client's own address, as far as the headers show. All clients of a
// proxy that is not trusted have the proxy's address. If one of them logs in, that must not exempt the others from
// the limit. Such a proxy adds X-Forwarded-For, in which its own address is not the first, or only headers that are
// not read here. A client that forges one of these headers only loses its own exemption.
func isOwnAddress(c *gin.Context) bool {
	header := c.Request.Header
	forwarded := header.Values("X-Forwarded-For")
	if len(forwarded) == 0 {
		return header.Values("X-Real-IP") == nil && header.Values("Forwarded") == nil
	}
	first, _, _ := strings.Cut(forwarded[0], ",")
	return strings.TrimSpace(first) == c.ClientIP()
}
