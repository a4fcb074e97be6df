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
var methods = map[string]*jwt.SigningMethodHMAC{
	"HS256": jwt.SigningMethodHS256,
	"HS384": jwt.SigningMethodHS384,
	"HS512": jwt.SigningMethodHS512,
}

// Authenticate returns the session that token stands for, or an ErrNotAuthentic. A session is
// authentic even if it can't hold at any time: Current says so, after the blacklist was asked.
//
// A token has one spelling: a blacklist of tokens is one of spellings, and a token that could be
// written in two ways would live on in the other.
func (s *Sessions) Authenticate(token string) (*Session, error) {
	header, payload, signature, err := split(token)
	if err != nil {
		return nil, err
	}
	head, err := decodeObject(header)
	if err != nil {
		return nil, fmt.Errorf("%w: its header: %w", ErrNotAuthentic, err)
	}
	alg, _ := head.get("alg")
	method := methods[unquote(alg)]
	if method == nil {
		return nil, fmt.Errorf("%w: alg is not one of HS256, HS384 and HS512", ErrNotAuthentic)
	}
	if !s.verify(method, token[:strings.LastIndexByte(token, '.')], signature) {
		return nil, fmt.Errorf("%w: signature is wrong", ErrNotAuthentic)
	}
	claims, unfit := decodeObject(toUTF8(payload))
	if _, critical := head.get("crit"); critical {
		// RFC 7515, section 4.1.11: whoever doesn't understand all of crit must refuse.
		unfit = errors.New("its header has crit")
	}
	return &Session{Token: token, claims: claims, unfit: unfit, jtiKeys: s.jtiKeys, now: s.now}, nil
}

func (s *Sessions) verify(method *jwt.SigningMethodHMAC, signed string, signature []byte) bool {
	for _, key := range s.keys {
		if method.Verify(signed, signature, key) == nil {
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
