package session

import (
	"encoding/hex"
	"encoding/json"
	"errors"
	"math"
	"strconv"
	"strings"
)

// object is a JSON object as JavaScript reads it: letter case distinguishes names, and the last of equal
// names wins, at the place of the first. (encoding/json would fold case in structs, lose the order in maps,
// and lone surrogates in both.)
type object struct {
	spelled string
	members []member
	places  map[string]int // of each name in members, if there are more than fewMembers
}

// fewMembers is how many members are searched one by one. More are found by a map: a search for every
// member added would take a time that is quadratic in their number.
const fewMembers = 16

type member struct {
	name string // decoded
	key  string // as it was spelled, with its quotes
	raw  string // the value as it was spelled
}

var errNotObject = errors.New("is not a JSON object")

// decodeObject reads the JSON object in text. It doesn't read what its values contain.
func decodeObject(text []byte) (object, error) {
	if !json.Valid(text) {
		return object{}, errNotObject
	}
	o := object{spelled: skip(string(text)), members: make([]member, 0, 8)} // more than our own tokens have
	if o.spelled[0] != '{' {
		return object{}, errNotObject
	}
	o.read(o.spelled, next)
	return o, nil
}

// read adds the members of the valid JSON object that text begins with, and returns what follows it. cut
// cuts a value from the beginning of a text.
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

// nameOf returns what tells a key from others.
func nameOf(key string) string {
	name := key[1 : len(key)-1]
	if strings.Contains(name, `\`) {
		name = unquote(key)
	}
	if strings.Contains(name, "\ufffd") {
		return key // lone surrogates, which Go can't tell apart once decoded
	}
	return name
}

// find returns the place of the member called name, or -1.
func (o *object) find(name string) int {
	if o.places != nil {
		if i, ok := o.places[name]; ok {
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

// set adds m, or gives its value to the member of that name.
func (o *object) set(m member) {
	if i := o.find(m.name); i >= 0 {
		o.members[i].raw = m.raw
		return
	}
	if o.members = append(o.members, m); o.places != nil {
		o.places[m.name] = len(o.members) - 1
	} else if len(o.members) > fewMembers {
		o.places = map[string]int{}
		for i := range o.members {
			o.places[o.members[i].name] = i
		}
	}
}

// get returns the value called name, as it was spelled.
func (o *object) get(name string) (string, bool) {
	i := o.find(name)
	if i < 0 {
		return "", false
	}
	return o.members[i].raw, true
}

// text returns the value called name if it is a string, or the decimal string of a number; otherwise "".
func (o *object) text(name string) string {
	raw, _ := o.get(name)
	if n, ok := number(raw); ok {
		return decimal(raw, n)
	}
	return unquote(raw)
}

// Decimal returns the decimal string of a JSON number, which is the id of a user whose id is that number: 1.0 is 1, and
// a whole number keeps all its digits. It returns "" for anything else, and for a number beyond a double.
func Decimal(raw string) string {
	n, ok := number(raw)
	if !ok {
		return ""
	}
	return decimal(raw, n)
}

// decimal is Decimal of a number that has been read.
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

// number returns the number in raw as JavaScript reads it: a double, infinite beyond its range.
func number(raw string) (float64, bool) {
	if raw == "" || raw[0] != '-' && (raw[0] < '0' || raw[0] > '9') {
		return 0, false
	}
	n, err := strconv.ParseFloat(raw, 64)
	return n, err == nil || errors.Is(err, strconv.ErrRange)
}

// unquote returns the string in raw, or "" if it isn't one.
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

// spells reports whether the JSON string raw is word, which has only ASCII letters and digits. It is unquote
// and a comparison, without the memory that unquote needs.
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
