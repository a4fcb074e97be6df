package cli

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"regexp"
	"strings"
	"testing"
	"testing/iotest"
)

// TestExport checks the records of an export. {1} is short for {"n":1}, and so on.
func TestExport(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("x", maxRecord)
	doc := func(size int) string { return `{"x":"` + long[:size-8] + `"}` }
	const (
		cut    = "not valid JSON: it ends in the middle"
		tooBig = "longer than 1 MiB"
		rest   = "; nothing after it was read"
		cutOff = "the file ends in the middle of the array"
	)
	bad := func(at int) string { return fmt.Sprintf("not valid JSON (at byte %d of it)", at) }
	for name, test := range map[string]struct {
		in   string
		want string
	}{
		"nothing":        {"", ""},
		"only space":     {" \n\r\n\t", ""},
		"only a BOM":     {"\xef\xbb\xbf", ""},
		"a byte":         {"x", "1 " + bad(1)},
		"lines":          {"{1}\n{2}\n", "1 {1} | 2 {2}"},
		"no newline":     {"{1}\n{2}", "1 {1} | 2 {2}"},
		"CRLF":           {"{1}\r\n{2}\r\n", "1 {1} | 2 {2}"},
		"blank lines":    {"\n\n{1}\n \t\n{2}\n\n", "3 {1} | 5 {2}"},
		"BOM":            {"\xef\xbb\xbf{1}\n{2}", "1 {1} | 2 {2}"},
		"BOM and array":  {"\xef\xbb\xbf\n[{1}]", "2.1 {1}"},
		"UTF-16":         {"\xff\xfe{\x00}\x00\n\x00{\x00\"\x00\xe4\x00\"\x00:\x000\x00}\x00", "1 {} | " + `2 {"ä":0}`},
		"indented lines": {"  {1}\n\t{2}", "1 {1} | 2 {2}"},
		"garbage":        {"x\n}\n{1}\n[[\n x {2}\n{3}", "1 " + bad(1) + " | 3 {1} | 4 " + bad(5) + " | 6 {3}"},
		"sharing a line": {"{1}{2} {3}\n{4}", "1 {1} | 1 {2} | 1 {3} | 2 {4}"},
		"value then not": {
			"{1} x\n{2}{3} x{4}\n{5}{6",
			"1 {1} | 1 " + bad(1) + " | 2 {2} | 2 {3} | 2 " + bad(1) + " | 3 {5} | 3 " + cut,
		},
		"braces in strings": {`{"}{":0}{"\"}{":0}`, `1 {"}{":0}` + " | " + `1 {"\"}{":0}`},
		"unclosed":          {"{\"1\n{2}\n", "1 " + bad(4) + " | 2 {2}"},
		"comma at its end":  {"{1},\n{2}", "1 {1} | 1 " + bad(1) + " | 2 {2}"},
		"cut off":           {"{1}\n\n{2", "1 {1} | 3 " + cut},
		"cut off, then not": {
			"{\"a\":[\n{1},\n{2}\n{3}",
			"1 " + bad(25) + " | 2 {1} | 2 " + bad(1) + " | 3 {2} | 4 {3}",
		},
		"no objects": {
			"1 null \"a\"\n[{1}]\n{2}",
			"1 not a JSON object | 1 not a JSON object | 1 not a JSON object | 2 not a JSON object | 3 {2}",
		},
		"bad UTF-8": {
			"{1}\n{\"a\":\"\xff\"}\n{\"\xff\":1}\n{2}",
			"1 {1} | 2 not valid UTF-8 | 3 not valid UTF-8 | 4 {2}",
		},
		"long":            {doc(maxRecord) + "\n" + doc(maxRecord-1), "1 " + doc(maxRecord) + " | 2 " + doc(maxRecord-1)},
		"too long":        {"{1}\n" + doc(maxRecord) + "\n{2}", "1 {1} | 2 " + tooBig + " | 3 {2}"},
		"too long a last": {"{1}\n{\"" + long + long, "1 {1} | 2 " + tooBig},

		"pretty":               {"{\n\t\"n\": 1\n}\n{\n\t\"a\": {\n\t}\n}\n", "1 {1} | " + `4 {"a":{}}`},
		"pretty, CRLF":         {"{\r\n \"n\":1\r\n}\r\n{2}", "1 {1} | 4 {2}"},
		"pretty, never closed": {"{\n \"n\":1\n{\n \"n\":2\n}\n{3}", "1 " + bad(10) + " | 3 {2} | 6 {3}"},
		"pretty, broken":       {"{\n \"n\":1,,\n \"a\":\n {2}\n}\n{3}", "1 " + bad(10) + " | 6 {3}"},
		"pretty, cut off":      {"{1}\n{\n \"n\":1\n", "1 {1} | 2 " + cut},
		"a brace among lines":  {"{\n{1}\n{2}\n", "1 " + bad(3) + " | 2 {1} | 3 {2}"},
		"pretty, too long": {
			"{\n" + strings.Repeat(" \"n\": 1,\n", maxRecord/9+1) + "}\n{2}",
			"1 " + tooBig + " | " + fmt.Sprint(maxRecord/9+4) + " {2}",
		},

		"array":          {"[{1},{2}]", "1.1 {1} | 1.2 {2}"},
		"empty array":    {" [ ]\n", ""},
		"array in lines": {"\n[\n{1},\r\n{\"n\":2\n}\n,{3}\n]\n\n", "3.1 {1} | 4.2 {2} | 6.3 {3}"},
		"array, nested":  {`[{"a":[{"]":"\"]}"}]},[[]]]`, `1.1 {"a":[{"]":"\"]}"}]}` + " | 1.2 not a JSON object"},
		"array of no objects": {
			`[1, "a,]b" ,null,{1}]`,
			"1.1 not a JSON object | 1.2 not a JSON object | 1.3 not a JSON object | 1.4 {1}",
		},
		"array, bad UTF-8":    {"[{\"a\":\"\xff\"},{2}]", "1.1 not valid UTF-8 | 1.2 {2}"},
		"array, not JSON":     {"[{1},\n{x},{3}]", "1.1 {1} | 2.2 ERROR not valid JSON" + rest},
		"array, too long":     {`[{1},{"` + long + `"},{2}]`, "1.1 {1} | 1.2 ERROR " + tooBig + rest},
		"array, cut off":      {"[{1},\n{2", "1.1 {1} | 2.2 ERROR " + cutOff},
		"array, never closed": {"[{1}\n", "1.1 {1} | 2.2 ERROR " + cutOff},
		"array, only begun":   {"[", "1.1 ERROR " + cutOff},
		"array, no comma":     {"[{1} {2}]", "1.1 {1} | 1.2 ERROR not valid JSON" + rest},
		"array, last comma":   {"[{1},]", "1.1 {1} | 1.2 ERROR not valid JSON" + rest},
		"array, brace":        {"[{1}}", "1.1 {1} | 1.2 ERROR not valid JSON" + rest},
		"array, more after":   {"[{1}]\n{2} x\n{3}", "1.1 {1} | 2 {2} | 2 " + bad(1) + " | 3 {3}"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			in := shorthand.ReplaceAllString(test.in, `{"n":$1`)
			want := shorthand.ReplaceAllString(test.want, `{"n":$1`)
			if got := read(strings.NewReader(in)); got != want {
				t.Errorf("got %.500q\nwant %.500q", got, want)
			}
			if got := read(iotest.OneByteReader(strings.NewReader(in))); got != want {
				t.Errorf("byte by byte got %.500q\nwant %.500q", got, want)
			}
		})
	}
}

