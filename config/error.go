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

// findings collects what is wrong with values: at most one problem for each name, the first.
type findings struct {
	values map[string]string
	found  []string
	named  map[string]bool
}

// wrong adds that the setting name does not have the value that it should. The reason may be empty.
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

// missing adds that the setting name has to be set, and why.
func (p *findings) missing(name, reason string) {
	p.add(name, fmt.Sprintf("%s is not set; it should be %s: %s", name, want(name), reason))
}

// add adds text for the setting name, unless it has a problem already.
func (p *findings) add(name, text string) {
	if p.named[name] {
		return
	}
	if p.named == nil {
		p.named = map[string]bool{}
	}
	p.named[name] = true
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
		p.wrong(f.Tag.Get("env"), "")
	}
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
	case field(name).Type == reflect.TypeFor[Secret]():
		return fmt.Sprintf("is set (%d bytes)", len(value))
	case mayContainPassword(value):
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

// withheld returns what is shown instead of such a value.
func withheld(value string) string {
	return fmt.Sprintf("%d bytes, not shown because it may contain a password", len(value))
}

// want returns what the value of the setting name should be.
func want(name string) string { return field(name).Tag.Get("want") }
