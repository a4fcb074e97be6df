package cli

import (
	"context"
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"gin-auth/config"
	"gin-auth/db"
	"gin-auth/user"
)

func newUser(o Options) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "user",
		Short: "Adds, lists, changes and deletes users",
		Example: `  gin-auth user add --email ada@example.com --username ada --role admin
  gin-auth user list
  gin-auth user disable ada@example.com
  gin-auth user logout ada@example.com
  gin-auth user delete ada@example.com`,
		Args: noArgs,
		RunE: func(*cobra.Command, []string) error { return &usageError{errors.New("a command is missing")} },
	}
	cmd.AddCommand(newUserAdd(o), newUserList(o), newUserRole(o), newUserPassword(o),
		newUserSwitch(o, "disable", "Ends a user's sessions and rejects their logins", true),
		newUserSwitch(o, "enable", "Allows a disabled user to log in again", false),
		newUserDelete(o), newUserSessions(o), newUserLogout(o))
	return cmd
}

func newUserRole(o Options) *cobra.Command {
	var now bool
	cmd := &cobra.Command{
		Use:   "role EMAIL ROLE [--now]",
		Short: "Gives a user another role",
		Long: `Gives a user another role. Existing sessions keep the old one, which is part of
their tokens, until they expire (JWT_EXPIRES_IN). With --now they end, and the
user has to log in again.`,
		Example: `  gin-auth user role ada@example.com admin
  gin-auth user role eve@example.com user --now`,
		Args:                  exactArgs("EMAIL", "ROLE"),
		DisableFlagsInUseLine: true,
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := user.CheckRole(args[1]); err != nil {
				return err
			}
			return o.withDB(cmd.Context(), func(_ *config.Config, store *db.DB) error {
				u, err := change(cmd.Context(), store, args[0], func(u *user.User) { u.Role = args[1] })
				if err != nil {
					return err
				}
				if !now {
					return say(cmd, "%s has the role %s\n", u.Email, u.Role)
				}
				if err := endSessions(cmd.Context(), store, u); err != nil {
					return err
				}
				return say(cmd, "%s has the role %s, and their sessions have ended\n", u.Email, u.Role)
			})
		},
	}
	cmd.Flags().BoolVar(&now, "now", false, "end the user's sessions, which have the old role")
	return cmd
}

func newUserSwitch(o Options, name, short string, disabled bool) *cobra.Command {
	return &cobra.Command{
		Use:     name + " EMAIL",
		Short:   short,
		Example: "  gin-auth user " + name + " ada@example.com",
		Args:    exactArgs("EMAIL"),
		RunE: func(cmd *cobra.Command, args []string) error {
			return o.withDB(cmd.Context(), func(_ *config.Config, store *db.DB) error {
				u, err := change(cmd.Context(), store, args[0], func(u *user.User) { u.Disabled = disabled })
				if err != nil {
					return err
				}
				if disabled {
					if err := endSessions(cmd.Context(), store, u); err != nil {
						return err
					}
				}
				return say(cmd, "%s is %sd\n", u.Email, name)
			})
		},
	}
}

func newUserPassword(o Options) *cobra.Command {
	return &cobra.Command{
		Use:   "password EMAIL",
		Short: "Gives a user a new password",
		Long:  "Gives a user a new password and ends their sessions.\n" + fromWhere,
		Example: `  gin-auth user password ada@example.com
  printf '%s\n' "$PASSWORD" | gin-auth user password ada@example.com`,
		Args: exactArgs("EMAIL"),
		RunE: func(cmd *cobra.Command, args []string) error {
			return o.withDB(cmd.Context(), func(cfg *config.Config, store *db.DB) error {
				// Check this first: otherwise somebody may choose a password that is then not used.
				if _, err := findUser(cmd.Context(), store, args[0]); err != nil {
					return err
				}
				hash, err := askHash(cmd, cfg)
				if err != nil {
					return err
				}
				u, err := change(cmd.Context(), store, args[0], func(u *user.User) { u.PasswordHash = hash })
				if err != nil {
					return err
				}
				if err := endSessions(cmd.Context(), store, u); err != nil {
					return err
				}
				return say(cmd, "%s has a new password\n", u.Email)
			})
		},
	}
}

// endSessions revokes every session of a user after a change.
func endSessions(ctx context.Context, store *db.DB, u user.User) error {
	if err := store.LogoutAll(ctx, u.ID); err != nil {
		return fmt.Errorf("%s is changed, but some of their sessions may continue: %w; run it again", u.Email, err)
	}
	return nil
}

// change modifies the user with that email.
func change(ctx context.Context, store *db.DB, email string, modify func(*user.User)) (user.User, error) {
	u, found, err := store.UpdateUser(ctx, email, func(u *user.User) error {
		modify(u)
		return nil
	})
	if err == nil && !found {
		err = unknownUser(email)
	}
	return u, err
}

// findUser returns the user with that email. No such user is an error.
func findUser(ctx context.Context, store *db.DB, email string) (user.User, error) {
	u, found, err := store.UserByEmail(ctx, email)
	if err == nil && !found {
		err = unknownUser(email)
	}
	return u, err
}

func unknownUser(email string) error { return fmt.Errorf("there is no user %q", email) }

// say prints the result of a command.
func say(cmd *cobra.Command, format string, args ...any) error {
	_, err := fmt.Fprintf(cmd.OutOrStdout(), format, args...)
	return err
}
