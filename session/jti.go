package session

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"strconv"
)

// The jti of a token issued here is the base64url encoding of 16 random bytes and the first 8 bytes of an HMAC of
// these bytes and iat. The HMAC shows that this service issued the token. Other services that have the secret may set
// a jti too, or copy one from our tokens.
const (
	jtiRandom = 16
	jtiMAC    = 8
)

// newJTI returns a new jti for a token issued at iat.
func newJTI(key []byte, iat int64) string {
	random := make([]byte, jtiRandom)
	rand.Read(random) // never returns an error: see crypto/rand
	return markedJTI(key, random, strconv.FormatInt(iat, 10))
}

// markedJTI returns the jti with these random bytes. iat is the claim as it is written in the token.
func markedJTI(key, random []byte, iat string) string {
	mac := hmac.New(sha256.New, key)
	mac.Write(random)
	mac.Write([]byte(iat))
	return base64.RawURLEncoding.EncodeToString(mac.Sum(random)[:jtiRandom+jtiMAC])
}

// issuedHere reports whether an instance of this service issued the session: whether its jti contains the HMAC of its
// iat.
func (s *Session) issuedHere() bool {
	jti, _ := s.claims.get("jti")
	iat, _ := s.claims.get("iat")
	text := unquote(jti)
	decoded, err := base64.RawURLEncoding.DecodeString(text)
	if err != nil || len(decoded) != jtiRandom+jtiMAC {
		return false
	}
	for _, key := range s.keys {
		// The encoded strings are compared, which rejects other encodings of the same bytes.
		if hmac.Equal([]byte(text), []byte(markedJTI(key.jti, decoded[:jtiRandom:jtiRandom], iat))) {
			return true
		}
	}
	return false
}
