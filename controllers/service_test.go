package controllers_test

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/alicebob/miniredis/v2"
	"github.com/alicebob/miniredis/v2/server"
	"github.com/gin-gonic/gin"
	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/crypto/bcrypt"

	"gin-auth/controllers"
	"gin-auth/db"
	"gin-auth/middleware"
	"gin-auth/routes"
	"gin-auth/session"
	"gin-auth/user"
)

func TestMain(m *testing.M) {
	gin.SetMode(gin.ReleaseMode)
	os.Exit(m.Run())
}

// redis is a miniredis that records the commands of its clients and can stop before each of them.
type redis struct {
	*miniredis.Miniredis
	mu       sync.Mutex
	clients  map[*server.Peer]bool // not scripts, which run their commands as other peers
	commands []string
	before   func(command string) (refusal string)
}

func startRedis(t *testing.T) *redis {
	t.Helper()
	r := &redis{Miniredis: miniredis.RunT(t), clients: map[*server.Peer]bool{}}
	r.Server().SetPreHook(func(peer *server.Peer, name string, args ...string) bool {
		refusal := r.receive(peer, strings.Join(append([]string{name}, args...), " "))
		if refusal != "" {
			peer.WriteError(refusal)
		}
		return refusal != ""
	})
	return r
}

func (r *redis) receive(peer *server.Peer, command string) (refusal string) {
	r.mu.Lock()
	if strings.HasPrefix(command, "HELLO") { // the first command of a client, which a script never sends
		r.clients[peer] = true
		r.mu.Unlock()
		return ""
	}
	if !r.clients[peer] {
		r.mu.Unlock()
		return ""
	}
	r.commands = append(r.commands, command)
	before := r.before
	r.mu.Unlock()
	if before == nil {
		return ""
	}
	return before(command)
}

// sent returns the commands since its last call.
func (r *redis) sent() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	commands := r.commands
	r.commands = nil
	return commands
}

func (r *redis) setBefore(before func(command string) (refusal string)) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.before = before
}

// setClaim stores that a username belongs to the user with an id and an email.
func (r *redis) setClaim(username, id, email string) {
	r.Set("auth:username:"+username, fmt.Sprintf(`{"id":%q,"email":%q,"claimed":1}`, id, email))
}

// everyTime is more than the number of commands that any request sends.
const everyTime = 1000

// pause skips n commands that match a regular expression, and calls do before the next one. Redis handles that
// command only after do returns.
func (r *redis) pause(expression string, n int, do func(command string)) {
	matching := regexp.MustCompile(expression)
	r.setBefore(func(command string) string {
		if !matching.MatchString(command) {
			return ""
		}
		r.mu.Lock()
		n--
		reached := n == -1
		if reached {
			r.before = nil
		}
		r.mu.Unlock()
		if reached {
			do(command)
		}
		return ""
	})
}

// refuse skips n commands that match a regular expression, and makes Redis answer the next ones with an error, at
// most times of them. done ends that and returns how many were rejected.
func (r *redis) refuse(expression string, n, times int) (done func() int) {
	matching := regexp.MustCompile(expression)
	refused := 0
	r.setBefore(func(command string) string {
		if !matching.MatchString(command) {
			return ""
		}
		r.mu.Lock()
		defer r.mu.Unlock()
		if n--; n >= 0 || refused == times {
			return ""
		}
		refused++
		return "ERR refused by the test"
	})
	return func() int {
		r.setBefore(nil)
		r.mu.Lock()
		defer r.mu.Unlock()
		return refused
	}
}

// instance is one process of the service.
type instance struct {
	handler http.Handler
	auth    *controllers.Auth
	health  *controllers.Health
	store   *db.DB
	redis   *redis
	log     *buffer
}

