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

// maxToken is the longest token looked at, in bytes.
const maxToken = 8 << 10

// ErrNotAuthentic says that nobody who has a secret made the token, or not in this spelling.
var ErrNotAuthentic = errors.New("token is not authentic")

// methods are the signatures accepted: those that jsonwebtoken accepts with a secret.
var methods = []*jwt.SigningMethodHMAC{jwt.SigningMethodHS256, jwt.SigningMethodHS384, jwt.SigningMethodHS512}

// methodOf returns the method that alg names, a JSON value, or nil.
func methodOf(alg string) *jwt.SigningMethodHMAC {
	for _, method := range methods {
		if alg != "" && alg[0] == '"' && spells(alg, method.Name) {
			return method
		}
	}
	return nil
}

// Authenticate returns the session of the token, or an ErrNotAuthentic. A session is authentic even if it can
// never be accepted: Current reports that, after the blacklist was asked.
//
// The sessions of recent tokens are cached: see cache. That changes no result, because whether a token is authentic and
// what it says never changes.
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
// A token has one spelling: a blacklist of tokens is one of spellings, and a token that could be written in
// two ways would still be accepted in the other.
//
// The signature is verified before the header and the claims are decoded, so that a forged token, whatever
// it contains, costs little more than the HMACs of its length.
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
	claims, unfit := decodeObject(toUTF8(payload))
	if critical {
		// RFC 7515, section 4.1.11: whoever doesn't understand all of crit must refuse.
		unfit = errors.New("its header has crit")
	}
	// The token may be a part of a longer string, such as a header with other cookies, which the cache would keep.
	return &Session{Token: strings.Clone(token), claims: claims, unfit: unfit, keys: s.keys}, nil
}

// findAlg returns the value of the last alg in a header if it is a string, as it is spelled; otherwise "". It
// reads each byte at most twice and allocates nothing. Nothing is decided by what it returns for a header
// that is not a JSON object: see checkHeader.
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

// checkHeader returns nil if a header is a JSON object whose alg is the method that the signature was
// verified with. It reports whether there is a crit.
func checkHeader(head []byte, method *jwt.SigningMethodHMAC) (critical bool, err error) {
	if method == jwt.SigningMethodHS256 && string(head) == `{"alg":"HS256","typ":"JWT"}` {
		return false, nil
	}
	o, err := decodeObject(head)
	if err != nil {
		return false, err
	}
	if alg, _ := o.get("alg"); methodOf(alg) != method {
		return false, errors.New("alg is another than that of the signature")
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

// split decodes the three segments of a token if each is spelled in the one canonical way.
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

// decodeSegment decodes canonical base64url without padding (RFC 4648, section 5): of the alphabet
// alone (encoding/base64 skips CR and LF even when it is strict), the spare bits of the last
// character zero.
func decodeSegment(segment string) ([]byte, error) {
	if segment == "" {
		return nil, errors.New("is empty")
	}
	if strings.ContainsAny(segment, "\r\n") {
		return nil, errors.New("has a line break")
	}
	return base64.RawURLEncoding.Strict().DecodeString(segment)
}

// toUTF8 replaces what is not UTF-8 by U+FFFD as Node does: one for each longest part of a character,
// where Go's own functions make one for each byte.
func toUTF8(text []byte) []byte {
	if utf8.Valid(text) {
		return text
	}
	valid, err := unicode.UTF8.NewDecoder().Bytes(text)
	if err != nil {
		return text // can't happen: this decoder replaces everything it doesn't know
	}
	return valid
}
