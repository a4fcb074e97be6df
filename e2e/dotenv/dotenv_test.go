// Package dotenv compares how this service reads a .env file with Node's dotenv.
package dotenv

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"os"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/joho/godotenv"

	"gin-auth/config"
	"gin-auth/e2e/internal/harness"
)

// TestSameValues holds config.ReadDotenv against dotenv itself: what it accepts has the very same
// values there; what it refuses really differs; and what it advises instead is the same to both.
// DOTENV_SEED repeats a run, DOTENV_TEXTS sets how many texts it makes up.
func TestSameValues(t *testing.T) {
	t.Parallel()
	harness.Node(t)
	seed := envNumber(t, "DOTENV_SEED", rand.Uint64())
	g := generator{rand.New(rand.NewPCG(seed, 0))}
	texts := append([]string{}, handwritten...)
	for n := envNumber(t, "DOTENV_TEXTS", 20_000); uint64(len(texts)) < n; {
		texts = append(texts, g.text())
	}

	var accepted, refused int
	mended := map[string]map[string]string{} // text → what dotenv has to find in it
	for i, node := range dotenv(t, texts) {
		vars, err := config.ReadDotenv([]byte(texts[i]))
		var faults []string
		if err == nil {
			accepted++
			faults = acceptedFaults(vars, node)
		} else {
			refused++
			faults = refusedFaults(texts[i], err, node[0])
			collectAdvice(mended, texts[i], err, node[0])
		}
		for _, fault := range faults {
			t.Errorf("DOTENV_SEED=%d: %s\ntext %q\nours %q, %v\nnode %q", seed, fault, texts[i], vars, err, node)
		}
	}
	t.Logf("DOTENV_SEED=%d: %d texts compared with dotenv 16, 17 and 18: %d accepted, %d refused", seed, len(texts), accepted, refused)
	if accepted < len(texts)/10 || refused < len(texts)/10 {
		t.Error("the comparison is lopsided")
	}
	checkAdvice(t, mended)
}

// acceptedFaults: every version of dotenv must have the same variables.
func acceptedFaults(vars map[string]string, node []map[string]string) (faults []string) {
	if vars == nil {
		faults = append(faults, "neither variables nor an error")
	}
	for i, theirs := range node {
		if !maps.Equal(vars, theirs) {
			faults = append(faults, fmt.Sprintf("accepted, but version %d differs", 16+i))
		}
	}
	return faults
}

// refusedFaults: godotenv must fail or differ, or the text hold what is refused for itself; the
// messages must be in order, each with a line that holds the variable it names, and show no value.
func refusedFaults(text string, err error, node map[string]string) (faults []string) {
	lines := strings.Split(strings.NewReplacer("\r\n", "\n", "\r", "\n").Replace(text), "\n")
	last := 1
	for _, message := range strings.Split(err.Error(), "\n") {
		m := problemLine.FindStringSubmatch(message)
		if m == nil || strings.Contains(message, "every value") {
			faults = append(faults, "odd message: "+message)
			continue
		}
		n, _ := strconv.Atoi(m[1])
		if n < last || n > len(lines) {
			faults = append(faults, "odd order: "+message)
		} else if line := lines[n-1]; !strings.Contains(line, m[2]) && !strings.Contains(line, "export") {
			faults = append(faults, "wrong line: "+message)
		}
		last = n
	}
	vars, syntax := godotenv.Unmarshal(text)
	if syntax == nil && maps.Equal(vars, node) && !refusedForItself(text, vars) {
		faults = append(faults, "refused without a reason")
	}
	for _, word := range secretWords {
		if strings.Contains(err.Error(), word) && !isInName(word, node) {
			faults = append(faults, "a value is shown")
		}
	}
	return faults
}

// problemLine has groups for the number of the line and the variable, if one is named.
var problemLine = regexp.MustCompile(`^\.env line ([1-9][0-9]*): (?:a |an |the |this |NAME |([\w.-]+) )[ -~]+$`)

func refusedForItself(text string, vars map[string]string) bool {
	for _, v := range vars {
		if strings.Contains(v, "\x00") || strings.ContainsRune(v, utf8.RuneError) && !utf8.ValidString(text) {
			return true
		}
	}
	return strings.ContainsAny(text, "\u2028\u2029")
}

// isInName: what dotenv takes for a name is one, not a part of a value.
func isInName(word string, node map[string]string) bool {
	for key := range node {
		if strings.Contains(key, word) {
			return true
		}
	}
	return false
}

var advice = regexp.MustCompile(`(?m): (\S+) (?:is read differently by|can be read by) Node's .*(?:: |otherwise )\S+=('|"|)\.\.\.`)

