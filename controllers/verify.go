package controllers

import (
	"fmt"
	"net/http"
	"strings"

	"github.com/gin-gonic/gin"

	"gin-auth/session"
)

// Verify sends the user of the session to a reverse proxy, in headers with the names that oauth2-proxy uses. A claim
// that the token does not have gets no header.
func (a *Auth) Verify(c *gin.Context) error {
	s := session.FromContext(c.Request.Context())
	for _, header := range []struct{ name, value string }{
		{"X-Auth-Request-User", s.UserID()},
		{"X-Auth-Request-Email", s.Email()},
		{"X-Auth-Request-Role", s.StringClaim("role")},
		{"X-Auth-Request-Preferred-Username", s.StringClaim("username")},
	} {
		if header.value != "" {
			c.Header(header.name, headerValue(header.value))
		}
	}
	c.Status(http.StatusOK)
	return nil
}

// headerValue percent-encodes the bytes of a string that a header cannot hold (RFC 9110, section 5.5): control
// characters, bytes beyond ASCII, spaces at either end, which recipients remove, and % itself. Decoding it like a
// part of a URL returns the string.
func headerValue(text string) string {
	var value strings.Builder
	for i := range len(text) {
		b := text[i]
		edge := i == 0 || i == len(text)-1
		if b < ' ' || b > '~' || b == '%' || b == ' ' && edge {
			fmt.Fprintf(&value, "%%%02X", b)
		} else {
			value.WriteByte(b)
		}
	}
	return value.String()
}
