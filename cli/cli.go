// Package cli is the command line of gin-auth: it runs the service, manages the users, and checks the settings, Redis
// and the service.
package cli

import (
	"context"
	"errors"
	"fmt"
	"net"
	"runtime/debug"
	"strings"

	"github.com/spf13/cobra"

	"gin-auth/config"
	"gin-auth/db"
)

// Options are the functions that the commands call. All are required.
type Options struct {
	// Serve runs the service until ctx ends: what gin-auth does without a command.
	Serve func(ctx context.Context) error
	// LoadConfig reads the configuration. A *config.Error is printed with a line for each problem.
	LoadConfig func() (*config.Config, error)
	// OpenDB opens the DB that the configuration names. It should log nothing: a command returns an error instead.
	OpenDB func(*config.Config) (*db.DB, error)
	// Listen opens the listener that the service would have.
	Listen func(*config.Config) (net.Listener, error)
}

// The exit statuses. The help of a command lists those that it has.
const (
	statusFailed   = 1
	statusUsage    = 2
	statusNotTaken = 3
)

// New returns the command gin-auth. Run it with Execute.
func New(o Options) *cobra.Command {
	root := &cobra.Command{
		Use:   "gin-auth",
		Short: "Serves logins and manages the users",
		Long: `Without a command, gin-auth serves logins.

Its settings, and those of every command, come from the environment and from
the file .env in the working directory (see .env.example).

Exit status: 0 if all went well, 1 if something failed, 2 if the command line
is wrong.`,
		Example: `  gin-auth                             serve
  gin-auth check                       can production run on these settings?
  gin-auth user list                   list the users
  gin-auth import-users users.json     import the users of a mongoexport`,
		Args:          noArgs,
		RunE:          func(cmd *cobra.Command, _ []string) error { return o.Serve(cmd.Context()) },
		SilenceErrors: true, // Execute prints them
		SilenceUsage:  true,
	}
	root.CompletionOptions.DisableDefaultCmd = true
	root.SetFlagErrorFunc(func(_ *cobra.Command, err error) error { return &usageError{err} })
	if info, ok := debug.ReadBuildInfo(); ok {
		root.Version = version(info)
	}
	root.AddCommand(newUser(o), newImport(o), newRevokeAll(o), newCheck(o), newHealthcheck(o))
	return root
}

// Execute runs the command in the process's arguments until it is done or ctx ends, prints an error if there is one,
// and returns the exit status.
func Execute(ctx context.Context, root *cobra.Command) int {
	cmd, err := root.ExecuteContextC(ctx)
	status := Status(err)
	var quiet *statusError
	if err == nil || errors.As(err, &quiet) {
		return status
	}
	stderr := root.ErrOrStderr()
	_, _ = fmt.Fprintf(stderr, "gin-auth: %s\n", text(err))
	if status == statusUsage {
		_, _ = fmt.Fprintf(stderr, "\nUsage: %s\nMore: %s --help\n", cmd.UseLine(), cmd.CommandPath())
	}
	return status
}

// Status returns the exit status for err.
func Status(err error) int {
	var usage *usageError
	var quiet *statusError
	switch {
	case err == nil:
		return 0
	case errors.As(err, &usage):
		return statusUsage
	case errors.As(err, &quiet):
		return quiet.status
	default:
		return statusFailed
	}
}

// text returns what is printed about err.
func text(err error) string {
	var wrong *config.Error
	if errors.As(err, &wrong) {
		return "the configuration is wrong:\n  " + strings.Join(wrong.Problems, "\n  ")
	}
	return err.Error()
}

// usageError is an error in the command line.
type usageError struct{ err error }

func (e *usageError) Error() string { return e.err.Error() }

// statusError is an exit status without a message, because the command has already printed what is wrong.
type statusError struct{ status int }

func (e *statusError) Error() string { return fmt.Sprintf("exit status %d", e.status) }

// noArgs rejects every argument. To a command with subcommands, the argument is the name of a subcommand that it does
// not have.
func noArgs(cmd *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	if !cmd.HasSubCommands() {
		return &usageError{fmt.Errorf("unexpected argument %q", args[0])}
	}
	err := fmt.Errorf("unknown command %q", args[0])
	cmd.SuggestionsMinimumDistance = 2
	if like := cmd.SuggestionsFor(args[0]); len(like) > 0 {
		err = fmt.Errorf("%w: did you mean %s?", err, strings.Join(like, " or "))
	}
	return &usageError{err}
}

// exactArgs requires one argument for each of the names.
func exactArgs(names ...string) cobra.PositionalArgs { return rangeArgs(len(names), names...) }

// rangeArgs accepts one argument for each of the names. The first least of them are required.
func rangeArgs(least int, names ...string) cobra.PositionalArgs {
	return func(_ *cobra.Command, args []string) error {
		if len(args) < least {
			return &usageError{fmt.Errorf("%s is missing", names[len(args)])}
		}
		if len(args) > len(names) {
			return &usageError{fmt.Errorf("unexpected argument %q", args[len(names)])}
		}
		return nil
	}
}
