package parity

import (
	"slices"
	"strings"
	"time"
)

// testCase is one request, sent to the original and to this service in the same state of Redis. Its
// texts are templates: those of token, and {token} for the case's token. {token:all} is percent-encoded
// in every byte, {token:dots} at its dots, {token:lower} there in lower case, {token:twice} there twice.
type testCase struct {
	name  string
	token token
	// redis are the commands that prepare Redis.
	redis []command
	// before are requests sent first, to the same side.
	before []string
	// request is the request that is compared, byte by byte.
	request string
	// diverges names the divergences that the answers show, separated by spaces. All of the
	// difference between them must be explained by these, and each must explain some.
	diverges string
	// express5 takes the place of diverges where the original runs on Express 5, if it is not empty.
	express5 string
}

// command is a command for Redis, its words templates as well.
type command []string

// group is the cases of one subject.
type group struct {
	name, about string
	cases       []testCase
}

// ready is a case with its templates filled in.
type ready struct {
	testCase
	made    string // the token
	redis   []command
	before  []string
	request string
}

// prepare fills in a case's templates.
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

// shows reports whether the case names that divergence.
func (c testCase) shows(express, name string) bool {
	return slices.Contains(c.divergences(express), name)
}

// divergences returns the names of those that the case has on the given Express.
func (c testCase) divergences(express string) []string {
	if express == "5" && c.express5 != "" {
		return strings.Fields(c.express5)
	}
	return strings.Fields(c.diverges)
}
