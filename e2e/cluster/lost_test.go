package cluster

import (
	"context"
	"fmt"
	"net/http"
	"sync"
	"testing"
	"time"

	"gin-auth/e2e/internal/harness"
	"gin-auth/e2e/internal/requests"
)

// The log of an instance has this when it has detected a loss.
const noticed = "the blacklist was lost"

// clusterLosses are the ways to lose a part of the blacklist of a Cluster. Each returns when the masters answer again.
var clusterLosses = []struct {
	name  string
	nodes []int // that are emptied
	lose  func(t *testing.T, c *cluster, nodes []int)
}{
	{"FLUSHALL on a master", []int{1}, flushMasters},
	{"FLUSHALL on another master", []int{2}, flushMasters},
	{"FLUSHALL on all masters", []int{0, 1, 2}, flushMasters},
	{"a master restarted without persistence", []int{0}, restartMasters},
}

// flushMasters empties masters just before a second ends. The next one begins while the instances store new epochs, and
// must not lead to a second cut.
func flushMasters(t *testing.T, c *cluster, nodes []int) {
	t.Helper()
	time.Sleep(time.Until(time.Now().Add(150 * time.Millisecond).Truncate(time.Second).Add(850 * time.Millisecond)))
	for _, node := range nodes {
		harness.Command(t, c.clients[node], "FLUSHALL")
	}
}

func restartMasters(t *testing.T, c *cluster, nodes []int) {
	t.Helper()
	for _, node := range nodes {
		c.nodes[node].Kill()
		c.nodes[node].Start(t)
		c.waitUntilAnswering(t, node)
	}
}

// waitUntilAnswering waits until a master that was started again answers for its keys, about two seconds later.
func (c *cluster) waitUntilAnswering(t *testing.T, node int) {
	t.Helper()
	key := "filler:{" + tagOf(node*harness.Slots/3+100) + "}" // redis-cli distributes the slots evenly, in this order
	harness.Eventually(t, "the master answers again", func() error {
		return c.clients[node].Exists(context.Background(), key).Err()
	})
}

// TestClusterLosesItsBlacklist empties masters of a Cluster under load. No instance accepts a token that was revoked
// before, everybody has to log in again once, and logins work again within two seconds.
func TestClusterLosesItsBlacklist(t *testing.T) {
	t.Parallel()
	c := startCluster(t, 0)
	all := c.startQuiet(t, 2)
	for round, loss := range clusterLosses {
		if !t.Run(loss.name, func(t *testing.T) {
			l := &clusterLoss{traffic: &traffic{services: all, pause: 5 * time.Millisecond}, c: c, nodes: loss.nodes}
			l.prepare(t, round)
			stop := l.run(t, 4)
			time.Sleep(100 * time.Millisecond)
			logins := l.logIn(t)
			l.lost = time.Now()
			for _, one := range l.before {
				one.state.Store(mayEnd)
			}
			loss.lose(t, c, loss.nodes)
			answering := time.Now()
			l.waitUntilNoticed(t)
			harness.LogTime(t, "every instance rejects the tokens from before, after", time.Since(answering), time.Second)
			time.Sleep(2500 * time.Millisecond) // each instance has checked the epochs again
			l.wantLogins(t, logins(), answering)
			stop()
			l.askAll(t)
		}) {
			return
		}
	}
}

// clusterLoss is the loss of a part of the blacklist.
type clusterLoss struct {
	*traffic
	c       *cluster
	nodes   []int // that are emptied
	before  []*subject
	emails  []string // of users whose records are not lost, if there are such
	lost    time.Time
	noticed [2]time.Time // by each instance
}

// prepare revokes tokens in every way, with the revocation on each master.
func (l *clusterLoss) prepare(t *testing.T, round int) {
	t.Helper()
	slots := l.c.slots(t, 0)
	for node := range 3 {
		at := slots.at(node)
		what := fmt.Sprintf("revocation at master %d", node)
		for range 3 {
			l.before = append(l.before, l.valid(t, what, tokenWith(userWith(anySlot), at)))
			l.loggedOut(t, what, tokenWith(userWith(anySlot), at))
			l.endedByCut(t, what, at, anySlot)
		}
		l.endedSession(t, what, fmt.Sprintf("ender-%d-%d", round, node), at)
		l.endedSessions(t, what, fmt.Sprintf("leaver-%d-%d", round, node), at)
	}
	isLost := func(key string) bool {
		for _, node := range l.nodes {
			if slots.owner(key) == node {
				return true
			}
		}
		return false
	}
	if len(l.nodes) == 3 {
		return
	}
	for node := range 3 { // a user with the cut at each master
		for i := 0; ; i++ {
			name := fmt.Sprintf("user-%d-%d-%d", round, node, i)
			email := name + "@example.com"
			if isLost("auth:user:"+email) || isLost("auth:username:"+name) {
				continue
			}
			if id := register(t, l.services[0], email); slots.owner(cutKey(id)) == node && !isLost("auth:user-id:"+id) {
				l.emails = append(l.emails, email)
				break
			}
		}
	}
}

// endedSession ends a session, with another session of its user. Its entry has such a slot.
func (l *clusterLoss) endedSession(t *testing.T, what, name string, entry func(slot int) bool) {
	t.Helper()
	one := requests.Login(t, l.services[0], name)
	for !entry(harness.Slot(entryKey(one))) {
		one = requests.Login(t, l.services[0], name)
	}
	asks := requests.Login(t, l.services[1], name)
	got := requests.Send(t, l.services[1], "DELETE", "/api/auth/sessions/"+sessionID(one), asks, "")
	requests.WantStatus(t, "ending a session", got, http.StatusNoContent)
	l.ask(t, 0, l.add("ended session, "+what, one, isRevoked))
}