// collectAdvice follows the advice of err with the value that dotenv has.
func collectAdvice(mended map[string]map[string]string, text string, err error, node map[string]string) {
	for _, m := range advice.FindAllStringSubmatch(err.Error(), -1) {
		name, quote := m[1], m[2]
		value, ok := node[name]
		if ok && strings.Count(text, name) == 1 && !strings.ContainsAny(text, "\u2028\u2029") {
			mended[name+"="+quote+value+quote] = map[string]string{name: value}
		}
	}
}

func checkAdvice(t *testing.T, mended map[string]map[string]string) {
	t.Helper()
	var texts []string
	for text := range mended {
		texts = append(texts, text)
	}
	for i, node := range dotenv(t, texts) {
		vars, err := config.ReadDotenv([]byte(texts[i]))
		if err != nil || !maps.Equal(vars, mended[texts[i]]) {
			t.Errorf("the advice %q gives %q, %v", texts[i], vars, err)
		}
		for _, fault := range acceptedFaults(vars, node) {
			t.Errorf("the advice %q: %s: %q", texts[i], fault, node)
		}
	}
	t.Logf("%d pieces of advice tried", len(texts))
}

// dotenv is what the three versions of dotenv find in each text. It runs node once.
func dotenv(t *testing.T, texts []string) [][]map[string]string {
	t.Helper()
	var in bytes.Buffer
	for _, text := range texts {
		fmt.Fprintf(&in, "%q\n", base64.StdEncoding.EncodeToString([]byte(text)))
	}
	out := harness.RunNode(t, in.Bytes(), "dotenv/parse.js")
	var answers [][]map[string]string
	for d := json.NewDecoder(bytes.NewReader(out)); ; {
		var answer []map[string]string
		if err := d.Decode(&answer); err == io.EOF {
			break
		} else if err != nil {
			t.Fatalf("reading the answers of parse.js: %v", err)
		}
		answers = append(answers, answer)
	}
	if len(answers) != len(texts) {
		t.Fatalf("parse.js gave %d answers to %d texts", len(answers), len(texts))
	}
	return answers
}

func envNumber(t *testing.T, name string, otherwise uint64) uint64 {
	t.Helper()
	s := os.Getenv(name)
	if s == "" {
		return otherwise
	}
	n, err := strconv.ParseUint(s, 10, 64)
	if err != nil {
		t.Fatalf("reading %s: %v", name, err)
	}
	return n
}

// secretWords stand in values only, unless chance makes a name of one.
var secretWords = []string{"zq7", "Xw9", "jJ4v"}

var (
	names  = []string{"A", "B", "KEY", "JWT_SECRET", "a.b", "k1", "9", "MY-KEY", "A B", "é", "ê", "__proto__", "export", "exportA", ""}
	spaces = []string{"", "", "", "", "", " ", " ", "  ", "\t", "\n", "\r\n", "\r", "\v", "\f", "\u00a0", "\u0085", "\ufeff", "\u2003", "\u3000", "\u180e"}
	signs  = []string{"=", "=", "=", "=", "=", "=", "=", ": ", ":", "==", "=:", ""}
	marks  = []string{
		"'", "'", `"`, `"`, "`", "#", " #", "$", "${", "$(", "}", ")", `\`, `\`, `\\`, `\n`, `\r`, `\t`, `\$`, `\'`, `\"`, "\\`",
		" ", "\t", "\n", "\r\n", "\r", "=", ":", "export ", "A", "B", "KEY", "-", "_", ".", "!", "%", "&", "é", "😀",
		"\u00a0", "\u0085", "\ufeff", "\u2003", "\xff", "\xe2\x82", "\xc3", "\x00", "\u2028", "\ufffd", "$A", "${B}", "$1", "{", "/", "+",
	}
	lineEnds = []string{"\n", "\n", "\n", "\n", "\n", "\n", "\r\n", "\r\n", "\r", "\n\n", "", "\n \n", "\n# note\n", "\n#A=1\n", "\r\r\n"}
)

// A generator makes .env texts that are mostly sane and somewhere tricky.
type generator struct{ *rand.Rand }

func (g generator) pick(from []string) string { return from[g.IntN(len(from))] }

func (g generator) text() string {
	if g.IntN(10) == 0 {
		return g.jumble(12)
	}
	var b strings.Builder
	if g.IntN(60) == 0 {
		b.WriteString("\ufeff")
	}
	for range 1 + g.IntN(1+g.IntN(5)) {
		b.WriteString(g.line())
		b.WriteString(g.pick(lineEnds))
	}
	return b.String()
}

func (g generator) line() string {
	switch g.IntN(20) {
	case 0:
		return "# note " + g.jumble(3)
	case 1:
		return g.jumble(6)
	case 2:
		return g.pick(handwritten)
	}
	export := ""
	if g.IntN(12) == 0 {
		export = "export" + g.pick(spaces)
	}
	name := names[g.IntN(7)]
	if g.IntN(12) == 0 {
		name = g.pick(names)
	}
	line := g.space() + export + name + g.space() + g.pick(signs) + g.space() + g.value() + g.space()
	if g.IntN(8) == 0 {
		line += "# note" + g.jumble(2)
	}
	return line
}

