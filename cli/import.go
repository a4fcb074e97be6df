package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"gin-auth/config"
	"gin-auth/db"
	"gin-auth/user"
)

const importHelp = `Takes users over from a mongoexport, or from anything that writes JSON as that
does: one document a line, or an array. They log in with the passwords they have.

Of each document it takes
  email             it has to be there: users log in with it
  password          it has to be there: a bcrypt hash ($2a$, $2b$ or $2y$)
  _id               an ObjectId, a string or a whole number; a new id without it
  username          or else name, or else fullName; or else what precedes the
                    email's @
  role              the default role (%s) without it
  createdAt         or else created; or else the time in the ObjectId, or now

A document that can't be taken is reported on standard error with its line, its
place in an array and the field at fault, never with what the field holds, and the
rest goes on. Only where an array isn't valid JSON there is no going on.

A user whose email is there already is kept as he is, so it is safe to run an
import again, also one that was broken off. With --overwrite he becomes what the
document says; what it doesn't say, he keeps, and a disabled user stays disabled.
Of two documents with one email the first counts, with --overwrite the last.`

const importStatuses = `
Exit status:
  0  every document was taken, or its user was there already
  1  it failed or was interrupted: what the summary counts is done, the rest not
  2  the command line is wrong
  3  all was read, but some documents could not be taken`

func newImport(o Options) *cobra.Command {
	var flags importFlags
	cmd := &cobra.Command{
		Use:   "import-users FILE|-",
		Short: "Takes users over from a mongoexport, with their passwords",
		Long:  fmt.Sprintf(importHelp, user.DefaultRole) + "\n" + importStatuses,
		Example: `  mongoexport --uri "$MONGO_URI" --collection users --out users.json
  gin-auth import-users --dry-run users.json
  gin-auth import-users users.json

  mongoexport --uri "$MONGO_URI" --collection users | gin-auth import-users -`,
		Args: exactArgs("FILE, or - for standard input,"),
		RunE: func(cmd *cobra.Command, args []string) (err error) {
			in, name := cmd.InOrStdin(), "standard input"
			if args[0] != "-" {
				file, err := os.Open(args[0])
				if err != nil {
					return err
				}
				defer func() { _ = file.Close() }() // it was only read
				in, name = file, args[0]
			}
			return o.withDB(cmd.Context(), func(_ *config.Config, store *db.DB) error {
				return o.importUsers(cmd, store, in, name, flags)
			})
		},
	}
	cmd.Flags().BoolVar(&flags.overwrite, "overwrite", false, "replace users who are there already")
	cmd.Flags().BoolVar(&flags.dryRun, "dry-run", false, "read and check everything, write nothing (a user who is twice in the export counts twice)")
	cmd.Flags().BoolVar(&flags.quiet, "quiet", false, "no progress bar")
	return cmd
}

type importFlags struct{ overwrite, dryRun, quiet bool }

// importUsers imports what in holds and prints the summary.
func (o Options) importUsers(cmd *cobra.Command, store *db.DB, in io.Reader, name string, flags importFlags) error {
	start := time.Now()
	i := &importer{
		Options:  o,
		flags:    flags,
		store:    store,
		progress: newProgress(cmd.ErrOrStderr(), flags.quiet, sizeOf(in)),
		pauses:   []time.Duration{time.Second, 2 * time.Second, 4 * time.Second, 8 * time.Second, 16 * time.Second},
	}
	err := i.run(cmd.Context(), in)
	i.progress.clear()
	if sayErr := say(cmd, "%s in %s\n", i.summary(), time.Since(start).Round(10*time.Millisecond)); err == nil {
		err = sayErr
	}
	switch {
	case err != nil:
		return fmt.Errorf("importing %s: %w (what the summary counts is done)", name, err)
	case i.count.refused > 0:
		return &statusError{statusNotTaken}
	}
	return nil
}

// importer imports one export.
type importer struct {
	Options
	flags    importFlags
	store    *db.DB
	progress *progress
	pauses   []time.Duration // before each new try where Redis has failed
	count    counts
}

// counts are how many documents became of what.
type counts struct {
	read, refused, imported, replaced, kept, unnamed int
}

var errInterrupted = errors.New("interrupted")

// run imports batch by batch, while the next ones are read, and ends after the batch in which ctx does.
// What it has counted is done, however it ends.
func (i *importer) run(ctx context.Context, in io.Reader) error {
	reading, stop := context.WithCancel(ctx)
	defer stop()
	batches := i.batches(reading, in)
	for ctx.Err() == nil {
		select {
		case b, more := <-batches:
			if !more && ctx.Err() == nil {
				return nil
			}
			if err := i.take(ctx, b); err != nil {
				return err
			}
		case <-ctx.Done(): // the export may keep us waiting for ever
		}
	}
	return errInterrupted
}

// take reports what was refused in a batch and stores the others.
func (i *importer) take(ctx context.Context, b batch) error {
	for _, refusal := range b.refused {
		i.progress.print("%s", refusal)
	}
	i.count.read += b.read
	i.count.refused += len(b.refused)
	if err := i.save(ctx, b.users); err != nil {
		return err
	}
	i.progress.add(b.bytes)
	return b.err
}

// summary is the sentence about all that has been done.
func (i *importer) summary() string {
	c := i.count
	imported, replaced, kept := "imported ", "replaced ", "kept "
	var parts []string
	if i.flags.dryRun {
		imported, replaced, kept = "would import ", "replace ", "keep "
		parts = append(parts, "nothing written")
	}
	parts = append(parts, imported+thousands(c.imported))
	if i.flags.overwrite {
		parts = append(parts, replaced+thousands(c.replaced))
	} else {
		parts = append(parts, kept+thousands(c.kept)+" existing")
	}
	if c.unnamed > 0 {
		parts = append(parts, thousands(c.unnamed)+" of them named after their email")
	}
	if c.refused > 0 {
		parts = append(parts, plural(c.refused)+" not taken")
	}
	return strings.Join(append(parts, plural(c.read)+" read"), ", ")
}

func plural(n int) string {
	if n == 1 {
		return "1 document"
	}
	return thousands(n) + " documents"
}

// thousands writes a number as in 1,000,000.
func thousands(n int) string {
	digits := strconv.Itoa(n)
	for i := len(digits) - 3; i > 0; i -= 3 {
		digits = digits[:i] + "," + digits[i:]
	}
	return digits
}
