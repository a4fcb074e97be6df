package cli

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/alicebob/miniredis/v2"
	"github.com/spf13/cobra"
	"golang.org/x/crypto/bcrypt"

	"gin-auth/config"
	"gin-auth/db"
)

// TestExecute checks exit statuses and output without a Redis.
func TestExecute(t *testing.T) {
	t.Parallel()
	wrong := &config.Error{Problems: []string{"PORT is wrong", "HOST is wrong"}}
	for name, test := range map[string]struct {
		args   []string
		change func(*Options)
		status int
		stdout string // a part of it
		stderr string // a part of it, "" for nothing
	}{
		"serves": {nil, func(*Options) {}, 0, "", ""},
		"fails to serve": {nil, func(o *Options) {
			o.Serve = func(context.Context) error { return errors.New("serving: no") }
		}, 1, "", "gin-auth: serving: no\n"},
		"wrong configuration": {[]string{"user", "list"}, func(o *Options) {
			o.LoadConfig = func() (*config.Config, error) { return nil, wrong }
		}, 1, "", "gin-auth: the configuration is wrong:\n  PORT is wrong\n  HOST is wrong\n"},
		"embedded Redis": {[]string{"user", "list"}, func(o *Options) {
			o.LoadConfig = func() (*config.Config, error) { return &config.Config{}, nil }
		}, 1, "", "gin-auth: no Redis is specified: set REDIS_HOST, "},
		"Redis away": {[]string{"user", "list"}, func(*Options) {}, 1, "", "gin-auth: the Redis at 127.0.0.1:1 can't be used: asking Redis: "},
		"help":       {[]string{"--help"}, nil, 0, "import-users", ""},
		"version":    {[]string{"--version"}, nil, 0, "gin-auth version ", ""},
		"checks no Redis": {[]string{"check"}, func(o *Options) {
			o.LoadConfig = func() (*config.Config, error) { return config.Load("", nil) }
		}, 1, "should not run on this:\n  NODE_ENV is not production: the rules for production are off\n  no Redis is specified: set REDIS_HOST, ", ""},
		"checks a port in use": {[]string{"check"}, func(o *Options) {
			o.Listen = func(*config.Config) (net.Listener, error) { return nil, errors.New("port 3000 is in use") }
		}, 1, "\nNotes\n  port 3000 is in use (ignore this if the service is already running)\n", ""},
		"checks, prints what differs":    {[]string{"check"}, func(*Options) {}, 1, "gin-auth check --all prints them.\n", ""},
		"checks, prints everything":      {[]string{"check", "--all"}, func(*Options) {}, 1, "\n  SHUTDOWN_DELAY            0s\n\nRedis\n", ""},
		"checks everything, and a token": {[]string{"check", "--all", "--token", "-"}, nil, 2, "", "gin-auth: --all and --token cannot be used together\n"},
		"checks a Redis that is away":    {[]string{"check"}, func(*Options) {}, 1, "the Redis at 127.0.0.1:1 can't be used: trying TIME: ", ""},
		"checks a wrong configuration": {[]string{"check"}, func(o *Options) {
			o.LoadConfig = func() (*config.Config, error) { return nil, wrong }
		}, 1, "", "gin-auth: the configuration is wrong:\n  PORT is wrong\n  HOST is wrong\n"},
		"no service is alive": {[]string{"healthcheck"}, func(o *Options) {
			o.LoadConfig = func() (*config.Config, error) { return &config.Config{Host: "127.0.0.1", Port: 1}, nil }
		}, 1, "", "gin-auth: checking the health: "},
		"help of a command":          {[]string{"help", "import-users"}, nil, 0, "Exit status:", ""},
		"help of the users":          {[]string{"user", "--help"}, nil, 0, "disable", ""},
		"unknown command":            {[]string{"serve"}, nil, 2, "", "gin-auth: unknown command \"serve\"\n\nUsage: gin-auth [flags]\nMore: gin-auth --help\n"},
		"mistyped command":           {[]string{"import-user"}, nil, 2, "", "did you mean import-users?"},
		"no completion":              {[]string{"completion", "bash"}, nil, 2, "", `unknown command "completion"`},
		"unknown flag":               {[]string{"user", "list", "--jsn"}, nil, 2, "", "gin-auth: unknown flag: --jsn\n\nUsage: gin-auth user list [flags]\n"},
		"no user command":            {[]string{"user"}, nil, 2, "", "gin-auth: a command is missing"},
		"unknown user command":       {[]string{"user", "lst"}, nil, 2, "", `gin-auth: unknown command "lst": did you mean list?`},
		"argument missing":           {[]string{"user", "role", "ada@example.com"}, nil, 2, "", "gin-auth: ROLE is missing"},
		"argument too many":          {[]string{"user", "list", "ada"}, nil, 2, "", `gin-auth: unexpected argument "ada"`},
		"no password as an argument": {[]string{"user", "password", "ada@example.com", "secret"}, nil, 2, "", "unexpected argument"},
		"add without flags":          {[]string{"user", "add"}, nil, 2, "", "gin-auth: --email and --username are required"},
		"bad email":                  {[]string{"user", "add", "--email", "x", "--username", "ada"}, nil, 1, "", "gin-auth: email"},
		"bad username":               {[]string{"user", "add", "--email", "a@b.c", "--username", " "}, nil, 1, "", "gin-auth: username"},
		"bad role":                   {[]string{"user", "role", "a@b.c", "a\nb"}, nil, 1, "", "gin-auth: role must have"},
		"no file":                    {[]string{"import-users"}, nil, 2, "", "gin-auth: FILE, or - for standard input, is missing"},
		"no such file":               {[]string{"import-users", "/nowhere.json"}, nil, 1, "", "gin-auth: open /nowhere.json: no such file"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			o := testOptions("127.0.0.1:1")
			if test.change != nil {
				test.change(&o)
			} else {
				o.LoadConfig = func() (*config.Config, error) { t.Error("reads the configuration"); return nil, wrong }
				o.Serve = func(context.Context) error { t.Error("serves"); return nil }
			}
			status, stdout, stderr := run(t, o, "", test.args...)
			if status != test.status {
				t.Errorf("exit status %d, want %d", status, test.status)
			}
			if !strings.Contains(stdout, test.stdout) || test.stdout == "" && stdout != "" {
				t.Errorf("printed %q, want %q in it", stdout, test.stdout)
			}
			if !strings.Contains(stderr, test.stderr) || test.stderr == "" && stderr != "" {
				t.Errorf("complained %q, want %q in it", stderr, test.stderr)
			}
		})
	}
}