func (g generator) space() string {
	if g.IntN(4) > 0 {
		return ""
	}
	return g.pick(spaces)
}

func (g generator) value() string {
	v := g.jumble(g.IntN(5))
	if g.IntN(5) > 1 {
		v = g.pick(secretWords) + g.pick(marks[:20])
	}
	if q := g.IntN(8); q < 5 {
		quote := []string{"'", "'", `"`, `"`, "`"}[q]
		return quote + v + quote
	}
	return v
}

// jumble is up to n pieces, every other one of them harmless.
func (g generator) jumble(n int) string {
	var b strings.Builder
	for range n {
		if g.IntN(2) == 0 {
			b.WriteString(g.pick(marks))
		} else {
			b.WriteString(g.pick(secretWords))
		}
	}
	return b.String()
}

// handwritten are the lines that people write, and those that single out a rule.
var handwritten = []string{
	"", "\n", "#", "A=", "A=1", "A = 1", " A=1 ", "export A=1", "export  A = 1", "A: 1", "A:1", "A : 1", "A:", "A:\n", "A:\nB=1",
	"A", "A\n", "=1", "=", ":", "export", "export ", "export A", "export=1", "export =1", "export\nA=1", "export: 1",
	"JWT_SECRET=ab$CD1x", "JWT_SECRET=ab#cd", "JWT_SECRET=ab #cd", "A=x #y #z", "A= # note", "A=# note", "A=#1a2b3c",
	"A=$B", "A=${B}", "A=$(B)", `A=\$B`, "A=$", "A=$x", "A=${", "A=$1", "B=1\nA=$B", "B=1\nA='$B'", "B='$B'\nA=$B",
	`A='zq7'`, `A="zq7"`, "A=`zq7`", `A='a#b'`, `A="a#b"`, `A="a\nb"`, `A="a\rb"`, `A="a\tb"`, `A="a\\nb"`, `A="a\"b"`, `A='a\'b'`, `A='a\nb'`,
	`A="$B"`, `A="\$B"`, `A="$x"`, `A=it's`, `A='it's'`, `A=''x''`, `A="""x"""`, `A='''`, `A="x`, `A='x`, `A="x'`, `A='"x"'`, `A="'x'"`,
	`A='x' y`, `A='x' # y`, `A='x'#y`, `A="x" y`, `A="x"y"z"`, `A='x' B=2`, `A='x'B=2`, "A='x'\nB=2", `A='x\'`, `A="x\"`, `A='x\''`, `A=x\`, `A='\''`,
	`A={"a":"b"}`, `A='{"a":"b"}'`, `A="{\"a\":\"b\"}"`, "A=a b c", "A=a'b\"c", "A='a\nb'", "A=\"a\nb\"", "A='a\r\nb'", "A='a\rb'", "A='a\n\n#b\n'",
	"A='a\nb' c", "A=\"-----BEGIN\nzq7+/\nXw9==\n-----END\"", "A=-----BEGIN\nzq7+/\nXw9==\n-----END-----", "A=\n'x'", "A=\n\"x\"", "A=\n\n`x`", "A=\nB", "A= \nB=2",
	"MY-KEY=1", "MY KEY=1", "é=1", "ê=1", "A\u00a0=1", "A=\u00a01", "A=\u0085x", "A=\u2003x", "\u2003A=1", "A\u2003=1", "A=\u2003'x'", "\ufeffA=1", "A=1\n\ufeffB=2",
	"A=1\rB=2", "A=1\rB=2\r", "A=\rB=2", "# note\rA=1", "A='1\r2'", "A=1\r\nB=2\r\n", "A=1\r\r\nB=2", "A=1\n\rB=2", "A:\rB=1",
	"A=1\nA=2", "A=1\nA=#2", "A=#1\nA=2", "A=1\nB=#\nC=$D\nE-F=1\nG", "A='x\nB=1\nC='y'", "A=\"x\nB=1\nC=2", "A='x\nB=it's\n",
	"A=\xff", "A='\xff'", "A=\xe2\x82", "A='\xe2\x82'", "# \xff\nA=1", "A=1 # \xff", "A=\ufffd", "A='\x00'", "A=a\x00b", "# \x00\nA=1", "\xff\xfeA\x00=\x001\x00",
	"A=x\u2028y", "# \u2028\nA=1", "# x\u2028A=1", "A='x\u2029'", "__proto__=1", "__proto__='1'\nA=1", "A=1 B=2", "A='zq7'Xw9=jJ4v", "A=\"zq7\"Xw9:jJ4v",
	"A==", "A==x", "A=:x", "A:=x", "A: =x", "A.B=1", "1=1", ".=1", "_=1", "A=1;B=2", "A=postgres://u:p@h:1/d?x=y&z", "A=C:\\dir\\new", "'A'=1", "\"A\"=1", "- A=1", "[x]",
}
