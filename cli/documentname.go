package cli

import (
	"encoding/json"
	"strings"
	"unicode"
	"unicode/utf8"

	"gin-auth/user"
)

// username returns the document's username, or "" if it has none or one that nobody can have here.
func username(doc document, p *person) string {
	value, ok := doc["username"]
	if !ok {
		return ""
	}
	name, ok := jsonString(value)
	if !ok {
		name, ok = decimal(value)
	}
	if strings.TrimSpace(name) == "" && ok {
		return ""
	}
	if ok {
		var err error
		if name, err = user.CleanUsername(name, p.Email); err == nil {
			return name
		}
	}
	p.nameRejected = true
	p.note("username cannot be used here: they are imported without it, and log in with their email")
	return ""
}

// maxFullName is the most characters of a full name that are kept.
const maxFullName = 200

// nameParts are the names of the parts of a full name, in their order.
var nameParts = [][]string{
	{"firstName", "firstname", "first_name", "first", "givenName", "given"},
	{"middleName", "middlename", "middle_name", "middle"},
	{"lastName", "lastname", "last_name", "last", "familyName", "family", "surname"},
}

// fullName returns the document's full name: a string or an object of several parts under one of the usual names, or
// the parts at the top level. What cannot be understood is left out.
func fullName(doc document) string {
	for _, field := range []string{"fullName", "fullname", "full_name", "name"} {
		if name := joinName(doc[field]); name != "" {
			return name
		}
	}
	return joinParts(doc)
}

func joinName(value json.RawMessage) string {
	if name, ok := jsonString(value); ok {
		return cleanName(name)
	}
	return joinParts(objectOf(value))
}

// joinParts joins the parts of a full name with spaces.
func joinParts(members map[string]json.RawMessage) string {
	var parts []string
	for _, fields := range nameParts {
		for _, field := range fields {
			if part, _ := jsonString(members[field]); part != "" {
				parts = append(parts, part)
				break
			}
		}
	}
	return cleanName(strings.Join(parts, " "))
}

// cleanName leaves out control characters and superfluous space, and what exceeds maxFullName.
func cleanName(name string) string {
	name = strings.Map(func(r rune) rune {
		if unicode.IsSpace(r) {
			return ' '
		}
		if unicode.In(r, unicode.Cc, unicode.Cf) {
			return -1
		}
		return r
	}, name)
	name = strings.Join(strings.Fields(name), " ")
	if utf8.RuneCountInString(name) > maxFullName {
		name = string([]rune(name)[:maxFullName])
	}
	return name
}
