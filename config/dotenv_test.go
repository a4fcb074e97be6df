package config

import (
	"maps"
	"slices"
	"strings"
	"testing"
)

// TestDotenvAgrees: lines on whose value for A godotenv and Node's dotenv agree.
func TestDotenvAgrees(t *testing.T) {
	t.Parallel()
	for line, want := range map[string]string{
		"A=":                         "",
		"A=x":                        "x",
		"A = x ":                     "x",
		"\tA\t=\tx\t":                "x",
		"export A=x":                 "x",
		"export  A = x":              "x",
		"A: x":                       "x",
		"A:\n":                       "",
		"A=:x":                       ":x",
		"A==":                        "=",
		"A=x y z":                    "x y z",
		"A=x B=y":                    "x B=y",
		"A=x # note":                 "x",
		"A=x\t#note":                 "x",
		"A= \n":                      "",
		"A=x\r\n":                    "x",
		"A=x\r\r\n":                  "x",
		"A=x\rB=y":                   "x",
		"A=\u00a0x\u00a0":            "x",
		"A\u00a0=x":                  "x",
		"\u2003A=x":                  "x",
		"A=é😀":                       "é😀",
		"A=\ufffd":                   "\ufffd",
		`A=C:\new`:                   `C:\new`,
		`A=x\`:                       `x\`,
		"A=$":                        "$",
		"A=$x":                       "$x",
		"A=${":                       "${",
		"A=it's":                     "it's",
		`A={"a":"b"}`:                `{"a":"b"}`,
		"A=x`y`":                     "x`y`",
		"A=redis://:p@h:1/0?a=b&c":   "redis://:p@h:1/0?a=b&c",
		"A=''":                       "",
		"A='x'":                      "x",
		"A=' x '":                    " x ",
		"A='x#y'":                    "x#y",
		"A='x' # note":               "x",
		"A='x'#note":                 "x",
		"A='$B ${B} $(B)'":           "$B ${B} $(B)",
		`A='a\nb'`:                   `a\nb`,
		`A='a\'b'`:                   `a\'b`,
		`A='"x"'`:                    `"x"`,
		"A='`x`'":                    "`x`",
		"A='a\nb'":                   "a\nb",
		"A='a\r\nb'":                 "a\nb",
		"A='a\n# no comment\nB=y\n'": "a\n# no comment\nB=y\n",
		`A="x"`:                      "x",
		`A=" x " # note`:             " x ",
		`A="x#y"`:                    "x#y",
		`A="it's"`:                   "it's",
		`A="a\nb\r"`:                 "a\nb\r",
		`A="$x"`:                     "$x",
		"A=\"a\nb\"":                 "a\nb",
		"A=x\nA=y":                   "y",
		"A=#x\nA=y":                  "y",
		"B=x\nA='$B'":                "$B",
		"# \xff \x00\nA=x # \xff":    "x",
		"\n\n  # note\n\nA=x\n\n":    "x",
	} {
		if vars, err := ReadDotenv([]byte(line)); err != nil || vars["A"] != want {
			t.Errorf("ReadDotenv(%q) = %q, %v; want A = %q", line, vars, err, want)
		}
	}
}

// A dotenvMending is a line, how its writer may mend it after the advice, and the value it has
// then; "" where the advice leaves the line to the writer.
type dotenvMending struct{ line, mended, value string }

