package session

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/golang-jwt/jwt/v5"
)

// recordMAC is the length of the HMAC in a record, in bytes.
const recordMAC = 16

// ErrSecretGone means that a record was not made with any of the secrets. Its token is not accepted either.
var ErrSecretGone = errors.New("the record was not made with any of the secrets")

// Record returns a string from which RebuildToken makes the token of a session again. The session must have been
// issued here. The string consists of the token's header and payload and, instead of the signature, an HMAC with
// another key of the same secret. It may be stored where others can read it, because nobody can make the signature
// from it without the secret. The HMAC shows which secret signed the token, and it prevents RebuildToken from signing
// anything that was not issued here.
func (s *Sessions) Record(issued *Session) string {
	signed, _ := cutSignature(issued.Token)
	return signed + "." + s.keys[0].recordMAC(signed)
}

// RebuildToken returns the token that a record was made from, and the time until which a revocation of it must be
// kept: see RevocableUntil. It returns ErrSecretGone if none of the secrets made the record.
func (s *Sessions) RebuildToken(record string) (token string, until time.Time, err error) {
	signed, mac := cutSignature(record)
	for _, key := range s.keys {
		if !hmac.Equal([]byte(mac), []byte(key.recordMAC(signed))) {
			continue
		}
		signature, err := jwt.SigningMethodHS256.Sign(signed, key.signing)
		if err != nil {
			return "", time.Time{}, fmt.Errorf("signing a token: %w", err)
		}
		rebuilt, err := s.Authenticate(signed + "." + base64.RawURLEncoding.EncodeToString(signature))
		if err != nil {
			return "", time.Time{}, err
		}
		return rebuilt.Token, rebuilt.RevocableUntil(), nil
	}
	return "", time.Time{}, ErrSecretGone
}

// cutSignature splits a token at its last dot.
func cutSignature(token string) (signed, signature string) {
	end := max(0, strings.LastIndexByte(token, '.'))
	return token[:end], strings.TrimPrefix(token[end:], ".")
}

func (k keys) recordMAC(signed string) string {
	mac := hmac.New(sha256.New, k.record)
	mac.Write([]byte(signed))
	return base64.RawURLEncoding.EncodeToString(mac.Sum(nil)[:recordMAC])
}
