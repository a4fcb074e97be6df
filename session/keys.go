package session

import (
	"crypto/hkdf"
	"crypto/sha256"
	"errors"
	"fmt"
)

// keys are the keys made from one secret. All except the first are derived from it (HKDF, RFC 5869), so that a
// signature or an HMAC for one purpose cannot be used for another.
type keys struct {
	signing []byte // the secret itself, as the original uses it
	jti     []byte // see jti.go
	record  []byte // see record.go
}

// newKeys returns the keys of each secret. It skips empty secrets, because anybody can sign a token with an empty key.
func newKeys(secrets []string) (all []keys, err error) {
	for _, secret := range secrets {
		if secret == "" {
			continue
		}
		k := keys{signing: []byte(secret)}
		if k.jti, err = k.derive("jti"); err != nil {
			return nil, err
		}
		if k.record, err = k.derive("session record"); err != nil {
			return nil, err
		}
		all = append(all, k)
	}
	if len(all) == 0 {
		return nil, errors.New("making sessions: no secret to sign tokens with")
	}
	return all, nil
}

func (k keys) derive(purpose string) ([]byte, error) {
	key, err := hkdf.Key(sha256.New, k.signing, nil, "gin-auth "+purpose, sha256.Size)
	if err != nil {
		return nil, fmt.Errorf("deriving a key from a secret: %w", err)
	}
	return key, nil
}

// DeriveKey returns a key for another purpose, derived from the secret that signs tokens.
func (s *Sessions) DeriveKey(purpose string) ([]byte, error) { return s.keys[0].derive(purpose) }
