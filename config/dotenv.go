package config

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/joho/godotenv"
)

// ReadDotenv returns the variables in src, the content of a .env file, as godotenv reads them,
// provided that Node's dotenv (16, 17 and 18, default mode) reads the very same ones. Otherwise
// the error is an errors.Join of one-line errors, in the order of their lines: where the two
// differ, what godotenv can't parse, and what no environment can hold. Each names its line, the
// variable and a way to write it that both read alike, and shows nothing of a value.
func ReadDotenv(src []byte) (map[string]string, error) {
	text := string(src)
	if vars, ok := readDotenvAlike(text); ok {
		return vars, nil
	}
	problems := dotenvProblems(text)
	slices.SortStableFunc(problems, func(a, b dotenvProblem) int { return cmp.Compare(a.line, b.line) })
	errs := make([]error, len(problems))
	for i, p := range problems {
		errs[i] = p
	}
	return nil, errors.Join(errs...)
}

// readDotenvAlike tells whether both parsers find the same variables in text, all fit for use.
func readDotenvAlike(text string) (map[string]string, bool) {
	vars, err := godotenv.Unmarshal(text)
	if err != nil || strings.ContainsAny(text, dotenvSeparators) {
		return nil, false
	}
	node := dotenvMap(parseAsDotenv(dotenvLF(text)))
	for _, value := range node {
		if isDotenvUnfit(value) {
			return nil, false
		}
	}
	return vars, maps.Equal(vars, node)
}

type dotenvProblem struct {
	line int
	text string
}

func (p dotenvProblem) Error() string { return fmt.Sprintf(".env line %d: %s", p.line, p.text) }

const (
	// dotenvSeparators end a line for JavaScript's ^, $ and dot, but not for Go's.
	dotenvSeparators = "\u2028\u2029"
	// dotenvRareSpace, too, is white space for JavaScript's \s and trim, but not for godotenv.
	dotenvRareSpace = dotenvSeparators + "\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a\u202f\u205f\u3000\ufeff"
	dotenvSpace     = "\t\n\v\f\r \u00a0" + dotenvRareSpace
	// godotenvSpace is white space within a line for godotenv.
	godotenvSpace = "\t\v\f\r \u00a0\u0085"
)

// dotenvLine is LINE of dotenv's lib/main.js. Its groups: all before the value, the name, the value.
var dotenvLine = regexp.MustCompile(strings.NewReplacer(`\s`, "["+dotenvSpace+"]", "´", "`").Replace(
	`(?m)^\s*((?:export\s+)?([\w.-]+)(?:\s*=\s*?|:\s+?))` +
		`(\s*'(?:\\'|[^'])*'|\s*"(?:\\"|[^"])*"|\s*´(?:\\´|[^´])*´|[^#\r\n]+)?\s*(?:#.*)?$`))

// A dotenvVar is one assignment: text[start:from] is its name and separator, text[from:end] its
// value as written.
type dotenvVar struct {
	key, value       string
	start, from, end int
}

// parseAsDotenv lists the assignments that dotenv's parse finds in text, which has LF line ends and
// no dotenvSeparators. Bytes that are not UTF-8 are kept, where Node puts U+FFFD: see isDotenvUnfit.
func parseAsDotenv(text string) []dotenvVar {
	var vars []dotenvVar
	for _, m := range dotenvLine.FindAllStringSubmatchIndex(text, -1) {
		n := dotenvVar{key: text[m[4]:m[5]], start: m[2], from: m[3], end: max(m[3], m[7])}
		if n.key == "__proto__" {
			continue // assigning a string to it leaves a JavaScript object as it was
		}
		n.value = unquoteAsDotenv(strings.Trim(text[n.from:n.end], dotenvSpace))
		vars = append(vars, n)
	}
	return vars
}

// unquoteAsDotenv takes one pair of quotes off; a leading double quote, even a lone one, makes \n and
// \r line ends.
func unquoteAsDotenv(s string) string {
	v := s
	if last := len(s) - 1; last > 0 && strings.IndexAny(s, "'\"`") == 0 && s[last] == s[0] {
		v = s[1:last]
	}
	if strings.HasPrefix(s, `"`) {
		v = strings.ReplaceAll(v, `\n`, "\n")
		v = strings.ReplaceAll(v, `\r`, "\r")
	}
	return v
}

