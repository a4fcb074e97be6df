package db

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"math/rand/v2"
	"net"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/alicebob/miniredis/v2"
	"github.com/alicebob/miniredis/v2/server"
)

// spy records the commands that are sent to a Redis, and can hold them back.
type spy struct {
	*miniredis.Miniredis
	mu       sync.Mutex
	commands []string
	peers    []*server.Peer              // who sent them
	gate     chan struct{}               // if set, every command waits until it is closed
	reply    func(command string) string // if set, it returns the reply to a command: see answer
}

func startSpy(t *testing.T) *spy {
	t.Helper()
	s := &spy{Miniredis: miniredis.RunT(t)}
	s.Server().SetPreHook(func(peer *server.Peer, command string, args ...string) bool {
		s.mu.Lock()
		gate, reply := s.gate, s.reply
		s.commands = append(s.commands, strings.Join(append([]string{strings.ToUpper(command)}, args...), " "))
		s.peers = append(s.peers, peer)
		s.mu.Unlock()
		if gate != nil {
			<-gate
		}
		return reply != nil && answer(peer, reply(strings.ToUpper(command)))
	})
	return s
}

// setReplies sets the replies to some commands, as they are on the wire, without the last line break.
func (s *spy) setReplies(replies map[string]string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.reply = func(command string) string { return replies[command] }
}

// hold makes every command wait until release is called.
func (s *spy) hold() (release func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	gate := make(chan struct{})
	s.gate = gate
	return func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.gate = nil
		close(gate)
	}
}

// sent returns the commands so far, connection by connection, and removes them from the record.
func (s *spy) sent() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	by := map[*server.Peer][]string{}
	for i, command := range s.commands {
		by[s.peers[i]] = append(by[s.peers[i]], command)
	}
	s.commands, s.peers = nil, nil
	return slices.Concat(slices.Collect(maps.Values(by))...)
}

func openSpy(t *testing.T, timeout time.Duration) (*DB, *spy) {
	t.Helper()
	s := startSpy(t)
	d, err := Open(Options{Addrs: []string{s.Addr()}, Timeout: timeout, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = d.Close() })
	if _, _, err := d.findCut(t.Context(), "first", ""); err != nil { // installs the epoch
		t.Fatal(err)
	}
	s.sent()
	return d, s
}

