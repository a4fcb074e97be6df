package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/redis/go-redis/v9"

	"gin-auth/controllers"
	"gin-auth/middleware"
	"gin-auth/routes"
	"gin-auth/session"
)

// The bench starts itself with one of these for a process of its own.
const (
	serveWithout   = "serve-without-lookup"
	servePlain     = "serve-with-plain-get"
	servePipelined = "serve-with-autopipeline"
	delayed        = "delayed"
)

func child(ctx context.Context, args []string) error {
	switch args[0] {
	case serveWithout:
		return serve(ctx, nothingRevoked{})
	case servePlain:
		return serve(ctx, oneGet{redis.NewClient(redisOptions())})
	case servePipelined:
		pipeline, err := redis.NewClient(redisOptions()).AutoPipeline()
		if err != nil {
			return err
		}
		return serve(ctx, oneGet{pipeline})
	default:
		delay, err := time.ParseDuration(os.Getenv("DELAY"))
		if err != nil {
			return err
		}
		return delayProxy(ctx, os.Getenv("HOST")+":"+os.Getenv("PORT"), os.Getenv("TARGET"), delay)
	}
}

// nothingRevoked is the service without its look-up: the limit.
type nothingRevoked struct{}

func (nothingRevoked) Revoked(context.Context, string, string) (bool, int64, error) {
	return false, 0, nil
}

func redisOptions() *redis.Options {
	return &redis.Options{Addr: os.Getenv("REDIS_HOST") + ":" + os.Getenv("REDIS_PORT")}
}

// oneGet is what people write: one GET a request, on a client as it comes.
type oneGet struct {
	client interface {
		Get(ctx context.Context, key string) *redis.StringCmd
	}
}

func (g oneGet) Revoked(ctx context.Context, token, _ string) (bool, int64, error) {
	err := g.client.Get(ctx, "blacklist:"+token).Err()
	if errors.Is(err, redis.Nil) {
		return false, 0, nil
	}
	return err == nil, 0, err
}

// serve is the service as main puts it together, but for the look-up.
func serve(ctx context.Context, revocations middleware.Revocations) error {
	log := slog.New(slog.NewJSONHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelWarn}))
	cookie := session.Cookie{Name: "token", SameSite: http.SameSiteStrictMode, Secure: true}
	sessions, err := session.New(session.Options{Secrets: []string{os.Getenv("JWT_SECRET")}, Lifetime: 24 * time.Hour, Cookie: cookie})
	if err != nil {
		return err
	}
	metrics, err := middleware.NewMetrics(prometheus.NewRegistry())
	if err != nil {
		return err
	}
	handler, err := routes.New(routes.Options{
		Prefix:    "/api/auth",
		Auth:      &controllers.Auth{Sessions: sessions},
		Health:    &controllers.Health{},
		Guard:     middleware.Auth(sessions, revocations),
		Cookie:    *cookie.With(""),
		Metrics:   metrics,
		HTTPSOnly: true,
		Log:       log,
	})
	if err != nil {
		return err
	}
	server := &http.Server{
		Addr:              os.Getenv("HOST") + ":" + os.Getenv("PORT"),
		Handler:           handler,
		ReadHeaderTimeout: 3 * time.Second,
		ReadTimeout:       5 * time.Second,
		WriteTimeout:      15 * time.Second,
		IdleTimeout:       2 * time.Minute,
		MaxHeaderBytes:    12 << 10,
	}
	context.AfterFunc(ctx, func() { _ = server.Close() })
	if err := server.ListenAndServe(); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}

// delayProxy leads connections at address to target, and hands on what comes back that much later, without
// holding up what comes behind it.
func delayProxy(ctx context.Context, address, target string, delay time.Duration) error {
	listener, err := net.Listen("tcp", address)
	if err != nil {
		return err
	}
	context.AfterFunc(ctx, func() { _ = listener.Close() })
	for {
		from, err := listener.Accept()
		if err != nil {
			return nil //nolint:nilerr // it is over
		}
		to, err := net.Dial("tcp", target)
		if err != nil {
			return fmt.Errorf("dialling %s: %w", target, err)
		}
		go func() { _, _ = io.Copy(to, from); _ = to.Close() }()
		go later(from, to, delay)
	}
}

func later(to, from net.Conn, delay time.Duration) {
	type piece struct {
		due  time.Time
		data []byte
	}
	pieces := make(chan piece, 1024)
	go func() {
		defer close(pieces)
		for {
			buffer := make([]byte, 32<<10)
			n, err := from.Read(buffer)
			if err != nil {
				return
			}
			pieces <- piece{time.Now().Add(delay), buffer[:n]}
		}
	}()
	for p := range pieces {
		time.Sleep(time.Until(p.due))
		if _, err := to.Write(p.data); err != nil {
			_ = from.Close()
		}
	}
	_ = to.Close()
}
