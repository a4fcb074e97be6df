// Package cli is the command line of gin-auth: serving, the commands that keep the users, and those that look
// after the service.
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

// Options are what the commands are made of. All are needed.
type Options struct {
	// Serve runs the service until ctx ends: what gin-auth does without a command.
	Serve func(ctx context.Context) error
	// LoadConfig reads the configuration. A *config.Error is printed with a line for each problem.
	LoadConfig func() (*config.Config, error)
	// OpenDB opens the DB that the configuration names. It should log nothing: what a command returns
	// says what went wrong.
	OpenDB func(*config.Config) (*db.DB, error)
	// Listen opens the listener that the service would have.
	Listen func(*config.Config) (net.Listener, error)
}

// The exit statuses. Each command's help names those that it has.
const (
	statusFailed   = 1
	statusUsage    = 2
	statusNotTaken = 3
)

// New returns the command gin-auth. Run it with Execute.
func New(o Options) *cobra.Command {
	root := &cobra.Command{
		Use:   "gin-auth",
		Short: "Serves logins and keeps the users",
		Long: `Serves logins, when it is given no command.

Its settings, and those of every command, come from the environment and from
the file .env in the working directory (see .env.example).

Exit status: 0 if all went well, 1 if something failed, 2 if the command line
makes no sense.`,
		Example: `  gin-auth                             serve
  gin-auth check                       should production run on these settings?
  gin-auth user list                   who is there
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

// Execute runs the command that the process's arguments name until it is done or ctx ends, prints what
// went wrong, and returns the exit status.
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

// Status returns the exit status that tells of err.
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

// text is what is printed of err.
func text(err error) string {
	var wrong *config.Error
	if errors.As(err, &wrong) {
		return "the configuration is wrong:\n  " + strings.Join(wrong.Problems, "\n  ")
	}
	return err.Error()
}

// usageError is a command line that makes no sense.
type usageError struct{ err error }

func (e *usageError) Error() string { return e.err.Error() }

// statusError is an exit status that needs no words: the command has found them.
type statusError struct{ status int }

func (e *statusError) Error() string { return fmt.Sprintf("exit status %d", e.status) }

// noArgs refuses every argument: of a command that has others, it is the name of one that it has not.
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

// exactArgs wants one argument for each of the names.
func exactArgs(names ...string) cobra.PositionalArgs { return rangeArgs(len(names), names...) }

// rangeArgs wants one argument for each of the names, of which only the first least are required.
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
