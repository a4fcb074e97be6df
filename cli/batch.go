package cli

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"

	"gin-auth/user"
)

// batchSize is how many documents are sent to Redis together. Up to two more batches are in memory.
const batchSize = 1000

// batch is a part of an export. No email is in it twice.
type batch struct {
	users   []user.User // see decodeUser
	refused []string    // the documents that cannot be taken, each with its place and the reason
	read    int         // documents
	bytes   int64
	err     error // why the reading ended here
}

// batches reads an export until its end, an error or the end of ctx.
func batches(ctx context.Context, in io.Reader) <-chan batch {
	b := batchReader{emails: map[string]bool{}, out: make(chan batch, 1)}
	go func() {
		defer close(b.out)
		in := bufio.NewReaderSize(in, formatPeek)
		begin, _ := in.Peek(formatPeek) // an error is returned again by the next read
		b.export = newExport(in)
		if b.err = checkFormat(begin); b.err != nil {
			b.send(ctx)
			return
		}
		for ctx.Err() == nil {
			r, err := b.export.next()
			if errors.Is(err, io.EOF) {
				break
			}
			if err != nil {
				b.err = fmt.Errorf("%s: %w", r.where(), err)
				break
			}
			b.add(ctx, r)
		}
		b.send(ctx)
	}()
	return b.out
}

// batchReader reads the batches of an export.
type batchReader struct {
	export *export
	batch
	emails map[string]bool // of the batch
	sent   int64           // bytes of the export in earlier batches
	out    chan batch
}

// add adds a record to the batch, or to the next one if the batch is full or has the record's email.
func (b *batchReader) add(ctx context.Context, r record) {
	u, err := user.User{}, r.err
	if err == nil {
		u, err = decodeUser(r.doc)
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
}

// send sends the batch and begins another one.
func (b *batchReader) send(ctx context.Context) {
	b.bytes, b.sent = b.export.offset-b.sent, b.export.offset
	select {
	case b.out <- b.batch:
	case <-ctx.Done():
	}
	b.batch = batch{}
	clear(b.emails)
}
