package middleware_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/gin-gonic/gin"

	"gin-auth/middleware"
	"gin-auth/session"
)

func TestMain(m *testing.M) {
	gin.SetMode(gin.ReleaseMode)
	os.Exit(m.Run())
}

// revocations gives the same answer to every question and records the questions.
type revocations struct {
	revoked bool
	now     time.Time
	err     error
	asked   []string
}

func (r *revocations) Revoked(_ context.Context, token, userID string, issuedAt func() int64) (bool, time.Time, error) {
	r.asked = append(r.asked, fmt.Sprint(token, " ", userID, " ", issuedAt()))
	return r.revoked, r.now, r.err
}

func newSessions(t *testing.T, secret string) *session.Sessions {
	t.Helper()
	sessions, err := session.New(session.Options{
		Secrets:  []string{secret},
		Lifetime: time.Hour,
		Cookie:   session.Cookie{Name: "token"},
	})
	if err != nil {
		t.Fatal(err)
	}
	return sessions
}

func issue(t *testing.T, secret string, at time.Time) string {
	t.Helper()
	s, err := newSessions(t, secret).Issue(session.User{ID: "7"}, at)
	if err != nil {
		t.Fatal(err)
	}
	return s.Token
}

func TestAuth(t *testing.T) {
	t.Parallel()
	now := time.Unix(1_800_000_000, 0) // Redis's clock: this machine's clock does not matter
	good := issue(t, "secret", now)
	expired := issue(t, "secret", now.Add(-time.Hour))
	early := issue(t, "secret", now.Add(time.Hour))
	forged := issue(t, "another", now)
	broken := errors.New("Redis is down")

	for _, test := range []struct {
		name    string
		cookie  string
		redis   revocations
		want    error // nil: the handler runs
		asked   bool
		cleared bool
	}{
		{name: "no cookie", want: middleware.ErrNoToken},
		{name: "empty cookie", cookie: "token=", want: middleware.ErrNoToken},
		{name: "good", cookie: "token=" + good, asked: true},
		{name: "revoked", cookie: "token=" + good, redis: revocations{revoked: true}, want: middleware.ErrRevoked, asked: true, cleared: true},
		{name: "no answer", cookie: "token=" + good, redis: revocations{err: broken}, want: middleware.ErrUnavailable, asked: true},
		{name: "revoked, no answer", cookie: "token=" + good, redis: revocations{revoked: true, err: broken}, want: middleware.ErrUnavailable, asked: true},
		{name: "issued by a clock that is ahead", cookie: "token=" + early, asked: true},
		{name: "in its last second", cookie: "token=" + good, redis: revocations{now: now.Add(time.Hour - 1)}, asked: true},
		{name: "when it expires", cookie: "token=" + good, redis: revocations{now: now.Add(time.Hour)}, want: middleware.ErrRefused, asked: true},
		{name: "expired", cookie: "token=" + expired, want: middleware.ErrRefused, asked: true},
		{name: "expired and revoked", cookie: "token=" + expired, redis: revocations{revoked: true}, want: middleware.ErrRevoked, asked: true, cleared: true},
		{name: "expired, no answer", cookie: "token=" + expired, redis: revocations{err: broken}, want: middleware.ErrUnavailable, asked: true},
		{name: "forged", cookie: "token=" + forged, redis: revocations{revoked: true}, want: middleware.ErrRefused},
		{name: "another spelling", cookie: "token=" + good + "=", redis: revocations{revoked: true}, want: middleware.ErrRefused},
		{name: "garbage", cookie: "token=garbage", redis: revocations{err: broken}, want: middleware.ErrRefused},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			var ran bool
			var got error
			if test.redis.now.IsZero() {
				test.redis.now = now
			}
			r := gin.New()
			r.Use(func(c *gin.Context) {
				c.Next()
				if last := c.Errors.Last(); last != nil {
					got = last.Err
				}
			})
			r.GET("/", middleware.Auth(newSessions(t, "secret"), &test.redis), func(c *gin.Context) {
				ran = session.FromContext(c.Request.Context()).UserID() == "7"
			})
			request := httptest.NewRequest(http.MethodGet, "/", nil)
			request.Header.Set("Cookie", test.cookie)
			answer := httptest.NewRecorder()
			r.ServeHTTP(answer, request)

			if !errors.Is(got, test.want) || ran != (test.want == nil) {
				t.Errorf("error %v, want %v; the handler ran: %v", got, test.want, ran)
			}
			if asked := len(test.redis.asked) > 0; asked != test.asked {
				t.Errorf("Redis was asked: %v", asked)
			}
			if test.cookie == "token="+good && test.redis.asked[0] != fmt.Sprint(good, " 7 ", now.Unix()) {
				t.Errorf("Redis was asked about %q", test.redis.asked)
			}
			if cleared := strings.HasPrefix(answer.Header().Get("Set-Cookie"), "token=;"); cleared != test.cleared {
				t.Errorf("Set-Cookie is %q", answer.Header().Get("Set-Cookie"))
			}
		})
	}
}
