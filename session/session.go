// Package session makes, reads and judges what a signed-in client holds: a JSON Web Token in a cookie.
//
// A token is judged in two steps, because the guard asks Redis between them: Authenticate tells
// whether somebody who has a secret made it, Session.Current whether it holds now. The rules are those
// of jsonwebtoken 9 and cookie-parser 1.4, but where one spelling per token or a standard wants it
// narrower.
//
// Signing and verifying is golang-jwt's. Its Parser is not used: it decodes a token's claims before it
// verifies them, takes members in any case for a claim and "exp":0 for none, and has no say about
// payloads that are no JSON, whose tokens live at the original and have to be revocable here.
package session

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"math"
	"slices"
	"sync"
	"time"

	"github.com/golang-jwt/jwt/v5"
)

// Options are what a Sessions needs to know.
type Options struct {
	// Secrets are the HMAC keys, used as they are. The first signs, all of them verify. Empty ones
	// are left out, for an empty key would verify what anybody signs with it.
	Secrets []string
	// Lifetime is how long a token lives.
	Lifetime time.Duration
	Cookie   Cookie
	// Bearer makes ReadToken look at the header Authorization as well.
	Bearer bool
}

// Sessions makes and judges sessions. It is safe for concurrent use.
type Sessions struct {
	Cookie
	bearer   bool
	keys     []keys // the first sign, all of them verify
	lifetime time.Duration
	cache    *cache
}

// New returns a Sessions, or an error if there is no secret to sign with.
func New(o Options) (*Sessions, error) {
	keys, err := newKeys(o.Secrets)
	if err != nil {
		return nil, err
	}
	return &Sessions{Cookie: o.Cookie, bearer: o.Bearer, keys: keys, lifetime: o.Lifetime, cache: newCache()}, nil
}

// User is whom a session is issued to.
type User struct {
	ID       any    `json:"id"` // a string, or a json.Number for a user whose id is a number in the Node service
	Email    string `json:"email"`
	Username string `json:"username"`
	Role     string `json:"role"`
}

// header is the header of every token issued: {"alg":"HS256","typ":"JWT"}, as jsonwebtoken writes it.
const header = "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9"

// Issue makes a session for user, issued at the given time. Each has its own id, jti, so that two logins in
// one second give two tokens, each of which is revoked alone.
func (s *Sessions) Issue(user User, at time.Time) (*Session, error) {
	issued := at.Unix()
	payload, err := EncodeJSON(struct {
		User
		ID        string `json:"jti"`
		IssuedAt  int64  `json:"iat"`
		ExpiresAt int64  `json:"exp"`
	}{user, newJTI(s.keys[0].jti, issued), issued, issued + int64(s.lifetime/time.Second)})
	if err != nil {
		return nil, fmt.Errorf("encoding claims: %w", err)
	}
	signed := header + "." + base64.RawURLEncoding.EncodeToString(payload)
	signature, err := jwt.SigningMethodHS256.Sign(signed, s.keys[0].signing)
	if err != nil {
		return nil, fmt.Errorf("signing a token: %w", err)
	}
	claims, err := decodeObject(payload)
	if err != nil {
		return nil, fmt.Errorf("decoding claims: %w", err)
	}
	token := signed + "." + base64.RawURLEncoding.EncodeToString(signature)
	return &Session{Token: token, claims: claims, keys: s.keys}, nil
}

// Session is an authentic token: someone who has one of the secrets made it. It may be revoked,
// expired or unfit all the same. A Session never changes, and requests with the same token share it.
type Session struct {
	// Token is the token in its one spelling. Do not change it.
	Token  string
	claims object
	unfit  error  // why it can't hold at any time
	keys   []keys // see issuedHere

	encodeClaims sync.Once
	encoded      string // see Claims
}

// UserID returns whom the session belongs to, "" if its token names no user. See UserClaim.
func (s *Session) UserID() string {
	_, id := s.UserClaim()
	return id
}

// UserClaim returns the claim that names the user, and their id: the first of id, _id, userId and sub that is a string
// or a number, a number as its decimal string. Both are "" if there is none.
func (s *Session) UserClaim() (name, id string) {
	for _, name := range []string{"id", "_id", "userId", "sub"} {
		if id := s.claims.text(name); id != "" {
			return name, id
		}
	}
	return "", ""
}

