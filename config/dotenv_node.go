package config

import (
	"regexp"
	"strings"
	"unicode/utf8"
)

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

// A dotenvVar is one assignment that dotenv reads in text[start:end].
type dotenvVar struct {
	key, value string
	start, end int
}

// parseAsDotenv lists the assignments that dotenv's parse finds in text, which has LF line ends and
// no dotenvSeparators. Bytes that are not UTF-8 are kept, where Node puts U+FFFD: see isDotenvUnfit.
func parseAsDotenv(text string) []dotenvVar {
	var vars []dotenvVar
	for _, m := range dotenvLine.FindAllStringSubmatchIndex(text, -1) {
		v := dotenvVar{key: text[m[4]:m[5]], start: m[2], end: max(m[3], m[7])}
		if v.key == "__proto__" {
			continue // assigning a string to it leaves a JavaScript object as it was
		}
		v.value = unquoteAsDotenv(strings.Trim(text[m[3]:v.end], dotenvSpace))
		vars = append(vars, v)
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
