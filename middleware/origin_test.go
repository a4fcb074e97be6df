package middleware_test

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"github.com/gin-gonic/gin"

	"gin-auth/middleware"
)

// TestCrossOrigin checks that a browser's POST for a page of another origin does not reach the handler unless the
// origin is trusted, and that only a trusted origin gets CORS headers.
func TestCrossOrigin(t *testing.T) {
	t.Parallel()
	const (
		trusted, other = "https://app.example.com", "https://evil.example"
		site, origin   = "Sec-Fetch-Site", "Origin"
	)
	for name, test := range map[string]struct {
		method  string
		header  []string // name and value
		refused bool
		shared  bool // has the CORS headers
	}{
		"no browser":                    {"POST", nil, false, false},
		"its own page":                  {"POST", []string{site, "same-origin"}, false, false},
		"its own page, an old browser":  {"POST", []string{origin, "http://example.com"}, false, false},
		"another page":                  {"POST", []string{site, "cross-site", origin, other}, true, false},
		"another page, an old browser":  {"POST", []string{origin, other}, true, false},
		"another page of the same site": {"POST", []string{site, "same-site"}, true, false},
		"another page's GET":            {"GET", []string{site, "cross-site", origin, other}, false, false},
		"a trusted page":                {"POST", []string{site, "cross-site", origin, trusted}, false, true},
		"a trusted page's GET":          {"GET", []string{origin, trusted}, false, true},
		"a page of a longer name":       {"POST", []string{origin, trusted + ".evil.example"}, true, false},
	} {
		for _, origins := range [][]string{{trusted}, nil} {
			refused, shared := test.refused, test.shared && origins != nil
			if test.shared && origins == nil && test.method == "POST" {
				refused = true
			}
			crossOrigin, err := middleware.CrossOrigin(origins)
			if err != nil {
				t.Fatal(err)
			}
			ran := false
			var failed error
			r := gin.New()
			r.Use(func(c *gin.Context) {
				c.Next()
				if last := c.Errors.Last(); last != nil {
					failed = last.Err
				}
			}, crossOrigin)
			r.Handle(test.method, "/", func(*gin.Context) { ran = true })
			request := httptest.NewRequest(test.method, "/", nil)
			for pair := range slices.Chunk(test.header, 2) {
				request.Header.Set(pair[0], pair[1])
			}
			answer := httptest.NewRecorder()
			r.ServeHTTP(answer, request)
			if ran == refused || errors.Is(failed, middleware.ErrCrossOrigin) != refused {
				t.Errorf("%s, trusting %q: the handler ran: %v, error %v", name, origins, ran, failed)
			}
			want := http.Header{}
			if shared {
				want = http.Header{
					"Access-Control-Allow-Origin": {trusted}, "Access-Control-Allow-Credentials": {"true"},
					"Access-Control-Expose-Headers": {"X-Request-Id,Retry-After"}, "Vary": {"Origin"},
				}
			}
			for _, header := range []string{
				"Access-Control-Allow-Origin", "Access-Control-Allow-Credentials", "Access-Control-Expose-Headers", "Vary",
			} {
				if got := answer.Header()[header]; !slices.Equal(got, want[header]) {
					t.Errorf("%s, trusting %q: %s is %q, want %q", name, origins, header, got, want[header])
				}
			}
		}
	}
	if _, err := middleware.CrossOrigin([]string{"app.example.com"}); err == nil {
		t.Error("an origin without a scheme is trusted")
	}
}

// TestPreflight checks that the headers which axios, OpenTelemetry and Sentry send are allowed.
func TestPreflight(t *testing.T) {
	t.Parallel()
	crossOrigin, err := middleware.CrossOrigin([]string{"https://app.example.com"})
	if err != nil {
		t.Fatal(err)
	}
	r := gin.New()
	r.Use(crossOrigin)
	request := httptest.NewRequest(http.MethodOptions, "/", nil)
	request.Header.Set("Origin", "https://app.example.com")
	request.Header.Set("Access-Control-Request-Method", "DELETE")
	answer := httptest.NewRecorder()
	r.ServeHTTP(answer, request)
	header := answer.Header()
	if answer.Code != http.StatusNoContent || header.Get("Access-Control-Max-Age") != "7200" {
		t.Errorf("%d, %v", answer.Code, header)
	}
	headers := strings.Split(strings.ToLower(header.Get("Access-Control-Allow-Headers")), ",")
	for _, name := range []string{
		"authorization", "content-type", "x-requested-with", "traceparent", "tracestate", "baggage", "sentry-trace", "x-request-id",
	} {
		if !slices.Contains(headers, name) {
			t.Errorf("%s is not allowed: %v", name, headers)
		}
	}
	for _, method := range []string{"GET", "HEAD", "POST", "DELETE"} {
		if !slices.Contains(strings.Split(header.Get("Access-Control-Allow-Methods"), ","), method) {
			t.Errorf("%s is not allowed: %v", method, header)
		}
	}
}

