package session

import (
	"encoding/base64"
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/golang-jwt/jwt/v5"
	"golang.org/x/text/encoding/unicode"
)

// maxToken is the length of the longest token that is accepted, in bytes.
const maxToken = 8 << 10

// ErrNotAuthentic means that nobody who has a secret made the token, or that the token is not in its only accepted
// spelling.
var ErrNotAuthentic = errors.New("token is not authentic")

// methods are the accepted signature algorithms: those that jsonwebtoken accepts with a secret.
var methods = []*jwt.SigningMethodHMAC{jwt.SigningMethodHS256, jwt.SigningMethodHS384, jwt.SigningMethodHS512}

// methodOf returns the method that alg, a JSON value, names, or nil.
func methodOf(alg string) *jwt.SigningMethodHMAC {
	for _, method := range methods {
		if alg != "" && alg[0] == '"' && spells(alg, method.Name) {
			return method
		}
	}
	return nil
}

// Authenticate returns the session of the token, or an ErrNotAuthentic. An authentic session may still be invalid:
// call Current after asking Redis about revocations.
//
// The sessions of recent tokens are cached: see cache. This changes no result, because neither the authenticity of a
// token nor its claims ever change.
func (s *Sessions) Authenticate(token string) (*Session, error) {
	hash := s.cache.hash(token)
	if session := s.cache.get(token, hash); session != nil {
		return session, nil
	}
	session, err := s.verifyToken(token)
	if err != nil {
		return nil, err
	}
	s.cache.add(session, hash)
	return session, nil
}

// verifyToken is Authenticate without the cache.
//
// It accepts each token in only one spelling. The blacklist compares strings, so a revoked token would still be
// accepted in a second spelling.
//
// The signature is verified before the header and the claims are decoded. So a forged token, whatever it contains,
// costs little more than the HMACs of a string of its length.
func (s *Sessions) verifyToken(token string) (*Session, error) {
	head, payload, signature, err := split(token)
	if err != nil {
		return nil, err
	}
	method := methodOf(findAlg(string(head)))
	if method == nil {
		return nil, fmt.Errorf("%w: alg is not one of HS256, HS384 and HS512", ErrNotAuthentic)
	}
	if !s.verify(method, token[:strings.LastIndexByte(token, '.')], signature) {
		return nil, fmt.Errorf("%w: signature is wrong", ErrNotAuthentic)
	}
	critical, err := checkHeader(head, method)
	if err != nil {
		return nil, fmt.Errorf("%w: its header: %w", ErrNotAuthentic, err)
	}
	claims, invalid := decodeObject(toUTF8(payload))
	if critical {
		// RFC 7515, section 4.1.11: a recipient that does not understand everything in crit must reject the token.
		invalid = errors.New("its header has crit, which is not supported")
	}
	// The token may be part of a longer string, such as a Cookie header, which the cache would keep in memory.
	return &Session{Token: strings.Clone(token), claims: claims, invalid: invalid, keys: s.keys}, nil
}

// findAlg returns the value of the last alg in a header if it is a string, as written; otherwise "". It reads each
// byte at most twice and allocates nothing. Its result for a header that is not a JSON object does not matter,
// because checkHeader rejects such a header.
func findAlg(head string) (alg string) {
	depth := 0
	for i := 0; i < len(head); i++ {
		switch head[i] {
		case '{', '[':
			depth++
		case '}', ']':
			depth--
		case '"':
			end := endOfString(head[i:])
			if end < 0 {
				return ""
			}
			name := head[i : i+end]
			i += end - 1
			if depth != 1 || !spells(name, "alg") {
				continue
			}
			value := strings.TrimLeft(head[i+1:], jsonSpace)
			if value == "" || value[0] != ':' {
				continue // a value, not a name
			}
			alg = ""
			if value = strings.TrimLeft(value[1:], jsonSpace); value != "" && value[0] == '"' {
				alg = value[:max(0, endOfString(value))]
			}
		}
	}
	return alg
}

// checkHeader returns nil if a header is a JSON object and its alg is the method that the signature was verified
// with. critical reports whether it has a crit.
func checkHeader(head []byte, method *jwt.SigningMethodHMAC) (critical bool, err error) {
	if method == jwt.SigningMethodHS256 && string(head) == `{"alg":"HS256","typ":"JWT"}` {
		return false, nil
	}
	o, err := decodeObject(head)
	if err != nil {
		return false, err
	}
	if alg, _ := o.get("alg"); methodOf(alg) != method {
		return false, errors.New("alg is not the algorithm of the signature")
	}
	_, critical = o.get("crit")
	return critical, nil
}

func (s *Sessions) verify(method *jwt.SigningMethodHMAC, signed string, signature []byte) bool {
	for _, key := range s.keys {
		if method.Verify(signed, signature, key.signing) == nil {
			return true
		}
	}
	return false
}

// split decodes the three segments of a token. Each must be in the canonical encoding.
func split(token string) (header, payload, signature []byte, err error) {
	if len(token) > maxToken {
		return nil, nil, nil, fmt.Errorf("%w: longer than %d bytes", ErrNotAuthentic, maxToken)
	}
	segments := strings.SplitN(token, ".", 4)
	if len(segments) != 3 {
		return nil, nil, nil, fmt.Errorf("%w: not three segments", ErrNotAuthentic)
	}
	var decoded [3][]byte
	for i, segment := range segments {
		if decoded[i], err = decodeSegment(segment); err != nil {
			return nil, nil, nil, fmt.Errorf("%w: segment %d: %w", ErrNotAuthentic, i+1, err)
		}
	}
	return decoded[0], decoded[1], decoded[2], nil
}

// decodeSegment decodes canonical base64url without padding (RFC 4648, section 5). Only characters of the alphabet
// are allowed (encoding/base64 skips CR and LF even in strict mode), and the unused bits of the last character must
// be zero.
func decodeSegment(segment string) ([]byte, error) {
	if segment == "" {
		return nil, errors.New("is empty")
	}
	if strings.ContainsAny(segment, "\r\n") {
		return nil, errors.New("has a line break")
	}
	return base64.RawURLEncoding.Strict().DecodeString(segment)
}

// toUTF8 replaces invalid UTF-8 by U+FFFD as Node does: one for each longest part of a character. Go's own functions
// insert one for each byte.
func toUTF8(text []byte) []byte {
	if utf8.Valid(text) {
		return text
	}
	valid, err := unicode.UTF8.NewDecoder().Bytes(text)
	if err != nil {
		return text // cannot happen: this decoder replaces everything that is invalid
	}
	return valid
}
