package cli

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"iter"
)

// maxRecord bounds, in bytes, a record of an export, and so what reading one holds in memory.
const maxRecord = 1 << 20

var (
	errTooLong = errors.New("longer than 1 MiB")
	errCutOff  = errors.New("the file ends in the middle of the array")
	errUTF16   = errors.New("the text is UTF-16; convert it first: iconv -f UTF-16 -t UTF-8")
)

// record is one document of an export.
type record struct {
	line    int    // where it begins, from 1
	element int    // its place in the array, from 1; 0 if it is in none
	text    []byte // should be a JSON value; valid until the next record
	err     error  // why there is no text; the next record may have one
}

// where says where in the export the record is.
func (r record) where() string {
	if r.element == 0 {
		return fmt.Sprintf("line %d", r.line)
	}
	return fmt.Sprintf("line %d, element %d", r.line, r.element)
}

// export reads what mongoexport writes.
type export struct {
	in   *bufio.Reader
	line int    // of what comes next, from 1
	text []byte // of a record that has to be put together
}

// records splits an export: either an array, or values that end with their line. Those may share a
// line, and one whose first line is "{" alone goes on to the line "}". An error is the last that comes:
// in could not be read, or there is no telling how an array goes on.
func records(in io.Reader) iter.Seq2[record, error] {
	e := &export{in: bufio.NewReaderSize(in, maxRecord), line: 1}
	return func(yield func(record, error) bool) {
		first, err := e.begin()
		switch {
		case errors.Is(err, io.EOF):
		case err != nil:
			yield(record{line: e.line}, err)
		case first == '[':
			e.array(yield)
		default:
			e.lines(yield)
		}
	}
}

// begin skips a byte order mark and the space in front, and returns the byte that follows.
func (e *export) begin() (byte, error) {
	mark, err := e.in.Peek(3)
	switch {
	case err != nil && !errors.Is(err, io.EOF):
		return 0, err
	case bytes.HasPrefix(mark, []byte("\xff\xfe")), bytes.HasPrefix(mark, []byte("\xfe\xff")):
		return 0, errUTF16
	case bytes.Equal(mark, []byte("\xef\xbb\xbf")):
		_, _ = e.in.Discard(3)
	}
	first, err := e.skipSpace()
	if err != nil {
		return 0, err
	}
	return first, e.in.UnreadByte()
}

func (e *export) readByte() (byte, error) {
	c, err := e.in.ReadByte()
	if err == nil && c == '\n' {
		e.line++
	}
	return c, err
}

// skipSpace returns the next byte that isn't white space.
func (e *export) skipSpace() (byte, error) {
	for {
		c, err := e.readByte()
		if err != nil || !isSpace(c) {
			return c, err
		}
	}
}

const space = " \t\r\n" // JSON's

func isSpace(c byte) bool { return c == ' ' || c == '\t' || c == '\r' || c == '\n' }

// lines yields the values of an export that is no array.
func (e *export) lines(yield func(record, error) bool) {
	for {
		r, err := e.next()
		if errors.Is(err, io.EOF) {
			return
		}
		if err != nil {
			yield(record{line: e.line}, err)
			return
		}
		if !yieldValues(r, yield) {
			return
		}
	}
}

// next returns the next line that isn't blank, or the lines that belong together, or io.EOF.
func (e *export) next() (record, error) {
	for {
		r := record{line: e.line}
		line, err := e.readLine()
		switch {
		case errors.Is(err, errTooLong):
			r.err = err
			return r, nil
		case err != nil:
			return r, err
		case bytes.Equal(line, []byte("{")):
			return e.indented(r)
		}
		if r.text = bytes.TrimLeft(line, space); len(r.text) > 0 {
			return r, nil
		}
	}
}

// readLine returns the next line without the space at its end, errTooLong in its stead, or io.EOF.
func (e *export) readLine() ([]byte, error) {
	line, err := e.in.ReadSlice('\n')
	e.line++
	if errors.Is(err, bufio.ErrBufferFull) {
		for errors.Is(err, bufio.ErrBufferFull) {
			_, err = e.in.ReadSlice('\n')
		}
		if err == nil || errors.Is(err, io.EOF) {
			err = errTooLong
		}
		return nil, err
	}
	if errors.Is(err, io.EOF) && len(line) > 0 {
		err = nil
	}
	return bytes.TrimRight(line, space), err
}

