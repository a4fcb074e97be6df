package attacks

import (
	"bufio"
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/base64"
	"fmt"
	"hash"
	"io"
	"net"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"gin-auth/e2e/internal/harness"
)

const wireSecret = "the secret of the attacked, of more than thirty-two bytes"

// startAttacked starts the service with the settings of production, but with cheap hashes and without a login
// limit.
func startAttacked(t *testing.T, env ...string) *harness.Service {
	t.Helper()
	return harness.StartService(t, append([]string{
		"NODE_ENV=production", "JWT_SECRET=" + wireSecret, "BCRYPT_COST=4", "SHUTDOWN_DELAY=0s", "LOGIN_LIMIT=off",
		"REDIS_TIMEOUT=5s", // the machine may be busy
	}, env...)...)
}

func wireAddr(url string) string {
	return "127.0.0.1" + url[strings.LastIndexByte(url, ':'):]
}

// wireAnswer is the part of a response that the tests check.
type wireAnswer struct {
	status int
	header string
	body   string
}

// wireSend sends n requests over a few connections, with many unanswered requests on each. It calls got with every
// response, one call at a time. If the server closes a connection, the remaining requests are sent on a new one.
func wireSend(t *testing.T, addr string, n int, request func(i int) []byte, got func(i int, a wireAnswer)) {
	t.Helper()
	const connections = 4
	var mu sync.Mutex
	var wg sync.WaitGroup
	for c := range connections {
		wg.Go(func() {
			from, to := n*c/connections, n*(c+1)/connections
			for from < to {
				done, err := wirePipeline(addr, from, to, request, func(i int, a wireAnswer) {
					mu.Lock()
					defer mu.Unlock()
					got(i, a)
				})
				if from += done; done == 0 {
					t.Errorf("request %d got no response: %v", from, err)
					return
				}
			}
		})
	}
	wg.Wait()
}

// wirePipeline sends requests over one connection until all have a response or the connection is closed. It returns
// the number of responses.
func wirePipeline(addr string, from, to int, request func(int) []byte, got func(int, wireAnswer)) (int, error) {
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		return 0, err
	}
	defer conn.Close()
	in := bufio.NewReader(conn)
	for i, size := from, 1; i < to; size = min(64, size*2) {
		_ = conn.SetDeadline(time.Now().Add(time.Minute))
		var out bytes.Buffer
		end := min(to, i+size)
		for j := i; j < end; j++ {
			out.Write(request(j))
		}
		_, _ = conn.Write(out.Bytes()) // there may be responses even if the connection was closed
		for ; i < end; i++ {
			a, err := wireRead(in)
			if err != nil {
				return i - from, err
			}
			got(i, a)
			if strings.Contains(a.header, "Connection: close") {
				return i + 1 - from, nil
			}
		}
	}
	return to - from, nil
}

// wireRead reads one response.
func wireRead(in *bufio.Reader) (a wireAnswer, err error) {
	var header strings.Builder
	length := -1
	for {
		line, err := in.ReadString('\n')
		if err != nil {
			return a, err
		}
		if line == "\r\n" {
			break
		}
		if name, value, ok := strings.Cut(line, ":"); ok && strings.EqualFold(name, "Content-Length") {
			if length, err = strconv.Atoi(strings.TrimSpace(value)); err != nil {
				return a, err
			}
		}
		header.WriteString(line)
	}
	a.header = header.String()
	if len(a.header) < len("HTTP/1.1 200") {
		return a, fmt.Errorf("%q is not an HTTP response", a.header)
	}
	if a.status, err = strconv.Atoi(a.header[9:12]); err != nil {
		return a, err
	}
	body := make([]byte, max(0, length))
	if length < 0 { // net/http sends such a response if it cannot parse a request
		body, err = io.ReadAll(in)
		a.header += "Connection: close\r\n"
	} else {
		_, err = io.ReadFull(in, body)
	}
	a.body = string(body)
	return a, err
}

// wireOne sends one request and returns its response.
func wireOne(t *testing.T, url, method, path, headers, body string) (a wireAnswer) {
	t.Helper()
	request := fmt.Sprintf("%s %s HTTP/1.1\r\nHost: localhost\r\nContent-Length: %d\r\n%s\r\n%s", method, path, len(body), headers, body)
	_, err := wirePipeline(wireAddr(url), 0, 1, func(int) []byte { return []byte(request) }, func(_ int, got wireAnswer) { a = got })
	if err != nil {
		t.Fatalf("%s %s: %v", method, path, err)
	}
	return a
}

func wireMe(cookie string) []byte {
	return []byte("GET /api/auth/me HTTP/1.1\r\nHost: a\r\nCookie: " + cookie + "\r\n\r\n")
}

// wireStatus returns the status of /me with a token.
func wireStatus(t *testing.T, url, token string) int {
	t.Helper()
	return wireOne(t, url, "GET", "/api/auth/me", "Cookie: token="+token+"\r\n", "").status
}

// wireSign signs a token with the given header and payload.
func wireSign(newHash func() hash.Hash, header, payload, key string) string {
	b64 := base64.RawURLEncoding.EncodeToString
	signed := b64([]byte(header)) + "." + b64([]byte(payload))
	mac := hmac.New(newHash, []byte(key))
	mac.Write([]byte(signed))
	return signed + "." + b64(mac.Sum(nil))
}

var wireHashes = map[string]func() hash.Hash{"HS256": sha256.New, "HS384": sha512.New384, "HS512": sha512.New}

// wireLogin registers the user if they do not exist, and logs in.
func wireLogin(t *testing.T, url, name string) string {
	t.Helper()
	user := fmt.Sprintf(`{"username":%q,"email":"%s@example.com","password":"correct horse"}`, name, name)
	const header = "Content-Type: application/json\r\n"
	wireOne(t, url, "POST", "/api/auth/register", header, user)
	a := wireOne(t, url, "POST", "/api/auth/login", header, user)
	_, token, _ := strings.Cut(a.header, "Set-Cookie: token=")
	token, _, _ = strings.Cut(token, ";")
	if a.status != 200 || token == "" {
		t.Fatalf("login: got %d %s, want 200", a.status, a.body)
	}
	return token
}