// TestLookupsShareRoundTrips: a lone lookup is sent at once; those that arrive while round trips are under way are sent
// together, with the epoch after all their keys, and each gets its own answer.
func TestLookupsShareRoundTrips(t *testing.T) {
	t.Parallel()
	d, s := openSpy(t, 20*time.Second)
	if _, _, err := d.findCut(t.Context(), "lone", "ada"); err != nil {
		t.Fatal(err)
	}
	if got, want := strings.Join(s.sent(), ", "), "EXISTS blacklist:lone auth:logout-all:ada, GET auth:epoch, TIME, WAIT 0 0"; got != want {
		t.Errorf("for one lookup: %s; want %s", got, want)
	}
	_ = s.Set("blacklist:revoked", "true")
	if revoked, _, err := d.findCut(t.Context(), "revoked", "ada"); !revoked || err != nil {
		t.Fatalf("a revoked token: %v, %v", revoked, err)
	}
	if got, want := strings.Join(s.sent(), ", "), "EXISTS blacklist:revoked auth:logout-all:ada, GET auth:epoch, TIME, WAIT 0 0, "+
		"EXISTS blacklist:revoked, GET auth:logout-all:ada, GET auth:epoch, TIME, WAIT 0 0"; got != want {
		t.Errorf("for one that is revoked: %s; want %s", got, want)
	}

	const n = 2000
	for i := range n {
		if i%3 == 0 {
			_ = s.Set(fmt.Sprint("blacklist:t", i), "true")
		}
		if i%5 == 0 {
			_ = s.Set(fmt.Sprint("auth:logout-all:u", i), fmt.Sprint(1000+i))
		}
	}
	_, _ = s.Push("auth:logout-all:u1", "no text") // fails its own lookup alone
	var sent, roundTrips atomic.Int64
	gate := make(chan struct{})
	d.batcher.send = func(ctx context.Context, batch []*lookup) error {
		sent.Add(int64(len(batch)))
		roundTrips.Add(1)
		<-gate
		return d.send(ctx, batch)
	}
	var all sync.WaitGroup
	for i := range n {
		all.Go(func() {
			revoked, cut, err := d.findCut(t.Context(), fmt.Sprint("t", i), fmt.Sprint("u", i))
			wantCut := int64(0)
			if i%5 == 0 {
				wantCut = int64(1000 + i)
			}
			if i == 1 {
				if err == nil {
					t.Error("a user's cut that is a list is accepted as an answer")
				}
			} else if revoked != (i%3 == 0) || cut != wantCut || err != nil {
				t.Errorf("lookup %d: %v, %d, %v", i, revoked, cut, err)
			}
		})
	}
	eventually(t, "all wait", func() bool {
		d.batcher.mu.Lock()
		defer d.batcher.mu.Unlock()
		return len(d.batcher.queue)+int(sent.Load()) == n
	})
	close(gate)
	all.Wait()
	// On every connection: the keys, and then the epoch, the time and the proof that a master answered.
	questions, after := 0, []string{"GET auth:epoch", "TIME", "WAIT 0 0"}
	for _, command := range s.sent() {
		at := slices.Index(after, command)
		switch {
		case at < 0 && questions >= 0:
			questions++
		case at == 0 && questions > 0:
			questions = -1
		case at > 0 && questions == -at:
			questions = -at - 1
		default:
			t.Fatalf("%s was sent after %d", command, questions)
		}
		if questions == -len(after) {
			questions = 0
		}
	}
	if questions != 0 {
		t.Errorf("%d questions without an epoch after them", questions)
	}
	if most := int64(maxRoundTrips + n/maxBatch + 1); roundTrips.Load() > most {
		t.Errorf("%d round trips for %d lookups, want %d at most", roundTrips.Load(), n, most)
	}
	t.Logf("%d lookups in %d round trips", n, roundTrips.Load())
}

// TestRoundTripsAreCounted: however many lookups come and go at once, no batch is empty, the number of round trips
// under way never exceeds the limit, and it is 0 when all have ended.
func TestRoundTripsAreCounted(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		far  func() bool
		most int64
	}{
		"near":                      {func() bool { return false }, maxRoundTrips},
		"far":                       {func() bool { return true }, maxFarRoundTrips},
		"as the round trip changes": {func() bool { return rand.IntN(4) == 0 }, maxFarRoundTrips},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d, _ := openSpy(t, time.Second)
			var under, most, empty atomic.Int64
			d.batcher.far = test.far
			d.batcher.send = func(_ context.Context, batch []*lookup) error {
				if len(batch) == 0 {
					empty.Add(1)
				}
				now := under.Add(1)
				defer under.Add(-1)
				for seen := most.Load(); now > seen && !most.CompareAndSwap(seen, now); seen = most.Load() {
				}
				time.Sleep(time.Duration(rand.IntN(200)) * time.Microsecond)
				return nil
			}
			var all sync.WaitGroup
			for range 200 {
				all.Go(func() {
					for range 20 {
						q := &lookup{entry: "token"}
						if batch := d.batcher.enqueue(t.Context(), q); batch != nil {
							d.batcher.flushAll(batch)
						}
						<-q.done
						if q.err != nil {
							t.Error(q.err)
						}
						if rand.IntN(4) == 0 {
							time.Sleep(time.Duration(rand.IntN(500)) * time.Microsecond)
						}
					}
				})
			}
			all.Wait()
			eventually(t, "no round trip is under way", func() bool { d.batcher.mu.Lock(); defer d.batcher.mu.Unlock(); return d.batcher.roundTrips == 0 })
			if empty.Load() > 0 || most.Load() > test.most {
				t.Errorf("%d batches were empty, %d at once, want %d at most", empty.Load(), most.Load(), test.most)
			}
			t.Logf("%d round trips at once", most.Load())
		})
	}
}

