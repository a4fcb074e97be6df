package harness

import (
	"slices"
	"strconv"
	"strings"
)

// readCommand returns the first command of text in the Redis protocol, which is an array of strings, and the rest
// of text. It returns nil if the command is incomplete.
func readCommand(text string) (args []string, rest string) {
	line, rest, complete := strings.Cut(text, "\r\n")
	count, err := strconv.Atoi(strings.TrimPrefix(line, "*"))
	if !complete || err != nil {
		return nil, text
	}
	for range count {
		line, after, complete := strings.Cut(rest, "\r\n")
		size, err := strconv.Atoi(strings.TrimPrefix(line, "$"))
		if !complete || err != nil || len(after) < size+2 {
			return nil, text
		}
		args, rest = append(args, after[:size]), after[size+2:]
	}
	return args, rest
}

// describe returns a command in the form of a RoundTrip.
func describe(args []string) string {
	args[0] = strings.ToUpper(args[0])
	if args[0] == "EVAL" && len(args) > 3 {
		if keys, err := strconv.Atoi(args[2]); err == nil && len(args) >= 3+keys {
			args = append([]string{"EVAL"}, args[3:3+keys]...)
		}
	}
	return strings.Join(args, " ")
}

// greets reports whether a command is one of those that a client sends when it opens a connection.
func greets(command string) bool {
	name, _, _ := strings.Cut(command, " ")
	return slices.Contains([]string{"HELLO", "AUTH", "SELECT", "CLIENT", "PING"}, strings.ToUpper(name))
}