// indented reads a value whose first line was "{": as --pretty writes them, all lines but the last are
// indented, and that is "}". What isn't written so ends before the next line that begins with a brace,
// so that one broken value doesn't take all that follow with it.
func (e *export) indented(r record) (record, error) {
	e.text = append(e.text[:0], '{')
	for {
		if next, _ := e.in.Peek(1); len(next) == 0 || next[0] == '{' { // an error comes again
			r.text = e.text
			return r, nil
		}
		line, err := e.readLine()
		if err != nil && !errors.Is(err, errTooLong) {
			return r, err
		}
		if err != nil || len(e.text)+len(line) >= maxRecord {
			r.err = errTooLong
		} else {
			e.text = append(append(e.text, '\n'), line...)
		}
		if bytes.Equal(line, []byte("}")) {
			r.text = e.text
			return r, nil
		}
	}
}

// yieldValues yields each of the objects that share a line. It returns false when nobody wants more.
func yieldValues(r record, yield func(record, error) bool) bool {
	for rest := r.text; r.err == nil; {
		end := valueEnd(rest)
		next := bytes.TrimLeft(rest[end:], space)
		if len(next) == 0 || next[0] != '{' {
			r.text = rest // with whatever follows, as something is wrong with that
			break
		}
		r.text = rest[:end]
		if !yield(r, nil) {
			return false
		}
		rest = next
	}
	return yield(r, nil)
}

// valueEnd returns where the object or array that text begins with ends: where text does, if it does not.
func valueEnd(text []byte) int {
	var n nesting
	for i, c := range text {
		if n.closes(c) {
			return i + 1
		}
	}
	return len(text)
}

// array yields the elements of an array.
func (e *export) array(yield func(record, error) bool) {
	_, _ = e.readByte() // the bracket
	for element := 1; ; element++ {
		c, err := e.skipSpace()
		if err == nil && c == ']' && element == 1 {
			e.end(yield)
			return
		}
		r := record{line: e.line, element: element}
		if err == nil {
			err = e.element(&r, c)
		}
		if err != nil {
			yield(r, cutOff(err))
			return
		}
		if !yield(r, nil) || !e.more(r, yield) {
			return
		}
	}
}

// element reads an element that begins with c, of any length: what is too long is passed over.
func (e *export) element(r *record, c byte) (err error) {
	e.text = e.text[:0]
	for n := (nesting{}); ; {
		if len(e.text) < maxRecord {
			e.text = append(e.text, c)
		} else {
			r.err = errTooLong
		}
		if n.closes(c) || n.depth == 0 && !n.quoted && e.atDelimiter() {
			r.text = e.text
			return nil
		}
		if c, err = e.readByte(); err != nil {
			return err
		}
	}
}

// atDelimiter tells whether a number or a word can't go on.
func (e *export) atDelimiter() bool {
	next, err := e.in.Peek(1)
	return err != nil || next[0] == ',' || next[0] == ']' || isSpace(next[0])
}

// more tells whether another element follows r, and yields an error unless that or the end does.
func (e *export) more(r record, yield func(record, error) bool) bool {
	c, err := e.skipSpace()
	switch {
	case err != nil:
		yield(record{line: e.line, element: r.element}, cutOff(err))
	case c == ']':
		e.end(yield)
	case c != ',':
		yield(record{line: e.line, element: r.element}, errors.New("neither a comma nor the end of the array follows"))
	}
	return err == nil && c == ','
}

// end yields an error if anything follows the array.
func (e *export) end(yield func(record, error) bool) {
	_, err := e.skipSpace()
	if err == nil {
		err = errors.New("something follows the array")
	}
	if !errors.Is(err, io.EOF) {
		yield(record{line: e.line}, err)
	}
}

// cutOff says of the file's end that it comes too soon.
func cutOff(err error) error {
	if errors.Is(err, io.EOF) {
		return errCutOff
	}
	return err
}

// nesting follows JSON byte by byte, as far as it takes to know where an object or array ends.
type nesting struct {
	depth   int // of brackets and braces
	quoted  bool
	escaped bool // by a backslash
}

// closes takes the next byte and tells whether the outermost object or array ends with it.
func (n *nesting) closes(c byte) bool {
	switch {
	case n.escaped:
		n.escaped = false
	case n.quoted:
		n.escaped = c == '\\'
		n.quoted = c != '"'
	case c == '"':
		n.quoted = true
	case c == '{' || c == '[':
		n.depth++
	case c == '}' || c == ']':
		n.depth--
		return n.depth <= 0
	}
	return false
}