// start returns an instance that uses r. Logins are not limited: see limitLogins.
func (r *redis) start(t *testing.T) *instance {
	t.Helper()
	i := &instance{log: &buffer{}, redis: r}
	log := slog.New(slog.NewTextHandler(i.log, nil))
	sessions := newSessions(t)
	i.store = r.open(t, db.LoginLimit{}, log)
	i.auth = &controllers.Auth{
		Sessions:     sessions,
		SessionStore: i.store,
		Revoker:      i.store,
		Clock:        i.store,
		Users:        i.store,
		Passwords:    controllers.NewPasswords(user.Hasher{Cost: bcrypt.MinCost, MinLength: 8}),
		Limiter:      i.store,
		Log:          log,

		RegistrationRoles: []string{"user", "seller"},
	}
	i.health = &controllers.Health{Redis: i.store}
	metrics, err := middleware.NewMetrics(prometheus.NewRegistry())
	if err != nil {
		t.Fatal(err)
	}
	i.handler, err = routes.New(routes.Options{
		Auth: i.auth, Health: i.health, Guard: middleware.Auth(sessions, i.store), Metrics: metrics, Log: log,
	})
	if err != nil {
		t.Fatal(err)
	}
	return i
}

func newSessions(t *testing.T) *session.Sessions {
	t.Helper()
	sessions, err := session.New(session.Options{
		Secrets: []string{testSecret}, Lifetime: time.Hour, Cookie: session.Cookie{Name: "token"},
	})
	if err != nil {
		t.Fatal(err)
	}
	return sessions
}

// open returns a DB that uses r.
func (r *redis) open(t *testing.T, limit db.LoginLimit, log *slog.Logger) *db.DB {
	t.Helper()
	sessions := newSessions(t)
	store, err := db.Open(db.Options{
		Addrs: []string{r.Addr()}, Timeout: 20 * time.Second, LoginLimit: limit, Log: log,
		RebuildToken: sessions.RebuildToken,
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = store.Close() })
	return store
}

// limitLogins makes the instance limit failed logins.
func (i *instance) limitLogins(t *testing.T, failures int, per time.Duration) {
	t.Helper()
	i.auth.Limiter = i.redis.open(t, db.LoginLimit{Failures: failures, Per: per}, i.auth.Log)
}

// buffer is a log that several goroutines can write to.
type buffer struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (b *buffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.Write(p)
}

// Reset discards what was written.
func (b *buffer) Reset() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.text.Reset()
}

func (b *buffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.String()
}

const (
	testSecret  = "a secret of more than thirty-two bytes"
	ada         = `{"username":"ada","email":"ada@example.com","password":"correct horse"}`
	adaLogin    = `{"email":"ada@example.com","password":"correct horse"}`
	wrongLogin  = `{"email":"ada@example.com","password":"wrong horse"}`
	newLogin    = `{"email":"ada@example.com","password":"battery staple"}`
	newPassword = `{"currentPassword":"correct horse","newPassword":"battery staple"}`

	readUser = "^GET auth:user:"  // the command that reads a user
	write    = "^(SET|EVAL|DEL) " // the commands that write
)

// answer is a response of the service. Its token is the value of the cookie that it sets.
type answer struct {
	status int
	body   string
	header http.Header
	token  string
}

func newRequest(ctx context.Context, method, path, token, body string) *http.Request {
	request := httptest.NewRequestWithContext(ctx, method, path, strings.NewReader(body))
	if body != "" {
		request.Header.Set("Content-Type", "application/json")
	}
	if token != "" {
		request.Header.Set("Cookie", "token="+token)
	}
	return request
}

func (i *instance) send(request *http.Request) answer {
	recorder := httptest.NewRecorder()
	i.handler.ServeHTTP(recorder, request)
	a := answer{status: recorder.Code, body: recorder.Body.String(), header: recorder.Header()}
	for _, cookie := range recorder.Result().Cookies() {
		a.token = cookie.Value
	}
	return a
}

func (i *instance) post(path, token, body string) answer {
	return i.send(newRequest(context.Background(), http.MethodPost, path, token, body))
}

func (i *instance) get(path, token string) answer {
	return i.send(newRequest(context.Background(), http.MethodGet, path, token, ""))
}