func dotenvMap(vars []dotenvVar) map[string]string {
	m := make(map[string]string, len(vars))
	for _, v := range vars {
		m[v.key] = v.value
	}
	return m
}

// dotenvLF makes every line end a line feed, as dotenv does; godotenv leaves a bare \r.
func dotenvLF(text string) string { return strings.NewReplacer("\r\n", "\n", "\r", "\n").Replace(text) }

// isDotenvUnfit: Node replaces bytes that are not UTF-8, and in the environment a NUL ends a value.
func isDotenvUnfit(value string) bool {
	return strings.Contains(value, "\x00") || !utf8.ValidString(value)
}

// dotenvProblems finds at least one problem in every text that ReadDotenv does not accept. What
// concerns the file as a whole is told, then mended, so that it hides nothing else.
func dotenvProblems(text string) (problems []dotenvProblem) {
	add := func(line int, text string) { problems = append(problems, dotenvProblem{line, text}) }
	if strings.HasPrefix(text, "\xff\xfe") || strings.HasPrefix(text, "\xfe\xff") {
		add(1, "the file is UTF-16; save it as UTF-8")
		return problems
	}
	text, bom := strings.CutPrefix(text, "\ufeff")
	if bom {
		add(1, "the file begins with a byte order mark; save it as UTF-8 without one")
	}
	crlf := strings.ReplaceAll(text, "\r\n", "\n")
	text = dotenvLF(text)
	if at := strings.IndexByte(crlf, '\r'); at >= 0 && !sameToGodotenv(crlf, text) {
		add(1+strings.Count(text[:at], "\n"), "a carriage return stands here without a line feed; save the file with LF or CRLF line ends")
	}
	lines := strings.SplitAfter(text, "\n")
	for i, line := range lines {
		if strings.ContainsAny(line, dotenvSeparators) {
			add(i+1, "an invisible U+2028 or U+2029 stands here, which ends the line for Node's dotenv only; delete it")
			lines[i] = strings.NewReplacer("\u2028", " ", "\u2029", " ").Replace(line)
		}
	}
	for _, b := range differingDotenv(dotenvBlocks(strings.Join(lines, ""))) {
		add(b.line, b.problem())
	}
	return problems
}

func sameToGodotenv(a, b string) bool {
	varsA, errA := godotenv.Unmarshal(a)
	varsB, errB := godotenv.Unmarshal(b)
	return (errA == nil) == (errB == nil) && maps.Equal(varsA, varsB)
}

// A dotenvBlock is a run of whole lines, mostly a single one, at whose ends both parsers stand
// outside any assignment.
type dotenvBlock struct {
	line   int // of its beginning, from 1
	text   string
	node   []dotenvVar       // what dotenv assigns in it; offsets count in text
	vars   map[string]string // what godotenv assigns in it, $NAME of earlier blocks apart
	broken bool              // godotenv can't parse it
}

// dotenvBlocks cuts text, which is as parseAsDotenv wants it. A broken block goes as far as dotenv reads.
func dotenvBlocks(text string) []dotenvBlock {
	var blocks []dotenvBlock
	node := parseAsDotenv(text)
	for from, line := 0, 1; from < len(text); {
		to := dotenvReach(text, node, from+1)
		vars, err := godotenv.Unmarshal(text[from:to])
		for end := to; isUnterminatedDotenv(err) && end < len(text); {
			end = dotenvReach(text, node, end+1)
			if vars, err = godotenv.Unmarshal(text[from:end]); err == nil {
				to = end
			}
		}
		b := dotenvBlock{line: line, text: text[from:to], vars: vars, broken: err != nil}
		for ; len(node) > 0 && node[0].start < to; node = node[1:] {
			n := node[0]
			n.start, n.from, n.end = n.start-from, n.from-from, n.end-from
			b.node = append(b.node, n)
		}
		blocks = append(blocks, b)
		from, line = to, line+strings.Count(b.text, "\n")
	}
	return blocks
}

