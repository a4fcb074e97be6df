package config

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// TestTeams loads the .env files of teams in testdata/teams. The first comment of each says what to expect:
//
//	starts; warns LOG_LEVEL; differing SMTP_PASS; guess REDIS_URI
//	stopped JWT_SECRET PORT
//
// "# environ:" sets variables in the environment, and "# crlf" changes the line ends.
func TestTeams(t *testing.T) {
	t.Parallel()
	paths, err := filepath.Glob("testdata/teams/*.env")
	if err != nil || len(paths) < 40 {
		t.Fatalf("%d files, %v", len(paths), err)
	}
	for _, path := range paths {
		content, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		text := string(content)
		if strings.Contains(text, "\n# crlf\n") {
			text = strings.ReplaceAll(text, "\n", "\r\n")
			path = filepath.Join(t.TempDir(), filepath.Base(path))
			if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		c, err := Load(path, strings.Fields(directive(text, "environ")))
		if got, want := outcome(t, c, err), directive(text, "expect"); got != want {
			t.Errorf("%s: %s\n%v\nwant %s", path, got, err, want)
		}
		for _, secret := range []string{"hunter2", "s3cr3t", "Tr0ng", "9f86d08", "p1@", "pa$"} {
			if said := fmt.Sprint(err, c); strings.Contains(said, secret) {
				t.Errorf("%s: a secret is in %s", path, said)
			}
		}
	}
}

// directive returns what text has after "# name: " on a line.
func directive(text, name string) string {
	_, rest, _ := strings.Cut(text, "# "+name+": ")
	line, _, _ := strings.Cut(rest, "\n")
	return strings.TrimSpace(line)
}

var (
	problemName     = regexp.MustCompile(`^(?:\.env line \d+: )?([A-Z_]+) `)
	differingNames  = regexp.MustCompile(`^the \.env file has names .* differently: (.*); write`)
	guessedVariable = regexp.MustCompile(`^(\w+) is set: if it is `)
)

// outcome describes the result of Load as the files in testdata/teams do.
func outcome(t *testing.T, c *Config, err error) string {
	t.Helper()
	var wrong *Error
	if errors.As(err, &wrong) {
		names := namesIn(t, wrong.Problems)
		for _, name := range names {
			if !isSetting(name) {
				t.Errorf("%s stops the service, which does not read it", name)
			}
		}
		return "stopped " + strings.Join(names, " ")
	}
	if err != nil {
		return err.Error()
	}
	var warnings []string
	text := ""
	for _, warning := range c.Warnings {
		if m := differingNames.FindStringSubmatch(warning); m != nil {
			text = "; differing " + strings.ReplaceAll(m[1], ",", "")
		} else {
			warnings = append(warnings, warning)
		}
	}
	if len(warnings) > 0 {
		text = "; warns " + strings.Join(namesIn(t, warnings), " ") + text
	}
	if c.RedisGuess != "" {
		text += "; guess " + guessedVariable.FindStringSubmatch(c.RedisGuess)[1]
	}
	return "starts" + text
}

// namesIn returns the sorted names that the messages begin with. No name may have two messages.
func namesIn(t *testing.T, messages []string) (names []string) {
	t.Helper()
	for _, message := range messages {
		m := problemName.FindStringSubmatch(message)
		if m == nil {
			t.Errorf("no name in %q", message)
			continue
		}
		if slices.Contains(names, m[1]) {
			t.Errorf("%s has two messages", m[1])
		}
		names = append(names, m[1])
	}
	slices.Sort(names)
	return names
}
