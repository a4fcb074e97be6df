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

const maxPassword = 72 // bytes: the limit of bcrypt

// CheckNew returns nil if a user may choose the password, or an *InvalidError whose message calls the password field.
// MinLength applies to the password as sent, in UTF-16 units like JavaScript's length. The upper limit applies to the
// NFC form, because that is what is hashed.
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

// hashPattern matches a bcrypt hash with a cost from 4 to maxCost.
var hashPattern = regexp.MustCompile(`^\$2[aby]\$(0[4-9]|1[0-6])\$[./A-Za-z0-9]{53}$`)

// IsHash reports whether a string has the form of a bcrypt hash that passwords can be compared with: $2a$, $2b$ or
// $2y$, with a cost from 4 to 16.
func IsHash(hash string) bool { return hashPattern.MatchString(hash) }

// Hasher hashes passwords with bcrypt and compares passwords with hashes.
type Hasher struct {
	// Cost is the bcrypt cost of new hashes, 4 to 16.
	Cost int
	// MinLength is the minimum length of a new password, in UTF-16 units.
	MinLength int
	// Compare compares a hash with a password. If it is nil, bcrypt.CompareHashAndPassword is used. Tests set it to
	// count the work.
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

// Matches reports whether hash is the bcrypt hash ($2a$, $2b$ or $2y$) of password. The password is compared as it
// is, because the original hashed it like that, and in its NFC and NFD forms. The hash of an unknown user is "",
// which no password matches.
//
// How many forms are compared depends only on the password, unless one of them matches. Each form takes at least the
// work of a hash at Cost. If the hash is missing or broken, a dummy hash is compared instead. If it has a lower cost,
// comparisons with dummy hashes follow, each with twice the work of the one before. Only a hash of a higher cost
// takes longer. A hash of a cost over 16 is never computed and matches nothing.
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
	if err != nil && !errors.Is(err, bcrypt.ErrMismatchedHashAndPassword) { // not a hash, so no work was done
		h.compareDummy(h.Cost, password)
		return false
	}
	cost, _ := bcrypt.Cost([]byte(hash)) // there is no error, because the hash was compared
	for ; cost < h.Cost; cost++ {
		h.compareDummy(cost, password) // 2ⁿ + 2ⁿ + 2ⁿ⁺¹ + … + 2ᶜ⁻¹ = 2ᶜ rounds for Cost c
	}
	return err == nil
}

// dummyHash is what follows version and cost in a bcrypt hash, 22 characters of salt and 31 of hash. No known
// password matches it.
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

// Renew returns a hash at Cost of a password that matches an existing hash. The password may be too long or too short
// for a new one. Only its first 72 bytes are hashed: bcrypt ignores the others when it compares, and rejects them
// when it hashes.
func (h Hasher) Renew(password string) (string, error) {
	password = norm.NFC.String(password)
	return h.generate(password[:min(len(password), maxPassword)])
}
