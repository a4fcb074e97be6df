package db

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"runtime"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"
)

// Look-ups that come in at the same time share round trips: a flight carries all that wait when it starts,
// and asks for the epoch once, last. So every answer comes from a command that was sent after its request
// arrived. docs/performance.md has what that is worth, and the figures behind these numbers.
const (
	// maxFlights is how many round trips are under way at once.
	maxFlights = 4
	// maxOnFlight is how many look-ups one of them carries.
	maxOnFlight = 256
	// worthAnother is how many have to wait for another flight to start while one is under way.
	worthAnother = 64
	// maxWaiting is how many look-ups wait for a flight. The next one is refused at once.
	maxWaiting = 4096
)

// lookup is what is asked about one token. A key that is "" is not asked for.
type lookup struct {
	entry   string // a key of the blacklist
	userCut string // the key of a user's cut

	revoked bool
	cut     int64
	err     error
	done    chan struct{} // closed when the three above are set
}

func (q *lookup) answer(err error) {
	q.err = err
	close(q.done)
}

// lane is the way to one node, or to whatever node holds the keys there are.
type lane struct {
	*breaker
	metrics *metrics
	timeout time.Duration
	// fly asks Redis and sets what is to be answered. An error is that of all look-ups on the flight.
	fly func(context.Context, []*lookup) error

	mu      sync.Mutex
	waiting []*lookup
	flights int
}

var errCrowded = errors.New("too many look-ups are waiting for Redis")

// add puts a look-up among those that wait. It returns who is on the flight that the caller has to start because
// none under way would take them along soon, or nobody.
func (l *lane) add(q *lookup) (batch []*lookup) {
	q.done = make(chan struct{})
	if _, err := l.enter(); err != nil {
		q.answer(err)
		return nil
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.waiting) >= maxWaiting {
		l.metrics.crowded.Inc()
		q.answer(errCrowded)
		return nil
	}
	l.waiting = append(l.waiting, q)
	if l.flights == maxFlights || !l.due(l.flights) {
		return nil
	}
	l.flights++
	return l.take()
}

// due says whether a flight should start while so many others are under way.
func (l *lane) due(others int) bool {
	return len(l.waiting) >= worthAnother || others == 0 && len(l.waiting) > 0
}

// run flies until nobody waits.
func (l *lane) run(batch []*lookup) {
	for batch != nil {
		l.carry(batch)
		runtime.Gosched() // requests that are ready to run come along
		batch = l.board()
	}
}

// board returns who is on the next flight of one that has landed. If nobody waits, or too few and another will take
// them, the flight ends.
func (l *lane) board() (batch []*lookup) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.due(l.flights - 1) {
		l.flights--
		return nil
	}
	return l.take()
}

func (l *lane) take() (batch []*lookup) {
	n := min(len(l.waiting), maxOnFlight)
	batch = l.waiting[:n:n]
	if l.waiting = l.waiting[n:]; len(l.waiting) == 0 {
		l.waiting = nil
	}
	return batch
}

// ask returns when the look-up is answered, its time is up or the caller gone. The look-up stays where it
// is then: who no longer waits still counts.
//
// The first flight is the caller's own, which spares a lone request two changes of goroutines. A client that
// goes away doesn't end it, but its time is up when the caller's is.
func (l *lane) ask(ctx context.Context, q *lookup) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if batch := l.add(q); batch != nil {
		l.carry(batch)
		if next := l.board(); next != nil {
			go l.run(next)
		}
	}
	select {
	case <-q.done:
		return q.err
	default:
	}
	timeout := time.NewTimer(l.timeout)
	defer timeout.Stop()
	select {
	case <-q.done:
		return q.err
	case <-timeout.C:
		return context.DeadlineExceeded
	case <-ctx.Done():
		return ctx.Err()
	}
}

// carry answers every look-up of a batch within the timeout.
func (l *lane) carry(batch []*lookup) {
	ctx, cancel := context.WithTimeout(context.Background(), l.timeout)
	defer cancel()
	began, err := l.enter()
	if err == nil {
		start := time.Now()
		err = l.fly(ctx, batch)
		l.metrics.exchanged(time.Since(start), err)
		l.metrics.onFlight.Observe(float64(len(batch)))
		l.leave(context.Background(), began, err)
	}
	for _, q := range batch {
		if err != nil {
			q.err = err
		}
		q.answer(q.err)
	}
}

// Revoked asks all that may make a token dead besides its own age, in one round trip: whether it is on
// the blacklist, and the cut at or before which tokens of that user were revoked, in seconds of Redis's
// clock, 0 if none were. userID is "" for a token that names no user.
//
// The epoch is asked for last, on the same connection: a blacklist that is lost between the questions is
// noticed. Any entry on the blacklist counts, whatever its type or value: EXISTS sees what GET and MGET
// would not.
func (d *DB) Revoked(ctx context.Context, token, userID string) (revoked bool, cut int64, err error) {
	entry, userCut := blacklistKey(token), ""
	if userID != "" {
		userCut = logoutAllKey(userID)
	}
	if d.cluster() {
		revoked, cut, err = d.revokedInCluster(ctx, entry, userCut)
	} else {
		revoked, cut, err = d.lookUp(ctx, d.lane, entry, userCut)
	}
	if err != nil {
		return false, 0, fmt.Errorf("asking whether a token is revoked: %w", err)
	}
	return revoked, cut, nil
}

