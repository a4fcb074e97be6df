package middleware

import (
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

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
			refuse(c, fmt.Errorf("%w: a GET from a page of another site", ErrCrossOrigin))
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
			AllowHeaders:     sharedHeaders,
			ExposeHeaders:    []string{requestIDHeader, "Retry-After"},
			AllowCredentials: true,
			MaxAge:           preflightAge,
		})
	}
	return func(c *gin.Context) {
		isTrusted := slices.Contains(trusted, c.GetHeader("Origin"))
		// For others cors would answer 403 to every request, GET too, and without a body.
		if isTrusted {
			share(c)
		}
		if err := protection.Check(c.Request); err != nil {
			refuse(c, fmt.Errorf("%w: %s", ErrCrossOrigin, adviceOn(c.Request)))
			return
		}
		// No route answers the preflight of others, and without an answer the browser does not send the request itself.
		if !isTrusted && c.Request.Method == http.MethodOptions && c.GetHeader("Access-Control-Request-Method") != "" {
			_ = c.Error(fmt.Errorf("%w: %s", ErrCrossOrigin, adviceOn(c.Request))) // for the log
		}
	}, nil
}

// sharedHeaders are the request headers that pages of trusted origins may set: those of axios and fetch, and those that
// OpenTelemetry and Sentry add to every request of a page.
var sharedHeaders = []string{
	"Content-Type", "Authorization", "X-Requested-With", requestIDHeader,
	"Traceparent", "Tracestate", "Baggage", "Sentry-Trace",
}

// preflightAge is how long a browser may use the answer to a preflight. Chrome takes no more.
const preflightAge = 2 * time.Hour

// adviceOn says for the log what to change if a cross-origin request is one of the own front end.
func adviceOn(r *http.Request) string {
	const proxy = "if a proxy changes Host, let it pass on the Host of the browser"
	origin := r.Header.Get("Origin")
	if origin == "" {
		return fmt.Sprintf("its page has another origin than the host %q; %s", shorten(r.Host), proxy)
	}
	return fmt.Sprintf("its page has the origin %q, which is not that of the host %q: add it to CORS_ORIGINS if it is "+
		"trusted; %s", shorten(origin), shorten(r.Host), proxy)
}
