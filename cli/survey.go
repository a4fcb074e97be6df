package cli

import (
	"bufio"
	"cmp"
	"encoding/binary"
	"io"
	"os"
	"slices"

	"gin-auth/user"
)

// An export is read twice. The first time nothing is written: the survey finds the emails that several people have, who
// may be far apart in the export, and records who is in it, in a temporary file. The memory it needs does not depend on
// the size of the export, except for the emails and usernames that several people have.

// survey records who is in an export.
type survey struct {
	hasher
	file         *os.File // the identities of all documents
	documents    int
	unidentified int             // documents without a valid id or email
	sharedEmails map[uint64]bool // those of several people
	sharedNames  map[uint64]bool // usernames of several people
}

const (
	identityBytes = 24      // the size of an identity in the file
	surveyPart    = 1 << 18 // how many identities are in memory together, on average at most
)

func newSurvey() (*survey, error) {
	file, err := tempFile()
	return &survey{hasher: newHasher(), file: file}, err
}

// add adds the documents of a batch.
func (s *survey) add(b batch) error {
	var buf []byte
	for _, who := range b.identities {
		if cmp.Or(who.id, who.email) == 0 {
			s.unidentified++
		}
		for _, hash := range []uint64{who.id, who.email, who.name} {
			buf = binary.LittleEndian.AppendUint64(buf, hash)
		}
	}
	s.documents += len(b.identities)
	if _, err := s.file.Write(buf); err != nil {
		return err
	}
	return b.err
}

// findShared finds the emails and usernames that several people have.
func (s *survey) findShared() (err error) {
	if s.sharedEmails, err = s.shared(func(who identity) uint64 { return who.email }); err != nil {
		return err
	}
	s.sharedNames, err = s.shared(func(who identity) uint64 { return who.name })
	return err
}

// shared returns the hashes that several people have, one part of all hashes after another.
func (s *survey) shared(hashOf func(identity) uint64) (map[uint64]bool, error) {
	shared := map[uint64]bool{}
	parts := uint64(s.documents/surveyPart + 1) //nolint:gosec // a count is not negative
	for part := range parts {
		var some []identity
		if err := s.each(func(who identity) {
			if hash := hashOf(who); hash != 0 && hash%parts == part {
				some = append(some, who)
			}
		}); err != nil {
			return nil, err
		}
		slices.SortFunc(some, func(a, b identity) int {
			return cmp.Or(cmp.Compare(hashOf(a), hashOf(b)), cmp.Compare(a.id, b.id))
		})
		for n := 1; n < len(some); n++ {
			// Two documents without an id may be about two people.
			if hash := hashOf(some[n]); hash == hashOf(some[n-1]) && (some[n].id != some[n-1].id || some[n].id == 0) {
				shared[hash] = true
			}
		}
	}
	return shared, nil
}

// missing returns the users who are not in the export: no document has their id, and no document without an id has
// their email. It reads all identities, so it should be called with many users.
func (s *survey) missing(users []user.User) ([]user.User, error) {
	present := make(map[uint64]bool, 2*len(users))
	for _, u := range users {
		present[s.id(u.ID)], present[s.email(u.Email)] = false, false
	}
	err := s.each(func(who identity) {
		key := cmp.Or(who.id, who.email)
		if _, wanted := present[key]; wanted {
			present[key] = true
		}
	})
	return slices.DeleteFunc(users, func(u user.User) bool {
		return present[s.id(u.ID)] || present[s.email(u.Email)]
	}), err
}

// each passes all identities to handle.
func (s *survey) each(handle func(identity)) error {
	if _, err := s.file.Seek(0, io.SeekStart); err != nil {
		return err
	}
	in := bufio.NewReaderSize(s.file, 64<<10)
	var buf [identityBytes]byte
	for range s.documents {
		if _, err := io.ReadFull(in, buf[:]); err != nil {
			return err
		}
		handle(identity{
			id:    binary.LittleEndian.Uint64(buf[:]),
			email: binary.LittleEndian.Uint64(buf[8:]),
			name:  binary.LittleEndian.Uint64(buf[16:]),
		})
	}
	return nil
}

func (s *survey) close() { _ = s.file.Close() } // it is deleted

// tempFile returns a file that only its owner can read, and that lasts until it is closed, also if the process is
// killed.
func tempFile() (*os.File, error) {
	file, err := os.CreateTemp("", "gin-auth-import-*")
	if err != nil {
		return nil, err
	}
	_ = os.Remove(file.Name())
	return file, nil
}

// source is an export that can be read twice.
type source struct {
	io.Reader // reads it for the first time
	file      *os.File
	start     int64
	spooled   bool
}

// newSource returns the source that reads in. If in is not a file, it is copied to a temporary file while it is read.
func newSource(in io.Reader) (*source, error) {
	if file, ok := in.(*os.File); ok && sizeOf(in) >= 0 {
		start, err := file.Seek(0, io.SeekCurrent)
		return &source{Reader: file, file: file, start: start}, err
	}
	file, err := tempFile()
	return &source{Reader: io.TeeReader(in, file), file: file, spooled: true}, err
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