func (d *DB) lookUp(ctx context.Context, l *lane, entry, userCut string) (revoked bool, cut int64, err error) {
	q := &lookup{entry: entry, userCut: userCut}
	if err := l.ask(ctx, q); err != nil {
		return false, 0, err
	}
	return q.revoked, q.cut, nil
}

// fly asks for all of a batch at once whether any of it is there, the epoch last. Nothing is, as a rule. Else
// it asks anew, one by one: what was answered is not enough to tell whose it is, and the epoch has to be read
// behind what tells.
func (d *DB) fly(ctx context.Context, batch []*lookup) error {
	if d.cluster() { // where a command has keys of one slot only
		return d.flyOneByOne(ctx, batch)
	}
	keys := make([]string, 0, 2*len(batch))
	for _, q := range batch {
		if keys = append(keys, q.entry); q.userCut != "" {
			keys = append(keys, q.userCut)
		}
	}
	pipeline := d.client.Pipeline()
	there := pipeline.Exists(ctx, keys...)
	epoch := pipeline.Get(ctx, epochKey)
	if err := exec(ctx, pipeline); err != nil {
		return err
	}
	if there.Err() != nil || there.Val() > 0 {
		return d.flyOneByOne(ctx, batch)
	}
	cut, err := d.epochCut(ctx, epoch)
	for _, q := range batch {
		q.cut = cut
	}
	return err
}

// flyOneByOne is one round trip. A command that Redis refuses, such as the GET of a user's cut that is no
// text, fails its own look-up; all else fails all.
func (d *DB) flyOneByOne(ctx context.Context, batch []*lookup) error {
	pipeline := d.client.Pipeline()
	entries := make([]*redis.IntCmd, len(batch))
	userCuts := make([]*redis.StringCmd, len(batch))
	for i, q := range batch {
		if q.entry != "" {
			entries[i] = pipeline.Exists(ctx, q.entry)
		}
		if q.userCut != "" {
			userCuts[i] = pipeline.Get(ctx, q.userCut)
		}
	}
	epoch := noReply
	if !d.cluster() {
		epoch = pipeline.Get(ctx, epochKey)
	}
	if err := exec(ctx, pipeline); err != nil {
		return err
	}
	epochCut, err := d.epochCut(ctx, epoch)
	if err != nil {
		return err
	}
	for i, q := range batch {
		q.cut = epochCut
		if entries[i] != nil {
			q.revoked, q.err = entries[i].Val() > 0, entries[i].Err()
		}
		if userCuts[i] != nil && q.err == nil {
			var cut int64
			cut, q.err = parseUserCut(userCuts[i])
			q.cut = max(cut, epochCut)
		}
	}
	return nil
}

// revokedInCluster asks for either key at its own node, so that it is held up by no other.
func (d *DB) revokedInCluster(ctx context.Context, entry, userCut string) (revoked bool, cut int64, err error) {
	ctx, cancel := context.WithTimeout(ctx, d.timeout)
	defer cancel()
	l, err := d.laneOf(ctx, entry)
	if err != nil {
		return false, 0, err
	}
	if userCut == "" {
		return d.lookUp(ctx, l, entry, "")
	}
	other, err := d.laneOf(ctx, userCut)
	if err != nil {
		return false, 0, err
	}
	var failed error
	var both sync.WaitGroup
	both.Go(func() { _, cut, failed = d.lookUp(ctx, other, "", userCut) })
	revoked, _, err = d.lookUp(ctx, l, entry, "")
	both.Wait()
	return revoked, cut, cmp.Or(err, failed)
}

// laneOf returns the lane to the node of a cluster that holds a key.
func (d *DB) laneOf(ctx context.Context, key string) (*lane, error) {
	cluster := d.client.(*redis.ClusterClient)
	node, err := cluster.MasterForKey(ctx, key)
	if err != nil {
		return nil, err
	}
	address := node.Options().Addr
	if l, ok := d.lanes.Load(address); ok {
		return l.(*lane), nil
	}
	// Another node may hold the key by now. The client would notice within ten seconds.
	probe := func(ctx context.Context) error {
		cluster.ReloadState(ctx)
		return d.callAnyway(ctx, func(ctx context.Context) error { return cluster.Exists(ctx, key).Err() })
	}
	changed := func(err error) {
		if err != nil {
			d.state.log.Error("Redis connection failed: "+err.Error(), "node", address)
		} else {
			d.state.log.Info("connected to redis", "node", address)
		}
	}
	l, _ := d.lanes.LoadOrStore(address, d.newLane(probe, changed))
	return l.(*lane), nil
}

func (d *DB) newLane(probe func(context.Context) error, changed func(error)) *lane {
	return &lane{breaker: newBreaker(d, probe, changed), metrics: d.metrics, timeout: d.timeout, fly: d.fly}
}
