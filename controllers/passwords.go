package controllers

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"time"
	"unicode/utf8"

	"golang.org/x/crypto/bcrypt"
)

// Passwords hashes and checks passwords with bcrypt. It never uses more than half the cores, one at least,
// for the guard and everything else to have theirs.
type Passwords struct {
	cost  int
	slots chan struct{} // one for each that hashes
	queue chan struct{} // one for each that hashes or waits
	// compare is bcrypt.CompareHashAndPassword. The tests count its work.
	compare func(hash, password []byte) error
}

const (
	queuePerSlot = 8
	maxQueueing  = time.Second
)

// NewPasswords returns a Passwords that hashes at the given cost, 4 to 31.
func NewPasswords(cost int) *Passwords {
	slots := max(1, runtime.GOMAXPROCS(0)/2)
	return &Passwords{
		cost:    cost,
		slots:   make(chan struct{}, slots),
		queue:   make(chan struct{}, slots*(1+queuePerSlot)),
		compare: bcrypt.CompareHashAndPassword,
	}
}

const (
	minPassword = 8  // characters: NIST SP 800-63B-4, section 3.1.1.2, where it is not the only factor
	maxPassword = 72 // bytes: bcrypt takes no more
)

// enter waits for a core to hash on; leave gives it back. If too many wait already, or it takes more than a
// second, it is a *RetryError with ErrBusy.
func (p *Passwords) enter(ctx context.Context) (leave func(), err error) {
	busy := &RetryError{ErrBusy, time.Second}
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

// Hash is HashPassword at the cost that p was made with, or a *RetryError while too many others hash.
func (p *Passwords) Hash(ctx context.Context, password string) (string, error) {
	if err := checkNewPassword(password); err != nil {
		return "", err
	}
	leave, err := p.enter(ctx)
	if err != nil {
		return "", err
	}
	defer leave()
	return HashPassword(p.cost, password)
}

func checkNewPassword(password string) error {
	if utf8.RuneCountInString(password) < minPassword || len(password) > maxPassword {
		return &InvalidError{"password must have at least 8 characters and at most 72 bytes"}
	}
	return nil
}

// HashPassword returns the bcrypt hash of a new password, or an *InvalidError if it is too short or too
// long.
func HashPassword(cost int, password string) (string, error) {
	if err := checkNewPassword(password); err != nil {
		return "", err
	}
	return hashPassword(cost, password)
}

func hashPassword(cost int, password string) (string, error) {
	hash, err := bcrypt.GenerateFromPassword([]byte(password), cost)
	if err != nil {
		return "", fmt.Errorf("hashing a password: %w", err)
	}
	return string(hash), nil
}

// Check tells whether hash, bcrypt's in any of its versions $2a$, $2b$ and $2y$, is that of password. An
// unknown user's hash is "", which is nobody's.
//
// It does the work of the cost that p was made with at least, whatever the hash: none, broken, or made at a
// lower cost, which is made up for by further steps, each of twice the work of the one before. Only a hash
// of a higher cost takes longer. While too many others hash it is a *RetryError.
func (p *Passwords) Check(ctx context.Context, hash, password string) (bool, error) {
	leave, err := p.enter(ctx)
	if err != nil {
		return false, err
	}
	defer leave()
	err = p.compare([]byte(hash), []byte(password))
	if err != nil && !errors.Is(err, bcrypt.ErrMismatchedHashAndPassword) { // not a hash: no work was done
		p.compareNothing(p.cost, password)
		return false, nil
	}
	cost, _ := bcrypt.Cost([]byte(hash)) // it was compared, so it has one
	for ; cost < p.cost; cost++ {
		p.compareNothing(cost, password) // 2ⁿ and 2ⁿ + 2ⁿ⁺¹ + … is the work of the highest
	}
	return err == nil, nil
}

// nobodys is a hash without version and cost that nothing is known to fit: salt and hash, 22 and 31 characters.
const nobodys = "......................iO7Xh1rUNrHgIj0tyVrbjmYb1yqOW2a"

// compareNothing does the work of a comparison at that cost.
func (p *Passwords) compareNothing(cost int, password string) {
	_ = p.compare(fmt.Appendf(nil, "$2a$%02d$%s", cost, nobodys), []byte(password))
}

// Renew returns a hash of a password that was found right, at the cost that p was made with, or "" if hash
// is of that cost or a higher one.
func (p *Passwords) Renew(ctx context.Context, hash, password string) (string, error) {
	if cost, err := bcrypt.Cost([]byte(hash)); err != nil || cost >= p.cost {
		return "", err
	}
	leave, err := p.enter(ctx)
	if err != nil {
		return "", err
	}
	defer leave()
	// What comparing leaves out, hashing refuses; and users from elsewhere have passwords of any length.
	return hashPassword(p.cost, password[:min(len(password), maxPassword)])
}
