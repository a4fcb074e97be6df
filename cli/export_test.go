package cli

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"
	"testing/iotest"
)

func TestRecords(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("x", maxRecord)
	for name, test := range map[string]struct {
		in   string
		want []string
	}{
		"nothing":         {"", nil},
		"only space":      {" \n\r\n\t", nil},
		"only a BOM":      {"\xef\xbb\xbf", nil},
		"a byte":          {"x", []string{"line 1: x"}},
		"lines":           {"{1}\n{2}\n", []string{"line 1: {1}", "line 2: {2}"}},
		"no newline":      {"{1}\n{2}", []string{"line 1: {1}", "line 2: {2}"}},
		"CRLF":            {"{1}\r\n{2}\r\n", []string{"line 1: {1}", "line 2: {2}"}},
		"blank lines":     {"\n\n{1}\n \t\n{2}\n\n", []string{"line 3: {1}", "line 5: {2}"}},
		"BOM":             {"\xef\xbb\xbf{1}\n{2}", []string{"line 1: {1}", "line 2: {2}"}},
		"BOM and array":   {"\xef\xbb\xbf\n[{1}]", []string{"line 2, element 1: {1}"}},
		"indented lines":  {"  {1}\n\t{2}", []string{"line 1: {1}", "line 2: {2}"}},
		"UTF-16":          {"\xff\xfe{\x00", []string{"line 1: ERROR " + errUTF16.Error()}},
		"garbage":         {"x\n}\n{1}\n", []string{"line 1: x", "line 2: }", "line 3: {1}"}},
		"sharing a line":  {"{1}{2} {3}\n{4}", []string{"line 1: {1}", "line 1: {2}", "line 1: {3}", "line 2: {4}"}},
		"value then not":  {"{1} x\n{2}{3} x\n{4}{5", []string{"line 1: {1} x", "line 2: {2}", "line 2: {3} x", "line 3: {4}", "line 3: {5"}},
		"braces in texts": {`{"}{"}{"\"}{"}`, []string{`line 1: {"}{"}`, `line 1: {"\"}{"}`}},
		"unclosed":        {"{\"1\n{2}\n", []string{"line 1: {\"1", "line 2: {2}"}},
		"cut off":         {"{1}\n{2", []string{"line 1: {1}", "line 2: {2"}},
		"too long":        {"{1}\n" + long + "\n{2}", []string{"line 1: {1}", "line 2: " + errTooLong.Error(), "line 3: {2}"}},
		"too long a last": {"{1}\n" + long + long, []string{"line 1: {1}", "line 2: " + errTooLong.Error()}},

		"pretty":                {"{\n\t1\n}\n{\n\t2 {\n\t}\n}\n", []string{"line 1: {\n\t1\n}", "line 4: {\n\t2 {\n\t}\n}"}},
		"pretty, CRLF":          {"{\r\n 1\r\n}\r\n{2}", []string{"line 1: {\n 1\n}", "line 4: {2}"}},
		"pretty, never closed":  {"{\n 1\n{\n 2\n}\n{3}", []string{"line 1: {\n 1", "line 3: {\n 2\n}", "line 6: {3}"}},
		"pretty, cut off":       {"{1}\n{\n 1\n", []string{"line 1: {1}", "line 2: {\n 1"}},
		"a brace among lines":   {"{\n{1}\n{2}\n", []string{"line 1: {", "line 2: {1}", "line 3: {2}"}},
		"pretty, too long":      {"{\n " + long + "\n}\n{2}", []string{"line 1: " + errTooLong.Error(), "line 4: {2}"}},
		"pretty, too many":      {"{\n" + strings.Repeat(" 12345\n", maxRecord/7+1) + "}\n{2}", []string{"line 1: " + errTooLong.Error(), fmt.Sprintf("line %d: {2}", maxRecord/7+4)}},
		"pretty, closed before": {"{\n 1}\n{2}", []string{"line 1: {\n 1}", "line 3: {2}"}},

		"array":               {"[{1},{2}]", []string{"line 1, element 1: {1}", "line 1, element 2: {2}"}},
		"empty array":         {"[ ]\n", nil},
		"array in lines":      {"\n[\n{1},\r\n{2\n}\n,{3}\n]\n\n", []string{"line 3, element 1: {1}", "line 4, element 2: {2\n}", "line 6, element 3: {3}"}},
		"array, nested":       {`[{"a":[{"]":"\"]}"}]},[[]]]`, []string{`line 1, element 1: {"a":[{"]":"\"]}"}]}`, "line 1, element 2: [[]]"}},
		"array of no objects": {`[1, "a,]b" ,null,true]`, []string{"line 1, element 1: 1", `line 1, element 2: "a,]b"`, "line 1, element 3: null", "line 1, element 4: true"}},
		"array, too long":     {`[{1},{"` + long + `"},{2}]`, []string{"line 1, element 1: {1}", "line 1, element 2: " + errTooLong.Error(), "line 1, element 3: {2}"}},
		"array, cut off":      {"[{1},\n{2", []string{"line 1, element 1: {1}", "line 2, element 2: ERROR " + errCutOff.Error()}},
		"array, never closed": {"[{1}\n", []string{"line 1, element 1: {1}", "line 2, element 1: ERROR " + errCutOff.Error()}},
		"array, only begun":   {"[", []string{"line 1, element 1: ERROR " + errCutOff.Error()}},
		"array, no comma":     {"[{1} {2}]", []string{"line 1, element 1: {1}", "line 1, element 1: ERROR neither a comma nor the end of the array follows"}},
		"array, more behind":  {"[{1}]\n{2}", []string{"line 1, element 1: {1}", "line 2: ERROR something follows the array"}},
		"array, last comma":   {"[{1},]", []string{"line 1, element 1: {1}", "line 1, element 2: ]", "line 1, element 2: ERROR " + errCutOff.Error()}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if got := read(strings.NewReader(test.in)); !slices.Equal(got, test.want) {
				t.Errorf("got %.500q\nwant %.500q", got, test.want)
			}
			if got := read(iotest.OneByteReader(strings.NewReader(test.in))); !slices.Equal(got, test.want) {
				t.Errorf("byte by byte got %.500q\nwant %.500q", got, test.want)
			}
		})
	}
}

