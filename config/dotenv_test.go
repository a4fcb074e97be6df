package config

import (
	"maps"
	"slices"
	"strings"
	"testing"
)

// TestDotenvAgrees checks files in which godotenv and Node's dotenv read the same HOST.
func TestDotenvAgrees(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"HOST=":              "",
		"HOST=x":             "x",
		"HOST = x ":          "x",
		"\tHOST\t=\tx\t":     "x",
		"export HOST=x":      "x",
		"export  HOST = x":   "x",
		"export HOST: x":     "x",
		"HOST: x":            "x",
		"HOST:\n":            "",
		"HOST=:x":            ":x",
		"HOST==":             "=",
		"HOST=x y z":         "x y z",
		"HOST=x PORT=y":      "x PORT=y",
		"HOST=x # note":      "x",
		"HOST=x\t#note":      "x",
		"HOST= \n":           "",
		"HOST=x\r\n":         "x",
		"HOST=x\r\r\n":       "x",
		"HOST=x\rPORT=y":     "x",
		"PORT=y\rHOST=x\r":   "x",
		"HOST=\rPORT=y":      "",
		"HOST=\u00a0x\u00a0": "x",
		"HOST\u00a0=x":       "x",
		"\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a\u202f\u205f\u3000\ufeff" +
			"HOST=x": "x",
		"\u2003HOST=x":                  "x",
		"\ufeffHOST=x":                  "x",
		"# note\n\ufeffHOST=x":          "x",
		"HOST=é😀":                       "é😀",
		"HOST=\ufffd":                   "\ufffd",
		`HOST=C:\new`:                   `C:\new`,
		`HOST=x\`:                       `x\`,
		"HOST=$":                        "$",
		"HOST=$x":                       "$x",
		"HOST=${":                       "${",
		"HOST=it's":                     "it's",
		`HOST={"a":"b"}`:                `{"a":"b"}`,
		"HOST=x`y`":                     "x`y`",
		"HOST=redis://:p@h:1/0?a=b&c":   "redis://:p@h:1/0?a=b&c",
		"HOST=''":                       "",
		"HOST='x'":                      "x",
		"HOST=' x '":                    " x ",
		"HOST='x#y'":                    "x#y",
		"HOST='x' # note":               "x",
		"HOST='x'#note":                 "x",
		"HOST='$B ${B} $(B)'":           "$B ${B} $(B)",
		`HOST='a\nb'`:                   `a\nb`,
		`HOST='a\'b'`:                   `a\'b`,
		`HOST='"x"'`:                    `"x"`,
		"HOST='`x`'":                    "`x`",
		"HOST='a\nb'":                   "a\nb",
		"HOST='a\r\nb'":                 "a\nb",
		"HOST='a\rb'":                   "a\nb",
		"HOST='a\n# text\nPORT=y\n'":    "a\n# text\nPORT=y\n",
		`HOST="x"`:                      "x",
		`HOST=" x " # note`:             " x ",
		`HOST="x#y"`:                    "x#y",
		`HOST="it's"`:                   "it's",
		`HOST="a\nb\r"`:                 "a\nb\r",
		`HOST="$x"`:                     "$x",
		"HOST=\"a\nb\"":                 "a\nb",
		"HOST=x\nHOST=y":                "y",
		"HOST=#x\nHOST=y":               "y",
		"OTHER=x\nHOST='$OTHER'":        "$OTHER",
		"OTHER='x\nHOST=x":              "x",
		"OTHER:\nPORT=y\nHOST=x":        "x",
		"# \xff \x00\nHOST=x # \xff":    "x",
		"\n\n  # note\n\nHOST=x\n\n":    "x",
		"[x]\njust words\n=1\nHOST=x\n": "x",
	} {
		file, err := ReadDotenv([]byte(text))
		if got, ok := file.Values["HOST"]; err != nil || !ok || got != want {
			t.Errorf("ReadDotenv(%q) = %q, %v; want HOST = %q", text, file.Values, err, want)
		}
		if port, ok := file.Values["PORT"]; ok && port != "y" {
			t.Errorf("ReadDotenv(%q) has PORT = %q", text, port)
		}
	}
}

// TestDotenvFile checks that all errors of a file are returned, each with its line, and the names that only cause a
// warning.
func TestDotenvFile(t *testing.T) {
	t.Parallel()
	file, err := ReadDotenv([]byte(strings.ReplaceAll(`# a file
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
-=1
OPEN="s3cr3t
OPEN2='x
BCRYPT_COST=11'
NODE_ENV=$WHAT
HOST=$THIS
HOST=that
OVERRIDDEN=$THIS
OVERRIDDEN=that
# LOG_LEVEL:debug
LOG_FORMAT:json
REGISTRATION : closed
LAST`, "\n", "\r\n")))
	const rest = " is read differently by Node's dotenv and by this service ("
	want := []string{
		".env line 3: JWT_SECRET" + rest + hashDiffers + "); write it in single quotes: JWT_SECRET='...'",
		".env line 7: REDIS_PASSWORD" + rest + doubleDiffers + "); write it in single quotes: REDIS_PASSWORD='...'",
		".env line 21: NODE_ENV" + rest + dollarDiffers + "); write it in single quotes: NODE_ENV='...'",
		".env line 27: LOG_FORMAT is in a line that Node's dotenv ignores; write LOG_FORMAT='...', or delete the line",
		".env line 28: REGISTRATION is in a line that Node's dotenv ignores; write REGISTRATION='...', or delete the line",
	}
	if err == nil || !slices.Equal(lines(err), want) {
		t.Errorf("got:\n%v\nwant:\n%s", err, strings.Join(want, "\n"))
	}
	wantValues := map[string]string{"PORT": "3000", "COOKIE_NAME": "token", "REDIS_HOST": "", "HOST": "that"}
	if !maps.Equal(file.Values, wantValues) {
		t.Errorf("values %q, want %q", file.Values, wantValues)
	}
	if want := []string{"MY-KEY", "-", "OPEN"}; !slices.Equal(file.Differing, want) {
		t.Errorf("differing %q, want %q", file.Differing, want)
	}
	if want := []string{"JWT_SECRET", "REDIS_PASSWORD", "NODE_ENV", "LOG_FORMAT", "REGISTRATION"}; !slices.Equal(file.Rejected, want) {
		t.Errorf("rejected %q, want %q", file.Rejected, want)
	}
	if want := []string{"TEXT", "KEY", "MY-KEY", "-", "OPEN", "OPEN2", "OVERRIDDEN"}; !slices.Equal(file.Others, want) {
		t.Errorf("others %q, want %q", file.Others, want)
	}
}