// dotenvReach is the end of the line that text[to-1] stands on, or of the last one that an
// assignment beginning before that end goes on to.
func dotenvReach(text string, node []dotenvVar, to int) int {
	lineEnd := func(i int) int {
		if n := strings.IndexByte(text[i-1:], '\n'); n >= 0 {
			return i + n
		}
		return len(text)
	}
	to = lineEnd(to)
	for _, n := range node {
		if n.start >= to {
			break
		}
		to = max(to, lineEnd(n.end))
	}
	return to
}

// isUnterminatedDotenv: no other error of godotenv can vanish when more lines follow.
func isUnterminatedDotenv(err error) bool {
	return err != nil && strings.HasPrefix(err.Error(), "unterminated")
}

// differingDotenv picks the broken blocks and those that leave a variable unfit or different for the
// two; what a later block overrides does no harm.
func differingDotenv(blocks []dotenvBlock) []dotenvBlock {
	var parsed strings.Builder
	node := map[string]string{}
	last := map[string]int{} // which block has the last word on a variable
	bad := map[int]bool{}
	for i, b := range blocks {
		if b.broken {
			bad[i] = true
			continue
		}
		parsed.WriteString(b.text)
		for key := range b.vars {
			last[key] = i
		}
		for key, value := range dotenvMap(b.node) {
			last[key], node[key] = i, value
		}
	}
	vars, _ := godotenv.Unmarshal(parsed.String())
	for key, i := range last {
		ours, isOurs := vars[key]
		theirs, isTheirs := node[key]
		if ours != theirs || isOurs != isTheirs || isDotenvUnfit(theirs) {
			bad[i] = true
		}
	}
	var picked []dotenvBlock
	for i, b := range blocks {
		if bad[i] {
			picked = append(picked, b)
		}
	}
	return picked
}

// problem says what is wrong with the assignment that the block begins with, and how to mend it.
func (b dotenvBlock) problem() string {
	if len(b.node) > 0 && !strings.Contains(b.text[:b.node[0].start], "\n") {
		return b.nodeProblem(b.node[0])
	}
	if len(b.vars) == 1 && !b.broken {
		for key, value := range b.vars {
			if unseenDotenvName.MatchString(key) {
				reason := dotenvUnusualSpace
				if b.text[strings.IndexAny(b.text, "=:")] == ':' {
					reason = "a colon needs a space behind it there, and none before it"
				}
				return fmt.Sprintf("%s is read by this service, but not by Node's dotenv (%s); %s",
					key, reason, dotenvSpelling(key, value, value))
			}
		}
	}
	return "this is no assignment that both this service and Node's dotenv can read; write it as NAME='...' " +
		"(letters, digits, _ and . in the name, quotes around all lines of a value), or delete it"
}

func (b dotenvBlock) nodeProblem(n dotenvVar) string {
	name, head, rest := showDotenvName(n.key), b.text[:n.from], b.text[n.from:]
	switch {
	case !dotenvName.MatchString(n.key):
		return name + " holds a -, which only Node's dotenv reads in a name; rename it (letters, digits, _ and . only), or delete the line"
	case strings.Contains(n.value, "\x00"):
		return name + " holds a NUL byte, which no environment variable can; delete that byte"
	case isDotenvUnfit(n.value):
		return name + " holds bytes that are not UTF-8, which Node's dotenv replaces; save the file as UTF-8"
	}
	how := "is read differently by Node's dotenv and by this service"
	if b.broken {
		how = "can be read by Node's dotenv, but not by this service"
	}
	return fmt.Sprintf("%s %s (%s); %s", name, how, dotenvReason(head, rest), dotenvSpelling(n.key, n.value, meantDotenv(rest)...))
}

var (
	// dotenvName is what both read as a name.
	dotenvName = regexp.MustCompile(`^[A-Za-z0-9_.]+$`)
	// shownDotenvName excludes what may be a line of a secret that lacks its quotes.
	shownDotenvName = regexp.MustCompile(`^(?:[A-Za-z0-9_.]{1,40}|[A-Z0-9_.-]{1,40}|[a-z0-9_.-]{1,40})$`)
	// unseenDotenvName is surely meant as a name, even where dotenv sees no assignment.
	unseenDotenvName = regexp.MustCompile(`^[A-Z][A-Z0-9_]{0,39}$`)
)

