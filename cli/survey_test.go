package cli

import (
	"maps"
	"slices"
	"strconv"
	"testing"

	"gin-auth/user"
)

// TestSurvey checks an export that is too large to be evaluated in one part. The people with a shared email or username
// are at its beginning and its end.
func TestSurvey(t *testing.T) {
	t.Parallel()
	s, err := newSurvey()
	if err != nil {
		t.Fatal(err)
	}
	defer s.close()
	who := func(id, email, username string) identity {
		return s.identify(person{User: user.User{ID: id, Email: email, Username: username}})
	}
	add := func(identities ...identity) {
		t.Helper()
		if err := s.add(batch{identities: identities}); err != nil {
			t.Fatal(err)
		}
	}
	add(
		who("a", "shared@b.c", ""), who("b", "moved@b.c", "Shared"), who("", "twice@b.c", ""),
		who("c", "again@b.c", "again"), who("", "noid@b.c", ""), identity{},
	)
	const many = 2*surveyPart + 1
	identities := make([]identity, many)
	for n := range identities {
		text := strconv.Itoa(n)
		identities[n] = who(text, text+"@b.c", "user "+text)
	}
	add(identities...)
	add(
		who("d", "shared@b.c", ""), who("b", "moved.to@b.c", ""), who("", "twice@b.c", ""),
		who("c", "again@b.c", "again"), who("e", "e@b.c", " SHARED "), who("", "", "only a name"),
	)

	if err := s.findShared(); err != nil {
		t.Fatal(err)
	}
	if s.documents != many+12 || s.unidentified != 2 {
		t.Errorf("%d documents, %d unidentified", s.documents, s.unidentified)
	}
	if want := map[uint64]bool{s.email("shared@b.c"): true, s.email("twice@b.c"): true}; !maps.Equal(s.sharedEmails, want) {
		t.Errorf("shared emails are %v, want %v", s.sharedEmails, want)
	}
	if want := map[uint64]bool{who("", "", "shared").name: true}; !maps.Equal(s.sharedNames, want) {
		t.Errorf("shared names are %v, want %v", s.sharedNames, want)
	}

	missing, err := s.missing([]user.User{
		{ID: "a", Email: "old@b.c"},    // identified by the id
		{ID: "x", Email: "noid@b.c"},   // identified by the email of a document without an id
		{ID: "y", Email: "again@b.c"},  // this email is another user's in the export
		{ID: "z", Email: "nobody@b.c"}, // missing
		{ID: strconv.Itoa(many - 1), Email: "last@b.c"},
	})
	if err != nil {
		t.Fatal(err)
	}
	if ids := slices.Collect(func(yield func(string) bool) {
		for _, u := range missing {
			yield(u.ID)
		}
	}); !slices.Equal(ids, []string{"y", "z"}) {
		t.Errorf("missing are %v", ids)
	}
}
