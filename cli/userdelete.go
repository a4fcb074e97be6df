package cli

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"gin-auth/config"
	"gin-auth/db"
	"gin-auth/user"
)

func newUserDelete(o Options) *cobra.Command {
	return &cobra.Command{
		Use:   "delete EMAIL",
		Short: "Deletes a user and ends their sessions",
		Long: `Deletes a user and ends their sessions. The email and the username can be
registered again.

If it is interrupted, run it again: until it is done, the user is disabled.`,
		Example: "  gin-auth user delete ada@example.com",
		Args:    exactArgs("EMAIL"),
		RunE: func(cmd *cobra.Command, args []string) error {
			return o.withDB(cmd.Context(), func(_ *config.Config, store *db.DB) error {
				u, err := deleteUser(cmd.Context(), store, args[0])
				if err != nil {
					return err
				}
				return say(cmd, "%s is deleted\n", u.Email)
			})
		},
	}
}

// deleteUser disables the user before it ends the sessions, so that no login at the same time starts another one, and
// deletes the user last, so that it can be repeated until it is done.
func deleteUser(ctx context.Context, store *db.DB, email string) (user.User, error) {
	u, err := change(ctx, store, email, func(u *user.User) { u.Disabled = true })
	if err != nil {
		return u, err
	}
	if err := endSessions(ctx, store, u); err != nil {
		return u, err
	}
	deleted, err := store.DeleteUser(ctx, u)
	if err == nil && !deleted {
		err = fmt.Errorf("%s was changed meanwhile: run it again", u.Email)
	}
	return u, err
}
