package config

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

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
	if len(problems) == 0 { // can't be, but must not pass for a nil error
		problems = []dotenvProblem{{1, dotenvUnknown}}
	}
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

const dotenvUnknown = "the file is read differently by Node's dotenv and by this service; write every value in single quotes"

type dotenvProblem struct {
	line int
	text string
}

func (p dotenvProblem) Error() string { return fmt.Sprintf(".env line %d: %s", p.line, p.text) }

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
			n.start, n.end = n.start-from, n.end-from
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
