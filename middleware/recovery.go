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

// tokenLike matches a JSON Web Token in a text.
var tokenLike = regexp.MustCompile(`eyJ[A-Za-z0-9_-]*\.[A-Za-z0-9_-]*\.[A-Za-z0-9_-]*`)

// hideTokens returns text without JSON Web Tokens.
func hideTokens(text string) string {
	if !strings.Contains(text, "eyJ") { // far cheaper than the expression, which runs for every line of the log
		return text
	}
	return tokenLike.ReplaceAllString(text, "(token)")
}

// Recovery turns a panic of a handler into an error, with the stack. (Gin's own prints the request's
// headers, cookies among them, in debug mode.)
func Recovery(c *gin.Context) {
	defer func() {
		switch p := recover(); {
		case p == nil:
		case errors.Is(asError(p), http.ErrAbortHandler):
			panic(p) // net/http's own way to drop a connection
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
