package cli

import (
	"fmt"
	"io"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"gin-auth/config"
	"gin-auth/db"
	"gin-auth/user"
)

func newUserSessions(o Options) *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "sessions EMAIL [--json]",
		Short: "Lists a user's sessions",
		Long: `Lists a user's active sessions, the newest first, each with the address and the
User-Agent that began it. Sessions that began at a Node service are not listed.`,
		Example: `  gin-auth user sessions ada@example.com
  gin-auth user sessions ada@example.com --json | jq -r .id`,
		Args:                  exactArgs("EMAIL"),
		DisableFlagsInUseLine: true,
		RunE: func(cmd *cobra.Command, args []string) error {
			show := printSessionTable
			if asJSON {
				show = printSessionJSON
			}
			return o.withDB(cmd.Context(), func(_ *config.Config, store *db.DB) error {
				u, err := findUser(cmd.Context(), store, args[0])
				if err != nil {
					return err
				}
				sessions, err := store.Sessions(cmd.Context(), u.ID)
				if err != nil {
					return err
				}
				return show(cmd.OutOrStdout(), sessions)
			})
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print one JSON object a line instead of a table")
	return cmd
}

func printSessionTable(out io.Writer, sessions []user.Session) error {
	table := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	_, _ = fmt.Fprintln(table, "ID\tBEGAN\tEXPIRES\tADDRESS\tUSER AGENT") // Flush has the error
	for _, s := range sessions {
		_, _ = fmt.Fprintf(table, "%s\t%s\t%s\t%s\t%s\n", printable(s.ID), s.IssuedAt.UTC().Format(time.DateTime),
			s.ExpiresAt.UTC().Format(time.DateTime), printable(s.Address), printable(s.UserAgent))
	}
	return table.Flush()
}

func printSessionJSON(out io.Writer, sessions []user.Session) error {
	for _, s := range sessions {
		err := printJSONLine(out, struct {
			ID        string    `json:"id"`
			CreatedAt time.Time `json:"createdAt"`
			ExpiresAt time.Time `json:"expiresAt"`
			Address   string    `json:"address"`
			UserAgent string    `json:"userAgent"`
		}{s.ID, s.IssuedAt.UTC(), s.ExpiresAt.UTC(), s.Address, s.UserAgent})
		if err != nil {
			return err
		}
	}
	return nil
}

func newUserLogout(o Options) *cobra.Command {
	return &cobra.Command{
		Use:   "logout EMAIL [ID]",
		Short: "Ends a user's sessions, or one of them",
		Long: `Ends every session of a user, or only the session with an ID that gin-auth user
sessions shows. The user can log in again.

Node services reject these sessions as well, except sessions that began there.`,
		Example: `  gin-auth user logout ada@example.com
  gin-auth user logout ada@example.com ivAGOrIWlAJOyhUPqPTMLPVQo7vVrJ8j`,
		Args: rangeArgs(1, "EMAIL", "ID"),
		RunE: func(cmd *cobra.Command, args []string) error {
			return o.withDB(cmd.Context(), func(_ *config.Config, store *db.DB) error {
				u, err := findUser(cmd.Context(), store, args[0])
				if err != nil {
					return err
				}
				if len(args) == 1 {
					if err := store.LogoutAll(cmd.Context(), u.ID); err != nil {
						return err
					}
					return say(cmd, "the sessions of %s have ended\n", u.Email)
				}
				token, err := store.EndSession(cmd.Context(), u.ID, args[1])
				if err != nil {
					return err
				}
				if token == "" {
					return fmt.Errorf("%s has no session %q", u.Email, args[1])
				}
				return say(cmd, "the session of %s has ended\n", u.Email)
			})
		},
	}
}
