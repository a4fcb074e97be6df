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

// Cookie has the name of the session's cookie and its attributes in browsers. The cookie is always HttpOnly and valid
// for every path.
type Cookie struct {
	Name     string
	Domain   string // "" for the host only
	SameSite http.SameSite
	Secure   bool
}

// ReadToken returns the cookie's value, or "" if there is none. It follows the rules of cookie-parser 1.4 (cookie 0.7):
//
//   - Pairs are split at semicolons, and spaces and tabs around names and values are removed. Pairs without = are
//     skipped.
//   - The first cookie with that name counts, even if it is empty.
//   - One pair of double quotes is removed.
//   - A value with % is decoded once. If that fails, the value is used as it is. A + is not decoded.
//
// Unlike cookie-parser, it does not decode values with the prefix j: as JSON.
func (c Cookie) ReadToken(h http.Header) string {
	for value := range c.values(h) {
		return value
	}
	return ""
}

// values yields the values of all cookies with that name. A browser sends several if they differ in domain or path.
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

// ReadToken returns the cookie's value. If that is "" and bearer tokens are accepted, it returns the token in the
// Authorization header, as Node services do: req.cookies.token || header.
func (s *Sessions) ReadToken(h http.Header) string {
	token := s.Cookie.ReadToken(h)
	if token == "" && s.bearer {
		token = readBearer(h)
	}
	return token
}

// ReadAll returns the sessions of all authentic tokens in the request: those in each cookie with that name, and the
// one that ReadToken returns.
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

// readBearer returns the token in the Authorization header, or "" if there is none. The scheme is case-insensitive,
// and one or more spaces follow it (RFC 9110, section 11.4).
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
	// PathUnescape is used because QueryUnescape turns + into a space. A result that is not UTF-8 is discarded, because
	// JavaScript's decodeURIComponent rejects it.
	decoded, err := url.PathUnescape(value)
	if err != nil || !utf8.ValidString(decoded) {
		return value
	}
	return decoded
}

// SetCookie sends the cookie of a session that was issued here. The cookie expires with the token.
func (s *Sessions) SetCookie(h http.Header, session *Session) {
	cookie := s.HTTPCookie(session.Token)
	cookie.MaxAge = int(s.lifetime / time.Second)
	cookie.Expires = session.ExpiresAt()
	h.Add("Set-Cookie", cookie.String())
}

// ClearCookie removes the cookie from the client. It uses the attributes of SetCookie, because browsers keep the
// cookie otherwise. If a domain is set, it also removes the cookie for the host only, which a service without that
// setting may have set.
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
