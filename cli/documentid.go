package cli

import (
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"strings"
	"unicode"

	"gin-auth/session"
)

// maxID is the longest id that is accepted, in bytes.
const maxID = 128

// id returns the id of a document as a string, and whether it is a number in tokens. The id is _id, or id if there is
// no _id, or "" if there is neither.
func id(doc document) (id string, numeric bool, err error) {
	field := "_id"
	value, ok := doc[field]
	if !ok {
		field = "id"
		if value, ok = doc[field]; !ok {
			return "", false, nil
		}
	}
	if inner, ok := unwrap(value, "$oid"); ok {
		if id, _ := jsonString(inner); objectID.MatchString(id) {
			return strings.ToLower(id), false, nil
		}
		return "", false, errors.New(field + " is not an ObjectId of 24 hexadecimal digits")
	}
	if id, ok := jsonString(value); ok {
		if id == "" || len(id) > maxID || strings.ContainsFunc(id, unicode.IsControl) {
			return "", false, fmt.Errorf("%s must have 1 to %d bytes and no control characters", field, maxID)
		}
		return id, false, nil
	}
	if id, ok := uuid(value); ok {
		return id, false, nil
	}
	if id, ok := decimal(value); ok && len(id) <= maxID {
		return id, true, nil
	}
	return "", false, errors.New(field + " is neither an ObjectId nor a string, a number or a UUID")
}

// uuidPattern matches a UUID with or without hyphens.
var uuidPattern = regexp.MustCompile(`^([0-9a-f]{8})-?([0-9a-f]{4})-?([0-9a-f]{4})-?([0-9a-f]{4})-?([0-9a-f]{12})$`)

// uuid returns a UUID of extended JSON, in lower case and with hyphens, as MongoDB's Node driver writes it: {"$uuid"},
// or {"$binary"} of subtype 4. In subtype 3, drivers differ in the order of the bytes.
func uuid(value json.RawMessage) (string, bool) {
	inner, _ := unwrap(value, "$uuid")
	text, _ := jsonString(inner)
	if text == "" {
		text = hex.EncodeToString(binaryBytes(value))
	}
	parts := uuidPattern.FindStringSubmatch(strings.ToLower(text))
	if parts == nil {
		return "", false
	}
	return strings.Join(parts[1:], "-"), true
}

// binaryBytes returns the bytes of {"$binary": {"base64": …, "subType": "04"}}, or of
// {"$binary": …, "$type": "04"} as older versions of mongoexport write it; nil if value is neither.
func binaryBytes(value json.RawMessage) []byte {
	members := objectOf(value)
	content, subtype := members["$binary"], members["$type"]
	if inner := objectOf(content); inner != nil {
		content, subtype = inner["base64"], inner["subType"]
	}
	if kind, _ := jsonString(subtype); kind != "04" && kind != "4" {
		return nil
	}
	encoded, _ := jsonString(content)
	decoded, err := base64.StdEncoding.DecodeString(encoded)
	if err != nil {
		return nil
	}
	return decoded
}

// numberPattern matches a JSON number.
var numberPattern = regexp.MustCompile(`^-?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][-+]?[0-9]+)?$`)

// decimal returns the decimal string of a number, also in extended JSON.
func decimal(value json.RawMessage) (string, bool) {
	text := string(value)
	for _, kind := range []string{"$numberInt", "$numberLong", "$numberDouble"} {
		if inner, ok := unwrap(value, kind); ok {
			if text, ok = jsonString(inner); !ok {
				text = string(inner)
			}
		}
	}
	if !numberPattern.MatchString(text) {
		return "", false
	}
	digits := session.Decimal(text)
	return digits, digits != ""
}
