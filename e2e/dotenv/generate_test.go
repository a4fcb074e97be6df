package dotenv

import (
	"math/rand/v2"
	"strings"
)

// secretWords are used only in values, so no error may contain one.
var secretWords = []string{"zq7", "Xw9", "jJ4v"}

var (
	names = []string{
		"A", "A", "B", "JWT_SECRET", "KEY", "a.b", "k1", "9", "-", "MY-KEY", "A B", "é", "ê", "__proto__",
		"export", "exportA", "",
	}
	spaces = []string{
		"", "", "", "", "", " ", " ", "  ", "\t", "\n", "\r\n", "\r", "\v", "\f", "\u00a0", "\u0085", "\ufeff",
		"\u2003", "\u3000", "\u180e",
	}
	signs = []string{"=", "=", "=", "=", "=", "=", "=", ": ", ":", "==", "=:", ""}
	marks = []string{
		"'", "'", `"`, `"`, "`", "#", " #", "$", "${", "$(", "}", ")", `\`, `\`, `\\`, `\n`, `\r`, `\t`, `\$`,
		`\'`, `\"`, "\\`",
		" ", "\t", "\n", "\r\n", "\r", "=", ":", "export ", "A", "B", "KEY", "-", "_",
		".", "!", "%", "&", "é", "😀",
		"\u00a0", "\u0085", "\ufeff", "\u2003", "\xff", "\xe2\x82", "\xc3", "\x00", "\u2028", "\ufffd",
		"$A", "${B}", "$1", "{", "/", "+",
	}
	breaks = []string{
		"\n", "\n", "\n", "\n", "\n", "\n", "\r\n", "\r\n", "\r", "\n\n", "", "\n \n", "\n# note\n",
		"\n#A=1\n", "\r\r\n",
	}
)

// A generator creates .env files that are mostly ordinary and contain something unusual.
type generator struct{ *rand.Rand }

// settings replaces A and B, the short names in the tables, by settings of the service.
var settings = strings.NewReplacer("A", "HOST", "B", "PORT")

// texts returns n files, the handwritten ones first.
func (g generator) texts(n uint64) []string {
	texts := append([]string{}, handwritten...)
	for uint64(len(texts)) < n {
		texts = append(texts, g.text())
	}
	for i := range texts {
		texts[i] = settings.Replace(texts[i])
	}
	return texts
}

func (g generator) pick(from []string) string { return from[g.IntN(len(from))] }

func (g generator) text() string {
	if g.IntN(10) == 0 {
		return g.jumble(12)
	}
	var b strings.Builder
	if g.IntN(60) == 0 {
		b.WriteString("\ufeff")
	}
	for range 1 + g.IntN(1+g.IntN(5)) {
		b.WriteString(g.line())
		b.WriteString(g.pick(breaks))
	}
	return b.String()
}

func (g generator) line() string {
	switch g.IntN(20) {
	case 0:
		return "# note " + g.jumble(3)
	case 1:
		return g.jumble(6)
	case 2:
		return g.pick(handwritten)
	}
	export := ""
	if g.IntN(12) == 0 {
		export = "export" + g.pick(spaces)
	}
	name := names[g.IntN(7)]
	if g.IntN(12) == 0 {
		name = g.pick(names)
	}
	line := g.space() + export + name + g.space() + g.pick(signs) + g.space() + g.value() + g.space()
	if g.IntN(8) == 0 {
		line += "# note" + g.jumble(2)
	}
	return line
}

func (g generator) space() string {
	if g.IntN(4) > 0 {
		return ""
	}
	return g.pick(spaces)
}

func (g generator) value() string {
	v := g.jumble(g.IntN(5))
	if g.IntN(5) > 1 {
		v = g.pick(secretWords) + g.pick(marks[:20])
	}
	if q := g.IntN(8); q < 5 {
		quote := []string{"'", "'", `"`, `"`, "`"}[q]
		return quote + v + quote
	}
	return v
}

// jumble returns n pieces. Half of them are words without special characters.
func (g generator) jumble(n int) string {
	var b strings.Builder
	for range n {
		if g.IntN(2) == 0 {
			b.WriteString(g.pick(marks))
		} else {
			b.WriteString(g.pick(secretWords))
		}
	}
	return b.String()
}

