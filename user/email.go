package user

import (
	"net/mail"
	"strings"
	"unicode"
)

const (
	maxEmail = 254 // bytes: RFC 5321, section 4.5.3.1.3, minus the angle brackets
	maxLocal = 64  // bytes before the @: RFC 5321, section 4.5.3.1.1
	maxLabel = 63  // bytes of a part of a domain: RFC 1035, section 2.3.4
)

var errEmail = &InvalidError{"email must be a valid email address"}

// NormalizeEmail returns an email in the form in which it is stored and looked up: in lower case, without surrounding
// spaces. It does not check whether the email is valid.
func NormalizeEmail(email string) string { return strings.ToLower(strings.TrimSpace(email)) }

// CleanEmail returns the normalized email of a new user, or an *InvalidError.
func CleanEmail(email string) (string, error) {
	email = NormalizeEmail(email)
	local, domain, _ := strings.Cut(email, "@")
	if len(email) > maxEmail || len(local) > maxLocal || !isMailAddress(email) || !isHostName(domain) {
		return "", errEmail
	}
	return email, nil
}

// CleanExistingEmail returns the normalized email of a user who already exists, or an *InvalidError. It also accepts
// addresses that work although RFC 5322 does not allow them: telephone companies have issued addresses with two dots
// in a row, or with a dot before the @.
func CleanExistingEmail(email string) (string, error) {
	email = NormalizeEmail(email)
	local, domain, _ := strings.Cut(email, "@")
	isPlausible := local != "" && domain != "" && !strings.ContainsFunc(local+domain, isSpecial)
	if len(email) > maxEmail || !isPlausible && !isMailAddress(email) {
		return "", errEmail
	}
	return email, nil
}

// isMailAddress reports whether email is one address of RFC 5322 without a display name, and has no invisible
// characters.
func isMailAddress(email string) bool {
	address, err := mail.ParseAddress(email)
	return err == nil && address.Address == email && !strings.ContainsFunc(email, isUnseen)
}

// isUnseen reports whether a rune is a space or invisible. RFC 6532 would allow such runes beyond ASCII.
func isUnseen(r rune) bool { return unicode.IsSpace(r) || isInvisible(r) }

// isHostName reports whether a domain is a valid host name (RFC 1123, section 2.1): labels of letters, digits and
// inner hyphens, of which the last has a letter. Letters of other scripts are allowed, as in RFC 6531.
func isHostName(domain string) bool {
	labels := strings.Split(domain, ".")
	for _, label := range labels {
		if label == "" || len(label) > maxLabel || strings.Trim(label, "-") != label ||
			strings.ContainsFunc(label, func(r rune) bool { return r != '-' && !isLetter(r) && !unicode.IsDigit(r) }) {
			return false
		}
	}
	return strings.ContainsFunc(labels[len(labels)-1], isLetter)
}

// isLetter reports whether a rune is a letter or a combining mark.
func isLetter(r rune) bool { return unicode.In(r, unicode.L, unicode.M) }

// isSpecial reports whether a rune has a special meaning in a mail header, or is invisible.
func isSpecial(r rune) bool {
	return strings.ContainsRune(`<>()[],;:\"@`, r) || isUnseen(r)
}
