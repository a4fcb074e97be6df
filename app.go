package main

import (
	"crypto/rand"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"gin-auth/config"
	"gin-auth/controllers"
	"gin-auth/db"
	"gin-auth/middleware"
	"gin-auth/routes"
	"gin-auth/session"
)

// app is the service behind its listener.
type app struct {
	handler http.Handler
	health  *controllers.Health
	metrics *prometheus.Registry
}

// newApp puts the service together.
func newApp(cfg *config.Config, store *db.DB, log *slog.Logger) (*app, error) {
	secret := string(cfg.JWTSecret)
	if secret == "" {
		secret = rand.Text() + rand.Text() // the embedded Redis only: else config has refused
	}
	cookie := session.Cookie{
		Name:     cfg.CookieName,
		Domain:   cfg.CookieDomain,
		SameSite: sameSite[cfg.CookieSameSite],
		Secure:   cfg.CookieSecure,
	}
	sessions, err := session.New(session.Options{
		Secrets:  []string{secret, string(cfg.JWTSecretPrevious)},
		Lifetime: time.Duration(cfg.JWTExpiresIn),
		Cookie:   cookie,
	})
	if err != nil {
		return nil, err
	}
	registry := newRegistry()
	if err := store.Register(registry); err != nil {
		return nil, err
	}
	metrics, err := middleware.NewMetrics(registry)
	if err != nil {
		return nil, err
	}
	health := &controllers.Health{Redis: store}
	handler, err := routes.New(routes.Options{
		Prefix: cfg.RoutePrefix,
		Auth: &controllers.Auth{
			Sessions:           sessions,
			Revoker:            store,
			Clock:              store,
			Users:              store,
			Passwords:          controllers.NewPasswords(cfg.BcryptCost),
			Limiter:            store,
			Log:                log,
			RegistrationClosed: cfg.Registration == config.RegistrationClosed,
		},
		Health:         health,
		Guard:          middleware.Auth(sessions, store),
		Origins:        cfg.CORSOrigins,
		TrustedProxies: cfg.TrustedProxies,
		Cookie:         *cookie.HTTPCookie(""),
		Page:           !cfg.Production(),
		Metrics:        metrics,
		HTTPSOnly:      cfg.Production() && cfg.CookieSecure,
		Log:            log,
	})
	if err != nil {
		return nil, err
	}
	return &app{handler: handler, health: health, metrics: registry}, nil
}

var sameSite = map[config.Keyword]http.SameSite{
	config.SameSiteStrict: http.SameSiteStrictMode,
	config.SameSiteLax:    http.SameSiteLaxMode,
	config.SameSiteNone:   http.SameSiteNoneMode,
}

// sayEmbedded says that nothing is kept, and how to see the whole flow.
func sayEmbedded(out io.Writer, log *slog.Logger, cfg *config.Config, port int) {
	log.Warn("no Redis is named (REDIS_HOST): an embedded one is running, and all users and logouts are gone when this process ends")
	root := fmt.Sprintf("http://localhost:%d", port)
	_, _ = fmt.Fprintf(out, flow, root+cfg.RoutePrefix, root)
}

const flow = `
Register and log in; see what the cookie opens, and log out; then try the old cookie, in a browser at
%[2]s/ or here:

  curl -w '\n' -c cookies.txt -H 'Content-Type: application/json' -d '{"username":"ada","email":"ada@example.com","password":"correct horse"}' %[1]s/{register,login}
  curl -w '\n' -b cookies.txt %[1]s/{me,logout}
  curl -w '\n' -b cookies.txt %[1]s/me

`