func TestRecordsUnreadable(t *testing.T) {
	t.Parallel()
	for in, want := range map[string][]string{
		"":          {"line 1: ERROR no"},
		"{1}\n{2":   {"line 1: {1}", "line 3: ERROR no"},
		"{1}\n{\n ": {"line 1: {1}", "line 4: ERROR no"},
		"[{1},{2":   {"line 1, element 1: {1}", "line 1, element 2: ERROR no"},
		"[{1}":      {"line 1, element 1: {1}", "line 1, element 1: ERROR no"},
	} {
		if got := read(io.MultiReader(strings.NewReader(in), iotest.ErrReader(errors.New("no")))); !slices.Equal(got, want) {
			t.Errorf("%q: got %q, want %q", in, got, want)
		}
	}
}

// read returns each record as a text.
func read(in io.Reader) (all []string) {
	for r, err := range records(in) {
		switch {
		case err != nil:
			all = append(all, r.where()+": ERROR "+err.Error())
		case r.err != nil:
			all = append(all, r.where()+": "+r.err.Error())
		default:
			all = append(all, r.where()+": "+string(r.text))
		}
	}
	return all
}

// FuzzRecords reads whatever it is given to its end, and loses no object that has a line to itself.
func FuzzRecords(f *testing.F) {
	for _, seed := range []string{"{1}\n{2}", "[{1},{2}]", "{\n 1\n}", "[1,\"]", "\xef\xbb\xbf{", "{}{}x{}"} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		_ = read(strings.NewReader(string(text)))
		after := string(text) + "\n{\"last\":1}"
		got := read(strings.NewReader(after))
		if isArray := strings.HasPrefix(strings.TrimLeft(strings.TrimPrefix(after, "\xef\xbb\xbf"), space), "["); isArray {
			return
		}
		if strings.HasPrefix(after, "\xff\xfe") || strings.HasPrefix(after, "\xfe\xff") {
			return
		}
		if !strings.HasSuffix(got[len(got)-1], `: {"last":1}`) {
			t.Errorf("of %q got %q", after, got)
		}
	})
}
