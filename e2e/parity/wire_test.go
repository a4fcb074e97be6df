package parity

import (
	"bufio"
	"io"
	"mime"
	"net"
	"net/http"
	"strings"
	"time"
)

// answer is the response to one request, and the request's changes in Redis.
type answer struct {
	status      int // 0 if there was no response before the deadline or the end of the connection
	body        string
	contentType string
	setCookie   []string
	at          time.Time // time of the request
	// before and after are the contents of Redis before and after the request.
	before, after state
	// start describes the start of a process. It is set only by the cases of startGroup, which set nothing else.
	start string
}

// json reports whether the response has the content type JSON.
func (a answer) json() bool {
	mediaType, _, _ := mime.ParseMediaType(a.contentType)
	return mediaType == "application/json"
}

// exchange sends the bytes of one request on a new connection and returns the response. Its status is 0 if there
// was none before the deadline.
func exchange(addr, request string, deadline time.Duration) answer {
	a := answer{at: time.Now()}
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		return a
	}
	defer conn.Close()
	_ = conn.SetDeadline(a.at.Add(deadline)) // fails only on a closed connection
	go io.WriteString(conn, request)         // while reading: the server may not read a rejected body to its end
	method, _, _ := strings.Cut(request, " ")
	a.read(bufio.NewReader(conn), method)
	return a
}

// read reads the final response to a request with the given method. Interim responses are skipped.
func (a *answer) read(r *bufio.Reader, method string) {
	for {
		response, err := http.ReadResponse(r, &http.Request{Method: method})
		if err != nil {
			return
		}
		body, err := io.ReadAll(response.Body)
		response.Body.Close()
		if err != nil {
			return
		}
		if response.StatusCode >= 200 {
			a.status = response.StatusCode
			a.body = string(body)
			a.contentType = response.Header.Get("Content-Type")
			a.setCookie = response.Header["Set-Cookie"]
			return
		}
	}
}
