// Gin-auth logs users in and out. A session is a JSON Web Token in an HttpOnly cookie, and a blacklist in Redis makes a
// logout effective at once. See README.md.
package main

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/signal"
	"strconv"
	"syscall"
	"time"

	"github.com/KimMachineGun/automemlimit/memlimit"
	"github.com/spf13/cobra"

	"gin-auth/cli"
	"gin-auth/config"
	"gin-auth/db"
	"gin-auth/session"
)

func main() { os.Exit(run()) }

// run runs the command in the process's arguments and returns the exit status.
func run() int {
	signals := []os.Signal{syscall.SIGINT, syscall.SIGTERM}
	if !signal.Ignored(syscall.SIGHUP) { // nohup ignores it
		signals = append(signals, syscall.SIGHUP)
	}
	ctx, stop := signal.NotifyContext(context.Background(), signals...)
	context.AfterFunc(ctx, stop) // a second signal ends the process at once
	stderr := newLogWriter(os.Stderr)
	defer stderr.Close()
	var root *cobra.Command
	root = cli.New(cli.Options{
		Serve: func(ctx context.Context) error {
			signal.Ignore(syscall.SIGPIPE) // it is sent when the log's reader has exited, and would end the process
			root.SetErr(stderr)            // so a stuck log reader does not block the last message either
			return serve(ctx, stderr)
		},
		LoadConfig: loadConfig,
		Listen:     listen,
		OpenDB: func(cfg *config.Config) (*db.DB, error) {
			sessions, err := newSessions(cfg)
			if err != nil {
				return nil, err
			}
			return openDB(cfg, sessions, false, slog.New(slog.DiscardHandler))
		},
	})
	return cli.Execute(ctx, root)
}

func loadConfig() (*config.Config, error) { return config.Load(".env", os.Environ()) }

// serve runs the service until ctx ends, then shuts it down. Everything that it prints goes to stderr.
func serve(ctx context.Context, stderr *logWriter) error {
	cfg, err := loadConfig()
	if err != nil {
		return err
	}
	log := newLog(cfg, stderr)
	stderr.reportTo(log)
	slog.SetDefault(log) // for libraries that log by themselves
	notices := newNoticeLog(cfg, stderr)
	for _, warning := range cfg.Warnings {
		notices.Warn("configuration", "warning", warning)
	}
	setMemory(memlimit.FromCgroup, log)
	sessions, err := newSessions(cfg)
	if err != nil {
		return err
	}
	store, err := openDB(cfg, sessions, true, log)
	if err != nil {
		return err
	}
	defer closeDB(store, log)
	app, err := newApp(cfg, sessions, store, log)
	if err != nil {
		return err
	}
	app.metrics.MustRegister(stderr.dropped)
	if cfg.MetricsAddr != "" {
		stop, err := serveMetrics(cfg.MetricsAddr, app.metrics, log)
		if err != nil {
			return err
		}
		defer stop()
	}
	store.WaitForRedis(ctx)
	listener, err := listen(cfg)
	if err != nil {
		return err
	}
	log.Info("listening", "address", listener.Addr().String(), "prefix", cfg.RoutePrefix)
	if cfg.Redis.Embedded() {
		introduce(stderr, notices, cfg, listener.Addr())
	}
	return serveOn(ctx, cfg, app, listener, log)
}

func closeDB(store *db.DB, log *slog.Logger) {
	if err := store.Close(); err != nil {
		log.Error("closing the DB failed", "error", err.Error())
	}
}

// shutdownTimeout is how long running requests may take to end. deploy/ and docs/operations.md rely on it.
const shutdownTimeout = 10 * time.Second

