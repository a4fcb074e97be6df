package cli

import (
	"cmp"
	"context"
	"errors"

	"gin-auth/db"
	"gin-auth/user"
)

// entry is a person to import, with what is stored about them and the user to store.
type entry struct {
	candidate
	found   db.Found
	old     user.User // the user who is replaced, the zero value if there is none
	next    user.User // the user who is stored
	remarks []string  // notes about what is stored here
}

func (e *entry) remark(text string) { e.remarks = append(e.remarks, text) }

const (
	nameTaken     = "username belongs to another user: they are imported without it, and log in with their email"
	noPassword    = "password is missing: they cannot log in until gin-auth user password sets one"
	staysDisabled = "they stay disabled here, until gin-auth user enable"
)

// endsSessions reports whether the change of an existing user ends their sessions.
func (e *entry) endsSessions() bool {
	old, next := e.old, e.next
	return e.found.Elsewhere.ID != "" || old.ID != "" &&
		(old.PasswordHash != next.PasswordHash || old.Role != next.Role || old.Disabled != next.Disabled)
}

// saveTries limits how often users are looked up again because somebody else has changed them meanwhile.
const saveTries = 10

// save stores people as the flags say, and counts them. No two of them have the same id, email or username.
func (i *importer) save(ctx context.Context, people []candidate) error {
	for range saveTries {
		entries, err := i.decide(ctx, people)
		if err != nil || len(entries) == 0 {
			return err
		}
		if people, err = i.storeAll(ctx, entries); err != nil {
			return err
		}
	}
	return errors.New("somebody else keeps changing the same users")
}

// decide looks up what is stored about people and returns those that are to be stored. The others are counted.
func (i *importer) decide(ctx context.Context, people []candidate) (entries []*entry, err error) {
	users := make([]user.User, len(people))
	for n, p := range people {
		users[n] = p.User
	}
	var found []db.Found
	if err := i.persist(ctx, func(ctx context.Context) (err error) {
		found, err = i.store.FindUsers(ctx, users)
		return err
	}); err != nil {
		return nil, err
	}
	for n, p := range people {
		e := &entry{candidate: p, found: found[n]}
		reason, kept := i.judge(e)
		switch {
		case reason != "":
			i.refuse(p, reason)
		case kept:
			i.keep(e)
		default:
			e.complete(i.flags.role)
			if i.flags.dryRun {
				i.claimName(e)
			}
			if i.flags.dryRun || e.next == e.old && e.found.Elsewhere.ID == "" {
				i.add(e)
			} else {
				entries = append(entries, e)
			}
		}
	}
	return entries, nil
}

// claimName does, in a dry run, what storing would do: the username of an earlier document counts as taken.
func (i *importer) claimName(e *entry) {
	name := e.who.name
	if e.next.Username == "" || !i.survey.sharedNames[name] {
		return
	}
	if owner, taken := i.names[name]; taken && (owner != e.who.id || owner == 0) {
		e.next.Username = ""
		e.remark(nameTaken)
	} else {
		i.names[name] = e.who.id
	}
}

// judge sets the user that an entry replaces. It returns the reason if the entry cannot be stored, and whether the
// existing user is kept.
func (i *importer) judge(e *entry) (reason string, kept bool) {
	existing, elsewhere := e.found.AtEmail, e.found.Elsewhere
	switch {
	case e.found.Err != nil:
		return "what is stored under its email, _id or username is broken", false
	case existing.ID != "" && existing.ID == e.ID:
		e.old = existing
	case existing.ID != "" && e.ID == "" && !i.flags.overwrite:
		e.old = existing
		return "", true
	case existing.ID != "" && e.ID == "":
		return "it has no _id, so it may be about somebody else than the user here with its email: not overwritten", false
	case existing.ID != "":
		return "its email is that of a user here with another id: not overwritten", false
	case elsewhere.ID != "" && !i.flags.overwrite:
		return "the user with its _id has another email here: --overwrite changes it", false
	case elsewhere.ID != "":
		e.old = elsewhere
	}
	return "", e.old.ID != "" && !i.flags.overwrite
}

// complete sets the user to store. What the document does not have is taken from the existing user, who is the same
// person.
func (e *entry) complete(defaultRole string) {
	u, old := e.User, e.old
	if u.Username == "" && !e.nameRejected {
		u.Username = old.Username
	} else if e.found.NameTaken {
		u.Username = ""
		e.remark(nameTaken)
	}
	if u.PasswordHash == user.NoPassword && old.PasswordHash != "" {
		u.PasswordHash = old.PasswordHash
	}
	if u.PasswordHash == user.NoPassword {
		e.remark(noPassword)
	}
	u.FullName = cmp.Or(u.FullName, old.FullName)
	u.Role = cmp.Or(u.Role, old.Role, defaultRole)
	if u.Created.IsZero() {
		u.Created = old.Created
	}
	if u.Created.IsZero() {
		u.Created = user.Now()
	}
	if u.ID == "" {
		u.ID = user.NewID(u.Created)
	}
	if old.Disabled && !u.Disabled {
		u.Disabled = true
		e.remark(staysDisabled)
	}
	e.next = u
}

// storeAll stores the entries and counts them. It returns those whose users were changed by somebody else meanwhile.
// Sessions are ended before the change, so that they have ended even if the import stops right after it, and once more
// after the change, because of logins in the meantime.
func (i *importer) storeAll(ctx context.Context, entries []*entry) (outdated []candidate, err error) {
	if err := i.endSessions(ctx, entries); err != nil {
		return nil, err
	}
	var stored []*entry
	if err := i.persist(ctx, func(ctx context.Context) error {
		changes := make([]db.Change, len(entries))
		for n, e := range entries {
			changes[n] = db.Change{User: e.next, Found: e.found}
		}
		outcomes, err := i.store.StoreUsers(ctx, changes)
		var unsure []*entry
		for n, outcome := range outcomes {
			e := entries[n]
			switch outcome {
			case db.Stored:
				stored = append(stored, e)
			case db.StoredWithoutName:
				e.next.Username = ""
				e.remark(nameTaken)
				stored = append(stored, e)
			case db.Outdated:
				outdated = append(outdated, e.candidate)
			default:
				unsure = append(unsure, e)
			}
		}
		entries = unsure
		return err
	}); err != nil {
		return nil, err
	}
	if err := i.endSessions(ctx, stored); err != nil {
		return nil, err
	}
	for _, e := range stored {
		i.add(e)
	}
	return outdated, nil
}

// endSessions ends the sessions of the users whose change requires it.
func (i *importer) endSessions(ctx context.Context, entries []*entry) error {
	var ids []string
	for _, e := range entries {
		if e.endsSessions() {
			ids = append(ids, e.old.ID)
		}
	}
	return i.persist(ctx, func(ctx context.Context) error { return i.store.LogoutUsers(ctx, ids) })
}