// handwritten has lines as people write them, and lines that each test one rule.
var handwritten = []string{
	"", "\n", "#", "A=", "A=1", "A = 1", " A=1 ", "export A=1", "export  A = 1", "A: 1", "A:1", "A : 1", "A:",
	"A:\n", "A:\nB=1",
	"A", "A\n", "=1", "=", ":", "export", "export ", "export A", "export=1", "export =1", "export\nA=1", "export: 1",
	"JWT_SECRET=ab$CD1x", "JWT_SECRET=ab#cd", "JWT_SECRET=ab #cd", "A=x #y #z", "A= # note", "A=# note", "A=#1a2b3c",
	"A=$B", "A=${B}", "A=$(B)", `A=\$B`, "A=$", "A=$x", "A=${", "A=$1", "B=1\nA=$B", "B=1\nA='$B'", "B='$B'\nA=$B",
	`A='zq7'`, `A="zq7"`, "A=`zq7`", `A='a#b'`, `A="a#b"`, `A="a\nb"`, `A="a\rb"`, `A="a\tb"`, `A="a\\nb"`,
	`A="a\"b"`, `A='a\'b'`, `A='a\nb'`,
	`A="$B"`, `A="\$B"`, `A="$x"`, `A=it's`, `A='it's'`, `A=''x''`, `A="""x"""`, `A='''`, `A="x`, `A='x`,
	`A="x'`, `A='"x"'`, `A="'x'"`,
	`A='x' y`, `A='x' # y`, `A='x'#y`, `A="x" y`, `A="x"y"z"`, `A='x' B=2`, `A='x'B=2`, "A='x'\nB=2", `A='x\'`,
	`A="x\"`, `A='x\''`, `A=x\`, `A='\''`,
	`A={"a":"b"}`, `A='{"a":"b"}'`, `A="{\"a\":\"b\"}"`, "A=a b c", "A=a'b\"c", "A='a\nb'", "A=\"a\nb\"",
	"A='a\r\nb'", "A='a\rb'", "A='a\n\n#b\n'",
	"A='a\nb' c", "A=\"-----BEGIN\nzq7+/\nXw9==\n-----END\"", "A=-----BEGIN\nzq7+/\nXw9==\n-----END-----",
	"A=\n'x'", "A=\n\"x\"", "A=\n\n`x`", "A=\nB", "A= \nB=2",
	"MY-KEY=1", "MY KEY=1", "é=1", "ê=1", "A\u00a0=1", "A=\u00a01",
	"\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a\u202f\u205f\u3000\ufeff" +
		"A=1", "A=\u0085x", "A=\u2003x", "\u2003A=1", "A\u2003=1", "A=\u2003'x'", "\ufeffA=1", "A=1\n\ufeffB=2",
	"A=1\rB=2", "A=1\rB=2\r", "A=\rB=2", "# note\rA=1", "A='1\r2'", "A=1\r\nB=2\r\n", "A=1\r\r\nB=2",
	"A=1\n\rB=2", "A:\rB=1",
	"A=1\nA=2", "A=1\nA=#2", "A=#1\nA=2", "A=1\nB=#\nC=$D\nE-F=1\nG", "A='x\nB=1\nC='y'", "A=\"x\nB=1\nC=2",
	"A='x\nB=it's\n",
	"A=\xff", "A='\xff'", "A=\xe2\x82", "A='\xe2\x82'", "# \xff\nA=1", "A=1 # \xff", "A=\ufffd", "A='\x00'",
	"A=a\x00b", "# \x00\nA=1", "\xff\xfeA\x00=\x001\x00", "\xff\xfe#\x00",
	"A=x\u2028y", "# \u2028\nA=1", "# x\u2028A=1", "A='x\u2029'", "__proto__=1", "__proto__='1'\nA=1",
	"A=1 B=2", "A='zq7'Xw9=jJ4v", "A=\"zq7\"Xw9:jJ4v",
	"A==", "A==x", "A=:x", "A:=x", "A: =x", "A.B=1", "1=1", ".=1", "_=1", "A=1;B=2",
	"A=postgres://u:p@h:1/d?x=y&z", "A=C:\\dir\\new", "'A'=1", "\"A\"=1", "- A=1", "[x]",
}
