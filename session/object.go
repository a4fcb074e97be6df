package session

import (
	"encoding/hex"
	"encoding/json"
	"errors"
	"math"
	"strconv"
	"strings"
)

// object is a JSON object as JavaScript reads it. Names are case-sensitive. If a name occurs several times, it has
// the last value at the position of the first. (encoding/json ignores case in structs, loses the order in maps, and
// loses lone surrogates in both.)
type object struct {
	source  string // the JSON
	members []member
	index   map[string]int // the position of each name in members, if there are more than fewMembers
}

// fewMembers is the largest number of members that are searched one by one. More are found by a map, because a linear
// search for each member that is added would take quadratic time.
const fewMembers = 16

type member struct {
	name string // decoded
	key  string // as written, with its quotes
	raw  string // the value as written
}

var errNotObject = errors.New("is not a JSON object")

// decodeObject reads the JSON object in text. It does not decode the values.
func decodeObject(text []byte) (object, error) {
	if !json.Valid(text) {
		return object{}, errNotObject
	}
	o := object{source: skip(string(text)), members: make([]member, 0, 8)} // more than our own tokens have
	if o.source[0] != '{' {
		return object{}, errNotObject
	}
	o.read(o.source, next)
	return o, nil
}

// read adds the members of the valid JSON object at the beginning of text, and returns what follows the object. cut
// splits a text after the value at its beginning.
func (o *object) read(text string, cut func(string) (value, rest string)) (rest string) {
	for rest = skip(text[1:]); rest[0] != '}'; rest = skip(rest) {
		var m member
		m.key, rest = next(rest)
		m.raw, rest = cut(skip(rest))
		m.name = nameOf(m.key)
		o.set(m)
	}
	return rest[1:]
}

// nameOf returns the decoded name of a key. Different names give different results.
func nameOf(key string) string {
	name := key[1 : len(key)-1]
	if strings.Contains(name, `\`) {
		name = unquote(key)
	}
	if strings.Contains(name, "\ufffd") {
		return key // maybe lone surrogates, which Go all decodes to U+FFFD
	}
	return name
}

// find returns the position of the named member, or -1.
func (o *object) find(name string) int {
	if o.index != nil {
		if i, ok := o.index[name]; ok {
			return i
		}
		return -1
	}
	for i := range o.members {
		if o.members[i].name == name {
			return i
		}
	}
	return -1
}

// set adds m, or replaces the value of the member with that name.
func (o *object) set(m member) {
	if i := o.find(m.name); i >= 0 {
		o.members[i].raw = m.raw
		return
	}
	if o.members = append(o.members, m); o.index != nil {
		o.index[m.name] = len(o.members) - 1
	} else if len(o.members) > fewMembers {
		o.index = map[string]int{}
		for i := range o.members {
			o.index[o.members[i].name] = i
		}
	}
}

// get returns the value of the named member, as written.
func (o *object) get(name string) (string, bool) {
	i := o.find(name)
	if i < 0 {
		return "", false
	}
	return o.members[i].raw, true
}

// text returns the value of the named member if it is a string, or its decimal string if it is a number; otherwise "".
func (o *object) text(name string) string {
	raw, _ := o.get(name)
	if n, ok := number(raw); ok {
		return decimal(raw, n)
	}
	return unquote(raw)
}

// Decimal returns the decimal string of a JSON number. If the id of a user is that number, this is their id as a
// string. 1.0 gives "1", and a whole number keeps all its digits. It returns "" for anything else, and for a number
// beyond a double.
func Decimal(raw string) string {
	n, ok := number(raw)
	if !ok {
		return ""
	}
	return decimal(raw, n)
}

// decimal is Decimal for a number that is already parsed.
func decimal(raw string, n float64) string {
	switch {
	case math.IsInf(n, 0):
		return ""
	case n == 0:
		return "0"
	case !strings.ContainsAny(raw, ".eE"):
		return raw
	default:
		return strconv.FormatFloat(n, 'f', -1, 64)
	}
}

// number returns the number in raw as JavaScript reads it: a double, which is infinite if the number is too large.
func number(raw string) (float64, bool) {
	if raw == "" || raw[0] != '-' && (raw[0] < '0' || raw[0] > '9') {
		return 0, false
	}
	n, err := strconv.ParseFloat(raw, 64)
	return n, err == nil || errors.Is(err, strconv.ErrRange)
}

// unquote returns the decoded JSON string in raw, or "" if raw is not a string.
func unquote(raw string) string {
	if raw == "" || raw[0] != '"' {
		return ""
	}
	if !strings.Contains(raw, `\`) {
		return raw[1 : len(raw)-1]
	}
	var text string
	_ = json.Unmarshal([]byte(raw), &text) // raw is a valid JSON string
	return text
}

// spells reports whether the JSON string raw decodes to word, which has only ASCII letters and digits. Unlike a
// comparison with the result of unquote, it needs no memory.
func spells(raw, word string) bool {
	rest := raw[1 : len(raw)-1]
	for _, want := range []byte(word) {
		if len(rest) >= 6 && rest[:2] == `\u` {
			var code [2]byte
			if _, err := hex.Decode(code[:], []byte(rest[2:6])); err != nil || code != [2]byte{0, want} {
				return false
			}
			rest = rest[6:]
			continue
		}
		if rest == "" || rest[0] != want {
			return false
		}
		rest = rest[1:]
	}
	return rest == ""
}
