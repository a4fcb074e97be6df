package user_test

import (
	"errors"
	"strings"
	"testing"

	"golang.org/x/crypto/bcrypt"
	"golang.org/x/text/unicode/norm"

	"gin-auth/user"
)

func TestHash(t *testing.T) {
	t.Parallel()
	hasher := user.Hasher{Cost: bcrypt.MinCost, MinLength: 8}
	for password, ok := range map[string]bool{
		"":                      false,
		"1234567":               false,
		"12345678":              true,
		"пароль12":              true,
		"éééé":                  false, // 8 bytes, 4 characters
		strings.Repeat("x", 72): true,
		strings.Repeat("x", 73): false,
		strings.Repeat("é", 37): false, // 74 bytes
		norm.NFD.String("éééé"): true,  // 8 by JavaScript's length
		"😀😀😀😀":                  true,  // 8 by JavaScript's length
		"😀😀😀":                   false,
		norm.NFD.String(strings.Repeat("é", 36)): true, // 72 bytes in NFC
	} {
		hash, err := hasher.Hash(password)
		if (err == nil) != ok || !isInvalid(err, "password") {
			t.Errorf("%q: %v", password, err)
		}
		if ok && !hasher.Matches(hash, password) {
			t.Errorf("%q does not match its own hash", password)
		}
		if hasher.Matches(hash, password+"x") && len(password) < 72 {
			t.Errorf("%qx matches the hash of %q", password, password)
		}
	}
}

// TestHashesOfTheOriginal compares passwords with hashes from bcryptjs, in each version.
func TestHashesOfTheOriginal(t *testing.T) {
	t.Parallel()
	hasher := user.Hasher{Cost: bcrypt.MinCost, MinLength: 8}
	const (
		plain   = "$2b$04$XXQ7u9fpz3FaJUwVEMvBVe2.NG6IljAHf9Ud6tOYipBdARBp8kbVu"
		unicode = "$2b$04$XgUAibK6I4RS0alVKxYsO.FdSfL6OyQ1hH4ObsbMsfSRoUVlT1hey"
		long    = "$2b$04$y8nou.Vz51t9kaZedpVTX.D3W2EBx/ai3ifXK6AZvZawlXTtxyTwC"
	)
	for _, version := range []string{"$2a$", "$2b$", "$2y$"} {
		for hash, password := range map[string]string{
			plain:   "correct horse",
			unicode: "pässwörd ✓",
			long:    strings.Repeat("x", 72) + "tail", // only the first 72 bytes are compared, as in the original
		} {
			hash = version + hash[len(version):]
			if !hasher.Matches(hash, password) {
				t.Errorf("%s does not match %q", hash, password)
			}
			if hasher.Matches(hash, "y"+password) {
				t.Errorf("%s matches y%q", hash, password)
			}
		}
	}
	for _, hash := range []string{"", "plain", "$2b$", plain[:59]} {
		if hasher.Matches(hash, "correct horse") {
			t.Errorf("%q matches", hash)
		}
	}
}

// TestRenew checks that only hashes of a lower cost need renewal, and that a renewed hash matches the same password.
func TestRenew(t *testing.T) {
	t.Parallel()
	low, high := user.Hasher{Cost: bcrypt.MinCost, MinLength: 8}, user.Hasher{Cost: bcrypt.MinCost + 1}
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
		t.Error("a string that is not a hash needs renewal")
	}
}

// TestDummyHash checks that the dummy is a hash of the right cost. Comparing any other string does no work.
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

// TestForms checks that a password with accents matches in every encoding that a keyboard may use, and that the work
// does not depend on whether there is a hash.
func TestForms(t *testing.T) {
	t.Parallel()
	nfc, nfd := norm.NFC.String("pässwörd é"), norm.NFD.String("pässwörd é")
	mixed := nfc[:len(nfc)-len("é")] + norm.NFD.String("é")
	work := 0
	hasher := user.Hasher{Cost: bcrypt.MinCost, Compare: func(hash, password []byte) error {
		err := bcrypt.CompareHashAndPassword(hash, password)
		if err == nil || errors.Is(err, bcrypt.ErrMismatchedHashAndPassword) {
			work++
		}
		return err
	}}
	stored, err := hasher.Hash(nfd)
	if err != nil || bcrypt.CompareHashAndPassword([]byte(stored), []byte(nfc)) != nil {
		t.Errorf("the hash is not that of the NFC form: %v", err)
	}
	renewed, err := hasher.Renew(nfd)
	if err != nil || bcrypt.CompareHashAndPassword([]byte(renewed), []byte(nfc)) != nil {
		t.Errorf("the renewed hash is not that of the NFC form: %v", err)
	}
	for _, test := range []struct {
		hashed, typed string
		matches       bool
		work          int // comparisons with a wrong or missing hash
	}{
		{nfc, nfc, true, 2},
		{nfc, nfd, true, 2},
		{nfd, nfc, true, 2},
		{nfd, nfd, true, 2},
		{nfc, mixed, true, 3},
		{nfd, mixed, true, 3},
		{mixed, mixed, true, 3},
		{mixed, nfc, false, 2},
		{"correct horse", "correct horse", true, 1},
		{"passwort e", nfc, false, 2},
	} {
		hash, err := bcrypt.GenerateFromPassword([]byte(test.hashed), bcrypt.MinCost)
		if err != nil {
			t.Fatal(err)
		}
		if got := hasher.Matches(string(hash), test.typed); got != test.matches {
			t.Errorf("%q typed for %q: %v", test.typed, test.hashed, got)
		}
		for _, hash := range []string{"", "plain", stored[:59], wrongHash, strings.Replace(wrongHash, "$04$", "$31$", 1)} {
			if work = 0; hasher.Matches(hash, test.typed) || work != test.work {
				t.Errorf("%q and %q: %d comparisons, want %d", hash, test.typed, work, test.work)
			}
		}
	}
}

// wrongHash is a hash at the lowest cost. None of the passwords in these tests matches it.
const wrongHash = "$2b$04$y8nou.Vz51t9kaZedpVTX.D3W2EBx/ai3ifXK6AZvZawlXTtxyTwC"

func TestIsHash(t *testing.T) {
	t.Parallel()
	for hash, want := range map[string]bool{
		wrongHash: true,
		strings.Replace(wrongHash, "$04$", "$16$", 1): true,
		strings.Replace(wrongHash, "$04$", "$17$", 1): false,
		strings.Replace(wrongHash, "$04$", "$31$", 1): false,
		strings.Replace(wrongHash, "$04$", "$03$", 1): false,
		strings.Replace(wrongHash, "$2b$", "$2x$", 1): false,
		wrongHash[:59]:   false,
		wrongHash + "\n": false,
		"":               false,
	} {
		if user.IsHash(hash) != want {
			t.Errorf("%q: %v", hash, !want)
		}
	}
}
