package parity

import (
	"slices"
	"strings"
	"time"
)

// testCase is one request, sent to the original and to this service with the same data in Redis. Its strings are
// templates. They have the placeholders of token, and {token} for the case's token. {token:all} is the token with
// every byte percent-encoded, {token:dots} only the dots, {token:lower} the dots in lower case, and {token:twice}
// the dots twice.
type testCase struct {
	name  string
	token token
	// redis are the commands that prepare Redis.
	redis []command
	// before are requests sent first to the same side.
	before []string
	// request is the request whose responses are compared byte by byte.
	request string
	// diverges names the divergences in the responses, separated by spaces. They must explain every difference, and
	// each must explain at least one.
	diverges string
	// express5 replaces diverges if the original runs on Express 5, unless it is empty.
	express5 string
}

// command is a Redis command. Its words are templates too.
type command []string

// group has the cases about one subject.
type group struct {
	name, about string
	cases       []testCase
}

// ready is a case with its templates expanded.
type ready struct {
	testCase
	made    string // the token
	redis   []command
	before  []string
	request string
}

// prepare expands the templates of a case.
func (c testCase) prepare(now time.Time) ready {
	made := c.token.make(c.name, now)
	names := strings.NewReplacer(
		"{token}", made,
		"{token:all}", percent(made, ""),
		"{token:dots}", percent(made, "."),
		"{token:twice}", percent(percent(made, "."), "%"),
		"{token:lower}", strings.ReplaceAll(made, ".", "%2e"),
	)
	fill := func(text string) string { return names.Replace(text) }
	r := ready{testCase: c, made: made, request: fill(c.request)}
	for _, words := range c.redis {
		var filled command
		for _, word := range words {
			filled = append(filled, fill(word))
		}
		r.redis = append(r.redis, filled)
	}
	for _, request := range c.before {
		r.before = append(r.before, fill(request))
	}
	return r
}

// shows reports whether the case has that divergence.
func (c testCase) shows(express, name string) bool {
	return slices.Contains(c.divergences(express), name)
}

// divergences returns the names of the case's divergences with the given version of Express.
func (c testCase) divergences(express string) []string {
	if express == "5" && c.express5 != "" {
		return strings.Fields(c.express5)
	}
	return strings.Fields(c.diverges)
}
