package cli

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"regexp"
	"strconv"
	"strings"
	"time"
	"unicode"

	"gin-auth/user"
)

// document is a user's document in an export. Field names are case-sensitive. A field that is null counts as missing.
type document map[string]json.RawMessage

// decodeUser returns the document's user. The ID, the name, the role and the time are zero if the document does not
// have them. An error names the field at fault but shows nothing of its value.
func decodeUser(doc document) (u user.User, err error) {
	maps.DeleteFunc(doc, func(_ string, value json.RawMessage) bool { return string(value) == "null" })
	if u.Email, err = email(doc); err != nil {
		return user.User{}, err
	}
	if u.PasswordHash, err = passwordHash(doc); err != nil {
		return user.User{}, err
	}
	if u.ID, err = id(doc); err != nil {
		return user.User{}, err
	}
	if u.Username, err = username(doc, u.Email); err != nil {
		return user.User{}, err
	}
	if u.Role, err = role(doc); err != nil {
		return user.User{}, err
	}
	u.Created = created(doc)
	return u, nil
}

func email(doc document) (string, error) {
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

func passwordHash(doc document) (string, error) {
	value, ok := doc["password"]
	if !ok {
		return "", errors.New("password is missing")
	}
	hash, _ := jsonString(value)
	if !user.IsHash(hash) {
		return "", errors.New("password is not a bcrypt hash ($2a$, $2b$ or $2y$, a cost from 4 to 16, 60 characters)")
	}
	return hash, nil
}

// maxID is the longest id that is taken, in bytes.
const maxID = 128

var (
	objectID = regexp.MustCompile(`^[0-9A-Fa-f]{24}$`)
	integer  = regexp.MustCompile(`^-?[0-9]{1,20}$`)
)

// id returns _id, which is an ObjectId, a string or a whole number, as a string, or "" if it is missing.
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

// username returns the first name that the document has, or "" if it has none and the email can replace it.
func username(doc document, email string) (string, error) {
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
		return "", errors.New("username is missing, and the email cannot replace it")
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

// created returns when the user was created: a date, else the time in the ObjectId, else the zero time.
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

// date reads a date of extended JSON, a string or a number of milliseconds.
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

// storable truncates a time to seconds and reports whether JSON can hold its year.
func storable(at time.Time) (time.Time, bool) {
	at = at.UTC().Truncate(time.Second)
	return at, at.Year() > 0 && at.Year() < 10_000
}

// jsonString decodes value, which is valid JSON, if it is a string.
func jsonString(value json.RawMessage) (text string, ok bool) {
	if len(value) == 0 || value[0] != '"' {
		return "", false
	}
	if !bytes.ContainsRune(value, '\\') {
		return string(value[1 : len(value)-1]), true // almost all need no decoding
	}
	return text, json.Unmarshal(value, &text) == nil
}

// wholeNumber returns the digits of a number, also in extended JSON, or "" if value is not a whole number.
func wholeNumber(value json.RawMessage) string {
	for _, kind := range []string{"$numberLong", "$numberInt"} {
		if inner, ok := unwrap(value, kind); ok {
			text, _ := jsonString(inner)
			value = json.RawMessage(text)
		}
	}
	return integer.FindString(string(value))
}

// unwrap returns the value in {"key": value}, the form in which extended JSON writes types that JSON does not have.
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
