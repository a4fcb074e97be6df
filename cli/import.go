package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"gin-auth/config"
	"gin-auth/db"
)

const importHelp = `Imports users from a mongoexport, or from any file of JSON documents, one after
another or in an array. The users log in with their existing passwords.

The fields of a document are
  _id               an ObjectId, a string, a number or a UUID; otherwise id; otherwise
                    a new id
  email             required: users log in with it
  password          a bcrypt hash ($2a$, $2b$ or $2y$); a user without one cannot
                    log in before gin-auth user password has set one
  username          optional; it belongs to one user, whatever the case of its letters
  fullName          a string, or {firstName,lastName}; otherwise name
  role              a string; otherwise the only value of roles; otherwise the first
                    of REGISTRATION_ROLES
  createdAt         a date; otherwise created, the time in the ObjectId, or now
and flags that deny access, such as disabled, isBanned, deletedAt, isActive: false
or a status other than active. A user with such a flag, or with a flag that cannot
be understood, is imported disabled.

Whatever needs attention is reported on standard error with its line, its place in
an array and the field at fault, never with the field's value, and the import
continues. After a document that is not JSON, it continues at the next line that
begins with "{". If an array is broken, nothing is imported.

A user is identified by the _id. A user who exists here already is kept unchanged,
so it is safe to run an import again, also after it was interrupted. With
--overwrite the user is replaced: they keep what the document does not have, and
if they are disabled, they stay disabled. If their email, password or role changes,
or they become disabled, their sessions end.

An email belongs to one user. Of documents with different _id and the same email,
whatever the case of its letters, none is imported, and no existing user with
another _id is overwritten.

With --prune, users here who are not in the export are disabled and their sessions
end. The export must contain all users.

An export is read twice. If it does not come from a file, it is copied to the
directory for temporary files first. Another 24 bytes for each document are
written there. Both files are deleted when the import ends.`

const importStatuses = `
Exit status:
  0  every user was imported or existed already, and none needs attention
  1  it failed or was interrupted: what the summary counts is done, the rest is not
  2  the command line is wrong
  3  everything was read, but some users were not imported or need attention`

func newImport(o Options) *cobra.Command {
	var flags importFlags
	cmd := &cobra.Command{
		Use:   "import-users FILE|-",
		Short: "Imports users from a mongoexport, with their passwords",
		Long:  importHelp + "\n" + importStatuses,
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
			return o.withDB(cmd.Context(), func(cfg *config.Config, store *db.DB) error {
				flags.role = cfg.DefaultRole()
				return importUsers(cmd, store, in, name, flags)
			})
		},
	}
	cmd.Flags().BoolVar(&flags.overwrite, "overwrite", false, "replace existing users")
	cmd.Flags().BoolVar(&flags.dryRun, "dry-run", false,
		"read and check everything, write nothing (a user who is in the export twice counts twice)")
	cmd.Flags().BoolVar(&flags.prune, "prune", false, "disable users who are not in the export, after confirmation")
	cmd.Flags().BoolVar(&flags.yes, "yes", false, "confirm --prune without asking")
	cmd.Flags().BoolVar(&flags.quiet, "quiet", false, "do not show a progress bar")
	return cmd
}

type importFlags struct {
	overwrite, dryRun, prune, yes, quiet bool
	role                                 string // of users who have none
}

// importUsers imports the export that in reads, and prints the summary.
func importUsers(cmd *cobra.Command, store *db.DB, in io.Reader, name string, flags importFlags) error {
	start := time.Now()
	size := sizeOf(in)
	if size > 0 {
		size *= 2 // it is read twice
	}
	i := &importer{
		started:  start,
		flags:    flags,
		store:    store,
		names:    map[uint64]uint64{},
		progress: newProgress(cmd.ErrOrStderr(), flags.quiet, size),
		pauses:   []time.Duration{time.Second, 2 * time.Second, 4 * time.Second, 8 * time.Second, 16 * time.Second},
		confirm:  func(question string) error { return confirm(cmd, question) },
	}
	err := i.run(cmd.Context(), in)
	i.progress.clear()
	if sayErr := say(cmd, "%s in %s\n", i.summary(), time.Since(start).Round(10*time.Millisecond)); err == nil {
		err = sayErr
	}
	switch {
	case err != nil:
		return fmt.Errorf("importing %s: %w (what the summary counts is done)", name, err)
	case i.count.refused+i.count.noted > 0:
		return &statusError{statusNotTaken}
	}
	return nil
}

// importer imports one export.
type importer struct {
	started  time.Time
	flags    importFlags
	store    *db.DB
	survey   *survey
	progress *progress
	pauses   []time.Duration // before each retry after Redis has failed
	confirm  func(question string) error
	names    map[uint64]uint64 // of a dry run: usernames of several people, and the ids of the first ones
	count    counts
}

var errInterrupted = errors.New("interrupted")

// run imports the users. Everything that it has counted is done, even if it returns an error.
func (i *importer) run(ctx context.Context, in io.Reader) (err error) {
	if i.survey, err = newSurvey(); err != nil {
		return err
	}
	defer i.survey.close()
	export, err := newSource(in)
	if err != nil {
		return err
	}
	defer export.close()
	if err := i.read(ctx, export, true, i.survey.add); err != nil {
		return err
	}
	if err := i.survey.findShared(); err != nil {
		return err
	}
	if i.flags.prune {
		if err := i.preparePrune(ctx); err != nil {
			return err
		}
	}
	again, err := export.again()
	if err != nil {
		return err
	}
	err = i.read(ctx, again, false, func(b batch) error { return i.importBatch(ctx, b) })
	if err != nil || !i.flags.prune {
		return err
	}
	return i.prune(ctx)
}

// read passes one batch of an export after another to handle, while the next ones are read. When ctx ends, it returns
// after the current batch.
func (i *importer) read(
	ctx context.Context, in io.Reader, identitiesOnly bool, handle func(batch) error,
) error {
	reading, stop := context.WithCancel(ctx)
	defer stop()
	batches := batches(reading, in, i.survey.hasher, identitiesOnly)
	for ctx.Err() == nil {
		select {
		case b, more := <-batches:
			if !more && ctx.Err() == nil {
				return nil
			}
			if err := handle(b); err != nil {
				return err
			}
			i.progress.add(b.bytes)
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
	i.count.read += len(b.identities)
	i.count.refused += len(b.refused)
	people := slices.DeleteFunc(b.people, func(p candidate) bool {
		shared := i.survey.sharedEmails[p.who.email]
		if shared {
			i.refuse(p, "its email, in lower case, is also that of another document with another _id or none: "+
				"neither is imported")
		}
		return shared
	})
	if err := i.save(ctx, people); err != nil {
		return err
	}
	return b.err
}