func (i *instance) login(body string) answer { return i.post("/login", "", body) }

// accepts reports whether the guard accepts a token.
func (i *instance) accepts(token string) bool {
	return token != "" && i.get("/me", token).status == http.StatusOK
}

// sign returns a token with the given claims, as another service with the secret makes it.
func sign(claims string) string {
	encode := base64.RawURLEncoding.EncodeToString
	signed := encode([]byte(`{"alg":"HS256","typ":"JWT"}`)) + "." + encode([]byte(claims))
	mac := hmac.New(sha256.New, []byte(testSecret))
	mac.Write([]byte(signed))
	return signed + "." + encode(mac.Sum(nil))
}

// fixture is a user with two sessions, on a laptop and a phone, and two instances of the service on one Redis.
type fixture struct {
	redis         *redis
	a, b          *instance
	id            string
	laptop, phone string // tokens
	phoneID       string // the id of that session
}

// correctHorse is a hash of the password "correct horse", at the cost that the instances use.
const correctHorse = "$2b$04$XXQ7u9fpz3FaJUwVEMvBVe2.NG6IljAHf9Ud6tOYipBdARBp8kbVu"

func newFixture(t *testing.T) *fixture {
	t.Helper()
	r := startRedis(t)
	f := &fixture{redis: r, a: r.start(t), b: r.start(t), id: "6b0505940123456789abcdef"}
	u := user.User{ID: f.id, Email: "ada@example.com", Username: "ada", Role: "user", PasswordHash: correctHorse}
	if err := f.a.store.CreateUser(t.Context(), u); err != nil {
		t.Fatal(err)
	}
	f.laptop, _ = f.a.issue(t, u)
	f.phone, f.phoneID = f.b.issue(t, u)
	if !f.a.accepts(f.laptop) || !f.b.accepts(f.phone) { // from here on, both know the epoch
		t.Fatal("no two sessions")
	}
	r.sent()
	return f
}

// issue returns the token and the id of a new session of a user.
func (i *instance) issue(t *testing.T, u user.User) (token, id string) {
	t.Helper()
	at, err := i.store.IssueTime(t.Context(), u.ID)
	if err != nil {
		t.Fatal(err)
	}
	of := session.User{ID: u.ID, Email: u.Email, Username: u.Username, Role: u.Role}
	s, err := i.auth.Sessions.Issue(of, at)
	if err != nil {
		t.Fatal(err)
	}
	valid, _, err := i.store.AddSession(t.Context(), u.ID, user.Session{
		ID: s.ID(), Record: i.auth.Sessions.Record(s), IssuedAt: at, ExpiresAt: s.ExpiresAt(),
	})
	if err != nil || !valid {
		t.Fatal(valid, err)
	}
	return s.Token, s.ID()
}

// counts returns the counters of the login limit, each as "<failed> <in progress>".
func (f *fixture) counts() (counts []string) {
	for _, key := range f.redis.Keys() {
		if strings.HasPrefix(key, "auth:login-limit:") && !strings.HasPrefix(key, "auth:login-limit:known:") {
			value, _ := f.redis.Get(key)
			counts = append(counts, value)
		}
	}
	return counts
}

// fixtures returns one fixture for each matching command that do sends to Redis, and one more.
func fixtures(t *testing.T, expression string, do func(*fixture) answer) []*fixture {
	t.Helper()
	f := newFixture(t)
	do(f)
	n := 1
	for _, command := range f.redis.sent() {
		if regexp.MustCompile(expression).MatchString(command) {
			n++
		}
	}
	all := make([]*fixture, n)
	for n := range all {
		all[n] = newFixture(t)
	}
	return all
}

// inEach calls do for all fixtures at once.
func inEach(fixtures []*fixture, do func(n int, f *fixture)) {
	var all sync.WaitGroup
	for n, f := range fixtures {
		all.Go(func() { do(n, f) })
	}
	all.Wait()
}
