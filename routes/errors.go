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
	errMethodNotAllowed = errors.New("no such method on this path")
)

// answers are the status and the message for each error. Any other error is internal: the client gets 500, without
// the text of the error.
var answers = []struct {
	err     error
	status  int
	message string
}{
	{middleware.ErrNoToken, http.StatusUnauthorized, "Unauthorized"},
	{middleware.ErrRefused, http.StatusUnauthorized, "Unauthorized user"},
	{middleware.ErrRevoked, http.StatusUnauthorized, "Session expired. Please login again."},
	{middleware.ErrUnavailable, http.StatusServiceUnavailable, "Authentication service unavailable"},
	{middleware.ErrForbidden, http.StatusForbidden, "Forbidden"},
	{middleware.ErrRoleQuery, http.StatusBadRequest, "the query can only have role=…, each with a value"},
	{middleware.ErrCrossOrigin, http.StatusForbidden, "Cross-origin request refused"},
	{middleware.ErrPrefetch, http.StatusForbidden, "Prefetch refused"},
	{controllers.ErrCredentials, http.StatusUnauthorized, "Invalid credentials"},
	{controllers.ErrUserExists, http.StatusConflict, "User already exists"},
	{controllers.ErrNoSession, http.StatusNotFound, "Session not found"},
	{controllers.ErrRegistrationClosed, http.StatusForbidden, "Registration is closed"},
	{controllers.ErrUnavailable, http.StatusServiceUnavailable, "Authentication service unavailable"},
	{controllers.ErrLimited, http.StatusTooManyRequests, "Too many failed logins. Please try again later."},
	{
		controllers.ErrRegistrationLimited, http.StatusTooManyRequests,
		"Too many registrations. Please try again later.",
	},
	{controllers.ErrBusy, http.StatusServiceUnavailable, "Too many logins at once. Please try again."},
	{controllers.ErrNotReady, http.StatusServiceUnavailable, "not ready"},
	{errNotFound, http.StatusNotFound, "Not found"},
	{errMethodNotAllowed, http.StatusMethodNotAllowed, "Method not allowed"},
}

// renderErrors answers with the error with which a later handler stopped the request.
func renderErrors(c *gin.Context) {
	c.Next()
	err := middleware.LastError(c)
	if err == nil || c.Writer.Written() {
		return
	}
	if retry := (*controllers.RetryError)(nil); errors.As(err, &retry) {
		seconds := (retry.After + time.Second - 1) / time.Second // rounded up
		c.Header("Retry-After", strconv.FormatInt(int64(seconds), 10))
	}
	status, message := answerTo(err)
	if c.GetBool(statusOnlyKey) {
		c.Status(status)
		return
	}
	_ = controllers.Message(c, status, message) // a string always encodes
}

const statusOnlyKey = "status only"

// statusOnly makes renderErrors answer with a status and without a body.
func statusOnly(c *gin.Context) { c.Set(statusOnlyKey, true) }

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
