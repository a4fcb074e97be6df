package config

import (
	"errors"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/joho/godotenv"
)

// Dotenv is what a .env file contains.
type Dotenv struct {
	Values    map[string]string // the settings, without those that are rejected
	Rejected  []string          // the settings that the error is about
	Others    []string          // the names that are not settings of this service and have a value
	Differing []string          // names that are not settings and that the two parsers read differently
}

// ReadDotenv returns what src, the content of a .env file, contains. godotenv parses each assignment that Node's
// dotenv (16, 17 and 18, default mode) finds; the value of a setting is the one that both read. Of several assignments
// of a name the last one counts.
//
// Settings that the two read differently, or that only godotenv finds, are errors, joined in the order of their lines:
// each has the line, the name and how to write the value, but no part of the value. Names that are not settings of this
// service cannot cause an error. If the file as a whole cannot be read, nothing is in Rejected.
func ReadDotenv(src []byte) (Dotenv, error) {
	text := strings.NewReplacer("\r\n", "\n", "\r", "\n").Replace(string(src))
	if err := checkText(text); err != nil {
		return Dotenv{}, err
	}
	found := Dotenv{Values: map[string]string{}}
	problems := ignoredSettings(text)
	for _, a := range lastOfEachName(parseAsNode(text)) {
		value, same := a.parse()
		if !isSetting(a.name) {
			if a.value != "" {
				found.Others = append(found.Others, a.name)
			}
			if !same {
				found.Differing = append(found.Differing, a.name)
			}
			continue
		}
		if same && !strings.Contains(value, "\x00") {
			found.Values[a.name] = value
			continue
		}
		problems[a.line] = problem{a.name, fmt.Errorf(".env line %d: %s %s", a.line, a.name, a.problem())}
	}
	var errs []error
	for _, line := range slices.Sorted(maps.Keys(problems)) {
		found.Rejected = append(found.Rejected, problems[line].name)
		errs = append(errs, problems[line].err)
	}
	return found, errors.Join(errs...)
}

// A problem is why a setting in the file is rejected.
type problem struct {
	name string
	err  error
}

// checkText returns an error if the file as a whole can't be read.
func checkText(text string) error {
	isUTF16 := strings.HasPrefix(text, "\xff\xfe") || strings.HasPrefix(text, "\xfe\xff") ||
		strings.Contains(text, "\x00=\x00")
	if isUTF16 {
		return errors.New(".env line 1: the file is UTF-16; save it as UTF-8")
	}
	if at := strings.IndexAny(text, lineSeparators); at >= 0 {
		return fmt.Errorf(".env line %d: there is an invisible U+2028 or U+2029, which ends the line only in "+
			"Node's dotenv; delete it", 1+strings.Count(text[:at], "\n"))
	}
	return nil
}

// lastOfEachName drops the assignments that a later one of the same name overrides.
func lastOfEachName(all []assignment) []assignment {
	last := map[string]int{}
	for i, a := range all {
		last[a.name] = i
	}
	var kept []assignment
	for i, a := range all {
		if last[a.name] == i {
			kept = append(kept, a)
		}
	}
	return kept
}

// parse returns the value that godotenv reads in the assignment and reports whether Node's dotenv reads the same.
func (a assignment) parse() (value string, same bool) {
	values, err := godotenv.Unmarshal(a.text)
	value, found := values[a.name]
	return value, err == nil && found && value == a.value && utf8.ValidString(value)
}

// ignoredSettings returns a problem for each line that Node's dotenv ignores and in which godotenv finds a setting,
// such as PORT:3000 without a space.
func ignoredSettings(text string) map[int]problem {
	ignored := nodeAssignment.ReplaceAllStringFunc(text, func(assignment string) string {
		return strings.Repeat("\n", strings.Count(assignment, "\n"))
	})
	problems := map[int]problem{}
	for i, line := range strings.Split(ignored, "\n") {
		values, _ := godotenv.Unmarshal(line)
		for name, value := range values {
			if isSetting(name) && value != "" { // an empty value counts as not set
				problems[i+1] = problem{name, fmt.Errorf(".env line %d: %s is in a line that Node's dotenv ignores; "+
					"write %s='...', or delete the line", i+1, name, name)}
			}
		}
	}
	return problems
}

// printableName excludes names that may be a line of a secret without quotes.
var printableName = regexp.MustCompile(`^(?:[A-Z0-9_.-]{1,40}|[a-z0-9_.-]{1,40})$`)

// dotenvWarning names what ReadDotenv found to differ.
func dotenvWarning(differing []string) string {
	names := slices.DeleteFunc(slices.Clone(differing), func(n string) bool { return !printableName.MatchString(n) })
	if hidden := len(differing) - len(names); hidden > 0 {
		names = append(names, fmt.Sprintf("%d more", hidden))
	}
	return "the .env file has names that Node's dotenv and this service read differently: " +
		strings.Join(names, ", ") + "; write them as NAME='...'"
}
