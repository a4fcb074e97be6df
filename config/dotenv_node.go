package config

import (
	"regexp"
	"strings"
)

const (
	// lineSeparators end a line in JavaScript's ^, $ and dot, but not in Go's.
	lineSeparators = "\u2028\u2029"
	// nodeSpace has what JavaScript's \s and trim treat as white space.
	nodeSpace = "\t\n\v\f\r \u00a0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a" +
		lineSeparators + "\u202f\u205f\u3000\ufeff"
)

// nodeAssignment is the regular expression of Node's dotenv (LINE in its lib/main.js). Its groups are everything
// before the value, the name, and the value with its quotes.
var nodeAssignment = regexp.MustCompile(strings.NewReplacer(`\s`, "["+nodeSpace+"]", "´", "`").Replace(
	`(?m)^\s*((?:export\s+)?([\w.-]+)(?:\s*=\s*?|:\s+?))` +
		`(\s*'(?:\\'|[^'])*'|\s*"(?:\\"|[^"])*"|\s*´(?:\\´|[^´])*´|[^#\r\n]+)?\s*(?:#.*)?$`))

// An assignment is one that Node's dotenv finds in a .env file.
type assignment struct {
	line   int    // of its name, from 1
	text   string // its lines, without space before the name
	source string // what text has after the = or colon, including a comment
	name   string
	value  string
}

// parseAsNode returns the assignments that the parse function of Node's dotenv finds in text, which has LF line
// ends and no lineSeparators. Bytes that are not UTF-8 are kept; Node replaces them.
func parseAsNode(text string) []assignment {
	var found []assignment
	for _, m := range nodeAssignment.FindAllStringSubmatchIndex(text, -1) {
		end := max(m[3], m[7])
		value := strings.Trim(text[m[3]:end], nodeSpace)
		comment, _, _ := strings.Cut(text[end:m[1]], "\n")
		end += len(comment)
		found = append(found, assignment{
			line:   1 + strings.Count(text[:m[4]], "\n"),
			text:   text[m[2]:end],
			source: strings.Trim(text[m[3]:end], nodeSpace),
			name:   text[m[4]:m[5]],
			value:  unquoteAsNode(value),
		})
	}
	return found
}

// unquoteAsNode removes one pair of quotes. A leading double quote, even without a closing one, turns \n and \r
// into line breaks.
func unquoteAsNode(s string) string {
	value := s
	if last := len(s) - 1; last > 0 && strings.ContainsAny(s[:1], "'\"`") && s[last] == s[0] {
		value = s[1:last]
	}
	if strings.HasPrefix(s, `"`) {
		value = strings.NewReplacer(`\n`, "\n", `\r`, "\r").Replace(value)
	}
	return value
}
