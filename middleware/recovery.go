package middleware

import (
	"errors"
	"fmt"
	"net/http"
	"regexp"
	"runtime/debug"
	"strings"

	"github.com/gin-gonic/gin"
)

// tokenLike matches a JSON Web Token inside a string.
var tokenLike = regexp.MustCompile(`eyJ[A-Za-z0-9_-]*\.[A-Za-z0-9_-]*\.[A-Za-z0-9_-]*`)

// hideTokens replaces the JSON Web Tokens in text.
func hideTokens(text string) string {
	if !strings.Contains(text, "eyJ") { // much faster than the regular expression
		return text
	}
	return tokenLike.ReplaceAllString(text, "(token)")
}

// Recovery turns a panic of a handler into an error that includes the stack. (In debug mode, gin's own Recovery
// prints the request's headers, including the cookies.)
func Recovery(c *gin.Context) {
	defer func() {
		switch p := recover(); {
		case p == nil:
		case errors.Is(asError(p), http.ErrAbortHandler):
			panic(p) // net/http uses this panic to drop a connection
		default:
			refuse(c, fmt.Errorf("panic: %s\n%s", hideTokens(fmt.Sprint(p)), debug.Stack()))
		}
	}()
	c.Next()
}

func asError(p any) error {
	err, _ := p.(error)
	return err
}
