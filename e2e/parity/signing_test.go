package parity

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"strings"
	"sync"
)

// Some of these edits of a whole token sign it with other keys.

var rsaKey = sync.OnceValue(func() *rsa.PrivateKey {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		panic(err)
	}
	return key
})

func signRS256(token string) string {
	return signWith(token, func(digest []byte) ([]byte, error) {
		return rsa.SignPKCS1v15(rand.Reader, rsaKey(), crypto.SHA256, digest)
	})
}

func signES256(token string) string {
	return signWith(token, func(digest []byte) ([]byte, error) {
		key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		if err != nil {
			return nil, err
		}
		r, s, err := ecdsa.Sign(rand.Reader, key, digest)
		if err != nil {
			return nil, err
		}
		return append(r.FillBytes(make([]byte, 32)), s.FillBytes(make([]byte, 32))...), nil
	})
}

func signEdDSA(token string) string {
	return signWith(token, func([]byte) ([]byte, error) {
		_, key, err := ed25519.GenerateKey(rand.Reader)
		return ed25519.Sign(key, []byte(token[:strings.LastIndex(token, ".")])), err
	})
}

// signWith replaces the signature of a token.
func signWith(token string, sign func(digest []byte) ([]byte, error)) string {
	signed := token[:strings.LastIndex(token, ".")]
	digest := sha256.Sum256([]byte(signed))
	signature, err := sign(digest[:])
	if err != nil {
		panic(err)
	}
	return signed + "." + b64(string(signature))
}

func hexSignature(token string) string {
	unsigned := unsign(token)
	signature, err := base64.RawURLEncoding.DecodeString(token[len(unsigned):])
	if err != nil {
		panic(err)
	}
	return unsigned + hex.EncodeToString(signature)
}

// ofLength returns an edit that makes a valid token of n bytes.
func ofLength(n int) func(string) string {
	return func(token string) string {
		parts := strings.Split(token, ".")
		payload, err := base64.RawURLEncoding.DecodeString(parts[1])
		if err != nil {
			panic(err)
		}
		for size := n*3/4 - len(token); ; size++ {
			// Both segments grow in steps of 1, 1 and 2 characters. Together they make every length possible.
			padded := fmt.Sprintf(`{"a":%q,%s`, strings.Repeat("x", size), payload[1:])
			for _, header := range []string{head, head + " ", head + "  "} {
				if long := resign(b64(header), b64(padded)); len(long) == n {
					return long
				}
			}
			if size > n {
				panic(fmt.Sprintf("cannot make a token of %d bytes", n))
			}
		}
	}
}