// TestAnswersAreNew: an answer comes from a command that was sent after its request arrived.
func TestAnswersAreNew(t *testing.T) {
	t.Parallel()
	d, s := openSpy(t, 20*time.Second)
	release := s.hold()
	var all sync.WaitGroup
	const early = 1 + (maxRoundTrips-1)*minBatch
	for i := range early {
		all.Go(func() { _, _, _ = d.findCut(t.Context(), fmt.Sprint("early ", i), "") })
	}
	eventually(t, "every round trip is under way", func() bool { s.mu.Lock(); defer s.mu.Unlock(); return len(s.commands) >= maxRoundTrips })
	all.Go(func() {
		if revoked, _, err := d.findCut(t.Context(), "late", ""); !revoked || err != nil {
			t.Errorf("revoked after the batches were sent, before the request: %v, %v", revoked, err)
		}
	})
	_ = s.Set("blacklist:late", "true")
	release()
	all.Wait()
}

// TestCallersLeave: each caller except those that make a round trip returns when its client is gone. Lookups of such
// clients count until Redis answers, and a lookup that arrives when too many wait is rejected at once.
func TestCallersLeave(t *testing.T) {
	t.Parallel()
	d, s := openSpy(t, 20*time.Second)
	release := s.hold()
	var gone, overloaded, sent atomic.Int64
	ctx, leave := context.WithCancel(t.Context())
	var all sync.WaitGroup
	const n = maxRoundTrips*maxBatch + maxQueue + 100
	for range n {
		all.Go(func() {
			switch _, _, err := d.findCut(ctx, "token", ""); {
			case errors.Is(err, context.Canceled):
				gone.Add(1)
			case errors.Is(err, errOverloaded):
				overloaded.Add(1)
			case err == nil:
				sent.Add(1)
			default:
				t.Errorf("%v", err)
			}
		})
	}
	eventually(t, "too many wait", func() bool { return overloaded.Load() >= 100 })
	leave()
	eventually(t, "they have left", func() bool { return gone.Load()+overloaded.Load() >= n-maxRoundTrips })
	if _, _, err := d.findCut(t.Context(), "one more", ""); !errors.Is(err, errOverloaded) {
		t.Errorf("one more: %v, want %v", err, errOverloaded)
	}
	release()
	all.Wait()
	if sent.Load() > maxRoundTrips || overloaded.Load() > maxRoundTrips*maxBatch+100 {
		t.Errorf("%d left, %d were refused, %d sent", gone.Load(), overloaded.Load(), sent.Load())
	}
	eventually(t, "there is room again", func() bool { _, _, err := d.findCut(t.Context(), "token", ""); return err == nil })
	eventually(t, "no round trip is under way", func() bool { d.batcher.mu.Lock(); defer d.batcher.mu.Unlock(); return d.batcher.roundTrips == 0 })
}

// TestExpire: a lookup ends when its time is up or its caller has gone, once, and an answer that comes later is not used.
func TestExpire(t *testing.T) {
	t.Parallel()
	d, _ := openSpy(t, 20*time.Second)
	b := d.newBatcher(d.breaker)
	b.expiring = true                 // by this test
	b.enqueue(t.Context(), &lookup{}) // sent by its caller, so it is not among those that wait
	ctx, leave := context.WithCancel(t.Context())
	ends := []*lookup{{}, {}, {}}
	for i, caller := range []context.Context{t.Context(), ctx, t.Context()} {
		b.enqueue(caller, ends[i])
	}
	now := time.Now()
	if left := b.expireOnce(now); left != 3 {
		t.Errorf("at the start %d wait, want 3", left)
	}
	leave()
	ends[2].finish(nil)
	if left := b.expireOnce(now); left != 1 || !errors.Is(ends[1].gaveUp, context.Canceled) || ends[2].gaveUp != nil {
		t.Errorf("one answered, one gone: %d wait, %v, %v", left, ends[1].gaveUp, ends[2].gaveUp)
	}
	if left := b.expireOnce(now.Add(b.timeout - 2*b.tick())); left != 1 {
		t.Errorf("before the time is up %d wait", left)
	}
	if left := b.expireOnce(now.Add(b.timeout)); left != 0 || !errors.Is(ends[0].gaveUp, context.DeadlineExceeded) || b.expiring {
		t.Errorf("when the time is up %d wait: %v", left, ends[0].gaveUp)
	}
	for _, q := range ends {
		<-q.done
		q.finish(nil)
	}
}

