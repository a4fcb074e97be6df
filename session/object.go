package session

import (
	"bytes"
	"encoding/json"
	"errors"
	"math"
	"strconv"
	"strings"
)

// object is a JSON object as JavaScript sees it: names are told apart by case, the last of equal
// ones wins at the place of the first. (encoding/json would fold case in structs, lose the order in
// maps, and lone surrogates in both.)
type object []member

type member struct {
	name string          // decoded
	key  string          // as it was spelled, with its quotes
	raw  json.RawMessage // the value as it was spelled
}

var errNotObject = errors.New("is not a JSON object")

// decodeObject reads the JSON object in text, which the result refers to.
func decodeObject(text []byte) (object, error) {
	if !json.Valid(text) {
		return nil, errNotObject
	}
	if text = bytes.TrimLeft(text, jsonSpace); text[0] != '{' {
		return nil, errNotObject
	}
	return members(text), nil
}

// get returns the value called name, as it was spelled.
func (o object) get(name string) (json.RawMessage, bool) {
	for _, m := range o {
		if m.name == name {
			return m.raw, true
		}
	}
	return nil, false
}

// text returns the value called name if it is a text, or the decimal text of a number; else "".
func (o object) text(name string) string {
	raw, _ := o.get(name)
	n, ok := number(raw)
	switch {
	case !ok:
		return unquote(raw)
	case math.IsInf(n, 0):
		return ""
	case n == 0:
		return "0"
	case !bytes.ContainsAny(raw, ".eE"):
		return string(raw)
	default:
		return strconv.FormatFloat(n, 'f', -1, 64)
	}
}

// json writes the object as the original's JSON.stringify does, but that numbers keep their digits.
func (o object) json() json.RawMessage {
	out := append(make([]byte, 0, 256), '{')
	for i, m := range o {
		if i > 0 {
			out = append(out, ',')
		}
		out = append(append(out, m.key...), ':')
		out = appendValue(out, m.raw)
	}
	return append(out, '}')
}

// appendValue appends a value: objects without doubles, numbers that no double can hold as null.
func appendValue(out []byte, raw json.RawMessage) []byte {
	switch raw[0] {
	case '{':
		return append(out, members(raw).json()...)
	case '[':
		out = append(out, '[')
		for i, element := range elements(raw) {
			if i > 0 {
				out = append(out, ',')
			}
			out = appendValue(out, element)
		}
		return append(out, ']')
	}
	if n, ok := number(raw); ok && math.IsInf(n, 0) {
		return append(out, "null"...)
	}
	return append(out, raw...)
}

// number returns what JavaScript makes of the number in raw: a double, infinite beyond its range.
func number(raw json.RawMessage) (float64, bool) {
	if len(raw) == 0 || raw[0] != '-' && (raw[0] < '0' || raw[0] > '9') {
		return 0, false
	}
	n, err := strconv.ParseFloat(string(raw), 64)
	return n, err == nil || errors.Is(err, strconv.ErrRange)
}

// unquote returns the text in raw, or "" if it isn't one.
func unquote(raw json.RawMessage) string {
	if len(raw) == 0 || raw[0] != '"' {
		return ""
	}
	if !bytes.ContainsAny(raw, `\`) {
		return string(raw[1 : len(raw)-1])
	}
	var text string
	_ = json.Unmarshal(raw, &text) // raw is a valid JSON string
	return text
}

const jsonSpace = " \t\r\n"

// members takes apart a valid JSON object.
func members(text []byte) object {
	o := make(object, 0, 8) // more than our own tokens have
	for rest := skip(text[1:]); rest[0] != '}'; {
		key, after := next(rest)
		raw, after := next(skip(after))
		rest = skip(after)

		m := member{key: string(key), raw: raw}
		if m.name = m.key[1 : len(m.key)-1]; strings.Contains(m.name, `\`) {
			m.name = unquote(key)
		}
		if strings.Contains(m.name, "\ufffd") {
			m.name = m.key // lone surrogates, which Go can't tell apart once decoded
		}
		o = o.set(m)
	}
	return o
}

func (o object) set(m member) object {
	for i := range o {
		if o[i].name == m.name {
			o[i].raw = m.raw
			return o
		}
	}
	return append(o, m)
}

// elements takes apart a valid JSON array.
func elements(text []byte) []json.RawMessage {
	var all []json.RawMessage
	for rest := skip(text[1:]); rest[0] != ']'; {
		raw, after := next(rest)
		all = append(all, raw)
		rest = skip(after)
	}
	return all
}

// skip drops the space, commas and colons in front of a value.
func skip(text []byte) []byte { return bytes.TrimLeft(text, jsonSpace+",:") }

// next cuts the value at the start of valid JSON text from what follows it.
func next(text []byte) (value, rest []byte) {
	var end int
	switch text[0] {
	case '"':
		end = endOfString(text)
	case '{', '[':
		end = endOfNested(text)
	default:
		if end = bytes.IndexAny(text, ",]}"+jsonSpace); end < 0 {
			end = len(text)
		}
	}
	return text[:end], text[end:]
}

// endOfNested returns the length of the object or array that text starts with.
func endOfNested(text []byte) int {
	depth := 0
	for i := 0; ; i++ {
		switch text[i] {
		case '"':
			i += endOfString(text[i:]) - 1
		case '{', '[':
			depth++
		case '}', ']':
			if depth--; depth == 0 {
				return i + 1
			}
		}
	}
}

// endOfString returns the length of the string that text starts with, its quotes included.
func endOfString(text []byte) int {
	i := 1
	for ; text[i] != '"'; i++ {
		if text[i] == '\\' {
			i++
		}
	}
	return i + 1
}
