package controllers

import (
	"fmt"
	"sync"
	"unicode/utf8"

	"golang.org/x/crypto/bcrypt"
)

// Passwords hashes and checks passwords with bcrypt.
type Passwords struct {
	cost  int
	dummy func() []byte // the hash that an unknown user's password is checked against
}

// NewPasswords returns a Passwords that hashes at the given cost, 4 to 31.
func NewPasswords(cost int) *Passwords {
	p := &Passwords{cost: cost}
	p.dummy = sync.OnceValue(func() []byte {
		hash, _ := bcrypt.GenerateFromPassword([]byte("the password of nobody"), cost)
		return hash
	})
	go p.dummy() // it takes tens of milliseconds, which neither the start nor a login should wait for
	return p
}

const (
	minPassword = 8  // characters: NIST SP 800-63B-4, section 3.1.1.2, where it is not the only factor
	maxPassword = 72 // bytes: bcrypt takes no more
)

// Hash is HashPassword at the cost that p was made with.
func (p *Passwords) Hash(password string) (string, error) { return HashPassword(p.cost, password) }

// HashPassword returns the bcrypt hash of a new password, or an *InvalidError if it is too short or too
// long.
func HashPassword(cost int, password string) (string, error) {
	if utf8.RuneCountInString(password) < minPassword || len(password) > maxPassword {
		return "", &InvalidError{"password must have at least 8 characters and at most 72 bytes"}
	}
	hash, err := bcrypt.GenerateFromPassword([]byte(password), cost)
	if err != nil {
		return "", fmt.Errorf("hashing a password: %w", err)
	}
	return string(hash), nil
}

// Check tells whether hash, bcrypt's in any of its versions $2a$, $2b$ and $2y$, is that of password.
// For an empty hash, an unknown user's, it does the same work and says no.
func (p *Passwords) Check(hash, password string) bool {
	if hash == "" {
		_ = bcrypt.CompareHashAndPassword(p.dummy(), []byte(password))
		return false
	}
	return bcrypt.CompareHashAndPassword([]byte(hash), []byte(password)) == nil
}
