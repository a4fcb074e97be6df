package session

import (
	"bytes"
	"encoding/json"
	"math"
)

// EncodeJSON returns v as the original's JSON.stringify writes it: it does not escape <, > and &, and adds no line
// break.
func EncodeJSON(v any) ([]byte, error) {
	var text bytes.Buffer
	encoder := json.NewEncoder(&text)
	encoder.SetEscapeHTML(false)
	err := encoder.Encode(v)
	return bytes.TrimSuffix(text.Bytes(), []byte("\n")), err
}

// json writes the object as the original's JSON.stringify does, except that numbers keep their digits.
func (o *object) json() string {
	w := writer{out: make([]byte, 0, len(o.source)+2)}
	w.out = append(w.out, '{')
	for _, m := range o.members {
		w.name(m)
		if m.raw[0] == '{' || m.raw[0] == '[' {
			w.ends = endsOf(m.raw)
		}
		w.value(m.raw)
	}
	if w.out = append(w.out, '}'); string(w.out) == o.source {
		return o.source // which the object keeps anyway
	}
	return string(w.out)
}

// writer writes valid JSON without whitespace. Of several equal names it writes only the last, and it writes null for
// a number that no double can hold. It reads each byte only a few times, even in deeply nested JSON.
type writer struct {
	ends []int // see endsOf
	out  []byte
}

// value writes the value at the beginning of text and returns what follows it. text must be a suffix of the string
// that ends was computed from.
func (w *writer) value(text string) (rest string) {
	switch text[0] {
	case '{':
		var o object
		rest = o.read(text, w.cut)
		w.object(o.members)
		return rest
	case '[':
		w.out = append(w.out, '[')
		for rest = skip(text[1:]); rest[0] != ']'; rest = skip(rest) {
			w.comma()
			rest = w.value(rest)
		}
		w.out = append(w.out, ']')
		return rest[1:]
	}
	raw, rest := next(text)
	if n, ok := number(raw); ok && math.IsInf(n, 0) {
		raw = "null"
	}
	w.out = append(w.out, raw...)
	return rest
}

func (w *writer) object(members []member) {
	w.out = append(w.out, '{')
	for _, m := range members {
		w.name(m)
		w.value(m.raw)
	}
	w.out = append(w.out, '}')
}

// name writes the name of a member, after a comma if it is not the first.
func (w *writer) name(m member) {
	w.comma()
	w.out = append(append(w.out, m.key...), ':')
}

// comma writes a comma unless an object or array has just begun.
func (w *writer) comma() {
	if last := w.out[len(w.out)-1]; last != '{' && last != '[' {
		w.out = append(w.out, ',')
	}
}

// cut splits text after the value at its beginning, except that it returns all of text as the value: the method value
// needs a suffix of the string that ends was computed from.
func (w *writer) cut(text string) (value, rest string) {
	if text[0] == '{' || text[0] == '[' {
		begin := len(w.ends) - len(text)
		return text, text[w.ends[begin]-begin:]
	}
	_, rest = next(text)
	return text, rest
}

// endsOf returns, for each index in valid JSON at which an object or array begins, the index after its end.
func endsOf(text string) []int {
	ends := make([]int, len(text))
	var begun []int
	for i := 0; i < len(text); i++ {
		switch text[i] {
		case '"':
			i += endOfString(text[i:]) - 1
		case '{', '[':
			begun = append(begun, i)
		case '}', ']':
			last := len(begun) - 1
			ends[begun[last]] = i + 1
			begun = begun[:last]
		}
	}
	return ends
}
