package cli

import (
	"context"
	"errors"
	"fmt"
	"io"

	"gin-auth/user"
)

// batchSize is how many documents go to Redis together. Two more batches are in memory besides.
const batchSize = 1000

// batch is a part of an export, with no email in it twice.
type batch struct {
	users   []user.User // see Options.user
	refused []string    // the documents that can't be taken, each with its place and the reason
	read    int         // documents
	bytes   int64
	err     error // why the reading ended here
}

// batches reads an export until its end, an error or the end of ctx.
func (o Options) batches(ctx context.Context, in io.Reader) <-chan batch {
	b := batcher{in: &countingReader{Reader: in}, emails: map[string]bool{}, out: make(chan batch, 1)}
	go func() {
		defer close(b.out)
		for r, err := range records(b.in) {
			if err != nil {
				b.err = fmt.Errorf("%s: %w", r.where(), err)
			} else {
				b.err = b.take(ctx, o, r)
			}
			if b.err != nil || ctx.Err() != nil {
				break
			}
		}
		b.send(ctx)
	}()
	return b.out
}

// batcher fills one batch after the other.
type batcher struct {
	batch
	in     *countingReader
	emails map[string]bool // of the batch
	out    chan batch
}

// take adds a record to the batch. An error says that there is no reading on behind it: in an array,
// what is no JSON doesn't tell where it ends either.
func (b *batcher) take(ctx context.Context, o Options, r record) error {
	u, err := o.userOf(r)
	var syntax *syntaxError
	if errors.As(err, &syntax) && r.element > 0 {
		return fmt.Errorf("%s: %w, so there is no telling where the next element begins", r.where(), err)
	}
	if b.read == batchSize || err == nil && b.emails[u.Email] {
		b.send(ctx)
	}
	b.read++
	if err == nil {
		b.users = append(b.users, u)
		b.emails[u.Email] = true
	} else {
		b.refused = append(b.refused, r.where()+": "+err.Error())
	}
	return nil
}

func (o Options) userOf(r record) (user.User, error) {
	if r.err != nil {
		return user.User{}, r.err
	}
	doc, err := parseDocument(r.text)
	if err != nil {
		return user.User{}, err
	}
	return o.user(doc)
}

// send hands the batch over and begins another one.
func (b *batcher) send(ctx context.Context) {
	b.bytes, b.in.n = b.in.n, 0
	select {
	case b.out <- b.batch:
	case <-ctx.Done():
	}
	b.batch = batch{}
	clear(b.emails)
}

// countingReader counts the bytes that were read.
type countingReader struct {
	io.Reader
	n int64
}

func (r *countingReader) Read(p []byte) (int, error) {
	n, err := r.Reader.Read(p)
	r.n += int64(n)
	return n, err
}