// ClaimNames returns the names of the claims, in their order.
func (s *Session) ClaimNames() []string {
	names := make([]string, len(s.claims.members))
	for i, m := range s.claims.members {
		names[i] = m.name
	}
	return names
}

// Email returns the claim email, "" if there is none.
func (s *Session) Email() string { return s.claims.text("email") }

// ID returns the id of a session that was issued here, the claim jti, and "" for any other. It grants nothing.
func (s *Session) ID() string {
	if !s.issuedHere() {
		return ""
	}
	return s.StringClaim("jti")
}

// Hash returns a short hash of the token, for logs.
func (s *Session) Hash() string {
	return ShortHash(s.Token)
}

// ShortHash returns a short hash of a value, for logs: it distinguishes values and reveals none.
func ShortHash(value string) string {
	sum := sha256.Sum256([]byte(value))
	return hex.EncodeToString(sum[:8])
}

// StringClaim returns a claim if it is a string, its decimal digits if it is a number, and otherwise "".
func (s *Session) StringClaim(name string) string { return s.claims.text(name) }

// HasRole reports whether the claim role is a string and one of roles. A claim of another type is no role.
func (s *Session) HasRole(roles ...string) bool {
	raw, _ := s.claims.get("role")
	return raw != "" && raw[0] == '"' && slices.Contains(roles, unquote(raw))
}

// Claims returns the claims as the JSON object that the original's JSON.stringify makes of them, but
// that numbers keep all their digits: compact, the last of equal names, null for a number beyond a
// double.
func (s *Session) Claims() string {
	s.encodeClaims.Do(func() { s.encoded = s.claims.json() })
	return s.encoded
}

// Current returns nil if the session is valid at the given time, or why it is not. The time has to come from
// Redis, with the answer that the session is not revoked: another clock could judge a token valid whose entry on
// the blacklist has expired. exp and nbf are judged as jsonwebtoken does: they must be numbers if they exist, and
// whole seconds of the clock count.
func (s *Session) Current(now time.Time) error {
	if s.unfit != nil {
		return s.unfit
	}
	second := float64(now.Unix())
	if nbf, ok := s.claims.get("nbf"); ok {
		if n, ok := number(nbf); !ok || n > second {
			return errors.New("not valid yet, or nbf is no number")
		}
	}
	if exp, ok := s.claims.get("exp"); ok {
		if n, ok := number(exp); !ok || second >= n {
			return errors.New("expired, or exp is no number")
		}
	}
	return nil
}

// nodeAhead is how far, in seconds, the clock of a Node service may be ahead of Redis's: the iat of its
// tokens is by its own clock.
const nodeAhead = 60

// IssuedAt returns when the session was issued, in seconds of Redis's clock: at the earliest, because a Node
// service issues by its own clock. A session that does not say when is issued at 0, before every cut.
func (s *Session) IssuedAt() int64 {
	raw, _ := s.claims.get("iat")
	n, ok := number(raw)
	if !ok || n < 0 || n > endOfTime {
		return 0
	}
	if !s.issuedHere() {
		return max(0, int64(n)-nodeAhead)
	}
	return int64(n)
}

// leeway is how long the entry of a revoked token outlives the token. Redis expires both by the same clock, but a
// Node service judges tokens by its own.
const leeway = time.Minute

// endOfTime is where the expiry of a revocation is cut off, so that no arithmetic on it overflows.
const endOfTime = 253402300799 // 9999-12-31T23:59:59Z

// RevocableUntil returns until when a revocation of the session has to be kept, by Redis's clock, and the zero
// time for forever (no exp, or one that is not a number).
func (s *Session) RevocableUntil() time.Time {
	exp, _ := s.claims.get("exp")
	n, ok := number(exp)
	if !ok {
		return time.Time{}
	}
	return time.Unix(int64(math.Ceil(max(0, min(n, endOfTime)))), 0).Add(leeway)
}

// ExpiresAt returns the session's exp. It is only for sessions issued here.
func (s *Session) ExpiresAt() time.Time { return s.RevocableUntil().Add(-leeway) }
