package main

import (
	"crypto/rand"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"gin-auth/config"
	"gin-auth/controllers"
	"gin-auth/db"
	"gin-auth/middleware"
	"gin-auth/routes"
	"gin-auth/session"
	"gin-auth/user"
)

// app is the service without its listener.
type app struct {
	handler http.Handler
	health  *controllers.Health
	metrics *prometheus.Registry
}

// newApp creates the parts of the service and connects them.
func newApp(cfg *config.Config, sessions *session.Sessions, store *db.DB, log *slog.Logger) (*app, error) {
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
		Prefix:         cfg.RoutePrefix,
		Auth:           newAuth(cfg, sessions, store, log),
		Health:         health,
		Guard:          middleware.Auth(sessions, store),
		Origins:        cfg.CORSOrigins,
		TrustedProxies: cfg.TrustedProxies,
		Cookie:         *sessions.HTTPCookie(""),
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

func newSessions(cfg *config.Config) (*session.Sessions, error) {
	secret := string(cfg.JWTSecret)
	if secret == "" {
		secret = rand.Text() + rand.Text() // only with the embedded Redis: otherwise config rejects it
	}
	return session.New(session.Options{
		Secrets:  []string{secret, string(cfg.JWTSecretPrevious)},
		Lifetime: time.Duration(cfg.JWTExpiresIn),
		Cookie: session.Cookie{
			Name:     cfg.CookieName,
			Domain:   cfg.CookieDomain,
			SameSite: sameSite[cfg.CookieSameSite],
			Secure:   cfg.CookieSecure,
		},
		Bearer: cfg.AcceptBearer,
	})
}

func newAuth(cfg *config.Config, sessions *session.Sessions, store *db.DB, log *slog.Logger) *controllers.Auth {
	return &controllers.Auth{
		Sessions:           sessions,
		SessionStore:       store,
		Revoker:            store,
		Clock:              store,
		Users:              store,
		Passwords:          controllers.NewPasswords(user.Hasher{Cost: cfg.BcryptCost, MinLength: cfg.PasswordMin}),
		Limiter:            store,
		Log:                log,
		RegistrationRoles:  cfg.RegistrationRoles,
		RegistrationClosed: cfg.Registration == config.RegistrationClosed,
	}
}

var sameSite = map[config.Keyword]http.SameSite{
	config.SameSiteStrict: http.SameSiteStrictMode,
	config.SameSiteLax:    http.SameSiteLaxMode,
	config.SameSiteNone:   http.SameSiteNoneMode,
}

// introduce logs that the embedded Redis loses everything when the process ends, and prints how to try the service.
func introduce(out io.Writer, log *slog.Logger, cfg *config.Config, address net.Addr) {
	if cfg.RedisGuess != "" {
		log = log.With("hint", cfg.RedisGuess)
	}
	log.Warn("no Redis is specified (REDIS_HOST): an embedded one is running, " +
		"and all users and logouts are lost when this process ends")
	_, port, _ := net.SplitHostPort(address.String())
	root := "http://" + net.JoinHostPort("localhost", port)
	_, _ = fmt.Fprintf(out, flow, root+cfg.RoutePrefix, root)
}

const flow = `
To try the service, register and log in, request a protected route, log out, and try the old cookie again.
Do that in a browser at %[2]s/ or here:

  curl -w '\n' -c cookies.txt -H 'Content-Type: application/json' ` +
	`-d '{"username":"ada","email":"ada@example.com","password":"correct horse"}' %[1]s/{register,login}
  curl -w '\n' -b cookies.txt %[1]s/{me,logout}
  curl -w '\n' -b cookies.txt %[1]s/me

`