// TestCrossOriginAdvice checks that the log says what to change.
func TestCrossOriginAdvice(t *testing.T) {
	t.Parallel()
	crossOrigin, err := middleware.CrossOrigin(nil)
	if err != nil {
		t.Fatal(err)
	}
	for origin, want := range map[string][]string{
		"https://app.example.com": {`origin "https://app.example.com"`, `the host "internal:3000"`, "CORS_ORIGINS", "Host"},
		"":                        {`the host "internal:3000"`, "Host"},
	} {
		request := httptest.NewRequest(http.MethodPost, "http://internal:3000/users/1", nil)
		request.Header.Set("Sec-Fetch-Site", "cross-site")
		if origin != "" {
			request.Header.Set("Origin", origin)
		}
		line, _ := logged(t, request, func(c *gin.Context) {
			crossOrigin(c)
			c.Status(http.StatusForbidden)
		})
		text, _ := line["error"].(string)
		for _, part := range want {
			if !strings.Contains(text, part) {
				t.Errorf("from %q: the log says %q, without %s", origin, text, part)
			}
		}
	}
}

// TestSameSite checks the requests that a browser can send to GET /logout.
func TestSameSite(t *testing.T) {
	t.Parallel()
	const trusted = "https://app.example.com"
	for name, test := range map[string]struct {
		header []string // name and value
		want   error
	}{
		"no browser":                   {nil, nil},
		"typed by the user":            {[]string{"Sec-Fetch-Site", "none", "Sec-Fetch-Mode", "navigate"}, nil},
		"its own page":                 {[]string{"Sec-Fetch-Site", "same-origin", "Sec-Fetch-Mode", "navigate"}, nil},
		"a sibling subdomain":          {[]string{"Sec-Fetch-Site", "same-site", "Sec-Fetch-Mode", "navigate"}, nil},
		"a sibling's fetch":            {[]string{"Sec-Fetch-Site", "same-site", "Sec-Fetch-Mode", "cors", "Origin", trusted}, nil},
		"a link on another site":       {[]string{"Sec-Fetch-Site", "cross-site", "Sec-Fetch-Mode", "navigate"}, middleware.ErrCrossOrigin},
		"an image on another site":     {[]string{"Sec-Fetch-Site", "cross-site", "Sec-Fetch-Mode", "no-cors"}, middleware.ErrCrossOrigin},
		"a trusted site's fetch":       {[]string{"Sec-Fetch-Site", "cross-site", "Sec-Fetch-Mode", "cors", "Origin", trusted}, nil},
		"a trusted site's link":        {[]string{"Sec-Fetch-Site", "cross-site", "Sec-Fetch-Mode", "navigate", "Origin", trusted}, middleware.ErrCrossOrigin},
		"a trusted site's image":       {[]string{"Sec-Fetch-Site", "cross-site", "Sec-Fetch-Mode", "no-cors", "Origin", trusted}, middleware.ErrCrossOrigin},
		"another site's fetch":         {[]string{"Sec-Fetch-Site", "cross-site", "Sec-Fetch-Mode", "cors", "Origin", "https://evil.example"}, middleware.ErrCrossOrigin},
		"a prefetch":                   {[]string{"Sec-Fetch-Site", "same-origin", "Sec-Purpose", "prefetch"}, middleware.ErrPrefetch},
		"a prerendered page":           {[]string{"Sec-Fetch-Site", "none", "Sec-Purpose", "prefetch;prerender"}, middleware.ErrPrefetch},
		"a prefetch of an old browser": {[]string{"Purpose", "prefetch"}, middleware.ErrPrefetch},
		"a prefetch of a trusted site": {[]string{"Sec-Fetch-Site", "cross-site", "Sec-Fetch-Mode", "cors", "Origin", trusted, "Sec-Purpose", "Prefetch"}, middleware.ErrPrefetch},
	} {
		var failed error
		ran := false
		r := gin.New()
		r.Use(func(c *gin.Context) {
			c.Next()
			failed = middleware.LastError(c)
		})
		r.GET("/", middleware.SameSite([]string{trusted}), func(*gin.Context) { ran = true })
		request := httptest.NewRequest(http.MethodGet, "/", nil)
		for pair := range slices.Chunk(test.header, 2) {
			request.Header.Set(pair[0], pair[1])
		}
		r.ServeHTTP(httptest.NewRecorder(), request)
		if !errors.Is(failed, test.want) || ran != (test.want == nil) {
			t.Errorf("%s: error %v, want %v; the handler ran: %v", name, failed, test.want, ran)
		}
	}
}

func TestHeaders(t *testing.T) {
	t.Parallel()
	for httpsOnly, transport := range map[bool]string{true: "max-age=31536000", false: ""} {
		r := gin.New()
		r.GET("/", middleware.Headers(httpsOnly))
		answer := httptest.NewRecorder()
		r.ServeHTTP(answer, httptest.NewRequest(http.MethodGet, "/", nil))
		for name, want := range map[string]string{
			"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff", "Strict-Transport-Security": transport,
		} {
			if got := answer.Header().Get(name); got != want {
				t.Errorf("https only: %v: %s is %q, want %q", httpsOnly, name, got, want)
			}
		}
	}
}
