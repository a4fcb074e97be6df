package user_test

import (
	"errors"
	"strings"
	"testing"

	"golang.org/x/crypto/bcrypt"

	"gin-auth/user"
)

func TestHash(t *testing.T) {
	t.Parallel()
	hasher := user.Hasher{Cost: bcrypt.MinCost}
	for password, ok := range map[string]bool{
		"":                      false,
		"1234567":               false,
		"12345678":              true,
		"пароль12":              true,
		"éééé":                  false, // 8 bytes, 4 characters
		strings.Repeat("x", 72): true,
		strings.Repeat("x", 73): false,
		strings.Repeat("é", 37): false, // 74 bytes
	} {
		hash, err := hasher.Hash(password)
		if (err == nil) != ok || !isInvalid(err, "password") {
			t.Errorf("%q: %v", password, err)
		}
		if ok && !hasher.Matches(hash, password) {
			t.Errorf("%q does not fit its own hash", password)
		}
		if hasher.Matches(hash, password+"x") && len(password) < 72 {
			t.Errorf("%qx fits the hash of %q", password, password)
		}
	}
}

// TestHashesOfTheOriginal has hashes that bcryptjs made, in each of its versions.
func TestHashesOfTheOriginal(t *testing.T) {
	t.Parallel()
	hasher := user.Hasher{Cost: bcrypt.MinCost}
	const (
		plain   = "$2b$04$XXQ7u9fpz3FaJUwVEMvBVe2.NG6IljAHf9Ud6tOYipBdARBp8kbVu"
		unicode = "$2b$04$XgUAibK6I4RS0alVKxYsO.FdSfL6OyQ1hH4ObsbMsfSRoUVlT1hey"
		long    = "$2b$04$y8nou.Vz51t9kaZedpVTX.D3W2EBx/ai3ifXK6AZvZawlXTtxyTwC"
	)
	for _, version := range []string{"$2a$", "$2b$", "$2y$"} {
		for hash, password := range map[string]string{
			plain:   "correct horse",
			unicode: "pässwörd ✓",
			long:    strings.Repeat("x", 72) + "tail", // compared by its first 72 bytes, as there
		} {
			hash = version + hash[len(version):]
			if !hasher.Matches(hash, password) {
				t.Errorf("%s does not fit %q", hash, password)
			}
			if hasher.Matches(hash, "y"+password) {
				t.Errorf("%s fits y%q", hash, password)
			}
		}
	}
	for _, hash := range []string{"", "plain", "$2b$", plain[:59]} {
		if hasher.Matches(hash, "correct horse") {
			t.Errorf("%q fits", hash)
		}
	}
}

// TestRenew: only hashes of a lower cost need renewal, and a renewed one fits the same password.
func TestRenew(t *testing.T) {
	t.Parallel()
	low, high := user.Hasher{Cost: bcrypt.MinCost}, user.Hasher{Cost: bcrypt.MinCost + 1}
	for _, password := range []string{"short", "correct horse", strings.Repeat("x", 72) + "tail"} {
		made, err := bcrypt.GenerateFromPassword([]byte(password)[:min(len(password), 72)], bcrypt.MinCost)
		if err != nil {
			t.Fatal(err)
		}
		if !high.NeedsRenewal(string(made)) {
			t.Errorf("%q: a hash of a lower cost needs no renewal", password)
		}
		hash, err := high.Renew(password)
		if cost, _ := bcrypt.Cost([]byte(hash)); err != nil || cost != high.Cost || !high.Matches(hash, password) {
			t.Errorf("%q: %q, %v", password, hash, err)
		}
		if high.NeedsRenewal(hash) || low.NeedsRenewal(hash) {
			t.Errorf("%q: a hash of the same or a higher cost needs renewal", password)
		}
	}
	if high.NeedsRenewal("plain") || high.NeedsRenewal("") {
		t.Error("what is not a hash needs renewal")
	}
}

// TestDummyHash: a string that is not a hash would be rejected without any work.
func TestDummyHash(t *testing.T) {
	t.Parallel()
	for _, cost := range []int{4, 5, 12} {
		var compared []byte
		user.Hasher{Cost: cost, Compare: func(hash, password []byte) error {
			compared = hash
			return bcrypt.CompareHashAndPassword(hash, password)
		}}.Matches("", "correct horse")
		err := bcrypt.CompareHashAndPassword(compared, []byte("correct horse"))
		if got, _ := bcrypt.Cost(compared); got != cost || !errors.Is(err, bcrypt.ErrMismatchedHashAndPassword) {
			t.Errorf("%s: cost %d, %v", compared, got, err)
		}
	}
}
