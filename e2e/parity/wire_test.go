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

// answer is what a client sees of one request, and what the request did to Redis.
type answer struct {
	status      int // 0 if no answer came: the connection was closed, or the deadline was over
	body        string
	contentType string
	setCookie   []string
	at          time.Time // when it was asked, for what is relative to that
	// before and after are what Redis held.
	before, after state
	// start is how a process that was started fared. Only the cases of startGroup have one, and
	// they have nothing else.
	start string
}

// json tells whether the answer says that it is JSON.
func (a answer) json() bool {
	mediaType, _, _ := mime.ParseMediaType(a.contentType)
	return mediaType == "application/json"
}

// exchange sends the bytes of one request over a connection of its own and returns the answer, or one
// with status 0 if there was none before the deadline.
func exchange(addr, request string, deadline time.Duration) answer {
	a := answer{at: time.Now()}
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		return a
	}
	defer conn.Close()
	_ = conn.SetDeadline(a.at.Add(deadline)) // fails on a closed connection alone
	go io.WriteString(conn, request)         // beside reading: a body that is refused need not be read to its end
	method, _, _ := strings.Cut(request, " ")
	a.read(bufio.NewReader(conn), method)
	return a
}

// read reads the final answer to a request of the given method; the interim ones don't count.
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
