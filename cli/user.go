package cli

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/spf13/cobra"

	"gin-auth/config"
	"gin-auth/db"
)

func newUser(o Options) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "user",
		Short: "Adds, lists and changes users",
		Example: `  gin-auth user add --email ada@example.com --username ada --role admin
  gin-auth user list
  gin-auth user disable ada@example.com`,
		Args: noArgs,
		RunE: func(*cobra.Command, []string) error { return &usageError{errors.New("what about the users?")} },
	}
	cmd.AddCommand(newUserAdd(o), newUserList(o), newUserRole(o), newUserPassword(o),
		newUserSwitch(o, "disable", "Ends a user's sessions and keeps him from logging in", true),
		newUserSwitch(o, "enable", "Lets a disabled user log in again", false))
	return cmd
}

const fromWhere = `
On a terminal the password is asked for, twice; otherwise it is one line of
standard input. It is never an argument, which others on the machine can see.`

func newUserAdd(o Options) *cobra.Command {
	var email, username, role string
	cmd := &cobra.Command{
		Use:   "add --email EMAIL --username NAME [--role ROLE]",
		Short: "Adds a user",
		Long:  "Adds a user.\n" + fromWhere,
		Example: `  gin-auth user add --email ada@example.com --username ada
  printf '%s\n' "$PASSWORD" | gin-auth user add --email ada@example.com --username ada --role admin`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) (err error) {
			if email == "" || username == "" {
				return &usageError{errors.New("--email and --username are needed")}
			}
			user := db.User{Role: role}
			if user.Email, err = o.CleanEmail(email); err != nil {
				return err
			}
			if user.Username, err = o.CleanUsername(username); err != nil {
				return err
			}
			if err := checkRole(role); err != nil {
				return err
			}
			return o.withDB(cmd.Context(), func(cfg *config.Config, store *db.DB) error {
				return o.addUser(cmd, cfg, store, user)
			})
		},
		DisableFlagsInUseLine: true,
	}
	cmd.Flags().StringVar(&email, "email", "", "the email that the user logs in with")
	cmd.Flags().StringVar(&username, "username", "", "the name that others see")
	cmd.Flags().StringVar(&role, "role", o.DefaultRole, "the user's role")
	return cmd
}

// addUser completes user with a password and stores him.
func (o Options) addUser(cmd *cobra.Command, cfg *config.Config, store *db.DB, user db.User) error {
	exists := fmt.Errorf("there is a user %s already", user.Email)
	// Before anybody thinks of a password.
	if _, found, err := store.UserByEmail(cmd.Context(), user.Email); found || err != nil {
		return cmp.Or(err, exists)
	}
	var err error
	if user.PasswordHash, err = o.askHash(cmd, cfg); err != nil {
		return err
	}
	user.Created = time.Now().UTC().Truncate(time.Second)
	user.ID = o.NewID(user.Created)
	if created, err := store.CreateUser(cmd.Context(), user); !created || err != nil {
		return cmp.Or(err, exists)
	}
	return say(cmd, "added %s, role %s, id %s\n", user.Email, user.Role, user.ID)
}

// askHash asks for a new password and returns its hash.
func (o Options) askHash(cmd *cobra.Command, cfg *config.Config) (string, error) {
	password, err := newPassword(cmd)
	if err != nil {
		return "", err
	}
	return o.HashPassword(cfg.BcryptCost, password)
}

func newUserRole(o Options) *cobra.Command {
	return &cobra.Command{
		Use:   "role EMAIL ROLE",
		Short: "Gives a user another role",
		Long: `Gives a user another role. The sessions that he has keep the old one: it is
written in their tokens.`,
		Example: "  gin-auth user role ada@example.com admin",
		Args:    exactArgs("EMAIL", "ROLE"),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := checkRole(args[1]); err != nil {
				return err
			}
			return o.withDB(cmd.Context(), func(_ *config.Config, store *db.DB) error {
				user, err := change(cmd.Context(), store, args[0], func(user *db.User) { user.Role = args[1] })
				if err != nil {
					return err
				}
				return say(cmd, "%s has the role %s\n", user.Email, user.Role)
			})
		},
	}
}

func newUserSwitch(o Options, name, short string, disabled bool) *cobra.Command {
	return &cobra.Command{
		Use:     name + " EMAIL",
		Short:   short,
		Example: "  gin-auth user " + name + " ada@example.com",
		Args:    exactArgs("EMAIL"),
		RunE: func(cmd *cobra.Command, args []string) error {
			return o.withDB(cmd.Context(), func(_ *config.Config, store *db.DB) error {
				user, err := change(cmd.Context(), store, args[0], func(user *db.User) { user.Disabled = disabled })
				if err != nil {
					return err
				}
				if disabled {
					if err := endSessions(cmd.Context(), store, user); err != nil {
						return err
					}
				}
				return say(cmd, "%s is %sd\n", user.Email, name)
			})
		},
	}
}

func newUserPassword(o Options) *cobra.Command {
	return &cobra.Command{
		Use:   "password EMAIL",
		Short: "Gives a user a new password",
		Long:  "Gives a user a new password, which ends his sessions.\n" + fromWhere,
		Example: `  gin-auth user password ada@example.com
  printf '%s\n' "$PASSWORD" | gin-auth user password ada@example.com`,
		Args: exactArgs("EMAIL"),
		RunE: func(cmd *cobra.Command, args []string) error {
			return o.withDB(cmd.Context(), func(cfg *config.Config, store *db.DB) error {
				// Before anybody thinks of a password.
				if _, found, err := store.UserByEmail(cmd.Context(), args[0]); !found || err != nil {
					return cmp.Or(err, unknownUser(args[0]))
				}
				hash, err := o.askHash(cmd, cfg)
				if err != nil {
					return err
				}
				user, err := change(cmd.Context(), store, args[0], func(user *db.User) { user.PasswordHash = hash })
				if err != nil {
					return err
				}
				if err := endSessions(cmd.Context(), store, user); err != nil {
					return err
				}
				return say(cmd, "%s has a new password\n", user.Email)
			})
		},
	}
}

// endSessions revokes every session of a user who has been changed already.
func endSessions(ctx context.Context, store *db.DB, user db.User) error {
	if err := store.LogoutAll(ctx, user.ID); err != nil {
		return fmt.Errorf("%s is changed, but his sessions go on: %w; run it again", user.Email, err)
	}
	return nil
}

// change alters the user with that email.
func change(ctx context.Context, store *db.DB, email string, alter func(*db.User)) (db.User, error) {
	user, found, err := store.UpdateUser(ctx, email, func(user *db.User) error {
		alter(user)
		return nil
	})
	if err == nil && !found {
		err = unknownUser(email)
	}
	return user, err
}

func unknownUser(email string) error { return fmt.Errorf("there is no user %q", email) }

// maxRole is in characters.
const maxRole = 64

func checkRole(role string) error {
	if role == "" || utf8.RuneCountInString(role) > maxRole || strings.ContainsFunc(role, unicode.IsControl) {
		return fmt.Errorf("role must have 1 to %d characters and no control characters", maxRole)
	}
	return nil
}

// say prints what a command has done.
func say(cmd *cobra.Command, format string, args ...any) error {
	_, err := fmt.Fprintf(cmd.OutOrStdout(), format, args...)
	return err
}
