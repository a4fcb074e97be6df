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

const importHelp = `Imports users from a mongoexport, or from any file of JSON documents, one after
another or in an array. They log in with their existing passwords.

The fields of a document are
  email             required: users log in with it
  password          required: a bcrypt hash ($2a$, $2b$ or $2y$)
  _id               an ObjectId, a string or a whole number; otherwise a new id
  username          otherwise name, fullName, or what precedes the email's @
  role              otherwise the default role (%s)
  createdAt         otherwise created, the time in the ObjectId, or now

A document that cannot be taken is reported on standard error with its line, its
place in an array and the field at fault, never with the field's value, and the
import continues. After a document that is not JSON, it continues at the next line
that begins with "{"; in an array, nothing after such a document is read.

A user whose email exists already is kept unchanged, so it is safe to run an
import again, also after it was interrupted. With --overwrite such a user is
replaced: they keep what the document does not have, and if they are disabled,
they stay disabled. Of two documents with one email, the first one counts; with
--overwrite, the last one.`

const importStatuses = `
Exit status:
  0  every document was taken, or its user existed already
  1  it failed or was interrupted: what the summary counts is done, the rest not
  2  the command line is wrong
  3  everything was read, but some documents could not be taken`

func newImport(o Options) *cobra.Command {
	var flags importFlags
	cmd := &cobra.Command{
		Use:   "import-users FILE|-",
		Short: "Imports users from a mongoexport, with their passwords",
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
				return importUsers(cmd, store, in, name, flags)
			})
		},
	}
	cmd.Flags().BoolVar(&flags.overwrite, "overwrite", false, "replace existing users")
	cmd.Flags().BoolVar(&flags.dryRun, "dry-run", false,
		"read and check everything, write nothing (a user who is in the export twice counts twice)")
	cmd.Flags().BoolVar(&flags.quiet, "quiet", false, "no progress bar")
	return cmd
}

type importFlags struct{ overwrite, dryRun, quiet bool }

// importUsers imports the export that in reads, and prints the summary.
func importUsers(cmd *cobra.Command, store *db.DB, in io.Reader, name string, flags importFlags) error {
	start := time.Now()
	i := &importer{
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
	flags    importFlags
	store    *db.DB
	progress *progress
	pauses   []time.Duration // before each retry after Redis has failed
	count    counts
}

// counts says what was done with how many documents.
type counts struct {
	read, refused, imported, replaced, kept, unnamed int
}

var errInterrupted = errors.New("interrupted")

// run imports one batch after another while the next ones are read. When ctx ends, it returns after the current batch.
// Everything that it has counted is done, even if it returns an error.
func (i *importer) run(ctx context.Context, in io.Reader) error {
	reading, stop := context.WithCancel(ctx)
	defer stop()
	batches := batches(reading, in)
	for ctx.Err() == nil {
		select {
		case b, more := <-batches:
			if !more && ctx.Err() == nil {
				return nil
			}
			if err := i.importBatch(ctx, b); err != nil {
				return err
			}
		case <-ctx.Done(): // reading may block forever
		}
	}
	return errInterrupted
}

// importBatch reports the refused documents of a batch and stores its users.
func (i *importer) importBatch(ctx context.Context, b batch) error {
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

// summary returns the line that is printed at the end.
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

// thousands formats a number like 1,000,000.
func thousands(n int) string {
	digits := strconv.Itoa(n)
	for i := len(digits) - 3; i > 0; i -= 3 {
		digits = digits[:i] + "," + digits[i:]
	}
	return digits
}