// TestDotenvRefuses: what is said about which lines, and that following it helps.
func TestDotenvRefuses(t *testing.T) {
	t.Parallel()
	for message, lines := range map[string][]dotenvMending{
		".env line 1: A is read differently by Node's dotenv and by this service (Node's dotenv ends an unquoted value at the first #); write it in single quotes: A='...'": {
			{"A=s3cr3t#x", "A='s3cr3t#x'", "s3cr3t#x"},
			{"A=s3cr3t#x", "A='s3cr3t'", "s3cr3t"},
			{"A=s3cr3t #x #y", "A='s3cr3t #x #y'", "s3cr3t #x #y"},
		},
		".env line 1: A is read differently by Node's dotenv and by this service (Node's dotenv ends an unquoted value at the first #); write A='' if it is to be empty, otherwise A='...'": {
			{"A=#s3cr3t", "A='#s3cr3t'", "#s3cr3t"},
			{"A= # s3cr3t", "A='' # s3cr3t", ""},
		},
		`.env line 1: A is read differently by Node's dotenv and by this service (Node's dotenv ends an unquoted value at the first #); write it in double quotes: A="..."`: {
			{"A=s3cr3t#it's", `A="s3cr3t#it's"`, "s3cr3t#it's"},
			{`A=it's#s3cr3t"`, `A="it's"`, "it's"},
		},
		".env line 1: A is read differently by Node's dotenv and by this service (this service replaces $ and what follows it in an unquoted value); write it in single quotes: A='...'": {
			{"A=s3cr3t$CD1x", "A='s3cr3t$CD1x'", "s3cr3t$CD1x"},
			{"A=${S3}s3cr3t", "A='${S3}s3cr3t'", "${S3}s3cr3t"},
			{`A=s3cr3t\$x`, `A='s3cr3t\$x'`, `s3cr3t\$x`},
			{"A=s3cr3t$1", "A='s3cr3t$1'", "s3cr3t$1"},
		},
		".env line 2: A is read differently by Node's dotenv and by this service (this service replaces $ and what follows it in an unquoted value); write it in single quotes: A='...'": {
			{"B=x\nA=s3cr3t$B", "B=x\nA='s3cr3t$B'", "s3cr3t$B"},
		},
		".env line 1: A is read differently by Node's dotenv and by this service (this service replaces $ and what follows it in an unquoted value); no way of writing this value is the same to both: choose another one, or delete the line and set A in the real environment": {
			{"A=it's$S3s3cr3t", "", ""},
		},
		`.env line 1: A is read differently by Node's dotenv and by this service (this service replaces $ and what follows it in an unquoted value); write it in double quotes: A="..."`: {
			{"A=it's$x#s3cr3t", `A="it's$x#s3cr3t"`, "it's$x#s3cr3t"},
		},
		".env line 1: A is read differently by Node's dotenv and by this service (an unusual space or line break stands around the name or the value); write it in single quotes: A='...'": {
			{"A=\u2003s3cr3t", "A='s3cr3t'", "s3cr3t"},
			{"A=s3cr3t\u0085", "A='s3cr3t\u0085'", "s3cr3t\u0085"},
		},
		".env line 1: A is read differently by Node's dotenv and by this service (this service takes backticks for a part of the value); write it in single quotes: A='...'": {
			{"A=`s3cr3t`", "A='s3cr3t'", "s3cr3t"},
		},
		`.env line 1: A is read differently by Node's dotenv and by this service (this service takes backticks for a part of the value); write it in double quotes: A="..."`: {
			{"A=`it's s3cr3t`", `A="it's s3cr3t"`, "it's s3cr3t"},
		},
		".env line 1: A can be read by Node's dotenv, but not by this service (this service takes backticks for a part of the value); write it in single quotes with real line breaks: A='...'": {
			{"A=`a\ns3cr3t`", "A='a\ns3cr3t'", "a\ns3cr3t"},
		},
		".env line 1: A is read differently by Node's dotenv and by this service (this service takes backticks for a part of the value); write it without quotes: A=...": {
			{"A=`it's a \"s3cr3t\"`", `A=it's a "s3cr3t"`, `it's a "s3cr3t"`},
		},
		".env line 1: A is read differently by Node's dotenv and by this service (in double quotes this service expands $ and drops backslashes); write it in single quotes: A='...'": {
			{`A="s3cr3t$X"`, "A='s3cr3t$X'", "s3cr3t$X"},
			{`A="s3cr3t\t"`, `A='s3cr3t\t'`, `s3cr3t\t`},
			{`A="\"s3cr3t\""`, `A='\"s3cr3t\"'`, `\"s3cr3t\"`},
			{`A="C:\\s3cr3t"`, `A='C:\\s3cr3t'`, `C:\\s3cr3t`},
		},
		".env line 1: A is read differently by Node's dotenv and by this service (in double quotes this service expands $ and drops backslashes); write it without quotes: A=...": {
			{`A="it's \s3cr3t"`, `A=it's \s3cr3t`, `it's \s3cr3t`},
		},
		".env line 1: A is read differently by Node's dotenv and by this service (in double quotes this service expands $ and drops backslashes); write it in single quotes with real line breaks: A='...'": {
			{`A="a\n$S3s3cr3t"`, "A='a\n$S3s3cr3t'", "a\n$S3s3cr3t"},
		},
		".env line 1: A is read differently by Node's dotenv and by this service (in double quotes this service expands $ and drops backslashes); no way of writing this value is the same to both: choose another one, or delete the line and set A in the real environment": {
			{`A="a\r$S3s3cr3t"`, "", ""},
		},
		".env line 1: A can be read by Node's dotenv, but not by this service (to this service a quote behind a backslash closes nothing); write it without quotes: A=...": {
			{`A='s3cr3t\'`, `A=s3cr3t\`, `s3cr3t\`},
			{`A="s3cr3t\"`, `A=s3cr3t\`, `s3cr3t\`},
		},
		".env line 1: A is read differently by Node's dotenv and by this service (this service drops every quote at the end of a quoted value); write it without quotes: A=...": {
			{`A='s3cr3t\''`, `A=s3cr3t\'`, `s3cr3t\'`},
		},
		`.env line 1: A can be read by Node's dotenv, but not by this service (the quote that opens the value is never closed); write it in double quotes: A="..."`: {
			{"A='s3cr3t", `A="'s3cr3t"`, "'s3cr3t"},
			{"A='s3cr3t\nB='y'", "A=\"'s3cr3t\"\nB='y'", "'s3cr3t"},
		},
		".env line 1: A can be read by Node's dotenv, but not by this service (the quote that opens the value is never closed); write it in single quotes: A='...'": {
			{`A="s3cr3t`, `A='"s3cr3t'`, `"s3cr3t`},
			{"A=\"s3cr3t\nB=x\nC='y'", "A='\"s3cr3t'\nB=x\nC='y'", `"s3cr3t`},
		},
		".env line 1: A can be read by Node's dotenv, but not by this service (the quote that opens the value is never closed); no way of writing this value is the same to both: choose another one, or delete the line and set A in the real environment": {
			{`A="s3cr3t'`, "", ""},
		},
		`.env line 1: A is read differently by Node's dotenv and by this service (text follows the closing quote); write it in double quotes: A="..."`: {
			{"A='s3cr3t' x", `A="'s3cr3t' x"`, "'s3cr3t' x"},
			{"A='x'S3CR3T=s3cr3t", `A="'x'S3CR3T=s3cr3t"`, "'x'S3CR3T=s3cr3t"},
			{"A='x' B=s3cr3t", "A='x'\nB=s3cr3t", "x"},
			{"A='a\nb' s3cr3t", `A="'a"`, "'a"},
		},
		".env line 1: A is read differently by Node's dotenv and by this service (text follows the closing quote); write it in single quotes: A='...'": {
			{`A="s3cr3t"x`, `A='"s3cr3t"x'`, `"s3cr3t"x`},
		},
		`.env line 1: A can be read by Node's dotenv, but not by this service (text follows the closing quote); write it in double quotes: A="..."`: {
			{"A='it's s3cr3t'", `A="it's s3cr3t"`, "it's s3cr3t"},
		},
		".env line 1: A can be read by Node's dotenv, but not by this service (text follows the closing quote); write it in single quotes: A='...'": {
			{`A=""s3cr3t""`, `A='"s3cr3t"'`, `"s3cr3t"`},
		},
		".env line 1: A is read by this service, but not by Node's dotenv (a colon needs a space behind it there, and none before it); write it in single quotes: A='...'": {
			{"A:s3cr3t", "A='s3cr3t'", "s3cr3t"},
			{"A : s3cr3t", "A=s3cr3t", "s3cr3t"},
		},
		".env line 1: A is read by this service, but not by Node's dotenv (a colon needs a space behind it there, and none before it); write A='' if it is to be empty, otherwise A='...'": {
			{"A:", "A=''", ""},
		},
		".env line 1: A is read differently by Node's dotenv and by this service (Node's dotenv takes the next line for its value); write A='' if it is to be empty, otherwise A='...'": {
			{"A:\nB=s3cr3t", "A=''\nB=s3cr3t", ""},
		},
		".env line 1: A can be read by Node's dotenv, but not by this service (Node's dotenv takes the next line for its value); write A='' if it is to be empty, otherwise A='...'": {
			{"A=\n's3cr3t'", "A='s3cr3t'", "s3cr3t"},
		},
		".env line 1: A can be read by Node's dotenv, but not by this service (an unusual space or line break stands around the name or the value); write it in single quotes: A='...'": {
			{"A\n=s3cr3t", "A='s3cr3t'", "s3cr3t"},
			{"export\nA=s3cr3t", "A='s3cr3t'", "s3cr3t"},
			{"A\u2003=s3cr3t", "A='s3cr3t'", "s3cr3t"},
		},
		".env line 1: A is read by this service, but not by Node's dotenv (an unusual space or line break stands around the name or the value); write it in single quotes: A='...'": {
			{"A\u0085=s3cr3t", "A='s3cr3t'", "s3cr3t"},
		},
		".env line 2: A can be read by Node's dotenv, but not by this service (an unusual space or line break stands around the name or the value); write it in single quotes: A='...'": {
			{"x=y\n\ufeffA=s3cr3t", "x=y\nA='s3cr3t'", "s3cr3t"},
		},
		".env line 1: export is read differently by Node's dotenv and by this service (an unusual space or line break stands around the name or the value); write it in single quotes: export='...'": {
			{"export =s3cr3t", "export='s3cr3t'", "s3cr3t"},
		},
		".env line 1: MY-KEY holds a -, which only Node's dotenv reads in a name; rename it (letters, digits, _ and . only), or delete the line": {
			{"MY-KEY=s3cr3t", "MY_KEY=s3cr3t", "s3cr3t"},
		},
		".env line 1: NAME holds a -, which only Node's dotenv reads in a name; rename it (letters, digits, _ and . only), or delete the line": {
			{"Aa-B1=s3cr3t", "", ""},
		},
		".env line 1: this is no assignment that both this service and Node's dotenv can read; write it as NAME='...' (letters, digits, _ and . in the name, quotes around all lines of a value), or delete it": {
			{"MY KEY=s3cr3t", "", ""},
			{"é=s3cr3t", "", ""},
			{"ê=s3cr3t", "", ""},
			{"'A'=s3cr3t", "", ""},
			{"=s3cr3t", "", ""},
			{"s3cr3t", "", ""},
			{"s3cr3t\n", "", ""},
			{"s3cr3t:x", "", ""},
			{"export s3cr3t", "", ""},
			{"__proto__=s3cr3t", "", ""},
			{"[s3cr3t]", "", ""},
		},
		".env line 1: NAME is read differently by Node's dotenv and by this service (this service replaces $ and what follows it in an unquoted value); write it in single quotes: NAME='...'": {
			{"s3cr3ts3cr3ts3cr3ts3cr3ts3cr3ts3cr3ts3cr3t=$X", "", ""},
		},
		".env line 1: A holds bytes that are not UTF-8, which Node's dotenv replaces; save the file as UTF-8": {
			{"A='s3cr3t\xff'", "", ""},
			{"A=s3cr3t\xe2\x82", "", ""},
		},
		".env line 1: A holds a NUL byte, which no environment variable can; delete that byte": {
			{"A=s3cr3t\x00", "", ""},
		},
		".env line 1: an invisible U+2028 or U+2029 stands here, which ends the line for Node's dotenv only; delete it": {
			{"A='x\u2028s3cr3t'", "", ""},
			{"# x\u2029\nA=s3cr3t", "", ""},
		},
		".env line 1: a carriage return stands here without a line feed; save the file with LF or CRLF line ends": {
			{"A=\rB=s3cr3t", "", ""},
			{"A='x\rs3cr3t'", "", ""},
		},
		".env line 2: a carriage return stands here without a line feed; save the file with LF or CRLF line ends": {
			{"x=y\r\n# z\rA=s3cr3t\r\n", "", ""},
		},
		".env line 1: the file begins with a byte order mark; save it as UTF-8 without one": {
			{"\ufeffA=s3cr3t", "A=s3cr3t", "s3cr3t"},
		},
		".env line 1: the file is UTF-16; save it as UTF-8": {
			{"\xff\xfeA\x00=\x00s\x00", "", ""},
		},
	} {
		for _, l := range lines {
			vars, err := ReadDotenv([]byte(l.line))
			if err == nil || err.Error() != message {
				t.Errorf("ReadDotenv(%q) = %q, %v; want the error %s", l.line, vars, err, message)
			}
			if strings.Contains(message, "s3cr3t") {
				t.Errorf("a value is shown: %s", message)
			}
			if l.mended == "" {
				continue
			}
			vars, err = ReadDotenv([]byte(l.mended))
			if err != nil || !slices.Contains(slices.Collect(maps.Values(vars)), l.value) {
				t.Errorf("%q mended as %q gives %q, %v; want %q", l.line, l.mended, vars, err, l.value)
			}
		}
	}
}

// TestDotenvFile: all problems of a file come at once, each with its line, and nothing else.
func TestDotenvFile(t *testing.T) {
	t.Parallel()
	_, err := ReadDotenv([]byte(strings.ReplaceAll(`# a file
PORT=3000
JWT_SECRET=s3cr3t#1
COOKIE_NAME="token" # fine

REDIS_PASSWORD="s3cr3t$ABC"
REDIS_PASSWORD="s3cr3t$XYZ"
just words
TEXT='line
line #
line' # fine, too
REDIS_HOST=
KEY=-----BEGIN KEY-----
s3cr3t/s3cr3t
-----END KEY-----
MY-KEY=1
OPEN="s3cr3t
NODE_ENV=$WHAT
OVERRIDDEN=$THIS
OVERRIDDEN=that
LAST`, "\n", "\r\n")))
	want := []string{
		".env line 3: JWT_SECRET is read differently by Node's dotenv and by this service (Node's dotenv ends an unquoted value at the first #); write it in single quotes: JWT_SECRET='...'",
		".env line 7: REDIS_PASSWORD is read differently by Node's dotenv and by this service (in double quotes this service expands $ and drops backslashes); write it in single quotes: REDIS_PASSWORD='...'",
		".env line 8: " + noAssignment,
		".env line 14: " + noAssignment,
		".env line 15: " + noAssignment,
		".env line 16: MY-KEY holds a -, which only Node's dotenv reads in a name; rename it (letters, digits, _ and . only), or delete the line",
		".env line 17: OPEN can be read by Node's dotenv, but not by this service (the quote that opens the value is never closed); write it in single quotes: OPEN='...'",
		".env line 18: NODE_ENV is read differently by Node's dotenv and by this service (this service replaces $ and what follows it in an unquoted value); write it in single quotes: NODE_ENV='...'",
		".env line 21: " + noAssignment,
	}
	joined, ok := err.(interface{ Unwrap() []error })
	if !ok {
		t.Fatalf("the error is %v; want joined ones", err)
	}
	var got []string
	for _, e := range joined.Unwrap() {
		got = append(got, e.Error())
	}
	if !slices.Equal(got, want) {
		t.Errorf("got:\n%s\nwant:\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

const noAssignment = "this is no assignment that both this service and Node's dotenv can read; write it as NAME='...' " +
	"(letters, digits, _ and . in the name, quotes around all lines of a value), or delete it"
