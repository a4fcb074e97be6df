package user

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"
)

// MaxFullName is the maximum length of a full name, in characters.
const MaxFullName = 200

// FullName is a user's full name: either two parts, as in most Node services, or one string. Its JSON is
// {"firstName":…,"lastName":…} or that string.
type FullName struct {
	First, Last string
	Whole       string // set if the parts are not known
}

// String returns the whole name.
func (n FullName) String() string {
	if n.Whole != "" {
		return n.Whole
	}
	return strings.TrimSpace(n.First + " " + n.Last)
}

type fullNameParts struct {
	First string `json:"firstName,omitempty"`
	Last  string `json:"lastName,omitempty"`
}

// Value returns the value that is encoded as JSON: the parts, a string, or nil if there is no name.
func (n FullName) Value() any {
	switch {
	case n == FullName{}:
		return nil
	case n.Whole != "":
		return n.Whole
	default:
		return fullNameParts{n.First, n.Last}
	}
}

// MarshalJSON encodes Value. It escapes <, > and &, even if the encoder that calls it does not. Responses to clients
// therefore encode Value instead.
func (n FullName) MarshalJSON() ([]byte, error) { return json.Marshal(n.Value()) }

// UnmarshalJSON decodes the output of MarshalJSON. It ignores other members of an object.
func (n *FullName) UnmarshalJSON(text []byte) error {
	var parts fullNameParts
	var whole string
	if json.Unmarshal(text, &whole) != nil && json.Unmarshal(text, &parts) != nil {
		return errors.New("neither a string nor {firstName,lastName}")
	}
	*n = FullName{First: parts.First, Last: parts.Last, Whole: whole}
	return nil
}

// CleanFullName returns the full name of a new user without superfluous spaces, or an *InvalidError.
func CleanFullName(n FullName) (FullName, error) {
	for _, part := range []*string{&n.First, &n.Last, &n.Whole} {
		*part = strings.Join(strings.Fields(*part), " ")
	}
	if name := n.String(); utf8.RuneCountInString(name) > MaxFullName || strings.ContainsFunc(name, isInvisible) {
		return FullName{}, &InvalidError{
			fmt.Sprintf("fullName must have at most %d characters and no control or invisible characters", MaxFullName),
		}
	}
	return n, nil
}
