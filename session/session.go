// Package session issues, reads and checks the JSON Web Token that a client sends in a cookie after a login.
//
// A token is checked in two steps, because the guard asks Redis between them. Authenticate reports whether somebody
// who has a secret made it, and Session.Current whether it is valid now. The rules are those of jsonwebtoken 9 and
// cookie-parser 1.4. They are stricter only if a standard requires it, or if a token could otherwise be spelled in
// two ways.
//
// golang-jwt signs tokens and verifies signatures. Its Parser is not used: it decodes claims before it verifies the
// signature, matches claim names in any case, and treats "exp":0 as no exp. It also cannot read payloads that are not
// JSON. The original accepts tokens with such payloads, so it must be possible to revoke them here.
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

// Options configure a Sessions.
type Options struct {
	// Secrets are the HMAC keys, used as they are. The first one signs, and all of them verify. Empty ones are ignored,
	// because anybody can sign a token with an empty key.
	Secrets []string
	// Lifetime is how long a token is valid.
	Lifetime time.Duration
	Cookie   Cookie
	// Bearer makes ReadToken read the Authorization header as well.
	Bearer bool
}

// Sessions issues and checks sessions. It is safe for concurrent use.
type Sessions struct {
	Cookie
	bearer   bool
	keys     []keys // those of the first secret sign, all of them verify
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

// User is the user that a session is issued to.
type User struct {
	ID       any    `json:"id"` // a string, or a json.Number for a user whose id is a number in the Node service
	Email    string `json:"email"`
	Username string `json:"username"`
	Role     string `json:"role"`
}

// header is the header of every token issued: {"alg":"HS256","typ":"JWT"}, as jsonwebtoken writes it.
const header = "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9"

// Issue returns a new session of a user, issued at the given time. Each session has its own id, the claim jti. So two
// logins in one second give two different tokens, and revoking one does not revoke the other.
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

// Session is an authentic token: somebody who has one of the secrets made it. It may still be revoked, expired or
// otherwise invalid. A Session never changes, and requests with the same token share it.
type Session struct {
	// Token is the token in its only accepted spelling. Do not change it.
	Token   string
	claims  object
	invalid error  // why the token is never valid, or nil
	keys    []keys // see issuedHere

	encodeClaims sync.Once
	encoded      string // see Claims
}

// UserID returns the id of the session's user, or "" if its token names no user. See UserClaim.
func (s *Session) UserID() string {
	_, id := s.UserClaim()
	return id
}

// UserClaim returns the name and the value of the claim that names the user. It is the first of id, _id, userId and
// sub that is a number or a string other than "". A number is returned as its decimal string. Both are "" if there is
// no such claim.
func (s *Session) UserClaim() (name, id string) {
	for _, name := range []string{"id", "_id", "userId", "sub"} {
		if id := s.claims.text(name); id != "" {
			return name, id
		}
	}
	return "", ""
}

// ClaimNames returns the names of the claims in their order.
func (s *Session) ClaimNames() []string {
	names := make([]string, len(s.claims.members))
	for i, m := range s.claims.members {
		names[i] = m.name
	}
	return names
}

// Email returns the claim email, or "" if there is none.
func (s *Session) Email() string { return s.claims.text("email") }

// ID returns the claim jti of a session that was issued here, and "" for any other session. The id gives no access.
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

// ShortHash returns a short hash of a value, for logs. It distinguishes values without revealing them.
func ShortHash(value string) string {
	sum := sha256.Sum256([]byte(value))
	return hex.EncodeToString(sum[:8])
}

// StringClaim returns a claim if it is a string, or its decimal string if it is a number; otherwise "".
func (s *Session) StringClaim(name string) string { return s.claims.text(name) }

// HasRole reports whether the claim role is a string and one of roles. A claim of another type is not a role.
func (s *Session) HasRole(roles ...string) bool {
	raw, _ := s.claims.get("role")
	return raw != "" && raw[0] == '"' && slices.Contains(roles, unquote(raw))
}

// Claims returns the claims as the JSON object that the original's JSON.stringify makes of them, except that numbers
// keep all their digits. It is compact, has only the last of several equal names, and has null for a number beyond a
// double.
func (s *Session) Claims() string {
	s.encodeClaims.Do(func() { s.encoded = s.claims.json() })
	return s.encoded
}

// Current returns nil if the session is valid at the given time, or the reason why it is not. The time must come from
// Redis, together with the result that the session is not revoked. By another clock, a token could still be valid
// when its entry on the blacklist has already expired. exp and nbf are checked as in jsonwebtoken: if they exist,
// they must be numbers, and they are compared with whole seconds of the clock.
func (s *Session) Current(now time.Time) error {
	if s.invalid != nil {
		return s.invalid
	}
	second := float64(now.Unix())
	if nbf, ok := s.claims.get("nbf"); ok {
		if n, ok := number(nbf); !ok || n > second {
			return errors.New("not valid yet, or nbf is not a number")
		}
	}
	if exp, ok := s.claims.get("exp"); ok {
		if n, ok := number(exp); !ok || second >= n {
			return errors.New("expired, or exp is not a number")
		}
	}
	return nil
}

// nodeAhead is how many seconds the clock of a Node service may be ahead of Redis's. The iat of its tokens comes from
// its own clock.
const nodeAhead = 60

// IssuedAt returns the earliest time at which the session can have been issued, in seconds of Redis's clock. For a
// session of a Node service, this is earlier than its iat, which comes from that service's own clock. Without a valid
// iat it is 0, which is before every cut.
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

// leeway is how long the blacklist entry of a revoked token is kept after the token expires. This service uses
// Redis's clock for both, but a Node service checks tokens by its own clock.
const leeway = time.Minute

// endOfTime is the latest time that is used from a claim, so that no arithmetic on it overflows.
const endOfTime = 253402300799 // 9999-12-31T23:59:59Z

// RevocableUntil returns the time until which a revocation of the session must be kept, by Redis's clock. The zero
// time means forever: there is no exp, or it is not a number.
func (s *Session) RevocableUntil() time.Time {
	exp, _ := s.claims.get("exp")
	n, ok := number(exp)
	if !ok {
		return time.Time{}
	}
	return time.Unix(int64(math.Ceil(max(0, min(n, endOfTime)))), 0).Add(leeway)
}

// ExpiresAt returns the session's exp. Call it only for sessions that were issued here.
func (s *Session) ExpiresAt() time.Time { return s.RevocableUntil().Add(-leeway) }
