package cli

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"gin-auth/config"
	"gin-auth/session"
)

// issuedClaims are the claims of the tokens that are issued here.
var issuedClaims = []string{"id", "email", "username", "role", "jti", "iat", "exp"}

// checkClaims reports what the claims of the token mean here.
func (r *tokenReport) checkClaims(s *session.Session, cookie *http.Cookie) {
	names := s.ClaimNames()
	for n := range names {
		names[n] = printable(names[n])
	}
	r.say("claims", "%s", strings.Join(names, ", "))
	by := r.checkIdentity(s)
	if s.Email() == "" {
		r.say("", "Without email, verify cannot tell a proxy the user's email, and a user cannot change their password.")
	}
	if other := slices.DeleteFunc(names, func(name string) bool {
		return name == by || slices.Contains(issuedClaims, name)
	}); len(other) > 0 {
		r.warn("tokens issued here do not have %s: code at Node that reads it will find nothing", strings.Join(other, ", "))
	}
	r.checkTimes(s, cookie)
}

// checkTimes reports how long the token and the cookie last.
func (r *tokenReport) checkTimes(s *session.Session, cookie *http.Cookie) {
	if err := s.Current(time.Now()); err != nil {
		r.say("valid", "no longer or not yet: %v", err)
	}
	issued, hasIssued := seconds(s, "iat")
	expires, hasExpiry := seconds(s, "exp")
	if !hasIssued {
		r.warn("the token does not say when it was issued (iat): any logout of all sessions revokes it")
	}
	if !hasExpiry {
		r.warn("the token never expires (exp): its entry on the blacklist stays forever")
		return
	}
	if !hasIssued {
		return
	}
	lifetime := config.Lifetime(time.Duration(expires-issued) * time.Second)
	r.say("lifetime", "%s", lifetime)
	if lifetime != r.cfg.JWTExpiresIn && lifetime > 0 {
		r.set("JWT_EXPIRES_IN", lifetime.String())
	}
	if cookie == nil || cookie.MaxAge <= 0 {
		return
	}
	if lasts := config.Lifetime(time.Duration(cookie.MaxAge) * time.Second); lasts != lifetime {
		r.warn("the cookie of the Node service lasts %s: here it lasts as long as its token", lasts)
	}
}

// checkIdentity reports which user the token belongs to, and returns the claim that names them.
func (r *tokenReport) checkIdentity(s *session.Session) (by string) {
	by, id := s.UserClaim()
	switch by {
	case "":
		r.say("user", "none of id, _id, userId and sub")
		r.warn("the token names no user: logging out everywhere and disabling a user cannot end such sessions")
	case "id":
		r.say("user", "id %s", printable(id))
	default:
		r.say("user", "id %s, in the claim %s", printable(id), by)
		r.warn("tokens issued here name the user in id, not in %s: let register and login stay at Node, or read id there", by)
	}
	return by
}

// seconds returns a claim that is a whole number of seconds.
func seconds(s *session.Session, name string) (int64, bool) {
	n, err := json.Number(s.StringClaim(name)).Int64()
	return n, err == nil
}

// checkCookie reports how the Node service sets its cookie. cookie is nil if the input does not have it.
func (r *tokenReport) checkCookie(cookie *http.Cookie) {
	if cookie == nil {
		return
	}
	_, attributes, _ := strings.Cut(cookie.Raw, ";")
	r.say("cookie", "%s;%s", cookie.Name, printable(attributes))
	if cookie.Name != r.cfg.CookieName {
		r.set("COOKIE_NAME", cookie.Name)
	}
	sameSite := map[http.SameSite]config.Keyword{
		http.SameSiteStrictMode: config.SameSiteStrict, http.SameSiteLaxMode: config.SameSiteLax,
		http.SameSiteNoneMode: config.SameSiteNone,
	}[cookie.SameSite]
	if sameSite == "" {
		sameSite = config.SameSiteLax // what browsers apply to a cookie without SameSite
	}
	if sameSite != r.cfg.CookieSameSite {
		r.set("COOKIE_SAMESITE", string(sameSite))
	}
	if domain := strings.TrimPrefix(r.cfg.CookieDomain, "."); strings.TrimPrefix(cookie.Domain, ".") != domain {
		r.set("COOKIE_DOMAIN", cookie.Domain)
	}
	switch {
	case cookie.Secure == r.cfg.CookieSecure:
	case cookie.Secure || !r.cfg.Production():
		r.set("COOKIE_SECURE", fmt.Sprint(cookie.Secure))
	default:
		r.warn("the Node service sets a cookie without Secure: in production this one sets it, so clients need https")
	}
	if cookie.Path != "/" {
		r.warn("the path of the cookie is %q: here it is /, and browsers keep both cookies", printable(cookie.Path))
	}
	if !cookie.HttpOnly {
		r.warn("the cookie is not HttpOnly: here it is, so scripts of a page that read it find nothing")
	}
}
