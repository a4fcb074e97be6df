package controllers

import (
	"context"
	"fmt"
	"runtime"
	"slices"
	"time"

	"gin-auth/user"
)

// Passwords hashes and checks passwords for many requests at once. It uses at most half of the cores (but at least
// one), so that the guard and everything else keep the others. Registrations use at most half of that half (but at
// least one core). Further registrations wait in a queue of their own, so that a login does not wait for these.
type Passwords struct {
	hasher        user.Hasher
	hashing       gate
	registrations gate // registrations enter this gate first
}

// gate admits a few requests at once. A few more wait in the order in which they came, and further ones are rejected.
type gate struct {
	slots chan struct{} // an element for each request that was admitted
	queue chan struct{} // an element for each request that was admitted or waits
}

const (
	queuePerSlot  = 8
	maxQueueing   = time.Second
	busyRetryTime = time.Second
)

// NewPasswords returns a Passwords that hashes new passwords as hasher does.
func NewPasswords(hasher user.Hasher) *Passwords {
	slots := max(1, runtime.GOMAXPROCS(0)/2)
	return &Passwords{hasher: hasher, hashing: newGate(slots), registrations: newGate(max(1, slots/2))}
}

func newGate(slots int) gate {
	return gate{slots: make(chan struct{}, slots), queue: make(chan struct{}, slots*(1+queuePerSlot))}
}

var errBusy = &RetryError{ErrBusy, busyRetryTime}

// enter waits until the request is admitted. leave makes room for another one. If too many requests are waiting
// already, the error is errBusy.
func (g gate) enter(ctx context.Context) (leave func(), err error) {
	select {
	case g.queue <- struct{}{}:
	default:
		return nil, errBusy
	}
	select {
	case g.slots <- struct{}{}:
		return func() { <-g.slots; <-g.queue }, nil
	case <-ctx.Done():
		<-g.queue
		return nil, fmt.Errorf("waiting to hash a password: %w", context.Cause(ctx))
	}
}

// enter enters the gates one after the other. leave leaves all of them. If too many requests are waiting at a gate
// already, or if entering all of them takes longer than maxQueueing, the error is errBusy.
func enter(ctx context.Context, gates ...gate) (leave func(), err error) {
	ctx, cancel := context.WithTimeoutCause(ctx, maxQueueing, errBusy)
	defer cancel()
	var leaves []func()
	leave = func() {
		for _, leave := range slices.Backward(leaves) {
			leave()
		}
	}
	for _, g := range gates {
		left, err := g.enter(ctx)
		if err != nil {
			leave()
			return nil, err
		}
		leaves = append(leaves, left)
	}
	return leave, nil
}

// CheckNew returns nil if a user may choose the password. See user.Hasher.CheckNew.
func (p *Passwords) CheckNew(field, password string) error { return p.hasher.CheckNew(field, password) }

// Hash returns the hash of a user's new password, or an *InvalidError.
func (p *Passwords) Hash(ctx context.Context, password string) (string, error) {
	return p.hash(ctx, password, p.hashing)
}

// HashRegistered is Hash for a registration. Only some of the cores are used for registrations: see Passwords.
func (p *Passwords) HashRegistered(ctx context.Context, password string) (string, error) {
	return p.hash(ctx, password, p.registrations, p.hashing)
}

func (p *Passwords) hash(ctx context.Context, password string, gates ...gate) (string, error) {
	if err := p.CheckNew("password", password); err != nil {
		return "", err // without waiting for a core
	}
	leave, err := enter(ctx, gates...)
	if err != nil {
		return "", err
	}
	defer leave()
	return p.hasher.Hash(password)
}

// Check reports whether hash is that of password. See user.Hasher.Matches.
func (p *Passwords) Check(ctx context.Context, hash, password string) (bool, error) {
	leave, err := enter(ctx, p.hashing)
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
	leave, err := enter(ctx, p.hashing)
	if err != nil {
		return "", err
	}
	defer leave()
	return p.hasher.Renew(password)
}
