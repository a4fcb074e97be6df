// Package routes is the table of routes, and of what an error is answered with.
package routes

import (
	"log/slog"
	"net/http"
	"net/netip"

	"github.com/gin-gonic/gin"

	"gin-auth/controllers"
	"gin-auth/middleware"
)

// maxBody bounds a request's body, in bytes: express.json's default.
const maxBody = 100 << 10

// Options are what the routes are made of.
type Options struct {
	// Prefix stands before every route but the probes and /openapi.json; "" for none.
	Prefix string
	Auth   *controllers.Auth
	Health *controllers.Health
	// Guard lets only requests with a session through: middleware.Auth.
	Guard gin.HandlerFunc
	// Origins are those whose pages may use the service from a browser, besides its own.
	Origins []string
	// TrustedProxies are those whose X-Forwarded-For counts.
	TrustedProxies []netip.Prefix
	// Cookie has the name and the attributes of the session's cookie.
	Cookie http.Cookie
	// Page adds the page for the first five minutes at /: not for production.
	Page bool
	// Metrics measures every request.
	Metrics *middleware.Metrics
	// HTTPSOnly tells browsers to come by https from now on.
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
	r.GET("/openapi.json", handle(describe(o.Prefix, o.Cookie.Name)))
	if o.Page {
		addPage(r, o.Prefix, o.Cookie)
	}

	public := r.Group(o.Prefix)
	public.POST("/register", handle(o.Auth.Register))
	public.POST("/login", handle(o.Auth.Login))
	public.POST("/logout", handle(o.Auth.Logout))
	public.GET("/logout", handle(o.Auth.Logout)) // for the collections that use it

	protected := public.Group("", o.Metrics.Guard(o.Guard))
	protected.GET("/me", handle(o.Auth.Me))
	protected.HEAD("/me", handle(o.Auth.Me))
	protected.POST("/logout-all", handle(o.Auth.LogoutAll))
	protected.POST("/password", handle(o.Auth.ChangePassword))
	// Routes of your own go here: only requests with a session get to them.

	proxied := public.Group("", withoutBody, o.Metrics.Guard(o.Guard))
	proxied.GET("/verify", handle(o.Auth.Verify))

	return r, nil
}

// newEngine returns a gin.Engine that matches paths as they are and answers everything in JSON.
func newEngine(o Options) (*gin.Engine, error) {
	gin.SetMode(gin.ReleaseMode)
	r := gin.New()
	r.RedirectTrailingSlash = false
	r.UseRawPath = true // %6De is not me
	r.HandleMethodNotAllowed = true
	r.RemoteIPHeaders = []string{"X-Forwarded-For"} // and not X-Real-IP, which a proxy may pass on unread
	proxies := make([]string, len(o.TrustedProxies))
	for i, proxy := range o.TrustedProxies {
		proxies[i] = proxy.String()
	}
	if err := r.SetTrustedProxies(proxies); err != nil { // without this call gin trusts everybody
		return nil, err
	}
	crossOrigin, err := middleware.CrossOrigin(o.Origins)
	if err != nil {
		return nil, err
	}
	if o.Metrics != nil {
		r.Use(o.Metrics.Requests, o.Metrics.Login(o.Prefix+"/login"))
	}
	r.Use(middleware.AccessLog(o.Log), middleware.Headers(o.HTTPSOnly), answerErrors, middleware.Recovery, crossOrigin, middleware.MaxBody(maxBody))
	r.NoRoute(handle(func(*gin.Context) error { return errNotFound }))
	r.NoMethod(handle(func(*gin.Context) error { return errMethodNotAllowed }))
	return r, nil
}

// handle makes a gin handler of one that returns what went wrong.
func handle(h func(*gin.Context) error) gin.HandlerFunc {
	return func(c *gin.Context) {
		if err := h(c); err != nil {
			_ = c.Error(err) // answerErrors answers it
			c.Abort()
		}
	}
}
