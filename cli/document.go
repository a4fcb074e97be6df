package cli

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"gin-auth/user"
)

// document is a user's document in an export. Names count in their exact case, and null as nothing.
type document map[string]json.RawMessage

// syntaxError is a text that is no JSON. It shows nothing of it.
type syntaxError struct {
	at  int64 // how many bytes were read until that was clear
	end bool  // the text ends too soon
}

func (e *syntaxError) Error() string {
	if e.end {
		return "not valid JSON: it ends in the middle"
	}
	return fmt.Sprintf("not valid JSON (at byte %d of it)", e.at)
}

// parseDocument returns a *syntaxError if text is no JSON at all.
func parseDocument(text []byte) (document, error) {
	var doc document
	err := json.Unmarshal(text, &doc)
	var syntax *json.SyntaxError
	switch {
	case errors.As(err, &syntax):
		return nil, &syntaxError{at: syntax.Offset, end: syntax.Error() == "unexpected end of JSON input"}
	case err != nil || doc == nil:
		return nil, errors.New("not a JSON object")
	case !utf8.Valid(text): // the decoder would mend it
		return nil, errors.New("not valid UTF-8")
	}
	for name, value := range doc {
		if string(value) == "null" {
			delete(doc, name)
		}
	}
	return doc, nil
}

// user makes a user of the document. What it doesn't say is zero: the ID, the name, the role, the time.
// An error names the field at fault and shows nothing of it.
func (o Options) user(doc document) (u user.User, err error) {
	if u.Email, err = o.email(doc); err != nil {
		return user.User{}, err
	}
	if u.PasswordHash, err = passwordHash(doc); err != nil {
		return user.User{}, err
	}
	if u.ID, err = id(doc); err != nil {
		return user.User{}, err
	}
	if u.Username, err = o.username(doc, u.Email); err != nil {
		return user.User{}, err
	}
	if u.Role, err = role(doc); err != nil {
		return user.User{}, err
	}
	u.Created = created(doc)
	return u, nil
}

func (o Options) email(doc document) (string, error) {
	value, ok := doc["email"]
	if !ok {
		return "", errors.New("email is missing")
	}
	email, ok := jsonString(value)
	if !ok {
		return "", errors.New("email is not a string")
	}
	email, err := user.CleanEmail(email)
	if err != nil {
		return "", errors.New("email is not a valid address")
	}
	return email, nil
}

// bcryptHash is a hash at a cost from 4 to 31.
var bcryptHash = regexp.MustCompile(`^\$2[aby]\$(0[4-9]|[12][0-9]|3[01])\$[./A-Za-z0-9]{53}$`)

func passwordHash(doc document) (string, error) {
	value, ok := doc["password"]
	if !ok {
		return "", errors.New("password is missing")
	}
	hash, _ := jsonString(value)
	if !bcryptHash.MatchString(hash) {
		return "", errors.New("password is not a bcrypt hash ($2a$, $2b$ or $2y$, a cost from 4 to 31, 60 characters)")
	}
	return hash, nil
}

// maxID is in bytes.
const maxID = 128

var (
	objectID = regexp.MustCompile(`^[0-9A-Fa-f]{24}$`)
	integer  = regexp.MustCompile(`^-?[0-9]{1,20}$`)
)

// id returns the text of an ObjectId, a string or a whole number, "" if there is no _id.
func id(doc document) (string, error) {
	value, ok := doc["_id"]
	if !ok {
		return "", nil
	}
	if id, ok := unwrap(value, "$oid"); ok {
		if id, _ := jsonString(id); objectID.MatchString(id) {
			return strings.ToLower(id), nil
		}
		return "", errors.New("_id is not an ObjectId of 24 hexadecimal digits")
	}
	if id, ok := jsonString(value); ok {
		if id == "" || len(id) > maxID || strings.ContainsFunc(id, unicode.IsControl) {
			return "", fmt.Errorf("_id must have 1 to %d bytes and no control characters", maxID)
		}
		return id, nil
	}
	if number := wholeNumber(value); number != "" {
		return number, nil
	}
	return "", errors.New("_id is neither an ObjectId nor a string nor a whole number")
}

