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
	replaces bool // a user with the same email exists
	unnamed  bool // neither the document nor the existing user has a name
}

// save stores users as the flags say, and counts them. No two of them have the same email.
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

// complete fills in what the user's document does not have, from the existing user if there is one.
func (i *importer) complete(u user.User, existing db.Found) entry {
	e := entry{User: u, replaces: existing.Exists}
	e.unnamed = cmp.Or(e.Username, existing.User.Username) == ""
	e.Username = cmp.Or(e.Username, existing.User.Username, localPart(e.Email))
	e.Role = cmp.Or(e.Role, existing.User.Role, user.DefaultRole)
	if e.Created.IsZero() {
		e.Created = existing.User.Created
	}
	if e.Created.IsZero() {
		e.Created = user.Now()
	}
	if e.ID = cmp.Or(e.ID, existing.User.ID); e.ID == "" {
		e.ID = user.NewID(e.Created)
	}
	e.Disabled = existing.User.Disabled
	return e
}

// localPart returns what precedes the @ of an email.
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
			case db.Existing: // they registered a moment ago
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

// persist retries an exchange with Redis until it succeeds, no pause is left or ctx ends. The end of ctx does not
// interrupt the exchange itself.
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