func showDotenvName(key string) string {
	if !shownDotenvName.MatchString(key) {
		return "NAME"
	}
	return key
}

const dotenvUnusualSpace = "an unusual space or line break stands around the name or the value"

// dotenvReason guesses why an assignment, cut behind its separator, differs.
func dotenvReason(head, rest string) string {
	rest = strings.TrimLeft(rest, godotenvSpace)
	line, _, _ := strings.Cut(rest, "\n")
	before, _, hash := strings.Cut(line, "#")
	switch {
	case line == "" || strings.HasSuffix(head, "\n"):
		return "Node's dotenv takes the next line for its value"
	case strings.ContainsAny(head, dotenvRareSpace+"\n"):
		return dotenvUnusualSpace
	case line[0] == '\'' || line[0] == '"':
		return quotedDotenvReason(rest)
	case line[0] == '`':
		return "this service takes backticks for a part of the value"
	case strings.Contains(before, "$"):
		return "this service replaces $ and what follows it in an unquoted value"
	case hash:
		return "Node's dotenv ends an unquoted value at the first #"
	}
	return dotenvUnusualSpace
}

// quotedDotenvReason is dotenvReason for what begins with a single or double quote.
func quotedDotenvReason(rest string) string {
	for i := 1; i < len(rest); i++ {
		if rest[i] != rest[0] || rest[i-1] == '\\' {
			continue
		}
		tail, _, _ := strings.Cut(rest[i+1:], "\n")
		if tail = strings.Trim(tail, godotenvSpace); tail != "" && tail[0] != '#' {
			return "text follows the closing quote"
		}
		if rest[0] == '"' {
			return "in double quotes this service expands $ and drops backslashes"
		}
		return "this service drops every quote at the end of a quoted value"
	}
	if line, _, _ := strings.Cut(rest, "\n"); strings.Contains(line, `\`+rest[:1]) {
		return "to this service a quote behind a backslash closes nothing"
	}
	return "the quote that opens the value is never closed"
}

// meantDotenv is what the writer of an unquoted value may have meant: all up to a comment, with
// what follows a # in it, and nothing when the line ends at once.
func meantDotenv(rest string) []string {
	line, _, _ := strings.Cut(rest, "\n")
	line, _, _ = strings.Cut(line, " #")
	line = strings.Trim(line, godotenvSpace)
	if strings.IndexAny(line, "'\"`") == 0 {
		return nil
	}
	return []string{line}
}

// dotenvSpelling advises how to write an assignment of value so that both read it, if possible in a
// way that also suits what the writer may have meant. Every advice has been tried.
func dotenvSpelling(key, value string, meant ...string) string {
	name := showDotenvName(key)
	for _, values := range [][]string{append(meant, value), {value}} {
		for _, q := range []struct{ quote, how string }{{`'`, "in single quotes"}, {`"`, "in double quotes"}, {"", "without quotes"}} {
			if !dotenvHolds(key, q.quote, values) {
				continue
			}
			switch written := name + "=" + q.quote + "..." + q.quote; {
			case slices.Contains(values, ""):
				return fmt.Sprintf("write %s='' if it is to be empty, otherwise %s", name, written)
			case strings.Contains(value, "\n"):
				return fmt.Sprintf("write it %s with real line breaks: %s", q.how, written)
			default:
				return fmt.Sprintf("write it %s: %s", q.how, written)
			}
		}
	}
	return "no way of writing this value is the same to both: choose another one, or set " + name +
		" in the real environment, which wins over .env"
}

// dotenvHolds tells whether both read each of the values when it is written in these quotes.
func dotenvHolds(key, quote string, values []string) bool {
	for _, v := range values {
		vars, ok := readDotenvAlike(key + "=" + quote + v + quote + "\n")
		if !ok || !maps.Equal(vars, map[string]string{key: v}) {
			return false
		}
	}
	return true
}
