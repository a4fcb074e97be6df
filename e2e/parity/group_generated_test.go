package parity

import (
	"fmt"
	"math/rand/v2"
	"os"
	"strconv"
	"strings"
)

var generatedGroup = group{
	name:  "generated",
	about: "random combinations of Cookie headers and claims, sent to `/me`",
	cases: generatedCases(1, 200),
}

// moreGenerated returns PARITY_CASES cases generated from PARITY_SEED, or none if they are not set.
func moreGenerated() []testCase {
	n, _ := strconv.Atoi(os.Getenv("PARITY_CASES"))
	seed, _ := strconv.ParseUint(os.Getenv("PARITY_SEED"), 10, 64)
	return generatedCases(seed, n)
}

// generatedCases generates n cases, which must show no divergence.
func generatedCases(seed uint64, n int) []testCase {
	g := generator{rand.New(rand.NewPCG(seed, 0))}
	var cases []testCase
	for i := range n {
		c := testCase{name: fmt.Sprintf("cookie %d", i), request: get(me, cookieHeaders(g.cookie())...)}
		if i%2 == 1 {
			c = testCase{name: fmt.Sprintf("claims %d", i), request: askMe, token: token{payload: g.claims()}}
		}
		if g.IntN(5) == 0 {
			c.name += ", revoked"
			c.redis = revoked
		}
		cases = append(cases, c)
	}
	return cases
}

type generator struct{ *rand.Rand }

func (g generator) pick(from []string) string { return from[g.IntN(len(from))] }

var cookiePieces = []string{
	"token", "token", "token=", "token={token}", "token={token}", `token="{token}"`, "token={token:dots}", "token={token:all}",
	"{token}", "Token", "TOKEN=", "a=1", "a", "x", "=", "=", ";", ";", "; ", "; ", "; ", " ", "\t", `"`, `"`, "'", ",", "\n", "%",
	"%2E", "%3B", "%3D", "%22", "%20", "%zz", "%C3%A9", "%FF", "+", `\`, "\xe9", "\xc3\xa9", ".", "/", "@", "{", "}", "[", "(",
}

// cookie returns the value of one or more Cookie headers.
func (g generator) cookie() string {
	var text strings.Builder
	for range 1 + g.IntN(8) {
		text.WriteString(g.pick(cookiePieces))
	}
	return text.String()
}

var (
	claimNames = []string{
		"id", "sub", "email", "role", "iat", "exp", "EXP", "nbf", "iss", "aud", "jti", "a", "a", "b", "__proto__", "constructor", "0", "1", "",
		`\u0061`, `\u0065xp`, "é", "😀", `\ud83d\ude00`, `\ud800`, `\udc00`, "\xff", "\xe2\x82", "<", `\"`, `\\`, `\/`, "toString", "length",
	}
	claimNumbers = []string{
		"0", "-0", "1", "-1", "0.0", "1.5", "1e3", "1E-3", "1e21", "1e-7", "9007199254740993", "1e999", "-1e999", "1e-999", "123456789012345678901",
		"0.1", "5e-324", "NOW", "NOW+3600", "NOW+3600", "NOW-3600", "NOW+86340", "NOW000",
	}
	claimTexts = []string{
		"", "a", "x y", "é", "😀", `\u0000`, `\n`, `\"`, `\\`, `\/`, `\ud800`, `\udfff`, `\ud83d\ude00`, `\\ud800`, "<>&", "\u2028", "\x7f",
		"\xff", "\xc3", "\xed\xa0\x80", "\xf0\x9f\x98", "\xc0\xaf", "\ufffd", `\ufffd`, `\u003c`, "\ufeff", "\u0085", "'", "`", "${a}",
	}
	spaces = []string{"", "", "", "", "", " ", "\t", "\r\n", "  "}
)

// claims returns a JSON object, or sometimes an invalid one.
func (g generator) claims() string {
	text := g.object(3)
	if g.IntN(12) == 0 {
		i := g.IntN(len(text))
		text = text[:i] + g.pick([]string{"", ",", "}", "x", "\x00", "\n", "\u00a0", "//"}) + text[i:]
	}
	return g.pick(spaces) + text + g.pick(spaces)
}

func (g generator) object(depth int) string {
	var members []string
	for range g.IntN(6) {
		members = append(members, fmt.Sprintf(`%s"%s"%s:%s`, g.pick(spaces), g.pick(claimNames), g.pick(spaces), g.value(depth)))
	}
	return "{" + strings.Join(members, ",") + "}"
}

func (g generator) value(depth int) string {
	space := g.pick(spaces)
	switch kind := g.IntN(8); {
	case kind < 3:
		return space + g.pick(claimNumbers)
	case kind < 5:
		return space + `"` + g.pick(claimTexts) + g.pick(claimTexts) + `"`
	case kind == 5:
		return space + g.pick([]string{"true", "false", "null", "[]", "{}"})
	case depth == 0:
		return space + "null"
	case kind == 6:
		return space + "[" + g.value(depth-1) + "," + g.value(depth-1) + "]"
	}
	return space + g.object(depth-1)
}
