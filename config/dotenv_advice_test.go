package config

import (
	"strings"
	"testing"
)

// A mending is a line, how its writer may change it to follow the advice, and the value that it has then. mended is ""
// if the advice leaves the change to the writer.
type mending struct{ line, mended, value string }

// The parts of an error about HOST.
const (
	hashDiffers   = "Node's dotenv ends an unquoted value at the first #"
	dollarDiffers = "this service replaces $ and the name after it in an unquoted value"
	tickDiffers   = "this service does not read backticks as quotes"
	doubleDiffers = "in double quotes this service expands $ and drops backslashes"
	escapeDiffers = "this service does not end a value at a quote after a backslash"
	unclosed      = "the closing quote is missing"
	textAfter     = "there is text after the closing quote"
	spaceDiffers  = "an unusual space or a line break is next to the name or the value"

	single      = "write it in single quotes: HOST='...'"
	singleLines = "write it in single quotes with real line breaks: HOST='...'"
	double      = `write it in double quotes: HOST="..."`
	bare        = "write it without quotes: HOST=..."
	maybeEmpty  = "write HOST='' if it is to be empty, otherwise HOST='...'"
	noWay       = "this value cannot be written so that both read the same: choose another value, " +
		"or delete the line and set HOST in the environment"
)

// TestDotenvDiffers checks the reason and the advice for lines that the two read differently, and then follows the
// advice.
func TestDotenvDiffers(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		reason, advice string
		lines          []mending
	}{
		{hashDiffers, single, []mending{
			{"HOST=s3cr3t#x", "HOST='s3cr3t#x'", "s3cr3t#x"},
			{"HOST=s3cr3t#x", "HOST='s3cr3t'", "s3cr3t"},
			{"HOST=s3cr3t#x\n# it's a note", "HOST='s3cr3t#x'", "s3cr3t#x"},
			{"HOST=s3cr3t #x #y", "HOST='s3cr3t #x #y'", "s3cr3t #x #y"},
		}},
		{hashDiffers, maybeEmpty, []mending{
			{"HOST=#s3cr3t", "HOST='#s3cr3t'", "#s3cr3t"},
			{"HOST= # s3cr3t", "HOST='' # s3cr3t", ""},
		}},
		{hashDiffers, bare, []mending{{`HOST=s3cr3t\#x`, `HOST=s3cr3t\`, `s3cr3t\`}}},
		{hashDiffers, double, []mending{
			{"HOST=s3cr3t#it's", `HOST="s3cr3t#it's"`, "s3cr3t#it's"},
			{`HOST=it's#s3cr3t"`, `HOST="it's"`, "it's"},
		}},
		{dollarDiffers, single, []mending{
			{"HOST=s3cr3t$CD1x", "HOST='s3cr3t$CD1x'", "s3cr3t$CD1x"},
			{"HOST=${S3}s3cr3t", "HOST='${S3}s3cr3t'", "${S3}s3cr3t"},
			{"HOST=$(S3)s3cr3t", "HOST='$(S3)s3cr3t'", "$(S3)s3cr3t"},
			{`HOST=s3cr3t\$x`, `HOST='s3cr3t\$x'`, `s3cr3t\$x`},
			{"HOST=s3cr3t$1", "HOST='s3cr3t$1'", "s3cr3t$1"},
			{"HOST=s3cr3t$HOST # note", "HOST='s3cr3t$HOST' # note", "s3cr3t$HOST"},
			{"HOST=s3cr3t$PORT\nPORT='$PORT'", "HOST='s3cr3t$PORT'", "s3cr3t$PORT"},
		}},
		{dollarDiffers, double, []mending{{"HOST=it's$x#s3cr3t", `HOST="it's$x#s3cr3t"`, "it's$x#s3cr3t"}}},
		{dollarDiffers, noWay, []mending{{"HOST=it's$S3s3cr3t", "", ""}}},
		{tickDiffers, single, []mending{{"HOST=`s3cr3t`", "HOST='s3cr3t'", "s3cr3t"}}},
		{tickDiffers, double, []mending{{"HOST=`it's s3cr3t`", `HOST="it's s3cr3t"`, "it's s3cr3t"}}},
		{tickDiffers, bare, []mending{{"HOST=`it's \"s3cr3t\"`", `HOST=it's "s3cr3t"`, `it's "s3cr3t"`}}},
		{tickDiffers, singleLines, []mending{{"HOST=`a\ns3cr3t`", "HOST='a\ns3cr3t'", "a\ns3cr3t"}}},
		{doubleDiffers, single, []mending{
			{`HOST="s3cr3t$X"`, "HOST='s3cr3t$X'", "s3cr3t$X"},
			{`HOST="s3cr3t\t"`, `HOST='s3cr3t\t'`, `s3cr3t\t`},
			{`HOST="\"s3cr3t\""`, `HOST='\"s3cr3t\"'`, `\"s3cr3t\"`},
			{`HOST="C:\\s3cr3t"`, `HOST='C:\\s3cr3t'`, `C:\\s3cr3t`},
		}},
		{doubleDiffers, bare, []mending{
			{`HOST="it's \s3cr3t"`, `HOST=it's \s3cr3t`, `it's \s3cr3t`},
			{`HOST="s3cr3t\"`, `HOST=s3cr3t\`, `s3cr3t\`},
		}},
		{doubleDiffers, singleLines, []mending{{`HOST="a\n$S3s3cr3t"`, "HOST='a\n$S3s3cr3t'", "a\n$S3s3cr3t"}}},
		{doubleDiffers, noWay, []mending{{`HOST="a\r$S3s3cr3t"`, "", ""}}},
		{escapeDiffers, bare, []mending{
			{`HOST='s3cr3t\'`, `HOST=s3cr3t\`, `s3cr3t\`},
			{`HOST='s3cr3t\''`, `HOST=s3cr3t\'`, `s3cr3t\'`},
		}},
		{unclosed, double, []mending{
			{"HOST='s3cr3t", `HOST="'s3cr3t"`, "'s3cr3t"},
			{"HOST='a\nb' s3cr3t", `HOST="'a"`, "'a"},
			{"HOST='s3cr3t\n# it's", "HOST='s3cr3t'", "s3cr3t"},
			{"HOST='s3cr3t\nPORT='y'", "HOST='s3cr3t'\nPORT='y'", "s3cr3t"},
		}},
		{unclosed, single, []mending{
			{`HOST="s3cr3t`, `HOST='"s3cr3t'`, `"s3cr3t`},
			{"HOST=\"s3cr3t\nPORT=x\nKEY='y'", "HOST='s3cr3t'", "s3cr3t"},
		}},
		{unclosed, noWay, []mending{{`HOST="s3cr3t'`, "HOST='s3cr3t'", "s3cr3t"}}},
		{textAfter, double, []mending{
			{"HOST='s3cr3t' x", `HOST="'s3cr3t' x"`, "'s3cr3t' x"},
			{"HOST='x' PORT=s3cr3t", "HOST='x'\nPORT=s3cr3t", "x"},
			{"HOST='it's s3cr3t'", `HOST="it's s3cr3t"`, "it's s3cr3t"},
		}},
		{textAfter, single, []mending{
			{`HOST="s3cr3t"x`, `HOST='"s3cr3t"x'`, `"s3cr3t"x`},
			{`HOST=""s3cr3t""`, `HOST='"s3cr3t"'`, `"s3cr3t"`},
		}},
		{spaceDiffers, single, []mending{
			{"HOST=\u2003s3cr3t\n# $x", "HOST='s3cr3t'", "s3cr3t"},
			{"HOST=s3cr3t\u0085", "HOST='s3cr3t\u0085'", "s3cr3t\u0085"},
			{"HOST=\n's3cr3t'", "HOST='s3cr3t'", "s3cr3t"},
			{"HOST:\nPORT=s3cr3t", "HOST=x\nPORT=s3cr3t", "x"},
			{"HOST\n=s3cr3t", "HOST='s3cr3t'", "s3cr3t"},
			{"export HOST\u2003=s3cr3t", "HOST='s3cr3t'", "s3cr3t"},
		}},
	} {
		want := ".env line 1: HOST is read differently by Node's dotenv and by this service (" +
			test.reason + "); " + test.advice
		for _, l := range test.lines {
			wantDotenvError(t, l.line, want)
			if l.mended == "" {
				continue
			}
			file, err := ReadDotenv([]byte(l.mended))
			if err != nil || file.Values["HOST"] != l.value {
				t.Errorf("%q mended as %q gives %q, %v; want %q", l.line, l.mended, file.Values, err, l.value)
			}
		}
	}
}

// TestDotenvRejects checks files that cannot be used although both read the same, or that cannot be read at all.
func TestDotenvRejects(t *testing.T) {
	t.Parallel()
	const (
		notUTF8   = "HOST contains bytes that are not UTF-8, which Node's dotenv replaces; save the file as UTF-8"
		nul       = "HOST contains a NUL byte, which no environment variable can; delete that byte"
		utf16     = "the file is UTF-16; save it as UTF-8"
		separator = "there is an invisible U+2028 or U+2029, which ends the line only in Node's dotenv; delete it"
	)
	for text, want := range map[string]string{
		"HOST='s3cr3t\xff'":                      ".env line 1: " + notUTF8,
		"HOST=s3cr3t\xe2\x82":                    ".env line 1: " + notUTF8,
		"\r\n# x\rHOST=s3cr3t\x00":               ".env line 3: " + nul,
		"\n\r\n  HOST=s3cr3t\x00":                ".env line 3: " + nul,
		"HOST='\nx\x00'\n":                       ".env line 1: " + nul,
		"\xff\xfeH\x00O\x00S\x00T\x00=\x00s\x00": ".env line 1: " + utf16,
		"\xff\xfe#\x00":                          ".env line 1: " + utf16,
		"\xfe\xff\x00#":                          ".env line 1: " + utf16,
		"H\x00O\x00S\x00T\x00=\x00s\x00":         ".env line 1: " + utf16,
		"\x00H\x00O\x00S\x00T\x00=\x00s":         ".env line 1: " + utf16,
		"HOST='x\u2028s3cr3t'":                   ".env line 1: " + separator,
		"PORT=1\r\n# x\u2029\nHOST=s3cr3t":       ".env line 2: " + separator,
	} {
		wantDotenvError(t, text, want)
	}
}

// wantDotenvError requires one error, which contains no part of a value.
func wantDotenvError(t *testing.T, text, want string) {
	t.Helper()
	file, err := ReadDotenv([]byte(text))
	if err == nil || err.Error() != want {
		t.Errorf("ReadDotenv(%q) = %q, %v; want the error %s", text, file.Values, err, want)
	}
	if strings.Contains(want, "s3cr3t") {
		t.Errorf("a value is shown: %s", want)
	}
}
