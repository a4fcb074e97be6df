package controllers

import (
	"context"
	"errors"
	"runtime"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/crypto/bcrypt"

	"gin-auth/user"
)

// TestTooManyAtOnce fills all places for hashing and all places for waiting. The next request is rejected at once,
// and those that wait are rejected after a second. A request that is done makes room for another one, and so does a
// client that disconnects.
func TestTooManyAtOnce(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p := NewPasswords(user.Hasher{Cost: bcrypt.MinCost + 1, MinLength: 8})
		half := max(1, runtime.GOMAXPROCS(0)/2)
		var leaves []func()
		for range half {
			leave, err := enter(t.Context(), p.hashing)
			if err != nil {
				t.Fatal(err)
			}
			leaves = append(leaves, leave)
		}
		start := time.Now()
		gone, cancel := context.WithCancel(t.Context())
		for i := range 8 * half {
			ctx, want, after := t.Context(), ErrBusy, time.Second
			if i == 0 {
				ctx, want, after = gone, context.Canceled, 0
			}
			go func() {
				_, err := p.Check(ctx, "", "correct horse")
				if waited := time.Since(start); !errors.Is(err, want) || waited != after {
					t.Errorf("waiting request %d: %v after %s", i, err, waited)
				}
			}()
		}
		synctest.Wait()
		for name, enter := range map[string]func() error{
			"Check":          func() error { _, err := p.Check(t.Context(), "", "correct horse"); return err },
			"Hash":           func() error { _, err := p.Hash(t.Context(), "correct horse"); return err },
			"HashRegistered": func() error { _, err := p.HashRegistered(t.Context(), "correct horse"); return err },
			"Renew": func() error {
				_, err := p.Renew(t.Context(), "$2a$04$......................iO7Xh1rUNrHgIj0tyVrbjmYb1yqOW2a", "correct horse")
				return err
			},
		} {
			var retry *RetryError
			if err := enter(); !errors.As(err, &retry) || !errors.Is(err, ErrBusy) || retry.After != time.Second {
				t.Errorf("%s, one too many: %v", name, err)
			}
		}
		if _, err := p.Hash(t.Context(), "short"); errors.Is(err, ErrBusy) {
			t.Error("an invalid password waits for a core")
		}
		cancel()
		synctest.Wait()
		if n := cap(p.hashing.queue) - len(p.hashing.queue); n != 1 || time.Since(start) != 0 {
			t.Errorf("there is room for %d after %s, want room for 1 at once", n, time.Since(start))
		}
		time.Sleep(time.Second)
		synctest.Wait()
		if len(p.hashing.queue) != half {
			t.Errorf("%d are in the queue, want %d, those that hash", len(p.hashing.queue), half)
		}
		done := false
		go func() {
			_, err := p.Check(t.Context(), "", "correct horse")
			if done = true; err != nil {
				t.Errorf("a request that waits until another is done: %v", err)
			}
		}()
		synctest.Wait()
		leaves[0]()
		synctest.Wait()
		for _, leave := range leaves[1:] {
			leave()
		}
		if !done || len(p.hashing.queue) != 0 || len(p.hashing.slots) != 0 {
			t.Errorf("in the end: done %v, %d hash, %d are in the queue", done, len(p.hashing.slots), len(p.hashing.queue))
		}
	})
}

// TestRegistrationsTakeTurns uses all cores for hashing and lets as many registrations wait as possible. Only those
// that have a turn wait for a core, so that a login waits only for these.
func TestRegistrationsTakeTurns(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p := NewPasswords(user.Hasher{Cost: bcrypt.MinCost, MinLength: 8})
		half := max(1, runtime.GOMAXPROCS(0)/2)
		turns := max(1, half/2)
		register := func(want error, after time.Duration) {
			start := time.Now()
			_, err := p.HashRegistered(t.Context(), "correct horse")
			if waited := time.Since(start); !errors.Is(err, want) || waited != after {
				t.Errorf("a registration that waits: %v after %s", err, waited)
			}
		}
		var leaves []func()
		for range half {
			leave, err := enter(t.Context(), p.hashing)
			if err != nil {
				t.Fatal(err)
			}
			leaves = append(leaves, leave)
		}
		for range 9 * turns {
			go register(ErrBusy, time.Second)
		}
		synctest.Wait()
		register(ErrBusy, 0) // one too many
		if n := len(p.hashing.queue); n != half+turns {
			t.Errorf("%d hash or wait for a core, want %d", n, half+turns)
		}
		time.Sleep(time.Second)
		synctest.Wait()
		if len(p.registrations.queue) != 0 || len(p.registrations.slots) != 0 || len(p.hashing.queue) != half {
			t.Errorf("after a second %d wait for a turn and %d hash", len(p.registrations.queue), len(p.hashing.queue))
		}

		// One second is the limit for both waits together.
		for range turns {
			leave, err := enter(t.Context(), p.registrations)
			if err != nil {
				t.Fatal(err)
			}
			leaves = append(leaves, leave)
		}
		go register(ErrBusy, time.Second)
		time.Sleep(time.Second / 2)
		leaves[half]()
		synctest.Wait()
		if len(p.hashing.queue) != half+1 {
			t.Error("the registration does not get the free turn")
		}
		time.Sleep(time.Second)
		for i, leave := range leaves {
			if i != half {
				leave()
			}
		}
		register(nil, 0)
		if n := len(p.registrations.queue) + len(p.registrations.slots) + len(p.hashing.queue) + len(p.hashing.slots); n != 0 {
			t.Errorf("in the end %d places are taken", n)
		}
	})
}
