package cli

import (
	"cmp"
	"context"
	"fmt"
	"strings"
	"time"

	"gin-auth/db"
	"gin-auth/user"
)

// entry is a user who is to be stored.
type entry struct {
	user.User
	replaces bool // a user with his email
	unnamed  bool // neither the document nor who is there has a name
}

// save stores users, who have their emails to themselves, as the flags say, and counts them.
func (i *importer) save(ctx context.Context, users []user.User) error {
	emails := make([]string, len(users))
	for n, u := range users {
		emails[n] = u.Email
	}
	var found []db.Found
	if err := i.persist(ctx, func(ctx context.Context) (err error) {
		found, err = i.store.FindUsers(ctx, emails)
		return err
	}); err != nil {
		return err
	}
	var entries []entry
	for n, u := range users {
		switch e := i.complete(u, found[n]); {
		case e.replaces && !i.flags.overwrite:
			i.count.kept++
		case i.flags.dryRun:
			i.count.add(e)
		default:
			entries = append(entries, e)
		}
	}
	return i.storeAll(ctx, entries)
}

// complete adds what the user's document didn't say.
func (i *importer) complete(u user.User, there db.Found) entry {
	e := entry{User: u, replaces: there.Exists}
	e.unnamed = cmp.Or(e.Username, there.User.Username) == ""
	e.Username = cmp.Or(e.Username, there.User.Username, localPart(e.Email))
	e.Role = cmp.Or(e.Role, there.User.Role, user.DefaultRole)
	if e.Created.IsZero() {
		e.Created = there.User.Created
	}
	if e.Created.IsZero() {
		e.Created = user.Now()
	}
	if e.ID = cmp.Or(e.ID, there.User.ID); e.ID == "" {
		e.ID = user.NewID(e.Created)
	}
	e.Disabled = there.User.Disabled
	return e
}

// localPart is what precedes the @ of an email.
func localPart(email string) string {
	local, _, _ := strings.Cut(email, "@")
	return local
}

// storeAll stores the entries and counts those that are stored.
func (i *importer) storeAll(ctx context.Context, entries []entry) error {
	return i.persist(ctx, func(ctx context.Context) error {
		users := make([]user.User, len(entries))
		for n, e := range entries {
			users[n] = e.User
		}
		outcomes, err := i.store.StoreUsers(ctx, users, i.flags.overwrite)
		var unsure []entry
		for n, outcome := range outcomes {
			switch outcome {
			case db.Stored:
				i.count.add(entries[n])
			case db.Existing: // he has registered just now
				i.count.kept++
			default:
				unsure = append(unsure, entries[n])
			}
		}
		entries = unsure
		return err
	})
}

// add counts an entry that is stored.
func (c *counts) add(e entry) {
	if e.replaces {
		c.replaced++
	} else {
		c.imported++
	}
	if e.unnamed {
		c.unnamed++
	}
}

// persist tries an exchange with Redis until it succeeds, the pauses are over or ctx ends. It doesn't
// break the exchange itself off.
func (i *importer) persist(ctx context.Context, exchange func(context.Context) error) error {
	whole := context.WithoutCancel(ctx)
	for _, pause := range i.pauses {
		err := exchange(whole)
		if err == nil {
			return nil
		}
		i.progress.print("%v; trying again in %s", err, pause)
		select {
		case <-time.After(pause):
		case <-ctx.Done():
			return fmt.Errorf("%w, while Redis failed: %w", errInterrupted, err)
		}
	}
	return exchange(whole)
}