// TestServeContext serves until the context of Execute ends.
func TestServeContext(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	o := testOptions("127.0.0.1:1")
	o.Serve = func(ctx context.Context) error { cancel(); <-ctx.Done(); return nil }
	root := New(o)
	root.SetArgs([]string{})
	if status := Execute(ctx, root); status != 0 {
		t.Errorf("exit status %d", status)
	}
}

// testOptions returns options for the Redis at addr.
func testOptions(addr string) Options {
	return Options{
		Serve: func(context.Context) error { return nil },
		LoadConfig: func() (*config.Config, error) {
			return &config.Config{Redis: config.Redis{Addrs: []string{addr}}, BcryptCost: bcrypt.MinCost, PasswordMin: 8, RegistrationRoles: config.List{"user"}}, nil
		},
		Listen: func(*config.Config) (net.Listener, error) { return net.Listen("tcp", "127.0.0.1:0") },
		OpenDB: func(cfg *config.Config) (*db.DB, error) {
			return db.Open(db.Options{Addrs: cfg.Redis.Addrs, Timeout: cfg.RedisTimeout, Log: slog.New(slog.DiscardHandler)})
		},
	}
}

// run runs a command as a process would, and returns its exit status and what it printed.
func run(t *testing.T, o Options, stdin string, args ...string) (status int, stdout, stderr string) {
	t.Helper()
	var out, complaints bytes.Buffer
	root := New(o)
	connect(root, strings.NewReader(stdin), &out, &complaints, args)
	status = Execute(t.Context(), root)
	return status, out.String(), complaints.String()
}

func connect(root *cobra.Command, in io.Reader, out, complaints io.Writer, args []string) {
	root.SetIn(in)
	root.SetOut(out)
	root.SetErr(complaints)
	if args == nil {
		args = []string{} // nil means the arguments of the test's process
	}
	root.SetArgs(args)
}

// startRedis starts a Redis and returns Options for it, the Redis, and a DB on it.
func startRedis(t *testing.T) (Options, *db.DB, *miniredis.Miniredis) {
	t.Helper()
	server := miniredis.RunT(t)
	o := testOptions(server.Addr())
	store, err := o.OpenDB(&config.Config{Redis: config.Redis{Addrs: []string{server.Addr()}}, RedisTimeout: 5 * time.Second})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := store.Close(); err != nil {
			t.Error(err)
		}
	})
	return o, store, server
}
