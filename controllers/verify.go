package controllers

import (
	"fmt"
	"net/http"
	"strings"

	"github.com/gin-gonic/gin"

	"gin-auth/session"
)

// Verify tells a reverse proxy whose session it is, by headers with the names that oauth2-proxy made
// common. A claim that the token doesn't have has no header.
func (a *Auth) Verify(c *gin.Context) error {
	s := session.FromContext(c.Request.Context())
	for _, header := range []struct{ name, value string }{
		{"X-Auth-Request-User", s.UserID()},
		{"X-Auth-Request-Email", s.Email()},
		{"X-Auth-Request-Role", s.Text("role")},
		{"X-Auth-Request-Preferred-Username", s.Text("username")},
	} {
		if header.value != "" {
			c.Header(header.name, headerValue(header.value))
		}
	}
	c.Status(http.StatusOK)
	return nil
}

// headerValue percent-encodes the bytes of text that don't fit a header (RFC 9110, section 5.5): control
// characters, what isn't ASCII, and spaces at either end, which readers drop; and % itself, so that
// decoding, as a part of a URL is decoded, gives back what there was.
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
