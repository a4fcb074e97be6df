package session

import (
	"crypto/hkdf"
	"crypto/sha256"
	"errors"
	"fmt"
)

// keys are the keys that are made of one secret. Each but the first is derived from it (HKDF, RFC 5869), so that no
// signature and no HMAC for one purpose is of use for another.
type keys struct {
	signing []byte // the secret itself, as the original uses it
	jti     []byte // see jti.go
	record  []byte // see record.go
}

// newKeys returns the keys of each secret that is not empty: an empty key would verify what anybody signs with it.
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

// DeriveKey returns a key for another purpose, derived from the secret that signs.
func (s *Sessions) DeriveKey(purpose string) ([]byte, error) { return s.keys[0].derive(purpose) }
