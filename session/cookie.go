package session

import (
	"iter"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"
	"unicode/utf8"
)

// Cookie says what the cookie is called and how browsers are told to treat it. It is HttpOnly and for
// every path, always.
type Cookie struct {
	Name     string
	Domain   string // "" for the host alone
	SameSite http.SameSite
	Secure   bool
}

// ReadToken returns the cookie's value, or "" if there is none, by the rules of cookie-parser 1.4 (cookie
// 0.7): pairs are split at semicolons and trimmed of space and tab, those without = are skipped, the
// first of the name counts even if it is empty, one pair of double quotes is dropped, and a value with
// % is decoded once, as a whole, or not at all. + stays +. (Values with the prefix j: stay text here.)
func (c Cookie) ReadToken(h http.Header) string {
	for value := range c.values(h) {
		return value
	}
	return ""
}

// values yields the values of all cookies of the name. A browser sends several if they differ in domain or path.
func (c Cookie) values(h http.Header) iter.Seq[string] {
	const space = " \t"
	return func(yield func(string) bool) {
		for _, line := range h["Cookie"] {
			for pair := range strings.SplitSeq(line, ";") {
				name, value, ok := strings.Cut(pair, "=")
				if ok && strings.Trim(name, space) == c.Name && !yield(decodeValue(strings.Trim(value, space))) {
					return
				}
			}
		}
	}
}

// ReadToken returns the cookie's value. If that is "" and bearer tokens are accepted, it returns the one in the header
// Authorization, as Node services do: req.cookies.token || header.
func (s *Sessions) ReadToken(h http.Header) string {
	token := s.Cookie.ReadToken(h)
	if token == "" && s.bearer {
		token = readBearer(h)
	}
	return token
}

// ReadAll returns every session whose authentic token the request has: in all cookies of the name, and where ReadToken
// reads it.
func (s *Sessions) ReadAll(h http.Header) []*Session {
	var all []*Session
	seen := map[string]bool{}
	for _, token := range append(slices.Collect(s.values(h)), s.ReadToken(h)) {
		if seen[token] {
			continue
		}
		seen[token] = true
		if session, err := s.Authenticate(token); err == nil {
			all = append(all, session)
		}
	}
	return all
}

// readBearer returns the token in the header Authorization, or "" if there is none. The scheme may be in any case, and
// one or more spaces follow it (RFC 9110, section 11.4).
func readBearer(h http.Header) string {
	scheme, token, _ := strings.Cut(h.Get("Authorization"), " ")
	if !strings.EqualFold(scheme, "Bearer") {
		return ""
	}
	return strings.Trim(token, " \t")
}

func decodeValue(value string) string {
	if value == `"` {
		return ""
	}
	if strings.HasPrefix(value, `"`) && strings.HasSuffix(value, `"`) && value != "" {
		value = value[1 : len(value)-1]
	}
	if !strings.Contains(value, "%") {
		return value
	}
	// PathUnescape, for QueryUnescape makes + a space. What isn't UTF-8 is left as it is, as
	// JavaScript's decodeURIComponent can't decode it.
	decoded, err := url.PathUnescape(value)
	if err != nil || !utf8.ValidString(decoded) {
		return value
	}
	return decoded
}

// SetCookie sends the session, which was issued here, to the client. The cookie expires with the token.
func (s *Sessions) SetCookie(h http.Header, session *Session) {
	cookie := s.HTTPCookie(session.Token)
	cookie.MaxAge = int(s.lifetime / time.Second)
	cookie.Expires = session.ExpiresAt()
	h.Add("Set-Cookie", cookie.String())
}

// ClearCookie removes the cookie from the client. Its attributes are those of SetCookie, or browsers would keep it.
// With a domain, it also removes the cookie of the host alone, which a service without that setting has left.
func (s *Sessions) ClearCookie(h http.Header) {
	cookie := s.HTTPCookie("")
	cookie.Expires = time.Unix(0, 0)
	h.Add("Set-Cookie", cookie.String())
	if cookie.Domain != "" {
		cookie.Domain = ""
		h.Add("Set-Cookie", cookie.String())
	}
}

// HTTPCookie returns a cookie with the given value and no expiry.
func (c Cookie) HTTPCookie(value string) *http.Cookie {
	return &http.Cookie{
		Name:     c.Name,
		Value:    value,
		Path:     "/",
		Domain:   c.Domain,
		HttpOnly: true,
		Secure:   c.Secure,
		SameSite: c.SameSite,
	}
}
