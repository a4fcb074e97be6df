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

// ErrSecretGone says that a record was not made with any of the secrets, so its token is not accepted either.
var ErrSecretGone = errors.New("no secret made this record")

// Record returns what RebuildToken makes the token of a session from that was issued here: the token's header and
// payload, and in the place of the signature an HMAC with another key of the same secret. It may be stored where others
// read it, because it is of no use to them: only the secret gives the signature. The HMAC says which secret signed the
// token, and makes sure that RebuildToken signs nothing that was not issued here.
func (s *Sessions) Record(issued *Session) string {
	signed, _ := cutSignature(issued.Token)
	return signed + "." + s.keys[0].recordMAC(signed)
}

// RebuildToken returns the token that a record was made of, and until when a revocation of it has to be kept: see
// RevocableUntil. It returns ErrSecretGone if no secret made the record.
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

// cutSignature cuts a token before its last segment.
func cutSignature(token string) (signed, signature string) {
	end := max(0, strings.LastIndexByte(token, '.'))
	return token[:end], strings.TrimPrefix(token[end:], ".")
}

func (k keys) recordMAC(signed string) string {
	mac := hmac.New(sha256.New, k.record)
	mac.Write([]byte(signed))
	return base64.RawURLEncoding.EncodeToString(mac.Sum(nil)[:recordMAC])
}
