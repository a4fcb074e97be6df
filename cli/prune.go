package cli

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"iter"
	"strings"

	"github.com/spf13/cobra"

	"gin-auth/db"
	"gin-auth/user"
)

// preparePrune counts the users who would be disabled, and returns an error unless that is confirmed.
func (i *importer) preparePrune(ctx context.Context) error {
	switch {
	case i.survey.unidentified > 0:
		return fmt.Errorf("--prune needs to know who is in the export, and %s cannot be read: nothing was written",
			plural(i.survey.unidentified, "document"))
	case i.survey.documents == 0:
		return errors.New("--prune would disable every user, because nobody is in the export: nothing was written")
	}
	n := 0
	for u, err := range i.missing(ctx) {
		if err != nil {
			return err
		}
		n++
		if i.flags.dryRun {
			i.progress.print("%s is not in the export", printable(u.Email))
		}
	}
	if i.flags.dryRun {
		i.count.pruned = n
	}
	if i.flags.dryRun || i.flags.yes || n == 0 {
		return nil
	}
	return i.confirm(fmt.Sprintf("Disable %s who are not in the export?", plural(n, "user")))
}

// prune disables the users who are not in the export.
func (i *importer) prune(ctx context.Context) error {
	if i.flags.dryRun {
		return nil
	}
	for u, err := range i.missing(ctx) {
		if err != nil {
			return err
		}
		if ctx.Err() != nil {
			return errInterrupted
		}
		if err := i.persist(ctx, func(ctx context.Context) error { return i.disable(ctx, u) }); err != nil {
			return err
		}
		i.count.pruned++
		i.progress.print("%s is disabled, because they are not in the export", printable(u.Email))
	}
	return nil
}

// disable disables a user, unless another user has the email now, and ends their sessions.
func (i *importer) disable(ctx context.Context, u user.User) error {
	if _, _, err := i.store.UpdateUser(ctx, u.Email, func(stored *user.User) error {
		if stored.ID == u.ID {
			stored.Disabled = true
		}
		return nil
	}); err != nil {
		return err
	}
	return i.store.LogoutAll(ctx, u.ID)
}

// missingTogether is how many users are compared with the export together.
const missingTogether = 20_000

// missing returns the users who may log in and are not in the export. Those who have registered since the import began
// are left out.
func (i *importer) missing(ctx context.Context) iter.Seq2[user.User, error] {
	return func(yield func(user.User, error) bool) {
		for users, err := range i.enabled(ctx) {
			missing, surveyErr := i.survey.missing(users)
			for _, u := range missing {
				if !yield(u, nil) {
					return
				}
			}
			if err := errors.Join(err, surveyErr); err != nil {
				yield(user.User{}, err)
				return
			}
		}
	}
}

// enabled returns the users who may log in and were created before the import began, missingTogether at a time. Broken
// records are skipped. The slice is used again for the next users.
func (i *importer) enabled(ctx context.Context) iter.Seq2[[]user.User, error] {
	return func(yield func([]user.User, error) bool) {
		some := make([]user.User, 0, missingTogether)
		for u, err := range i.store.Users(ctx) {
			if broken := (*db.BrokenRecordError)(nil); errors.As(err, &broken) {
				continue
			}
			if err != nil {
				yield(nil, err)
				return
			}
			if !u.Disabled && !u.Created.After(i.started) {
				some = append(some, u)
			}
			if len(some) == missingTogether {
				if !yield(some, nil) {
					return
				}
				some = some[:0]
			}
		}
		yield(some, nil)
	}
}

// confirm asks a question on the terminal and returns nil for a yes.
func confirm(cmd *cobra.Command, question string) error {
	terminal, ok := terminalOf(cmd.InOrStdin())
	if !ok {
		return fmt.Errorf("%s Confirm with --yes; nothing was written", question)
	}
	_, _ = fmt.Fprintf(cmd.ErrOrStderr(), "%s [y/N] ", question)
	answered := make(chan string, 1)
	go func() {
		line, _ := bufio.NewReader(terminal).ReadString('\n') // without a line, the answer is no
		answered <- strings.ToLower(strings.TrimSpace(line))
	}()
	select {
	case answer := <-answered:
		if answer == "y" || answer == "yes" {
			return nil
		}
		return errors.New("not confirmed: nothing was written")
	case <-cmd.Context().Done(): // the read continues until the process ends
		return errInterrupted
	}
}
