package cli

import (
	"bytes"
	"encoding/json"
	"errors"
	"maps"
	"regexp"
	"strconv"
	"strings"
	"time"

	"gin-auth/user"
)

// document is a user's document in an export. Field names are case-sensitive, except those of flags. A field that is
// null counts as missing.
type document map[string]json.RawMessage

// person is what a document says about a user. The id, the names, the role and the time are zero if the document does
// not have them.
type person struct {
	user.User
	nameRejected bool     // the document has a username that nobody can have here
	notes        []string // what they may be unable to do here, each with the field at fault
}

// note adds something that the operator has to know.
func (p *person) note(text string) { p.notes = append(p.notes, text) }

// decodeIdentity returns a person who has only the document's email, id and username, those that are valid.
func decodeIdentity(doc document) (p person, emailErr, idErr error) {
	maps.DeleteFunc(doc, func(_ string, value json.RawMessage) bool { return string(value) == "null" })
	p.Email, emailErr = email(doc)
	p.ID, p.NumericID, idErr = id(doc)
	p.Username = username(doc, &p)
	return p, emailErr, idErr
}

// decodePerson returns the document's user at the given time. An error names the field at fault but shows nothing of
// its value. With an error, the email, the id and the username are those that are valid.
func decodePerson(doc document, now time.Time) (person, error) {
	p, emailErr, idErr := decodeIdentity(doc)
	var roleErr, passwordErr error
	p.PasswordHash, passwordErr = passwordHash(doc)
	p.Role, roleErr = role(doc, &p)
	for _, err := range []error{emailErr, passwordErr, idErr, roleErr} {
		if err != nil {
			return p, err
		}
	}
	p.FullName = fullName(doc)
	p.Disabled = isDenied(doc, &p, now)
	p.Created = created(doc)
	return p, nil
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
	email, err := user.CleanExistingEmail(email)
	if err != nil {
		return "", errors.New("email is not a valid address")
	}
	return email, nil
}

// passwordHash returns the hash, or user.NoPassword if there is none, for example because the user logs in with another
// provider.
func passwordHash(doc document) (string, error) {
	value, ok := doc["password"]
	if !ok || string(value) == `""` {
		return user.NoPassword, nil
	}
	hash, _ := jsonString(value)
	if !user.IsHash(hash) {
		return "", errors.New("password is not a bcrypt hash ($2a$, $2b$ or $2y$, a cost from 4 to 16, 60 characters)")
	}
	return hash, nil
}

// role returns the one role that the document has, or "" if it has none.
func role(doc document, p *person) (string, error) {
	field := "role"
	if _, ok := doc[field]; !ok {
		field = "roles"
	}
	role, err := oneRole(field, doc[field], p)
	if err != nil {
		return "", err
	}
	for _, flag := range []string{"isAdmin", "is_admin", "admin"} {
		if value, ok := doc[flag]; ok && truth(value) != no && role != "admin" {
			p.note(flag + " is not read: give them a role with gin-auth user role")
		}
	}
	return role, nil
}

// oneRole returns the role in a value that is a string or an array of one string.
func oneRole(field string, value json.RawMessage, p *person) (string, error) {
	var several []json.RawMessage
	if len(value) > 0 && value[0] == '[' && json.Unmarshal(value, &several) == nil {
		if len(several) > 1 {
			p.note(field + " has several values: they have the default role")
		}
		if len(several) != 1 {
			return "", nil
		}
		value = several[0]
	}
	if len(value) == 0 {
		return "", nil
	}
	role, ok := jsonString(value)
	if !ok {
		return "", errors.New(field + " is not a string")
	}
	return role, user.CheckRole(role)
}

// objectID matches MongoDB's ObjectId.
var objectID = regexp.MustCompile(`^[0-9A-Fa-f]{24}$`)

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
		for _, layout := range []string{time.RFC3339, "2006-01-02T15:04:05Z0700", time.DateOnly} {
			if at, err := time.Parse(layout, text); err == nil {
				return storable(at)
			}
		}
		return time.Time{}, false
	}
	number, _ := decimal(value)
	milliseconds, err := strconv.ParseInt(number, 10, 64)
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
		return string(value[1 : len(value)-1]), true // the usual case, without decoding
	}
	return text, json.Unmarshal(value, &text) == nil
}

// unwrap returns the value in {"key": value}, the form in which extended JSON writes types that JSON does not have.
func unwrap(value json.RawMessage, key string) (json.RawMessage, bool) {
	if !bytes.Contains(value, []byte(key)) {
		return nil, false // the usual case, without decoding the value
	}
	members := objectOf(value)
	inner, ok := members[key]
	return inner, ok && len(members) == 1
}

// objectOf returns the members of an object, nil if value is not one.
func objectOf(value json.RawMessage) (members map[string]json.RawMessage) {
	if len(value) == 0 || value[0] != '{' || json.Unmarshal(value, &members) != nil {
		return nil
	}
	return members
}

// isExtended reports whether a value is a type of extended JSON, such as {"$date": …}.
func isExtended(value json.RawMessage) bool {
	return strings.HasPrefix(string(bytes.TrimLeft(bytes.TrimPrefix(value, []byte("{")), space)), `"$`)
}
