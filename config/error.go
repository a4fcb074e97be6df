package config

import (
	"errors"
	"fmt"
	"reflect"
	"strings"

	"github.com/caarlos0/env/v11"
)

// Error is a wrong configuration: every wrong setting, each on a line of its own that names it, what
// it holds and what it should hold. Neither secrets nor values that may contain one are in it.
type Error struct {
	Problems []string
}

// Error returns the problems, one a line.
func (e *Error) Error() string { return strings.Join(e.Problems, "\n") }

// lines splits what errors.Join joined.
func lines(err error) []string { return strings.Split(err.Error(), "\n") }

// problems collects what is wrong with values: at most one problem for a name, the first.
type problems struct {
	values map[string]string
	found  []string
	named  map[string]bool
}

// wrong notes that the setting name does not hold what it should. The reason, which may be empty,
// follows what it should hold.
func (p *problems) wrong(name, reason string) {
	text := fmt.Sprintf("%s %s; it should be %s", name, p.holds(name), want(name))
	if reason != "" {
		text += ": " + reason
	}
	p.add(name, text)
}

// check notes the setting name as wrong unless ok.
func (p *problems) check(ok bool, name string) {
	if !ok {
		p.wrong(name, "")
	}
}

// missing notes that name has to be set, and why.
func (p *problems) missing(name, reason string) {
	p.add(name, fmt.Sprintf("%s is not set; it should be %s: %s", name, want(name), reason))
}

func (p *problems) add(name, text string) {
	if p.named[name] {
		return
	}
	if p.named == nil {
		p.named = map[string]bool{}
	}
	p.named[name] = true
	p.found = append(p.found, text)
}

// addParsing notes the settings that the env package could not parse.
func (p *problems) addParsing(err error) {
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
		field, _ := reflect.TypeFor[Config]().FieldByName(parse.Name)
		p.wrong(field.Tag.Get("env"), "")
	}
}

func (p *problems) err() error {
	if len(p.found) == 0 {
		return nil
	}
	return &Error{Problems: p.found}
}

// holds returns what the setting name holds, by its length alone if that is or may contain a password.
func (p *problems) holds(name string) string {
	value := p.values[name]
	switch {
	case value == "":
		return "is not set"
	case field(name).Type == reflect.TypeFor[Secret]():
		return fmt.Sprintf("is set (%d bytes)", len(value))
	case mayHoldPassword(value):
		return fmt.Sprintf("is set (%s)", withheld(value))
	default:
		return fmt.Sprintf("is %q", value)
	}
}

// mayHoldPassword reports whether a value that should hold none may contain a password, as a URL of Redis does.
func mayHoldPassword(value string) bool {
	return strings.Contains(value, "@") || strings.Contains(value, "://")
}

// withheld returns what is shown in place of such a value.
func withheld(value string) string {
	return fmt.Sprintf("%d bytes, not shown because it may contain a password", len(value))
}

func want(name string) string { return field(name).Tag.Get("want") }

// field returns the field of Config that the setting name is read into.
func field(name string) reflect.StructField {
	for field := range reflect.TypeFor[Config]().Fields() {
		if field.Tag.Get("env") == name {
			return field
		}
	}
	panic("config: no setting is named " + name)
}
