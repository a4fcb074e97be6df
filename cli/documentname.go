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

// nameParts are the names of the parts of a full name, in their order.
var nameParts = [][]string{
	{"firstName", "firstname", "first_name", "first", "givenName", "given"},
	{"middleName", "middlename", "middle_name", "middle"},
	{"lastName", "lastname", "last_name", "last", "familyName", "family", "surname"},
}

// fullName returns the document's full name: a string or an object of several parts under one of the usual names, or
// the parts at the top level. What cannot be understood is left out.
func fullName(doc document) user.FullName {
	for _, field := range []string{"fullName", "fullname", "full_name", "name"} {
		if name := parseName(doc[field]); name != (user.FullName{}) {
			return name
		}
	}
	return nameOfParts(doc)
}

func parseName(value json.RawMessage) user.FullName {
	if name, ok := jsonString(value); ok {
		return user.FullName{Whole: cleanName(name)}
	}
	return nameOfParts(objectOf(value))
}

// nameOfParts returns the full name that consists of members. With a middle name, the parts are joined.
func nameOfParts(members map[string]json.RawMessage) user.FullName {
	var parts [3]string
	for n, fields := range nameParts {
		for _, field := range fields {
			if part, _ := jsonString(members[field]); part != "" {
				parts[n] = cleanName(part)
				break
			}
		}
	}
	if parts[1] != "" || utf8.RuneCountInString(parts[0]+" "+parts[2]) > user.MaxFullName {
		return user.FullName{Whole: cleanName(strings.Join(parts[:], " "))}
	}
	return user.FullName{First: parts[0], Last: parts[2]}
}

// cleanName leaves out control characters and superfluous space, and what exceeds user.MaxFullName.
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
	if utf8.RuneCountInString(name) > user.MaxFullName {
		name = string([]rune(name)[:user.MaxFullName])
	}
	return name
}
