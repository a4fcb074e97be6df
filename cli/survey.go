package cli

import (
	"cmp"
	"io"
	"os"
	"slices"

	"gin-auth/user"
)

// An export is read twice. The first time nothing is written: the survey finds the emails that several people have, who
// may be far apart in the export, and collects who is in it. It takes 24 bytes for each document.

// survey says who is in an export.
type survey struct {
	hasher
	batches      [][]identity    // as they were read, so that nothing is copied while they grow
	shared       map[uint64]bool // emails that several people have
	present      []uint64        // sorted: the ids of those who have one, the emails of the others
	unidentified int             // documents that may be about anybody
}

// add adds the documents of a batch.
func (s *survey) add(b batch) error {
	s.batches = append(s.batches, b.identities)
	return b.err
}

// finish evaluates what add has collected.
func (s *survey) finish() {
	s.shared = map[uint64]bool{}
	identities := slices.Concat(s.batches...)
	s.batches = nil
	slices.SortFunc(identities, func(a, b identity) int {
		return cmp.Or(cmp.Compare(a.email, b.email), cmp.Compare(a.id, b.id))
	})
	s.present = make([]uint64, 0, len(identities))
	var before identity
	for _, who := range identities {
		// Two documents without an id may be about two people.
		if who.email != 0 && who.email == before.email && (who.id != before.id || who.id == 0) {
			s.shared[who.email] = true
		}
		before = who
		if key := cmp.Or(who.id, who.email); key != 0 {
			s.present = append(s.present, key)
		} else {
			s.unidentified++
		}
	}
	slices.Sort(s.present)
}

// has reports whether a user is in the export.
func (s *survey) has(u user.User) bool {
	_, byID := slices.BinarySearch(s.present, s.id(u.ID))
	_, byEmail := slices.BinarySearch(s.present, s.email(u.Email))
	return byID || byEmail
}

// source is an export that can be read twice.
type source struct {
	io.Reader // reads it for the first time
	file      *os.File
	start     int64
	spooled   bool
}

// newSource returns the source that reads in. What is not a file is copied to a temporary file on the way.
func newSource(in io.Reader) (*source, error) {
	if file, ok := in.(*os.File); ok && sizeOf(in) >= 0 {
		start, err := file.Seek(0, io.SeekCurrent)
		return &source{Reader: file, file: file, start: start}, err
	}
	file, err := os.CreateTemp("", "gin-auth-import-*") // only its owner can read it
	if err != nil {
		return nil, err
	}
	_ = os.Remove(file.Name()) // it lasts until it is closed, also if the process is killed
	return &source{Reader: io.TeeReader(in, file), file: file, spooled: true}, nil
}

// again returns a reader for the second time.
func (s *source) again() (io.Reader, error) {
	_, err := s.file.Seek(s.start, io.SeekStart)
	return s.file, err
}

func (s *source) close() {
	if s.spooled {
		_ = s.file.Close() // it is deleted
	}
}
