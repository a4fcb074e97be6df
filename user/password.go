package user

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"unicode/utf16"

	"golang.org/x/crypto/bcrypt"
	"golang.org/x/text/unicode/norm"
)

const maxPassword = 72 // bytes: bcrypt takes no more

// CheckNew returns nil if a user may choose the password, or an *InvalidError. The field is the password's name in the
// message. MinLength counts what the user has sent, in the units of JavaScript's length; the upper limit is that of the
// NFC form, which is hashed.
func (h Hasher) CheckNew(field, password string) error {
	if len(utf16.Encode([]rune(password))) < h.MinLength || len(norm.NFC.String(password)) > maxPassword {
		return &InvalidError{
			fmt.Sprintf("%s must have at least %d characters and at most %d bytes", field, h.MinLength, maxPassword),
		}
	}
	return nil
}

// maxCost is the highest bcrypt cost that is computed. At cost 16 a comparison takes about four seconds of a core; a
// hash of cost 31 would keep the core busy for days.
const maxCost = 16

// hashPattern is a hash of bcrypt with a cost from 4 to maxCost.
var hashPattern = regexp.MustCompile(`^\$2[aby]\$(0[4-9]|1[0-6])\$[./A-Za-z0-9]{53}$`)

// IsHash reports whether a string has the form of a bcrypt hash that passwords can be compared with: $2a$, $2b$ or
// $2y$, with a cost from 4 to 16.
func IsHash(hash string) bool { return hashPattern.MatchString(hash) }

// Hasher hashes passwords with bcrypt and compares passwords with hashes.
type Hasher struct {
	// Cost is the bcrypt cost of new hashes, 4 to 16.
	Cost int
	// MinLength is the least length of a new password, in UTF-16 units.
	MinLength int
	// Compare compares a hash with a password, bcrypt.CompareHashAndPassword if nil. Tests count its work.
	Compare func(hash, password []byte) error
}

// Hash returns the hash of a new password, or an *InvalidError. The password is normalized to NFC first, because
// keyboards differ in how they encode an accented letter (NIST SP 800-63B-4, section 3.1.1.2).
func (h Hasher) Hash(password string) (string, error) {
	if err := h.CheckNew("password", password); err != nil {
		return "", err
	}
	return h.generate(norm.NFC.String(password))
}

func (h Hasher) generate(password string) (string, error) {
	hash, err := bcrypt.GenerateFromPassword([]byte(password), h.Cost)
	if err != nil {
		return "", fmt.Errorf("hashing a password: %w", err)
	}
	return string(hash), nil
}

// Matches reports whether hash, which may be of any of bcrypt's versions $2a$, $2b$ and $2y$, is that of password: of
// its bytes as they are, as the original hashed them, or of its NFC or NFD form. The hash of an unknown user is "",
// which no password matches.
//
// How many forms are compared depends on the password alone, unless one of them matches. Each takes at least the work
// of a hash at Cost, also for a hash that is missing, broken or of a lower cost: such a hash is followed by further
// comparisons, each of twice the work of the one before. Only a hash of a higher cost takes longer, and one over 16 is
// never computed and matches nothing.
func (h Hasher) Matches(hash, password string) bool {
	forms := []string{password, norm.NFC.String(password), norm.NFD.String(password)}
	for i, form := range forms {
		if !slices.Contains(forms[:i], form) && h.matchesBytes(hash, form) {
			return true
		}
	}
	return false
}

func (h Hasher) matchesBytes(hash, password string) bool {
	if cost, err := bcrypt.Cost([]byte(hash)); err == nil && cost > maxCost {
		hash = ""
	}
	err := h.compare(hash, password)
	if err != nil && !errors.Is(err, bcrypt.ErrMismatchedHashAndPassword) { // not a hash: no work was done
		h.compareDummy(h.Cost, password)
		return false
	}
	cost, _ := bcrypt.Cost([]byte(hash)) // it was compared, so it has one
	for ; cost < h.Cost; cost++ {
		h.compareDummy(cost, password) // 2ⁿ and 2ⁿ + 2ⁿ⁺¹ + … is the work of the highest
	}
	return err == nil
}

// dummyHash is a hash without version and cost that no known password matches: salt and hash, 22 and 31 characters.
const dummyHash = "......................iO7Xh1rUNrHgIj0tyVrbjmYb1yqOW2a"

// compareDummy does the work of a comparison at the given cost.
func (h Hasher) compareDummy(cost int, password string) {
	_ = h.compare(fmt.Sprintf("$2a$%02d$%s", cost, dummyHash), password)
}

func (h Hasher) compare(hash, password string) error {
	if h.Compare != nil {
		return h.Compare([]byte(hash), []byte(password))
	}
	return bcrypt.CompareHashAndPassword([]byte(hash), []byte(password))
}

// NeedsRenewal reports whether a hash was made at a lower cost than Cost.
func (h Hasher) NeedsRenewal(hash string) bool {
	cost, err := bcrypt.Cost([]byte(hash))
	return err == nil && cost < h.Cost
}

// Renew returns a hash at Cost of a password that matches an existing hash. It may be a password that no user may
// choose now: comparing ignores what follows the first 72 bytes, which hashing rejects.
func (h Hasher) Renew(password string) (string, error) {
	password = norm.NFC.String(password)
	return h.generate(password[:min(len(password), maxPassword)])
}
