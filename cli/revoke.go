package cli

import (
	"time"

	"github.com/spf13/cobra"

	"gin-auth/config"
	"gin-auth/db"
)

func newRevokeAll(o Options) *cobra.Command {
	return &cobra.Command{
		Use:   "revoke-all",
		Short: "Revokes every token of every user",
		Long: `Revokes every token issued until now, of every user, at every gin-auth on this
Redis. All users have to log in again.

Use it if the blacklist was lost while no instance was running to notice that, or
if a secret may have leaked and is being rotated. Node services on this Redis do
not notice it: they still accept these tokens.`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return o.withDB(cmd.Context(), func(_ *config.Config, store *db.DB) error {
				cut, err := store.RevokeAll(cmd.Context())
				if err != nil {
					return err
				}
				return say(cmd, "every token issued until %s is revoked\n", time.Unix(cut, 0).UTC().Format(time.RFC3339))
			})
		},
	}
}