// serveOn answers requests until ctx ends. Then /readyz answers 503 for cfg.ShutdownDelay, so that load balancers send
// no more requests, and running requests get shutdownTimeout to end.
func serveOn(ctx context.Context, cfg *config.Config, app *app, listener net.Listener, log *slog.Logger) error {
	server := newServer(app.handler, log)
	failed := make(chan error, 1)
	go func() { failed <- server.Serve(listener) }()
	select {
	case err := <-failed:
		return fmt.Errorf("serving: %w", err)
	case <-ctx.Done():
	}
	log.Info("shutting down", "delay", cfg.ShutdownDelay.String())
	app.health.Drain()
	time.Sleep(cfg.ShutdownDelay)

	ctx, cancel := context.WithTimeout(context.Background(), shutdownTimeout)
	defer cancel()
	if err := server.Shutdown(ctx); err != nil {
		_ = server.Close()
		return fmt.Errorf("shutting down: some requests did not end within %s: %w", shutdownTimeout, err)
	}
	log.Info("stopped")
	return nil
}

// idleTimeout is longer than any known load balancer keeps an idle connection (600 s). If the service closed it first,
// a load balancer that sends a request at that moment would answer 502.
const idleTimeout = 620 * time.Second

// newServer returns a server with timeouts, so that no client can occupy a connection forever. Like Node, it rejects a
// request whose headers exceed about 16 KiB: net/http adds 4 KiB to MaxHeaderBytes.
func newServer(handler http.Handler, log *slog.Logger) *http.Server {
	return &http.Server{
		Handler: handler,
		// OPTIONS * is answered by our own routes like every other request.
		DisableGeneralOptionsHandler: true,
		ReadHeaderTimeout:            3 * time.Second,
		ReadTimeout:                  5 * time.Second,
		WriteTimeout:                 15 * time.Second,
		IdleTimeout:                  idleTimeout,
		MaxHeaderBytes:               12 << 10,
		ErrorLog:                     slog.NewLogLogger(log.Handler(), slog.LevelWarn),
	}
}

func listen(cfg *config.Config) (net.Listener, error) {
	listener, err := net.Listen("tcp", net.JoinHostPort(cfg.Host, strconv.Itoa(int(cfg.Port))))
	if errors.Is(err, syscall.EADDRINUSE) {
		return nil, fmt.Errorf("port %d is in use: stop the process using it, or set PORT", cfg.Port)
	}
	if err != nil {
		return nil, fmt.Errorf("listening (HOST, PORT): %w", err)
	}
	return listener, nil
}

// openDB returns the DB that cfg specifies. watch is true for the service and false for the other commands.
func openDB(cfg *config.Config, sessions *session.Sessions, watch bool, log *slog.Logger) (*db.DB, error) {
	advice := ""
	if !cfg.Production() && cfg.RedisHost != "" {
		advice = "start Redis, or remove REDIS_HOST to use the embedded one"
	}
	limitSecret, err := sessions.DeriveKey("login limit")
	if err != nil {
		return nil, err
	}
	var encryption func() (*tls.Config, error)
	if cfg.Redis.TLS {
		encryption = cfg.Redis.TLSConfig
	}
	return db.Open(db.Options{
		Addrs:            cfg.Redis.Addrs,
		Cluster:          cfg.Redis.Cluster,
		SentinelMaster:   cfg.Redis.SentinelMaster,
		SentinelUsername: cfg.Redis.SentinelUsername,
		SentinelPassword: string(cfg.Redis.SentinelPassword),
		Username:         cfg.Redis.Username,
		Password:         string(cfg.Redis.Password),
		DB:               cfg.Redis.DB,
		TLS:              encryption,
		Timeout:          cfg.RedisTimeout,
		WaitReplicas:     cfg.RedisWaitReplicas,
		BlacklistKey:     cfg.BlacklistKey,
		ExpectEpoch:      cfg.RevocationEpoch == config.EpochExpect,
		LoginLimit:       db.LoginLimit(cfg.LoginLimit),
		LimitSecret:      limitSecret,
		RebuildToken:     sessions.RebuildToken,
		Watch:            watch,
		Advice:           advice,
		Log:              log,
	})
}
