package routes

import (
	"errors"
	"net/http"
	"strconv"
	"time"

	"github.com/gin-gonic/gin"

	"gin-auth/controllers"
	"gin-auth/middleware"
)

var (
	errNotFound         = errors.New("no such route")
	errMethodNotAllowed = errors.New("no such method here")
)

// answers is what a client gets to see of each error. Any other is internal: 500, and nothing of it.
var answers = []struct {
	err     error
	status  int
	message string
}{
	{middleware.ErrNoToken, http.StatusUnauthorized, "Unauthorized"},
	{middleware.ErrRefused, http.StatusUnauthorized, "Unauthorized user"},
	{middleware.ErrRevoked, http.StatusUnauthorized, "Session expired. Please login again."},
	{middleware.ErrUnavailable, http.StatusServiceUnavailable, "Authentication service unavailable"},
	{middleware.ErrCrossOrigin, http.StatusForbidden, "Cross-origin request refused"},
	{controllers.ErrCredentials, http.StatusUnauthorized, "Invalid email or password"},
	{controllers.ErrUserExists, http.StatusConflict, "User already exists"},
	{controllers.ErrRegistrationClosed, http.StatusForbidden, "Registration is closed"},
	{controllers.ErrUnavailable, http.StatusServiceUnavailable, "Authentication service unavailable"},
	{controllers.ErrLimited, http.StatusTooManyRequests, "Too many failed logins. Please try again later."},
	{controllers.ErrBusy, http.StatusServiceUnavailable, "Too many logins at once. Please try again."},
	{controllers.ErrNotReady, http.StatusServiceUnavailable, "not ready"},
	{errNotFound, http.StatusNotFound, "Not found"},
	{errMethodNotAllowed, http.StatusMethodNotAllowed, "Method not allowed"},
}

// answerErrors answers the error that a handler behind it stopped with.
func answerErrors(c *gin.Context) {
	c.Next()
	last := c.Errors.Last()
	if last == nil || c.Writer.Written() {
		return
	}
	if retry := (*controllers.RetryError)(nil); errors.As(last.Err, &retry) {
		seconds := (retry.After + time.Second - 1) / time.Second // rounded up
		c.Header("Retry-After", strconv.FormatInt(int64(seconds), 10))
	}
	status, message := answerTo(last.Err)
	if c.GetBool(bodiless) {
		c.Status(status)
		return
	}
	_ = controllers.Message(c, status, message) // a text alone always encodes
}

const bodiless = "bodiless"

// withoutBody has an error behind it answered by its status alone.
func withoutBody(c *gin.Context) { c.Set(bodiless, true) }

func answerTo(err error) (status int, message string) {
	var (
		invalid   *controllers.InvalidError
		mediaType *controllers.MediaTypeError
		tooLarge  *http.MaxBytesError
	)
	switch {
	case errors.As(err, &invalid):
		return http.StatusBadRequest, invalid.Message
	case errors.As(err, &mediaType):
		return http.StatusUnsupportedMediaType, mediaType.Message
	case errors.As(err, &tooLarge):
		return http.StatusRequestEntityTooLarge, "Request body too large"
	}
	for _, answer := range answers {
		if errors.Is(err, answer.err) {
			return answer.status, answer.message
		}
	}
	return http.StatusInternalServerError, "Internal server error"
}
