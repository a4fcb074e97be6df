package cli

import (
	"strconv"
	"strings"

	"gin-auth/user"
)

// counts has the numbers of the summary.
type counts struct {
	read, refused                        int
	imported, replaced, kept             int
	disabled, withoutPassword, anonymous int // of those imported or replaced
	ended                                int // whose sessions ended
	noted                                int // documents that were reported, although they were not refused
	pruned                               int
}

// refuse counts a document that cannot be imported, and reports it.
func (i *importer) refuse(p candidate, reason string) {
	i.progress.print("%s: %s", p.where, reason)
	i.count.refused++
}

// keep counts a document whose user exists and is not replaced.
func (i *importer) keep(e *entry) {
	i.count.kept++
	if e.Disabled && !e.old.Disabled {
		i.report(e, []string{"the export denies them access, but they may log in here: --overwrite disables them"})
	}
}

// add counts a user who is stored, and reports what needs attention.
func (i *importer) add(e *entry) {
	c := &i.count
	if e.old.ID == "" {
		c.imported++
	} else {
		c.replaced++
	}
	for _, is := range []struct {
		it bool
		n  *int
	}{
		{e.next.Disabled, &c.disabled},
		{e.next.PasswordHash == user.NoPassword, &c.withoutPassword},
		{e.next.Username == "", &c.anonymous},
		{e.endsSessions(), &c.ended},
	} {
		if is.it {
			*is.n++
		}
	}
	i.report(e, append(e.notes, e.remarks...))
}

// report prints the notes on a document, if there are any.
func (i *importer) report(e *entry, notes []string) {
	if len(notes) > 0 {
		i.progress.print("%s: %s", e.where, strings.Join(notes, "; "))
		i.count.noted++
	}
}

// summary returns the line that is printed at the end.
func (i *importer) summary() string {
	c := i.count
	imported, replaced, kept, pruned := "imported ", "replaced ", "kept ", "disabled "
	var parts []string
	if i.flags.dryRun {
		imported, replaced, kept, pruned = "would import ", "replace ", "keep ", "disable "
		parts = append(parts, "nothing written")
	}
	parts = append(parts, imported+thousands(c.imported))
	if i.flags.overwrite {
		parts = append(parts, replaced+thousands(c.replaced))
	}
	if !i.flags.overwrite || c.kept > 0 {
		parts = append(parts, kept+thousands(c.kept)+" existing")
	}
	if i.flags.prune {
		parts = append(parts, pruned+thousands(c.pruned)+" missing from the export")
	}
	for _, part := range []struct {
		n    int
		text string
	}{
		{c.disabled, " of them disabled"},
		{c.withoutPassword, " of them without a password"},
		{c.anonymous, " of them without a username"},
		{c.ended, " of them with their sessions ended"},
		{c.noted, " reported above"},
	} {
		if part.n > 0 {
			parts = append(parts, thousands(part.n)+part.text)
		}
	}
	if c.refused > 0 {
		parts = append(parts, plural(c.refused, "document")+" not imported")
	}
	return strings.Join(append(parts, plural(c.read, "document")+" read"), ", ")
}

// plural returns a number with a noun, which takes an s unless the number is 1.
func plural(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return thousands(n) + " " + noun + "s"
}

// thousands formats a number like 1,000,000.
func thousands(n int) string {
	digits := strconv.Itoa(n)
	for i := len(digits) - 3; i > 0; i -= 3 {
		digits = digits[:i] + "," + digits[i:]
	}
	return digits
}
