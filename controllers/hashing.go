package controllers

import (
	"context"
	"fmt"
	"runtime"
	"time"

	"gin-auth/user"
)

// Passwords hashes and checks passwords for many requests at once. It never uses more than half of the cores (but
// at least one), so that the guard and everything else keep theirs.
type Passwords struct {
	hasher user.Hasher
	slots  chan struct{} // an element for each request that hashes
	queue  chan struct{} // an element for each request that hashes or waits
}

const (
	queuePerSlot  = 8
	maxQueueing   = time.Second
	busyRetryTime = time.Second
)

// NewPasswords returns a Passwords that hashes new passwords as hasher does.
func NewPasswords(hasher user.Hasher) *Passwords {
	slots := max(1, runtime.GOMAXPROCS(0)/2)
	return &Passwords{
		hasher: hasher,
		slots:  make(chan struct{}, slots),
		queue:  make(chan struct{}, slots*(1+queuePerSlot)),
	}
}

// enter waits for a core to hash on; leave gives it back. If too many requests wait already, or it takes longer than
// maxQueueing, the error is a *RetryError with ErrBusy.
func (p *Passwords) enter(ctx context.Context) (leave func(), err error) {
	busy := &RetryError{ErrBusy, busyRetryTime}
	select {
	case p.queue <- struct{}{}:
	default:
		return nil, busy
	}
	timer := time.NewTimer(maxQueueing)
	defer timer.Stop()
	select {
	case p.slots <- struct{}{}:
		return func() { <-p.slots; <-p.queue }, nil
	case <-timer.C:
		err = busy
	case <-ctx.Done():
		err = fmt.Errorf("waiting to hash a password: %w", ctx.Err())
	}
	<-p.queue
	return nil, err
}

// CheckNew returns nil if a user may choose the password. See user.Hasher.CheckNew.
func (p *Passwords) CheckNew(field, password string) error { return p.hasher.CheckNew(field, password) }

// Hash returns the hash of a new password, or an *InvalidError.
func (p *Passwords) Hash(ctx context.Context, password string) (string, error) {
	if err := p.CheckNew("password", password); err != nil {
		return "", err // without waiting for a core
	}
	leave, err := p.enter(ctx)
	if err != nil {
		return "", err
	}
	defer leave()
	return p.hasher.Hash(password)
}

// Check reports whether hash is that of password. See user.Hasher.Matches.
func (p *Passwords) Check(ctx context.Context, hash, password string) (bool, error) {
	leave, err := p.enter(ctx)
	if err != nil {
		return false, err
	}
	defer leave()
	return p.hasher.Matches(hash, password), nil
}

// Renew returns a new hash of a password that matches hash, or "" if hash does not have a lower cost than new ones.
func (p *Passwords) Renew(ctx context.Context, hash, password string) (string, error) {
	if !p.hasher.NeedsRenewal(hash) {
		return "", nil
	}
	leave, err := p.enter(ctx)
	if err != nil {
		return "", err
	}
	defer leave()
	return p.hasher.Renew(password)
}
