package harness

import (
	"regexp"
	"strings"
)

// leaks are the patterns that no program of a test may print: tokens, hashes of passwords, connection strings with
// a password, and the passwords of the tests.
var leaks = map[string]*regexp.Regexp{
	"a token":             regexp.MustCompile(`eyJ[A-Za-z0-9_-]{5,}\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+`),
	"a password's hash":   regexp.MustCompile(`\$2[aby]\$[0-9]{2}\$[./A-Za-z0-9]{20,}`),
	"a password":          regexp.MustCompile(`(?i)(correct|wrong|a wrong) horse`),
	"a connection string": regexp.MustCompile(`rediss?://[^\s/@]*:[^\s/@*]+@`),
}

// example matches the curl commands that the service prints when it starts with an embedded Redis.
var example = regexp.MustCompile(`(?m)^  curl .*$`)

// leaked describes the first leak in output, including the secrets of env, or returns "".
func leaked(output string, env []string) string {
	output = example.ReplaceAllString(output, "")
	for what, pattern := range leaks {
		if pattern.MatchString(output) {
			return what
		}
	}
	for _, setting := range env {
		name, value, _ := strings.Cut(setting, "=")
		isSecret := strings.HasPrefix(name, "JWT_SECRET") || strings.HasSuffix(name, "PASSWORD")
		if isSecret && len(value) >= 8 && strings.Contains(output, value) { // shorter ones could be part of other words
			return name
		}
	}
	return ""
}
