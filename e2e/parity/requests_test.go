package parity

import (
	"fmt"
	"strings"
)

const (
	prefix = "/api/auth"
	me     = prefix + "/me"
	logout = prefix + "/logout"
	login  = prefix + "/login"
	signup = prefix + "/register"
)

// send is a request without a body, with the given headers.
func send(method, path string, headers ...string) string {
	return fmt.Sprintf("%s %s HTTP/1.1\r\nHost: localhost\r\n%s\r\n", method, path, lines(headers))
}

func get(path string, headers ...string) string { return send("GET", path, headers...) }

// post is a POST without a body.
func post(path string, headers ...string) string {
	return send("POST", path, append(headers, "Content-Length: 0")...)
}

// sendBody is a request with a body of the given type.
func sendBody(method, path, mediaType, body string, headers ...string) string {
	headers = append(headers, "Content-Type: "+mediaType, fmt.Sprint("Content-Length: ", len(body)))
	return send(method, path, headers...) + body
}

func postJSON(path, body string, headers ...string) string {
	return sendBody("POST", path, "application/json", body, headers...)
}

func lines(headers []string) string {
	var text strings.Builder
	for _, header := range headers {
		text.WriteString(header + "\r\n")
	}
	return text.String()
}

// withToken is the header with the case's token.
const withToken = "Cookie: token={token}"

// These are templates for the data in Redis.
const entryKey = "blacklist:{token}"

// revoked puts the case's token on the blacklist, as an earlier logout would.
var revoked = []command{{"SET", entryKey, "true", "EX", "1000"}}
