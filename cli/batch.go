package cli

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"hash/maphash"
	"io"
	"time"

	"gin-auth/user"
)

// batchSize is how many documents are sent to Redis together. Up to two more batches are in memory.
const batchSize = 1000

// batch is a part of an export. No id, email or username is in it twice.
type batch struct {
	people     []candidate
	refused    []string   // the documents that cannot be imported, each with its place and the reason
	identities []identity // of all documents
	bytes      int64
	err        error // why reading ended here
}

// candidate is a person with their place in the export.
type candidate struct {
	person
	who   identity
	where string
}

// identity identifies the person in a document, by hashes of their id, email and folded username. A hash is 0 if the
// value is missing or not valid.
type identity struct{ id, email, name uint64 }

// hasher makes identities. Each import has a random seed, so nobody can choose values with the same hash.
type hasher struct{ seed maphash.Seed }

func newHasher() hasher { return hasher{maphash.MakeSeed()} }

func (h hasher) identify(p person) identity {
	return identity{h.id(p.ID), h.email(p.Email), h.hash("username:", user.FoldUsername(p.Username))}
}

func (h hasher) email(email string) uint64 { return h.hash("email:", email) }

func (h hasher) id(id string) uint64 { return h.hash("id:", id) }

func (h hasher) hash(kind, value string) uint64 {
	if value == "" {
		return 0
	}
	return max(1, maphash.String(h.seed, kind+value))
}

// batches reads an export until its end, an error or the end of ctx. With identitiesOnly, batches have no people.
func batches(ctx context.Context, in io.Reader, h hasher, identitiesOnly bool) <-chan batch {
	b := batchReader{
		hasher: h, identitiesOnly: identitiesOnly, now: time.Now(), keys: map[string]bool{}, out: make(chan batch, 1),
	}
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
	hasher
	identitiesOnly bool
	export         *export
	now            time.Time
	batch
	keys map[string]bool // ids, emails and usernames of the batch
	sent int64           // bytes of the export in earlier batches
	out  chan batch
}

// add adds a record to the batch, or to the next one if the batch is full or has the record's id, email or username.
func (b *batchReader) add(ctx context.Context, r record) {
	if b.identitiesOnly {
		b.addIdentity(ctx, r)
		return
	}
	p, err := person{}, r.err
	if err == nil {
		p, err = decodePerson(r.doc, b.now)
	}
	keys := []string{"id:" + p.ID, "email:" + p.Email, "username:" + user.FoldUsername(p.Username)}
	if len(b.identities) == batchSize || err == nil && b.hasAny(keys) {
		b.send(ctx)
	}
	who := b.identify(p)
	b.identities = append(b.identities, who)
	if err != nil {
		b.refused = append(b.refused, r.where()+": "+err.Error())
		return
	}
	b.people = append(b.people, candidate{p, who, r.where()})
	for _, key := range keys {
		b.keys[key] = true
	}
}

// addIdentity adds a record's identity to the batch, or to the next one if the batch is full.
func (b *batchReader) addIdentity(ctx context.Context, r record) {
	if len(b.identities) == batchSize {
		b.send(ctx)
	}
	var p person
	if r.err == nil {
		p, _, _ = decodeIdentity(r.doc)
	}
	b.identities = append(b.identities, b.identify(p))
}

// hasAny reports whether the batch has one of the keys. The key of a missing value ends with its colon.
func (b *batchReader) hasAny(keys []string) bool {
	for _, key := range keys {
		if key[len(key)-1] != ':' && b.keys[key] {
			return true
		}
	}
	return false
}

// send sends the batch and begins another one.
func (b *batchReader) send(ctx context.Context) {
	b.bytes, b.sent = b.export.offset-b.sent, b.export.offset
	select {
	case b.out <- b.batch:
	case <-ctx.Done():
	}
	b.batch = batch{}
	clear(b.keys)
}
