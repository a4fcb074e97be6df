package cli

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"unicode/utf8"

	"golang.org/x/text/encoding/unicode"
	"golang.org/x/text/transform"
)

// maxRecord is the longest document of an export, in bytes. It bounds the memory that reading one takes.
const maxRecord = 1 << 20

const space = " \t\r\n" // as JSON defines it

// record is one document of an export.
type record struct {
	line    int // where it begins, from 1
	element int // its place in the array, from 1; 0 outside an array
	doc     document
	err     error // why there is no doc; the next record may have one
}

// where returns the place of the record in the export.
func (r record) where() string {
	if r.element == 0 {
		return fmt.Sprintf("line %d", r.line)
	}
	return fmt.Sprintf("line %d, element %d", r.line, r.element)
}

// export reads what mongoexport writes: documents one after another, or an array of them.
type export struct {
	in      *bufio.Reader // its buffer begins at the next document, or at the space before it
	offset  int64         // where that is, in bytes
	line    int           // where that is, from 1
	element int           // the next document's place in the array, from 1; 0 outside an array
	dec     *json.Decoder // reads the buffer's bytes, which stay there until they are consumed
	start   int64         // the offset at which dec began
	ahead   int           // how many bytes of the buffer dec has read
}

func newExport(in io.Reader) *export {
	in = transform.NewReader(in, unicode.BOMOverride(transform.Nop)) // drops a BOM, converts UTF-16
	e := &export{in: bufio.NewReaderSize(in, maxRecord), line: 1}
	e.restart()
	e.dec.More() // reads until the first byte after space
	e.skipSpace()
	if first, _ := e.in.Peek(1); string(first) == "[" {
		_, _ = e.dec.Token()
		e.consume()
		e.element = 1
	}
	return e
}

// next returns the next document. An error is the last result: io.EOF, or why the rest was not read.
func (e *export) next() (record, error) {
	if e.element > 0 && !e.dec.More() {
		if _, err := e.dec.Token(); err == nil { // the end of the array
			e.consume()
			e.element = 0
			e.restart()
		}
	}
	r := record{element: e.element}
	err := e.dec.Decode(&r.doc)
	e.skipSpace()
	r.line = e.line
	var notObject *json.UnmarshalTypeError
	if err == nil || errors.As(err, &notObject) {
		switch text := e.consume(); {
		case r.doc == nil:
			r.err = errors.New("not a JSON object")
		case !utf8.Valid(text): // the Decoder replaces invalid bytes
			r.err = errors.New("not valid UTF-8")
		}
		if e.element > 0 {
			e.element++
		}
		return r, nil
	}
	reason, isBroken := e.reason(err)
	if !isBroken {
		return r, reason
	}
	if e.element > 0 {
		return r, fmt.Errorf("%w; nothing after it was read", reason)
	}
	r.err = reason
	e.skipBroken()
	return r, nil
}

// reason turns an error of the Decoder into the reason to report, and reports whether the document is broken. If not,
// the export has ended or cannot be read.
func (e *export) reason(err error) (reason error, isBroken bool) {
	var syntax *json.SyntaxError
	switch {
	case errors.As(err, &syntax) && e.element > 0: // its Offset leaves out commas
		return errors.New("not valid JSON"), true
	case errors.As(err, &syntax):
		return fmt.Errorf("not valid JSON (at byte %d of it)", syntax.Offset-(e.offset-e.start)), true
	case errors.Is(err, bufio.ErrBufferFull):
		return errors.New("longer than 1 MiB"), true
	case e.element > 0 && (errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF)):
		return errors.New("the file ends in the middle of the array"), false
	case errors.Is(err, io.ErrUnexpectedEOF):
		return errors.New("not valid JSON: it ends in the middle"), true
	default:
		return err, false
	}
}

// skipBroken moves to the next line whose first byte is a brace. Every document of mongoexport begins with such a line,
// and braces inside a document are indented.
func (e *export) skipBroken() {
	for lineStart := false; ; e.advance(1) {
		next, err := e.in.Peek(1)
		if err != nil || lineStart && next[0] == '{' { // Read will return the error
			break
		}
		lineStart = next[0] == '\n'
	}
	e.restart()
}

// restart begins a new Decoder at the start of in's buffer.
func (e *export) restart() {
	e.dec, e.start, e.ahead = json.NewDecoder(e), e.offset, 0
}

// Read passes bytes to the Decoder. They stay in the buffer, so its size limits a document, and a new Decoder can read
// them again.
func (e *export) Read(p []byte) (int, error) {
	if _, err := e.in.Peek(e.ahead + 1); err != nil {
		return 0, err
	}
	buffered, _ := e.in.Peek(e.in.Buffered())
	n := copy(p, buffered[e.ahead:])
	e.ahead += n
	return n, nil
}

// skipSpace moves past the space, and in an array the comma, before the document that the Decoder reads.
func (e *export) skipSpace() {
	cutset := space
	if e.element > 0 {
		cutset += ","
	}
	text, _ := e.in.Peek(e.ahead)
	e.advance(len(text) - len(bytes.TrimLeft(text, cutset)))
}

// consume moves to where the Decoder is and returns what it has decoded.
func (e *export) consume() []byte {
	return e.advance(int(e.start + e.dec.InputOffset() - e.offset))
}

// advance moves past the next n bytes and returns them. They are valid until the next read.
func (e *export) advance(n int) []byte {
	text, _ := e.in.Peek(n)
	_, _ = e.in.Discard(n)
	e.offset += int64(n)
	e.ahead -= n
	e.line += bytes.Count(text, []byte("\n"))
	return text
}
