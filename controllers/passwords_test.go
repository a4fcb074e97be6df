package controllers

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"golang.org/x/crypto/bcrypt"
)

// TestNobodysHashIsOne: a text that is no hash would be refused without any work.
func TestNobodysHashIsOne(t *testing.T) {
	t.Parallel()
	for _, cost := range []int{4, 5, 12} {
		hash := fmt.Sprintf("$2a$%02d$%s", cost, nobodys)
		err := bcrypt.CompareHashAndPassword([]byte(hash), []byte("correct horse"))
		if got, _ := bcrypt.Cost([]byte(hash)); got != cost || !errors.Is(err, bcrypt.ErrMismatchedHashAndPassword) {
			t.Errorf("%s: cost %d, %v", hash, got, err)
		}
	}
}

// TestTooManyAtOnce fills every slot and the queue: the next is refused at once, those in the queue within
// their time, one that leaves makes room, and so does one whose client has gone.
func TestTooManyAtOnce(t *testing.T) {
	t.Parallel()
	p := NewPasswords(bcrypt.MinCost)
	var leaves []func()
	for range cap(p.slots) {
		leave, err := p.enter(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		leaves = append(leaves, leave)
	}
	gone, cancel := context.WithCancel(t.Context())
	var all sync.WaitGroup
	for i := range cap(p.queue) - cap(p.slots) {
		ctx := t.Context()
		if i == 0 {
			ctx = gone
		}
		all.Go(func() {
			start := time.Now()
			_, err := p.Check(ctx, "", "correct horse")
			if i == 0 && !errors.Is(err, context.Canceled) || i > 0 && !errors.Is(err, ErrBusy) {
				t.Errorf("waiting number %d: %v", i, err)
			}
			if waited := time.Since(start); waited > 3*maxQueueing {
				t.Errorf("waiting number %d waited %s", i, waited)
			}
		})
	}
	for len(p.queue) < cap(p.queue) {
		time.Sleep(time.Millisecond)
	}
	start := time.Now()
	_, err := p.Hash(t.Context(), "correct horse")
	var retry *RetryError
	if !errors.As(err, &retry) || !errors.Is(err, ErrBusy) || retry.After <= 0 || time.Since(start) > maxQueueing/2 {
		t.Errorf("one too many: %v after %s", err, time.Since(start))
	}
	if _, err := p.Hash(t.Context(), "short"); errors.Is(err, ErrBusy) {
		t.Error("what needs no work waits for a core")
	}
	cancel()
	all.Wait()
	for _, leave := range leaves {
		leave()
	}
	if _, err := p.Hash(t.Context(), "correct horse"); err != nil || len(p.queue) != 0 || len(p.slots) != 0 {
		t.Errorf("afterwards: %v, %d hash, %d are in the queue", err, len(p.slots), len(p.queue))
	}
}
