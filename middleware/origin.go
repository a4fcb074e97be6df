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

// ErrPrefetch means that a browser sent the request in advance, before the user asked for it.
var ErrPrefetch = errors.New("prefetch")

// SameSite is for a GET that changes something. It rejects the request if a browser sent it for a page of another
// site, or as a prefetch. A script of a trusted origin may send it by fetch in CORS mode, but a link on such a page
// is rejected: it must be a POST instead.
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

// ErrCrossOrigin means that a browser sent the request for a page of another origin.
var ErrCrossOrigin = errors.New("cross-origin request")

// CrossOrigin rejects requests that change something and that a browser sent for a page of another origin. Pages of
// the trusted origins (scheme://host:port) are allowed to send them, and get CORS headers that allow credentials.
// Requests that do not come from a browser are allowed too, because they cannot carry somebody else's cookie.
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
		// For other origins, cors would answer every request with 403 and no body, even a GET.
		if isTrusted {
			share(c)
		}
		if err := protection.Check(c.Request); err != nil {
			refuse(c, fmt.Errorf("%w: %s", ErrCrossOrigin, adviceOn(c.Request)))
			return
		}
		// No route answers the preflight of another origin, so the browser does not send the request itself. Only this
		// line in the log shows why.
		if !isTrusted && c.Request.Method == http.MethodOptions && c.GetHeader("Access-Control-Request-Method") != "" {
			_ = c.Error(fmt.Errorf("%w: %s", ErrCrossOrigin, adviceOn(c.Request))) // for the log
		}
	}, nil
}

// sharedHeaders are the request headers that pages of trusted origins may set: those of axios and fetch, and those
// that OpenTelemetry and Sentry add to every request of a page.
var sharedHeaders = []string{
	"Content-Type", "Authorization", "X-Requested-With", requestIDHeader,
	"Traceparent", "Tracestate", "Baggage", "Sentry-Trace",
}

// preflightAge is how long a browser may cache the response to a preflight. Chrome caches it for at most two hours.
const preflightAge = 2 * time.Hour

// adviceOn returns, for the log, what to change if a cross-origin request comes from the operator's own front end.
func adviceOn(r *http.Request) string {
	const proxy = "if a proxy changes Host, let it pass on the Host of the browser"
	origin := r.Header.Get("Origin")
	if origin == "" {
		return fmt.Sprintf("the page's origin is not that of the host %q: %s", shorten(r.Host), proxy)
	}
	return fmt.Sprintf("the page's origin %q is not that of the host %q: add it to CORS_ORIGINS if it is trusted; %s",
		shorten(origin), shorten(r.Host), proxy)
}
