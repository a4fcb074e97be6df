package controllers

import (
	"errors"
	"sync/atomic"

	"golang.org/x/crypto/bcrypt"
)

// CountWork counts the work of p's comparisons from now on, in rounds of bcrypt. A comparison with a string that is
// not a hash counts 0.
func (p *Passwords) CountWork() *atomic.Int64 {
	var work atomic.Int64
	p.hasher.Compare = func(hash, password []byte) error {
		err := bcrypt.CompareHashAndPassword(hash, password)
		if err == nil || errors.Is(err, bcrypt.ErrMismatchedHashAndPassword) {
			cost, _ := bcrypt.Cost(hash)
			work.Add(1 << cost)
		}
		return err
	}
	return &work
}

// BeforeCompare makes p call do before each comparison.
func (p *Passwords) BeforeCompare(do func()) {
	p.hasher.Compare = func(hash, password []byte) error {
		do()
		return bcrypt.CompareHashAndPassword(hash, password)
	}
}

// Occupy takes all places for hashing and waiting, until free is called.
func (p *Passwords) Occupy() (free func()) {
	for range cap(p.hashing.queue) {
		p.hashing.queue <- struct{}{}
	}
	return func() {
		for range cap(p.hashing.queue) {
			<-p.hashing.queue
		}
	}
}