// username returns the first of the names that there is, "" if there is none and the email has to do.
func (o Options) username(doc document, email string) (string, error) {
	for _, field := range []string{"username", "name", "fullName"} {
		value, ok := doc[field]
		if !ok {
			continue
		}
		name, ok := jsonString(value)
		if !ok {
			return "", errors.New(field + " is not a string")
		}
		if strings.TrimSpace(name) == "" {
			continue
		}
		name, err := user.CleanUsername(name)
		if err != nil {
			return "", errors.New(field + " is too long, or has control characters")
		}
		return name, nil
	}
	if _, err := user.CleanUsername(localPart(email)); err != nil {
		return "", errors.New("username is missing, and the email can't stand for it")
	}
	return "", nil
}

func role(doc document) (string, error) {
	value, ok := doc["role"]
	if !ok {
		return "", nil
	}
	role, ok := jsonString(value)
	if !ok {
		return "", errors.New("role is not a string")
	}
	return role, user.CheckRole(role)
}

// created returns when the user came to be: what the document says, or else what his ObjectId does; the
// zero time if neither does.
func created(doc document) time.Time {
	for _, field := range []string{"createdAt", "created"} {
		if at, ok := date(doc[field]); ok {
			return at
		}
	}
	inner, _ := unwrap(doc["_id"], "$oid")
	id, _ := jsonString(inner)
	if !objectID.MatchString(id) {
		return time.Time{}
	}
	seconds, _ := strconv.ParseInt(id[:8], 16, 64)
	return time.Unix(seconds, 0).UTC()
}

// date reads a date of extended JSON, or a bare text or number of milliseconds.
func date(value json.RawMessage) (at time.Time, ok bool) {
	if inner, ok := unwrap(value, "$date"); ok {
		value = inner
	}
	if text, ok := jsonString(value); ok {
		for _, layout := range []string{time.RFC3339, "2006-01-02T15:04:05Z0700"} {
			if at, err := time.Parse(layout, text); err == nil {
				return storable(at)
			}
		}
		return time.Time{}, false
	}
	milliseconds, err := strconv.ParseInt(wholeNumber(value), 10, 64)
	if err != nil {
		return time.Time{}, false
	}
	return storable(time.UnixMilli(milliseconds))
}

// storable cuts a time to seconds, and refuses a year that JSON's form of it can't hold.
func storable(at time.Time) (time.Time, bool) {
	at = at.UTC().Truncate(time.Second)
	return at, at.Year() > 0 && at.Year() < 10_000
}

// jsonString returns the text of value, which is valid JSON, if that is a string.
func jsonString(value json.RawMessage) (text string, ok bool) {
	if len(value) == 0 || value[0] != '"' {
		return "", false
	}
	if !bytes.ContainsRune(value, '\\') {
		return string(value[1 : len(value)-1]), true // nothing to decode, as of almost all
	}
	return text, json.Unmarshal(value, &text) == nil
}

// wholeNumber returns the digits of a number, also of extended JSON's, "" if it is none or has a fraction.
func wholeNumber(value json.RawMessage) string {
	for _, kind := range []string{"$numberLong", "$numberInt"} {
		if inner, ok := unwrap(value, kind); ok {
			text, _ := jsonString(inner)
			value = json.RawMessage(text)
		}
	}
	return integer.FindString(string(value))
}

// unwrap returns what {"key": value} holds: so MongoDB writes what JSON has no type for.
func unwrap(value json.RawMessage, key string) (json.RawMessage, bool) {
	if len(value) == 0 || value[0] != '{' {
		return nil, false
	}
	var object map[string]json.RawMessage
	if err := json.Unmarshal(value, &object); err != nil || len(object) != 1 {
		return nil, false
	}
	inner, ok := object[key]
	return inner, ok
}