var shorthand = regexp.MustCompile(`\{([0-9])`)

func TestExportUnreadable(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		"":             "1 ERROR no",
		"{}\n{\"a\":2": "1 {} | 2 ERROR no",
		"{}\nx\n":      "1 {} | 2 not valid JSON (at byte 1 of it) | 3 ERROR no",
		"{}\n{\n ":     "1 {} | 2 ERROR no",
		"[{},\n{\"a\"": "1.1 {} | 2.2 ERROR no",
		"[{}":          "1.1 {} | 1.2 ERROR no",
		"[{}]\n":       "1.1 {} | 2 ERROR no",
	} {
		if got := read(io.MultiReader(strings.NewReader(in), iotest.ErrReader(errors.New("no")))); got != want {
			t.Errorf("%q: got %q, want %q", in, got, want)
		}
	}
}

// read returns the records of an export, each with its line, its element in an array, and its document or error.
func read(in io.Reader) string {
	var all []string
	for e := newExport(in); ; {
		r, err := e.next()
		if errors.Is(err, io.EOF) {
			return strings.Join(all, " | ")
		}
		place := strings.TrimSuffix(fmt.Sprintf("%d.%d", r.line, r.element), ".0")
		switch {
		case err != nil:
			return strings.Join(append(all, place+" ERROR "+err.Error()), " | ")
		case r.err != nil:
			all = append(all, place+" "+r.err.Error())
		default:
			doc, _ := json.Marshal(r.doc)
			all = append(all, place+" "+string(doc))
		}
	}
}

// FuzzExport reads any input to its end, and checks that no document on its own line is lost.
func FuzzExport(f *testing.F) {
	for _, seed := range []string{
		"{1}\n{2}", "[{1},{2}]", "{\n 1\n}", "[1,\"]", "\xef\xbb\xbf{", "{}{}x{}", "{\"a\":[", "{}\n[[\"", "{} 1",
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		_ = read(bytes.NewReader(text))
		after := string(text) + "\n{\"last\":1}"
		got := read(strings.NewReader(after))
		isArray := strings.HasPrefix(strings.TrimLeft(strings.TrimPrefix(after, "\xef\xbb\xbf"), space), "[")
		if isArray || strings.HasPrefix(after, "\xff\xfe") || strings.HasPrefix(after, "\xfe\xff") {
			return
		}
		if !strings.HasSuffix(got, ` {"last":1}`) {
			t.Errorf("of %q got %q", after, got)
		}
	})
}
