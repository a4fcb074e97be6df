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
	// maxFarFlights is how many round trips are under way at once to a Redis that is far away.
	maxFarFlights = 24
	// maxWaiting is how many look-ups wait for a flight. The next one is refused at once.
	maxWaiting = 4096
)

// lookup is what is asked about one token. A key that is "" is not asked for.
type lookup struct {
	entry   string // a key of the blacklist
	userCut string // the key of a user's cut

	revoked bool
	cut     int64
	now     time.Time // of the node that answered
	err     error
	done    chan struct{} // closed when the four above are set
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
	// gathering is set while a flight waits for lookups that arrive at the same time: see gather.
	gathering bool
	// far reports whether a round trip takes so long that a lookup can't wait for another one first.
	far func() bool

	highest highestTime // of the node
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
	if l.far() {
		if !l.gathering && l.flights < maxFarFlights {
			l.gathering = true
			l.flights++
			go l.gather()
		}
		return nil
	}
	if l.flights >= maxFlights || !l.due(l.flights) {
		return nil
	}
	l.flights++
	return l.take()
}

// due says whether a flight should start while so many others are under way.
func (l *lane) due(others int) bool {
	return len(l.waiting) >= worthAnother || (others == 0 || l.far()) && len(l.waiting) > 0
}

// gather starts a round trip to a Redis that is far away, a moment after the first lookup that it is for. Lookups
// that come at the same time share it, and none has to wait for another round trip to end.
func (l *lane) gather() {
	time.Sleep(l.timeout / 50)
	l.mu.Lock()
	l.gathering = false
	batch := l.take()
	if batch == nil { // another round trip has taken them, because Redis is not far any more
		l.flights--
	}
	l.mu.Unlock()
	l.run(batch)
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
	if l.gathering || !l.due(l.flights-1) {
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

// Revoked asks in one round trip for everything that may revoke a token: an entry on the blacklist, and the cuts at
// or before which the tokens of its user, or of all users, were revoked. issuedAt returns when the token was
// issued, in seconds of Redis's clock, 0 if it does not say; it is called only if that matters. userID is "" for a token that names no user.
//
// now is the time by which the token's expiry has to be judged. It is the time of the node that holds the entry,
// read after it, so a token expires before its entry does; and if that clock was set back since the token was
// issued, it is the highest time that the clock has shown.
//
// The epoch is read after the keys, on the same connection, so that a blacklist that is lost in between is noticed.
// Last comes the proof that a master answered. Any entry on the blacklist counts, whatever its type or value:
// EXISTS sees what GET and MGET would not.
func (d *DB) Revoked(ctx context.Context, token, userID string, issuedAt func() int64) (revoked bool, now time.Time, err error) {
	revoked, cut, now, err := d.lookUp(ctx, token, userID)
	if err != nil {
		return false, time.Time{}, fmt.Errorf("asking whether a token is revoked: %w", d.explain(err))
	}
	return revoked || cut > 0 && issuedAt() <= cut, d.clock.judge(now, issuedAt), nil
}

// lookUp returns whether a token is on the blacklist, the later of the cuts, 0 for none, and the time.
func (d *DB) lookUp(ctx context.Context, token, userID string) (revoked bool, cut int64, now time.Time, err error) {
	if err := d.loadClock(ctx); err != nil {
		return false, 0, time.Time{}, err
	}
	entry, userCut := blacklistKey(token), ""
	if userID != "" {
		userCut = logoutAllKey(userID)
	}
	if d.cluster() {
		return d.lookUpInCluster(ctx, entry, userCut)
	}
	return d.lookUpKeys(ctx, d.lane, entry, userCut)
}

func (d *DB) lookUpKeys(
	ctx context.Context, l *lane, entry, userCut string,
) (revoked bool, cut int64, now time.Time, err error) {
	q := &lookup{entry: entry, userCut: userCut}
	if err := l.ask(ctx, q); err != nil {
		return false, 0, time.Time{}, err
	}
	return q.revoked, q.cut, q.now, nil
}

// fly asks whether any key of a batch exists. Usually none does, and every token in the batch is valid. If one
// does, the batch is sent again with a command for each key, because EXISTS returns only a count. The epoch is
// again read after them.
func (d *DB) fly(ctx context.Context, batch []*lookup) error {
	if d.cluster() { // where a command has keys of one slot only
		return d.flyAtNode(ctx, batch)
	}
	if d.isFar() { // a second round trip would take too long
		return d.flyOneByOne(ctx, batch)
	}
	keys := make([]string, 0, 2*len(batch))
	for _, q := range batch {
		if keys = append(keys, q.entry); q.userCut != "" {
			keys = append(keys, q.userCut)
		}
	}
	var existing *redis.IntCmd
	var epoch *redis.StringCmd
	var clock *redis.TimeCmd
	if _, err := d.pipeline(ctx, d.client, func(p redis.Pipeliner) {
		existing, epoch, clock = p.Exists(ctx, keys...), p.Get(ctx, epochKey), p.Time(ctx)
	}); err != nil {
		return err
	}
	if existing.Err() != nil || existing.Val() > 0 {
		return d.flyOneByOne(ctx, batch)
	}
	return d.landed(ctx, batch, epoch, clock)
}

// flyOneByOne is one round trip. A command that Redis refuses, such as the GET of a user's cut that is no
// string, fails its own lookup; anything else fails all.
func (d *DB) flyOneByOne(ctx context.Context, batch []*lookup) error {
	var replies []keyReplies
	var epoch *redis.StringCmd
	var clock *redis.TimeCmd
	if _, err := d.pipeline(ctx, d.client, func(p redis.Pipeliner) {
		replies = askKeys(ctx, p, batch)
		epoch, clock = p.Get(ctx, epochKey), p.Time(ctx)
	}); err != nil {
		return err
	}
	if err := d.landed(ctx, batch, epoch, clock); err != nil {
		return err
	}
	for i, q := range batch {
		replies[i].answer(q)
	}
	return nil
}

// landed takes over what all lookups of a batch share: the cut of the epoch, and the time.
func (d *DB) landed(ctx context.Context, batch []*lookup, epoch *redis.StringCmd, clock *redis.TimeCmd) error {
	now, err := clock.Result()
	if err != nil {
		return fmt.Errorf("the time: %w", err)
	}
	d.clock.observe(&d.lane.highest, now)
	cut, err := d.epochCut(ctx, epoch)
	for _, q := range batch {
		q.cut, q.now = cut, now
	}
	return err
}

// keyReplies are the replies to the questions of one lookup, nil where it asks none.
type keyReplies struct {
	entry   *redis.IntCmd
	userCut *redis.StringCmd
}

func askKeys(ctx context.Context, p redis.Pipeliner, batch []*lookup) []keyReplies {
	replies := make([]keyReplies, len(batch))
	for i, q := range batch {
		if q.entry != "" {
			replies[i].entry = p.Exists(ctx, q.entry)
		}
		if q.userCut != "" {
			replies[i].userCut = p.Get(ctx, q.userCut)
		}
	}
	return replies
}

func (r keyReplies) answer(q *lookup) {
	if r.entry != nil {
		q.revoked, q.err = r.entry.Val() > 0, r.entry.Err()
	}
	if r.userCut != nil && q.err == nil {
		var cut int64
		cut, q.err = parseUserCut(r.userCut)
		q.cut = max(cut, q.cut)
	}
}

// moved reports whether the node redirected a command, because the key is not, or no longer, its own.
func (r keyReplies) moved() bool {
	var err error
	if r.entry != nil {
		err = r.entry.Err()
	}
	if r.userCut != nil {
		err = cmp.Or(err, r.userCut.Err())
	}
	return redis.HasErrorPrefix(err, "MOVED") || redis.HasErrorPrefix(err, "ASK") || redis.HasErrorPrefix(err, "TRYAGAIN")
}

// flyAtNode asks one node of a cluster, and for the time of the same node. Lookups that it redirects are sent again
// through the client, which follows.
func (d *DB) flyAtNode(ctx context.Context, batch []*lookup) error {
	key := cmp.Or(batch[0].entry, batch[0].userCut)
	node, err := d.nodeOf(ctx, key)
	if err != nil {
		return err
	}
	var replies []keyReplies
	var clock *redis.TimeCmd
	if _, err := d.pipeline(ctx, node, func(p redis.Pipeliner) {
		replies, clock = askKeys(ctx, p, batch), p.Time(ctx)
	}); err != nil {
		return err
	}
	now, err := clock.Result()
	if err != nil {
		return fmt.Errorf("the time: %w", err)
	}
	d.clock.observe(&d.laneAt(node.Options().Addr, key).highest, now)
	var redirected []*lookup
	for i, q := range batch {
		q.now = now
		if replies[i].moved() {
			redirected = append(redirected, q)
		} else {
			replies[i].answer(q)
		}
	}
	if len(redirected) == 0 {
		return nil
	}
	if _, err := d.pipeline(ctx, d.client, func(p redis.Pipeliner) { replies = askKeys(ctx, p, redirected) }); err != nil {
		return err
	}
	for i, q := range redirected {
		replies[i].answer(q)
	}
	return nil
}

// lookUpInCluster asks for either key at its own node, so that it is held up by no other.
func (d *DB) lookUpInCluster(
	ctx context.Context, entry, userCut string,
) (revoked bool, cut int64, now time.Time, err error) {
	ctx, cancel := context.WithTimeout(ctx, d.timeout)
	defer cancel()
	l, err := d.laneOf(ctx, entry)
	if err != nil {
		return false, 0, time.Time{}, err
	}
	if userCut == "" {
		return d.lookUpKeys(ctx, l, entry, "")
	}
	other, err := d.laneOf(ctx, userCut)
	if err != nil {
		return false, 0, time.Time{}, err
	}
	var failed error
	var both sync.WaitGroup
	both.Go(func() { _, cut, _, failed = d.lookUpKeys(ctx, other, "", userCut) })
	revoked, _, now, err = d.lookUpKeys(ctx, l, entry, "")
	both.Wait()
	return revoked, cut, now, cmp.Or(err, failed)
}

// laneOf returns the lane to the node of a cluster that holds a key.
func (d *DB) laneOf(ctx context.Context, key string) (*lane, error) {
	node, err := d.nodeOf(ctx, key)
	if err != nil {
		return nil, err
	}
	return d.laneAt(node.Options().Addr, key), nil
}

// laneAt returns the lane to the node of a cluster with that address, which holds a key.
func (d *DB) laneAt(address, key string) *lane {
	if l, ok := d.lanes.Load(address); ok {
		return l.(*lane)
	}
	// Another node may hold the key by now. The client would notice within ten seconds.
	cluster := d.client.(*redis.ClusterClient)
	probe := func(ctx context.Context) error {
		cluster.ReloadState(ctx)
		return d.callAnyway(ctx, func(ctx context.Context) error { return cluster.Exists(ctx, key).Err() })
	}
	changed := func(err error) {
		if err != nil {
			d.state.log.Error("Redis connection failed: "+d.explain(err).Error(), "node", address)
		} else {
			d.state.log.Info("connected to redis", "node", address)
		}
	}
	l, _ := d.lanes.LoadOrStore(address, d.newLane(probe, changed))
	return l.(*lane)
}

func (d *DB) newLane(probe func(context.Context) error, changed func(error)) *lane {
	return &lane{
		breaker: newBreaker(d, probe, changed), metrics: d.metrics, timeout: d.timeout, fly: d.fly, far: d.isFar,
	}
}

// isFar reports whether the timeout leaves no room for waiting for one round trip and then making two.
func (d *DB) isFar() bool { return 3*d.RoundTrip() > d.timeout }
