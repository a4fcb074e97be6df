package routes

import (
	_ "embed" // the description
	"net/http"
	"strings"

	"github.com/gin-gonic/gin"
)

// description is the OpenAPI 3.1 document of a service with the default prefix and cookie.
//
//go:embed openapi.json
var description string

// describe returns the handler that serves the OpenAPI document, with the paths under prefix and with the cookie's
// name. Neither can contain a quote, because config rejects that.
func describe(prefix, cookie string) func(*gin.Context) error {
	document := []byte(strings.NewReplacer(
		`"/api/auth/`, `"`+prefix+`/`,
		`"name": "token"`, `"name": "`+cookie+`"`,
	).Replace(description))
	return func(c *gin.Context) error {
		c.Data(http.StatusOK, "application/json; charset=utf-8", document)
		return nil
	}
}
