package cli

import (
	"cmp"
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"gin-auth/config"
	"gin-auth/db"
	"gin-auth/user"
)

const fromWhere = `
On a terminal the command asks for the password twice. Otherwise it reads one line
of standard input. The password cannot be an argument, because other users of the
machine could see it.`

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
				return &usageError{errors.New("--email and --username are required")}
			}
			var u user.User
			if u.Email, err = user.CleanEmail(email); err != nil {
				return err
			}
			if u.Username, err = user.CleanUsername(username, email); err != nil {
				return err
			}
			return o.withDB(cmd.Context(), func(cfg *config.Config, store *db.DB) error {
				u.Role = cmp.Or(role, cfg.DefaultRole())
				if err := user.CheckRole(u.Role); err != nil {
					return err
				}
				return addUser(cmd, cfg, store, u)
			})
		},
		DisableFlagsInUseLine: true,
	}
	cmd.Flags().StringVar(&email, "email", "", "the email that the user logs in with")
	cmd.Flags().StringVar(&username, "username", "", "the name of the user, which no other user may have")
	cmd.Flags().StringVar(&role, "role", "", "the user's role (default: the first of REGISTRATION_ROLES)")
	return cmd
}

// addUser asks for a password and stores a new user.
func addUser(cmd *cobra.Command, cfg *config.Config, store *db.DB, u user.User) error {
	exists := fmt.Errorf("the user %s exists already", u.Email)
	// Check this first: otherwise somebody may choose a password that is then not used.
	if _, found, err := store.UserByEmail(cmd.Context(), u.Email); found || err != nil {
		return cmp.Or(err, exists)
	}
	var err error
	if u.PasswordHash, err = askHash(cmd, cfg); err != nil {
		return err
	}
	u.Created = user.Now()
	u.ID = user.NewID(u.Created)
	switch err := store.CreateUser(cmd.Context(), u); {
	case errors.Is(err, user.ErrEmailTaken):
		return exists
	case errors.Is(err, user.ErrUsernameTaken):
		return fmt.Errorf("another user has the username %q", u.Username)
	case err != nil:
		return err
	}
	return say(cmd, "added %s, role %s, id %s\n", u.Email, u.Role, u.ID)
}

// askHash asks for a new password and returns its hash.
func askHash(cmd *cobra.Command, cfg *config.Config) (string, error) {
	password, err := newPassword(cmd)
	if err != nil {
		return "", err
	}
	return user.Hasher{Cost: cfg.BcryptCost, MinLength: cfg.PasswordMin}.Hash(password)
}
