package config

import (
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"

	"github.com/caarlos0/env/v11"
)

// Error is a wrong configuration. It has one line for every wrong setting, with its name, its value and what the
// value should be. It contains no secrets and no values that may contain one.
type Error struct {
	Problems []string
}

// Error returns the problems, one per line.
func (e *Error) Error() string { return strings.Join(e.Problems, "\n") }

// lines returns the errors that errors.Join joined.
func lines(err error) []string { return strings.Split(err.Error(), "\n") }

// findings has the values of the settings and collects what is wrong with them: at most one problem for each name, the
// first. A setting that is written in a wrong form in the .env file has its problem from the beginning.
type findings struct {
	values   map[string]string
	inFile   map[string]bool   // the variables whose value is that of the .env file
	files    map[string]string // the secrets that are in a file → its path
	others   map[string]string // folded name → name, of the variables that are not settings and have a value
	found    []string
	reported map[string]bool // the settings that have a problem
}

// newFindings returns the findings in file; err is what ReadDotenv found wrong with it.
func newFindings(file Dotenv, err error) *findings {
	p := &findings{
		values:   map[string]string{},
		inFile:   map[string]bool{},
		files:    map[string]string{},
		others:   map[string]string{},
		reported: map[string]bool{},
	}
	for name, value := range file.Values {
		p.set(name, value)
		p.inFile[name] = true
	}
	for _, name := range file.Others {
		p.others[fold(name)], p.inFile[name] = name, true
	}
	for _, name := range file.Rejected {
		p.reported[name], p.inFile[name] = true, true
	}
	if err != nil {
		p.found = lines(err)
	}
	return p
}

// exact has the settings, besides the secrets, whose values are used as they are.
var exact = []string{"NODE_ENV", "BLACKLIST_KEY"}

// set sets a variable. White space around a value is removed, unless the setting is used as it is.
func (p *findings) set(name, value string) {
	switch {
	case isSetting(name):
		if !isSecret(name) && !slices.Contains(exact, name) {
			value = strings.TrimSpace(value)
		}
		p.values[name], p.inFile[name] = value, false
	case value != "":
		p.others[fold(name)], p.inFile[name] = name, false
	default:
		delete(p.others, fold(name))
	}
}

// wrong adds that the value of the setting name is wrong. The reason may be empty.
func (p *findings) wrong(name, reason string) {
	text := fmt.Sprintf("%s %s; it should be %s", name, p.describe(name), want(name))
	if reason != "" {
		text += ": " + reason
	}
	p.add(name, text)
}

// check adds the setting name as wrong unless ok.
func (p *findings) check(ok bool, name string) {
	if !ok {
		p.wrong(name, "")
	}
}

// checkKeyword adds the setting name as wrong unless its value is one of those allowed.
func (p *findings) checkKeyword(value Keyword, name string, allowed ...Keyword) {
	p.check(slices.Contains(allowed, value), name)
}

// missing adds that the setting name has to be set, why, and which other variable may be meant for it.
func (p *findings) missing(name, reason string) {
	if guess := p.guess(name); guess != "" {
		reason += "; " + guess
	}
	p.add(name, fmt.Sprintf("%s is not set; it should be %s: %s", name, want(name), reason))
}

// add adds text for the setting name, unless it has a problem already.
func (p *findings) add(name, text string) {
	if p.reported[name] {
		return
	}
	p.reported[name] = true
	p.found = append(p.found, text)
}

// addParsing adds the settings that the env package could not parse.
func (p *findings) addParsing(err error) {
	var all env.AggregateError
	if err == nil {
		return
	}
	if !errors.As(err, &all) {
		p.found = append(p.found, err.Error())
		return
	}
	for _, err := range all.Errors {
		var parse env.ParseError
		if !errors.As(err, &parse) {
			p.found = append(p.found, err.Error())
			continue
		}
		f, _ := reflect.TypeFor[Config]().FieldByName(parse.Name)
		name := f.Tag.Get("env")
		p.wrong(name, p.reason(name))
	}
}

// reason returns why a value that cannot be parsed is wrong, "" if that is obvious.
func (p *findings) reason(name string) string {
	value := p.values[name]
	if name == "JWT_EXPIRES_IN" && isBareNumber(value) {
		return "jsonwebtoken reads a number without a unit as milliseconds, while people mean seconds"
	}
	return serviceReason(name, value)
}

// err returns the problems as an *Error, or nil if there are none.
func (p *findings) err() error {
	if len(p.found) == 0 {
		return nil
	}
	return &Error{Problems: p.found}
}

// describe returns the value of the setting name, or only its length if it is or may contain a password.
func (p *findings) describe(name string) string {
	value := p.values[name]
	switch {
	case value == "":
		return "is not set"
	case p.files[name] != "":
		return fmt.Sprintf("is set (%d bytes in %s)", len(value), p.files[name])
	case isSecret(name):
		return fmt.Sprintf("is set (%d bytes)", len(value))
	case mayContainPassword(value) || isFile(name) && !isPath(value):
		return fmt.Sprintf("is set (%s)", withheld(value))
	default:
		return fmt.Sprintf("is %q", value)
	}
}

// mayContainPassword reports whether the value of a setting that is no secret may contain a password, as a URL
// of Redis does.
func mayContainPassword(value string) bool {
	return strings.Contains(value, "@") || strings.Contains(value, "://")
}

// withheld returns what is shown instead of a value that may contain a password.
func withheld(value string) string {
	return fmt.Sprintf("%d bytes, not shown because it may contain a password", len(value))
}

// want returns what the value of the setting name should be.
func want(name string) string {
	if isSecretFile(name) {
		return "the absolute path of a file with the value of " + strings.TrimSuffix(name, fileSuffix)
	}
	return field(name).Tag.Get("want")
}
