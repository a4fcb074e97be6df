// Package routes has the table of the routes, and the status and message for each error.
package routes

import (
	"errors"
	"log/slog"
	"net/http"
	"net/netip"

	"github.com/gin-gonic/gin"

	"gin-auth/controllers"
	"gin-auth/middleware"
)

const verifyPath = "/verify"

// maxBody is the limit of a request's body, in bytes. It is the default of express.json.
const maxBody = 100 << 10

// Options configure the routes. Auth, Health, Guard, Metrics and Log are required.
type Options struct {
	// Prefix precedes every route except the probes and /openapi.json. It may be "".
	Prefix string
	Auth   *controllers.Auth
	Health *controllers.Health
	// Guard accepts only requests with a valid session: middleware.Auth.
	Guard gin.HandlerFunc
	// Origins are the origins, besides its own, whose pages may use the service from a browser.
	Origins []string
	// TrustedProxies are the proxies whose X-Forwarded-For is used.
	TrustedProxies []netip.Prefix
	// Cookie has the name and the attributes of the session's cookie.
	Cookie http.Cookie
	// Page adds a page at / for trying out the service. It is not for production.
	Page bool
	// Metrics measures every request.
	Metrics *middleware.Metrics
	// HTTPSOnly makes every response tell browsers to use only https from now on.
	HTTPSOnly bool
	Log       *slog.Logger
}

// New returns the handler of the whole service.
func New(o Options) (http.Handler, error) {
	r, err := newEngine(o)
	if err != nil {
		return nil, err
	}
	r.GET("/healthz", handle(o.Health.Alive))
	r.HEAD("/healthz", handle(o.Health.Alive))
	r.GET("/readyz", handle(o.Health.Ready))
	r.HEAD("/readyz", handle(o.Health.Ready))
	description := handle(describe(o.Prefix, o.Cookie.Name))
	r.GET("/openapi.json", description)
	r.HEAD("/openapi.json", description)
	if o.Page {
		addPage(r, o.Prefix, o.Cookie)
	}

	public := r.Group(o.Prefix)
	public.POST("/register", handle(o.Auth.Register))
	public.POST("/login", handle(o.Auth.Login))
	public.POST("/logout", handle(o.Auth.Logout))
	public.GET("/logout", middleware.SameSite(o.Origins), handle(o.Auth.Logout)) // for clients that use GET

	guard := guardOf(o)
	protected := public.Group("", guard)
	protected.GET("/me", handle(o.Auth.Me))
	protected.HEAD("/me", handle(o.Auth.Me))
	protected.POST("/logout-all", handle(o.Auth.LogoutAll))
	protected.GET("/sessions", handle(o.Auth.ListSessions))
	protected.DELETE("/sessions/:id", handle(o.Auth.EndSession))
	protected.POST("/password", handle(o.Auth.ChangePassword))
	// Add your own routes here. They get only requests with a valid session. For a route of some roles only, add
	// middleware.RequireRole("admin") before the handler.

	proxied := public.Group(verifyPath, statusOnly, middleware.RoleQuery, guard, middleware.RequireQueriedRole)
	proxied.GET("", handle(o.Auth.Verify))
	proxied.HEAD("", handle(o.Auth.Verify))

	return r, nil
}

// guardOf returns the guard with its metrics. It writes an audit line for each request with a revoked token.
func guardOf(o Options) gin.HandlerFunc {
	guard := o.Metrics.Guard(o.Guard)
	return func(c *gin.Context) {
		guard(c)
		if errors.Is(middleware.LastError(c), middleware.ErrRevoked) {
			o.Auth.AuditReuse(c)
		}
	}
}

// newEngine returns a gin.Engine that matches paths exactly and answers everything in JSON.
func newEngine(o Options) (*gin.Engine, error) {
	gin.SetMode(gin.ReleaseMode)
	r := gin.New()
	r.RedirectTrailingSlash = false
	r.UseRawPath = true // so that /%6De does not match /me
	r.HandleMethodNotAllowed = true
	r.RemoteIPHeaders = []string{"X-Forwarded-For"} // not X-Real-IP, which a proxy may pass on from the client
	proxies := make([]string, len(o.TrustedProxies))
	for i, proxy := range o.TrustedProxies {
		proxies[i] = proxy.String()
	}
	if err := r.SetTrustedProxies(proxies); err != nil { // without this call, gin trusts every proxy
		return nil, err
	}
	crossOrigin, err := middleware.CrossOrigin(o.Origins)
	if err != nil {
		return nil, err
	}
	r.Use(
		middleware.ForwardedFor(o.TrustedProxies, o.Log),
		o.Metrics.Requests,
		o.Metrics.Login(o.Prefix+"/login"),
		middleware.AccessLog(o.Log),
		middleware.Headers(o.HTTPSOnly),
		middleware.DroppedCookie(o.Cookie, o.Log),
		middleware.CloseAfterChunked,
		renderErrors,
		middleware.Recovery,
		except(o.Prefix+verifyPath, crossOrigin),
		middleware.MaxBody(maxBody),
	)
	r.NoRoute(handle(func(*gin.Context) error { return errNotFound }))
	r.NoMethod(handle(func(*gin.Context) error { return errMethodNotAllowed }))
	return r, nil
}

// except returns a handler that skips requests to path. A proxy allows a request on any 2xx from verify, and a
// preflight would get one.
func except(path string, handler gin.HandlerFunc) gin.HandlerFunc {
	return func(c *gin.Context) {
		if c.Request.URL.Path != path {
			handler(c)
		}
	}
}

// handle converts a handler that returns its error into a gin handler.
func handle(h func(*gin.Context) error) gin.HandlerFunc {
	return func(c *gin.Context) {
		if err := h(c); err != nil {
			_ = c.Error(err) // for renderErrors
			c.Abort()
		}
	}
}
