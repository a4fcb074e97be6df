package config

import (
	"fmt"
	"regexp"
	"strings"
	"unicode/utf8"
)

// problem says why an assignment can't be used and how to write it instead.
func (a assignment) problem() string {
	switch {
	case strings.Contains(a.value, "\x00"):
		return "contains a NUL byte, which no environment variable can; delete that byte"
	case !utf8.ValidString(a.value):
		return "contains bytes that are not UTF-8, which Node's dotenv replaces; save the file as UTF-8"
	}
	reason := "an unusual space or a line break is next to the name or the value"
	for _, r := range differences {
		if r.source.MatchString(a.source) {
			reason = r.reason
			break
		}
	}
	return fmt.Sprintf("is read differently by Node's dotenv and by this service (%s); %s", reason, a.advice())
}

// differences has the usual reasons why a value is read differently. The first that matches its source is given.
var differences = []struct {
	source *regexp.Regexp
	reason string
}{
	{regexp.MustCompile("^`"), "this service does not read backticks as quotes"},
	{regexp.MustCompile(`^'[^']*$|^"[^"]*$`), "the closing quote is missing"},
	{regexp.MustCompile(`^"[^"]*[\\$]`), "in double quotes this service expands $ and drops backslashes"},
	{regexp.MustCompile(`^'[^']*\\'`), "this service does not end a value at a quote after a backslash"},
	{regexp.MustCompile(`^'[^']*'\s*[^\s#]|^"[^"]*"\s*[^\s#]`), "there is text after the closing quote"},
	{regexp.MustCompile(`^[^#]*\$`), "this service replaces $ and the name after it in an unquoted value"},
	{regexp.MustCompile(`#`), "Node's dotenv ends an unquoted value at the first #"},
}

// advice says how to write the value so that both read the same. If possible, it also fits an unquoted value that
// includes everything after a #. Each way to write the value is tried before it is advised.
func (a assignment) advice() string {
	tries := [][]string{{a.source, a.value}, {a.value}}
	if strings.ContainsAny(a.source[:min(1, len(a.source))], "'\"`") {
		tries = tries[1:]
	}
	for _, values := range tries {
		for _, s := range []struct{ quote, words string }{
			{"'", "in single quotes"}, {`"`, "in double quotes"}, {"", "without quotes"},
		} {
			if !areReadAlike(a.name, s.quote, values) {
				continue
			}
			written := a.name + "=" + s.quote + "..." + s.quote
			switch {
			case a.value == "":
				return fmt.Sprintf("write %s='' if it is to be empty, otherwise %s", a.name, written)
			case strings.Contains(a.value, "\n"):
				return fmt.Sprintf("write it %s with real line breaks: %s", s.words, written)
			}
			return fmt.Sprintf("write it %s: %s", s.words, written)
		}
	}
	return "this value cannot be written so that both read the same: choose another value, or delete the line and set " +
		a.name + " in the environment"
}

// areReadAlike reports whether both read each of the values when it is written in the given quotes.
func areReadAlike(name, quote string, values []string) bool {
	for _, value := range values {
		found := parseAsNode(name + "=" + quote + value + quote)
		if len(found) != 1 || found[0].value != value || strings.Contains(value, "\r") { // a CR in a file becomes LF
			return false
		}
		if _, same := found[0].parse(); !same {
			return false
		}
	}
	return true
}
