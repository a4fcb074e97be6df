package middleware

import (
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"github.com/gin-contrib/cors"
	"github.com/gin-gonic/gin"
)

// ErrPrefetch is a request that a browser sent ahead, in case the user should want what it is for.
var ErrPrefetch = errors.New("prefetch")

// SameSite rejects a GET that changes something and that a browser sent for a page of another site, or as a prefetch. A
// script of a trusted origin may send it by fetch in CORS mode, but a page there navigates by POST.
func SameSite(trusted []string) gin.HandlerFunc {
	return func(c *gin.Context) {
		purpose := strings.ToLower(c.GetHeader("Sec-Purpose") + c.GetHeader("Purpose"))
		shared := c.GetHeader("Sec-Fetch-Mode") == "cors" && slices.Contains(trusted, c.GetHeader("Origin"))
		switch {
		case strings.Contains(purpose, "prefetch"):
			refuse(c, ErrPrefetch)
		case c.GetHeader("Sec-Fetch-Site") == "cross-site" && !shared:
			refuse(c, fmt.Errorf("%w: a GET from another site", ErrCrossOrigin))
		}
	}
}

// ErrCrossOrigin is a request that a browser sent for another origin's page.
var ErrCrossOrigin = errors.New("cross-origin request")

// CrossOrigin refuses requests that change something and that a browser sent for a page of another
// origin, unless that is one of the trusted ones (scheme://host:port): those get their CORS headers,
// credentials allowed. Requests that no browser sent pass: they carry no one else's cookie.
func CrossOrigin(trusted []string) (gin.HandlerFunc, error) {
	protection := http.NewCrossOriginProtection()
	for _, origin := range trusted {
		if err := protection.AddTrustedOrigin(origin); err != nil {
			return nil, fmt.Errorf("trusting an origin: %w", err)
		}
	}
	share := func(*gin.Context) {}
	if len(trusted) > 0 {
		share = cors.New(cors.Config{
			AllowOrigins:     trusted,
			AllowMethods:     []string{http.MethodGet, http.MethodHead, http.MethodPost, http.MethodDelete},
			AllowHeaders:     []string{"Content-Type", "Authorization", requestIDHeader},
			ExposeHeaders:    []string{requestIDHeader},
			AllowCredentials: true,
		})
	}
	return func(c *gin.Context) {
		// For others cors would answer 403 to every request, GET too, and without a body.
		if slices.Contains(trusted, c.GetHeader("Origin")) {
			share(c)
		}
		if err := protection.Check(c.Request); err != nil {
			refuse(c, fmt.Errorf("%w: %w", ErrCrossOrigin, err))
		}
	}, nil
}
