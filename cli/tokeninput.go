package cli

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"regexp"
	"strings"
)

// tokenInput is a token, and the cookie that a Node service has set with it if the input shows that.
type tokenInput struct {
	token  string
	cookie *http.Cookie
}

// maxTokenInput is how much of the input is read, in bytes.
const maxTokenInput = 1 << 20

var (
	tokenPattern     = regexp.MustCompile(`\bey[A-Za-z0-9_-]*\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+`)
	setCookiePattern = regexp.MustCompile(`(?im)^[\s<]*set-cookie:\s*(\S.*)$`)
)

// readTokenInput reads a token, a cookie or the response to a login, such as curl -i prints it.
func readTokenInput(name string, stdin io.Reader) (tokenInput, error) {
	in := stdin
	switch {
	case tokenPattern.MatchString(name):
		return tokenInput{}, &usageError{errors.New("pass the token in a file or on standard input (--token -): " +
			"other users of this machine can read arguments")}
	case name != "-":
		file, err := os.Open(name) //nolint:gosec // G304: the operator names the file
		if err != nil {
			return tokenInput{}, err
		}
		defer func() { _ = file.Close() }() // it was only read
		in = file
	}
	text, err := io.ReadAll(io.LimitReader(in, maxTokenInput))
	if err != nil {
		return tokenInput{}, fmt.Errorf("reading the token: %w", err)
	}
	return parseTokenInput(string(text))
}

func parseTokenInput(text string) (tokenInput, error) {
	lines := setCookiePattern.FindAllStringSubmatch(text, -1)
	if len(lines) == 0 && strings.Contains(text, "=") {
		lines = [][]string{{"", strings.TrimSpace(text)}} // the value of the header
	}
	for _, line := range lines {
		cookie, err := http.ParseSetCookie(strings.TrimSpace(line[1]))
		if err != nil {
			continue
		}
		if token := tokenPattern.FindString(cookie.Value); token != "" && token == cookie.Value {
			return tokenInput{token, cookie}, nil
		}
	}
	if token := tokenPattern.FindString(text); token != "" {
		return tokenInput{token: token}, nil
	}
	return tokenInput{}, errors.New("there is no JSON Web Token in the input: pass the token, its Set-Cookie header, " +
		"or the whole response to a login at the Node service (curl -i)")
}