// endedSessions ends all sessions of a user whose cut has such a slot.
func (l *clusterLoss) endedSessions(t *testing.T, what, name string, cut func(slot int) bool) {
	t.Helper()
	for i := 0; ; i++ {
		one := requests.Login(t, l.services[0], fmt.Sprintf("%s-%d", name, i))
		if !cut(harness.Slot(cutKey(userID(one)))) {
			continue
		}
		other := requests.Login(t, l.services[1], fmt.Sprintf("%s-%d", name, i))
		requests.WantStatus(t, "logout-all", requests.Send(t, l.services[1], "POST", "/api/auth/logout-all", other, ""), 200)
		l.ask(t, 0, l.add("ended with all sessions, "+what, one, isRevoked))
		l.ask(t, 1, l.add("ended all sessions, "+what, other, isRevoked))
		return
	}
}

// waitUntilNoticed waits until every instance rejects every token from before.
func (l *clusterLoss) waitUntilNoticed(t *testing.T) {
	t.Helper()
	harness.Each(len(l.services), func(service int) {
		for deadline := l.lost.Add(20 * time.Second); ; time.Sleep(5 * time.Millisecond) {
			open := 0
			for _, one := range l.before {
				if got := l.ask(t, service, one); !got.Refused() {
					open++
				}
			}
			if open == 0 {
				break
			}
			if time.Now().After(deadline) {
				t.Errorf("instance %d accepts %d tokens from before the loss", service, open)
				return
			}
		}
		l.noticed[service] = time.Now()
	})
	for _, one := range l.before {
		one.state.Store(isRevoked)
	}
	if t.Failed() {
		t.FailNow()
	}
}

// loggedIn is a login and when it began and ended.
type loggedIn struct {
	service      int
	email, token string
	got          requests.Answer
	began, ended time.Time
}

// logIn logs users in at every instance until stop is called, or the test ends.
func (l *clusterLoss) logIn(t *testing.T) (stop func() []loggedIn) {
	t.Helper()
	var mu sync.Mutex
	var logins []loggedIn
	done := make(chan struct{})
	var workers sync.WaitGroup
	for service, s := range l.services {
		workers.Go(func() {
			for i := 0; ; i++ {
				select {
				case <-done:
					return
				case <-time.After(20 * time.Millisecond):
				}
				path, email := "/api/auth/register", fmt.Sprintf("new-%d-%d@example.com", service, time.Now().UnixNano())
				if len(l.emails) > 0 && i%2 == 0 {
					path, email = "/api/auth/login", l.emails[i/2%len(l.emails)]
				}
				began := time.Now()
				got, err := requests.Try(s, "POST", path, "", credentials(email))
				if err != nil {
					t.Error(err)
					return
				}
				mu.Lock()
				logins = append(logins, loggedIn{service, email, got.Token(), got, began, time.Now()})
				mu.Unlock()
			}
		})
	}
	end := sync.OnceFunc(func() { close(done); workers.Wait() })
	t.Cleanup(end)
	return func() []loggedIn { end(); return logins }
}

// maxReadWait is how long a login waits until the epochs of all slots were read. On a busy machine that may take longer,
// and a slot that is found lost after that raises the cut again.
const maxReadWait = time.Second

// wantLogins checks the logins. Those that begin after every instance has noticed the loss work, and their tokens stay
// valid: there is no later cut.
func (l *clusterLoss) wantLogins(t *testing.T, logins []loggedIn, answering time.Time) {
	t.Helper()
	noticed := l.noticed[0]
	if l.noticed[1].After(noticed) {
		noticed = l.noticed[1]
	}
	first := make([]time.Time, len(l.services))
	var lastEnded, lastFailed time.Time
	ended, failed, kept := 0, 0, 0
	for _, one := range logins {
		if one.got.Status/100 != 2 {
			if failed++; one.began.After(noticed) {
				t.Errorf("login of %s at instance %d, %s after the loss was noticed: %s",
					one.email, one.service, one.began.Sub(noticed).Round(time.Millisecond), one.got)
			}
			lastFailed = one.began
			if t.Failed() {
				return // one error is enough
			}
			continue
		}
		statuses := []int{}
		valid := true
		for _, s := range l.services {
			got := requests.Send(t, s, "GET", requests.Me, one.token, "")
			statuses = append(statuses, got.Status)
			valid = valid && got.Status == 200
		}
		if valid {
			kept++
			if first[one.service].IsZero() || one.ended.Before(first[one.service]) {
				first[one.service] = one.ended
			}
			continue
		}
		if one.ended.After(l.lost) {
			ended, lastEnded = ended+1, one.ended
		}
		if one.began.After(noticed) && one.ended.Sub(one.began) < maxReadWait {
			t.Errorf("the token of a login of %s at instance %d, %s after the loss was noticed: %d",
				one.email, one.service, one.began.Sub(noticed).Round(time.Millisecond), statuses)
		}
	}
	t.Logf("%d logins, %d stay valid, %d failed, %d were ended although answered after the loss; "+
		"the last of these %s and %s after the masters answered", len(logins), kept, failed, ended,
		max(0, lastFailed.Sub(answering)).Round(time.Millisecond), max(0, lastEnded.Sub(answering)).Round(time.Millisecond))
	for service, at := range first {
		if at.IsZero() {
			t.Errorf("no login at instance %d stays valid", service)
		}
		harness.LogTime(t, fmt.Sprintf("first lasting login at instance %d", service), max(0, at.Sub(answering)), 2*time.Second)
	}
}

// sessionID returns the id of a token's session.
func sessionID(token string) string { return claim(token).JTI }
