package config

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
)

// problem says what is wrong with the assignment that the block begins with, and how to mend it.
func (b dotenvBlock) problem() string {
	if len(b.node) > 0 && !strings.Contains(b.text[:b.node[0].start], "\n") {
		return b.nodeProblem(b.node[0].key, b.node[0].value)
	}
	for key, value := range b.vars {
		if !b.broken && len(b.vars) == 1 && unseenDotenvName.MatchString(key) {
			return b.unseenProblem(key, value)
		}
	}
	return "this is no assignment that both this service and Node's dotenv can read; write it as NAME='...' " +
		"(letters, digits, _ and . in the name, quotes around all lines of a value), or delete it"
}

// nodeProblem is the problem with an assignment that dotenv reads.
func (b dotenvBlock) nodeProblem(key, value string) string {
	name := showDotenvName(key)
	switch {
	case !dotenvName.MatchString(key):
		return name + " holds a -, which only Node's dotenv reads in a name; rename it (letters, digits, _ and . only), or delete the line"
	case strings.Contains(value, "\x00"):
		return name + " holds a NUL byte, which no environment variable can; delete that byte"
	case isDotenvUnfit(value):
		return name + " holds bytes that are not UTF-8, which Node's dotenv replaces; save the file as UTF-8"
	}
	how := "is read differently by Node's dotenv and by this service"
	if b.broken {
		how = "can be read by Node's dotenv, but not by this service"
	}
	sep := strings.IndexAny(b.text, "=:") + 1
	reason, spelling := dotenvReason(b.text[:sep], b.text[sep:]), dotenvSpelling(key, value, meantDotenv(b.text[sep:])...)
	return fmt.Sprintf("%s %s (%s); %s", name, how, reason, spelling)
}

// unseenProblem is the problem with an assignment that only godotenv reads.
func (b dotenvBlock) unseenProblem(key, value string) string {
	reason := dotenvUnusualSpace
	if b.text[strings.IndexAny(b.text, "=:")] == ':' {
		reason = "a colon needs a space behind it there, and none before it"
	}
	return fmt.Sprintf("%s is read by this service, but not by Node's dotenv (%s); %s", key, reason, dotenvSpelling(key, value))
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
	case line == "":
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
	return "no way of writing this value is the same to both: choose another one, or delete the line and set " +
		name + " in the real environment"
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
