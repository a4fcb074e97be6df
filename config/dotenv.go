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

// ReadDotenv returns the settings in src, the content of a .env file. godotenv parses each assignment that Node's
// dotenv (16, 17 and 18, default mode) finds; the value of a setting is the one that both read. Of several assignments
// of a name the last one counts.
//
// Settings that the two read differently, or that only godotenv finds, are errors, joined in the order of their lines:
// each has the line, the name and how to write the value, but no part of it. Names that are not settings of this
// service cannot cause an error; differing lists those of them that are read differently.
func ReadDotenv(src []byte) (values map[string]string, differing []string, err error) {
	text := strings.NewReplacer("\r\n", "\n", "\r", "\n").Replace(string(src))
	if err := checkText(text); err != nil {
		return nil, nil, err
	}
	problems := ignoredSettings(text)
	values = map[string]string{}
	for _, a := range lastOfEachName(parseAsNode(text)) {
		value, same := a.parse()
		switch {
		case !isSetting(a.name) && !same:
			differing = append(differing, a.name)
		case isSetting(a.name) && (!same || strings.Contains(value, "\x00")):
			problems[a.line] = fmt.Errorf(".env line %d: %s %s", a.line, a.name, a.problem())
		case isSetting(a.name):
			values[a.name] = value
		}
	}
	var sorted []error
	for _, line := range slices.Sorted(maps.Keys(problems)) {
		sorted = append(sorted, problems[line])
	}
	return values, differing, errors.Join(sorted...)
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

// ignoredSettings returns an error for each line that Node's dotenv ignores and in which godotenv finds a setting, such
// as PORT:3000 without a space.
func ignoredSettings(text string) map[int]error {
	ignored := nodeAssignment.ReplaceAllStringFunc(text, func(assignment string) string {
		return strings.Repeat("\n", strings.Count(assignment, "\n"))
	})
	problems := map[int]error{}
	for i, line := range strings.Split(ignored, "\n") {
		values, _ := godotenv.Unmarshal(line)
		for name, value := range values {
			if isSetting(name) && value != "" { // an empty value counts as none
				problems[i+1] = fmt.Errorf(".env line %d: %s is in a line that Node's dotenv ignores; write %s='...', or "+
					"delete the line", i+1, name, name)
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
