package cli

import (
	"errors"
	"fmt"
	"io"
	"iter"
	"slices"
	"strings"
	"text/tabwriter"
	"time"
	"unicode"
	"unicode/utf16"

	"github.com/spf13/cobra"

	"gin-auth/config"
	"gin-auth/db"
	"gin-auth/session"
	"gin-auth/user"
)

func newUserList(o Options) *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "list",
		Short: "Lists the users",
		Long: `Lists the users, without their password hashes. Up to a thousand are sorted by email;
more are listed in portions of a thousand, each of which is sorted. It needs the right
to SCAN in Redis, which serving does not.

A record that is not a user is reported on standard error, and the exit status is 1.`,
		Example: `  gin-auth user list
  gin-auth user list --json | jq -r 'select(.role == "admin").email'`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			show := printTable
			if asJSON {
				show = printJSON
			}
			return o.withDB(cmd.Context(), func(_ *config.Config, store *db.DB) error {
				return listUsers(cmd, store.Users(cmd.Context()), show)
			})
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print one JSON object a line instead of a table")
	return cmd
}

// portion is how many users a listing holds at a time.
const portion = 1000

// listUsers shows the users portion by portion.
func listUsers(
	cmd *cobra.Command, users iter.Seq2[user.User, error], show func(out io.Writer, users []user.User, first bool) error,
) error {
	var sorted []user.User
	first := true
	flush := func() error {
		slices.SortFunc(sorted, func(a, b user.User) int { return strings.Compare(a.Email, b.Email) })
		// A SCAN may return a user twice.
		sorted = slices.CompactFunc(sorted, func(a, b user.User) bool { return a.Email == b.Email })
		err := show(cmd.OutOrStdout(), sorted, first)
		sorted, first = sorted[:0], false
		return err
	}
	var status error
	for u, err := range users {
		var broken *db.BrokenRecordError
		if errors.As(err, &broken) {
			_, _ = fmt.Fprintln(cmd.ErrOrStderr(), printable(fmt.Sprintf("the record %s is broken: %v", broken.Key, broken.Err)))
			status = &statusError{statusFailed}
			continue
		}
		if err != nil {
			return err
		}
		if sorted = append(sorted, u); len(sorted) == portion {
			if err := flush(); err != nil {
				return err
			}
		}
	}
	if err := flush(); err != nil {
		return err
	}
	return status
}

// listed is a user as a listing shows it.
type listed struct {
	Email    string    `json:"email"`
	Username string    `json:"username"`
	FullName string    `json:"fullName,omitempty"`
	Role     string    `json:"role"`
	ID       string    `json:"id"`
	Disabled bool      `json:"disabled"`
	Created  time.Time `json:"created"`
}

func printJSON(out io.Writer, users []user.User, _ bool) error {
	for _, u := range users {
		l := listed{u.Email, u.Username, u.FullName.String(), u.Role, u.ID, u.Disabled, u.Created}
		if err := printJSONLine(out, l); err != nil {
			return err
		}
	}
	return nil
}

// printJSONLine prints v as JSON in a line that is safe to show on a terminal.
func printJSONLine(out io.Writer, v any) error {
	line, err := session.EncodeJSON(v)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(out, "%s\n", escapeInvisible(string(line)))
	return err
}

// escapeInvisible escapes characters in JSON that a terminal does not show, or that change the direction of what
// follows. They can only be part of strings.
func escapeInvisible(json string) string {
	var escaped strings.Builder
	for _, r := range json {
		if !unicode.In(r, unicode.Cc, unicode.Cf) {
			escaped.WriteRune(r)
			continue
		}
		for _, unit := range utf16.Encode([]rune{r}) {
			fmt.Fprintf(&escaped, `\u%04x`, unit)
		}
	}
	return escaped.String()
}

func printTable(out io.Writer, users []user.User, first bool) error {
	table := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	if first {
		_, _ = fmt.Fprintln(table, "EMAIL\tUSERNAME\tROLE\tID\tDISABLED\tCREATED") // Flush has the error
	}
	for _, u := range users {
		disabled := "no"
		if u.Disabled {
			disabled = "yes"
		}
		_, _ = fmt.Fprintf(table, "%s\t%s\t%s\t%s\t%s\t%s\n", printable(u.Email), printable(u.Username),
			printable(u.Role), printable(u.ID), disabled, u.Created.UTC().Format(time.DateOnly))
	}
	return table.Flush()
}

// printable replaces characters that would move a terminal's cursor or end a column.
func printable(text string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsPrint(r) {
			return r
		}
		return unicode.ReplacementChar
	}, text)
}
