package scale

// Rule defines when waiting lookups are sent, and how many of them share a round trip.
type Rule struct {
	MaxRoundTrips int // largest number of concurrent round trips
	MaxBatch      int // largest number of lookups in a round trip
	MinBatch      int // lookups that must wait before another round trip begins while one is running
	MaxQueue      int // largest number of waiting lookups; the next one is rejected
}

// ServiceRule is the rule of db/batcher.go for a nearby Redis. A test of db compares the two.
var ServiceRule = Rule{MaxRoundTrips: 4, MaxBatch: 256, MinBatch: 64, MaxQueue: 4096}

// Queue has the lookups of one instance that wait for a round trip to one node.
type Queue[T any] struct {
	Rule
	waiting    []T
	roundTrips int // running now
}

// Add adds a lookup. It returns the batch of a round trip that begins now, or nil, and whether the lookup was
// accepted.
func (q *Queue[T]) Add(lookup T) (batch []T, accepted bool) {
	if len(q.waiting) >= q.MaxQueue {
		return nil, false
	}
	q.waiting = append(q.waiting, lookup)
	if q.roundTrips >= q.MaxRoundTrips || !q.due(q.roundTrips) {
		return nil, true
	}
	q.roundTrips++
	return q.next(), true
}

// RoundTripEnded returns the batch of the round trip that replaces the ended one, or nil if none begins.
func (q *Queue[T]) RoundTripEnded() (batch []T) {
	if !q.due(q.roundTrips - 1) {
		q.roundTrips--
		return nil
	}
	return q.next()
}

// due reports whether a round trip should begin while others are running.
func (q *Queue[T]) due(others int) bool {
	return len(q.waiting) >= q.MinBatch || others == 0 && len(q.waiting) > 0
}

func (q *Queue[T]) next() (batch []T) {
	n := min(len(q.waiting), q.MaxBatch)
	batch = q.waiting[:n:n]
	if q.waiting = q.waiting[n:]; len(q.waiting) == 0 {
		q.waiting = nil
	}
	return batch
}
