package proxies

import (
	"fmt"
	"net"
	"net/http"
	"strconv"
	"sync/atomic"
	"testing"

	"github.com/golang-jwt/jwt/v5"
	"golang.org/x/net/dns/dnsmessage"

	"gin-auth/e2e/internal/harness"
)

// TestMoved starts gin-auth again at another address. Its name then resolves to the new address.
func TestMoved(t *testing.T) {
	t.Parallel()
	for name, p := range proxies {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			harness.Need(t, name)
			var address atomic.Pointer[string]
			resolver := startResolver(t, &address)
			edits := map[string][]harness.Edit{
				"nginx": {{Old: "resolver 127.0.0.11 ", New: "resolver " + resolver + " "}},
				"caddy": {insert("\t\t\turi {args.0}\n", "transport http {\nresolvers udp/"+resolver+"\n}\n")},
			}
			redis, port := harness.StartRedis(t), strconv.Itoa(harness.FreePort(t))
			start := func(host string) *harness.Service {
				s := harness.StartService(t, append(settings(redis), "HOST="+host, "PORT="+port)...)
				address.Store(&host)
				return s
			}
			first := start("127.0.0.2")
			running := p.start(t, "gin-auth.test:"+port, startApp(t, new(atomic.Int64)), edits[name]...)
			c := &client{running.Client, running.URL}
			header := http.Header{"Cookie": {"token=" + sign(t, jwt.MapClaims{"id": "7"})}}
			c.do(t, "GET", c.url+"/orders", header, "").want(t, "at first", 200)
			first.Stop(t)
			if got := c.do(t, "GET", c.url+"/orders", header, ""); got.status < 500 {
				t.Errorf("while gin-auth is stopped: got %d", got.status)
			}
			start("127.0.0.3")
			harness.Eventually(t, "gin-auth is reached at its new address", func() error {
				if got := c.do(t, "GET", c.url+"/orders", header, ""); got.status != 200 {
					return fmt.Errorf("%d %s", got.status, got.body)
				}
				return nil
			})
		})
	}
}

// startResolver starts a DNS server that returns one address for every name, and returns its host:port.
func startResolver(t *testing.T, address *atomic.Pointer[string]) string {
	t.Helper()
	conn, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	t.Cleanup(func() {
		_ = conn.Close()
		<-done
	})
	go func() {
		defer close(done)
		packet := make([]byte, 1500)
		for {
			n, client, err := conn.ReadFrom(packet)
			if err != nil {
				return
			}
			if reply := resolve(packet[:n], *address.Load()); reply != nil {
				_, _ = conn.WriteTo(reply, client)
			}
		}
	}()
	return conn.LocalAddr().String()
}

// resolve answers a query for an A record with address and a TTL of ten minutes, as Docker does. It answers every
// other query with no record.
func resolve(packet []byte, address string) []byte {
	var query dnsmessage.Message
	if query.Unpack(packet) != nil || len(query.Questions) != 1 {
		return nil
	}
	reply := dnsmessage.Message{
		Header:    dnsmessage.Header{ID: query.ID, Response: true, RecursionDesired: true, RecursionAvailable: true},
		Questions: query.Questions,
	}
	if question := query.Questions[0]; question.Type == dnsmessage.TypeA {
		reply.Answers = []dnsmessage.Resource{{
			Header: dnsmessage.ResourceHeader{Name: question.Name, Class: dnsmessage.ClassINET, TTL: 600},
			Body:   &dnsmessage.AResource{A: [4]byte(net.ParseIP(address).To4())},
		}}
	}
	packed, err := reply.Pack()
	if err != nil {
		return nil
	}
	return packed
}