// TestBreaker: after one call without an answer, the next is rejected at once. Then one probe at a time is sent. Errors
// that Redis replies with do not count.
func TestBreaker(t *testing.T) {
	t.Parallel()
	const timeout = 200 * time.Millisecond
	d, s := openSpy(t, timeout)
	release := s.hold()
	if _, _, err := d.findCut(t.Context(), "token", ""); err == nil {
		t.Fatal("an answer from a Redis that hangs")
	}
	eventually(t, "the breaker has noticed", func() bool { _, err := d.breaker.enter(); return err != nil })
	s.sent()
	since := time.Now()
	for range 10_000 {
		if _, _, err := d.findCut(t.Context(), "token", ""); err == nil {
			t.Fatal("an answer from a Redis that hangs")
		}
		if err := d.Revoke(t.Context(), "token", time.Time{}); err == nil {
			t.Fatal("stored in a Redis that hangs")
		}
	}
	took := time.Since(since)
	for _, command := range s.sent() {
		if strings.Contains(command, "blacklist:") {
			t.Errorf("%s was sent to a Redis that is away", command)
		}
	}
	t.Logf("20,000 refusals in %s", took)
	release()
	eventually(t, "calls continue", func() bool { _, _, err := d.findCut(t.Context(), "token", ""); return err == nil })

	s.SetError("OOM command not allowed")
	for range 3 {
		if _, _, err := d.findCut(t.Context(), "token", ""); err == nil || !strings.Contains(err.Error(), "OOM") {
			t.Errorf("a refusal: %v", err)
		}
	}
	s.SetError("")
	if _, _, err := d.findCut(t.Context(), "token", ""); err != nil {
		t.Errorf("right after a refusal: %v", err)
	}
	gone, leave := context.WithCancel(t.Context())
	leave()
	if _, _, err := d.UserByEmail(gone, "ada@example.com"); !errors.Is(err, context.Canceled) {
		t.Errorf("a client that has gone: %v", err)
	}
	if _, _, err := d.findCut(t.Context(), "token", ""); err != nil {
		t.Errorf("after a client has gone: %v", err)
	}
}

// TestImpatientCaller: a call that ends because of its caller's own timeout does not open the breaker.
func TestImpatientCaller(t *testing.T) {
	t.Parallel()
	d, s := openSpy(t, 20*time.Second)
	release := s.hold()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	if _, _, err := d.UserByEmail(ctx, "ada@example.com"); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("an answer of a Redis that hangs: %v", err)
	}
	if d.breaker.isOpen() {
		t.Error("later calls are rejected")
	}
	release()
	if _, _, err := d.UserByEmail(t.Context(), "ada@example.com"); err != nil {
		t.Error(err)
	}
}

// TestDialler: however often dialing has failed, a Redis that is available again is found at once. It runs alone: a
// parallel test might use the port that is free for a while.
func TestDialler(t *testing.T) {
	s := miniredis.RunT(t)
	d, _ := openAt(t, s.Addr())
	s.Close()
	eventually(t, "it is away", func() bool { return d.Ping(t.Context()) != nil })
	for range 2 * 10 * runtime.GOMAXPROCS(0) { // twice go-redis's pool
		if err := d.probe(t.Context()); err == nil || !strings.Contains(err.Error(), "connection refused") {
			t.Fatalf("without a Redis: %v", err)
		}
	}
	if err := s.Restart(); err != nil {
		t.Fatal(err)
	}
	if err := d.probe(t.Context()); err != nil {
		t.Errorf("it is back: %v", err)
	}
	var failed net.Conn = failedConn{errors.New("refused")}
	if _, err := failed.Read(nil); err == nil || failed.Close() != nil {
		t.Error("a connection that could not be made")
	}
}

// TestClusterAway: a lookup on a cluster that was never available returns an error.
func TestClusterAway(t *testing.T) {
	t.Parallel()
	d, err := Open(Options{Addrs: []string{"127.0.0.1:1", "127.0.0.1:2"}, Cluster: true, Timeout: time.Second, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = d.Close() })
	for _, user := range []string{"", "ada"} {
		if _, _, err := d.findCut(t.Context(), "token", user); err == nil {
			t.Errorf("an answer about a token of %q", user)
		}
	}
}
