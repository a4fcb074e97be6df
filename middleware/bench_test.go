package middleware_test

import (
	"context"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/gin-gonic/gin"

	"gin-auth/middleware"
	"gin-auth/session"
)

type nothingRevoked struct{}

func (nothingRevoked) Revoked(context.Context, string, string, func() int64) (bool, time.Time, error) {
	return false, time.Now(), nil
}

// BenchmarkAuth measures the guard without the lookup.
func BenchmarkAuth(b *testing.B) {
	sessions, err := session.New(session.Options{Secrets: []string{"secret"}, Lifetime: time.Hour, Cookie: session.Cookie{Name: "token"}})
	if err != nil {
		b.Fatal(err)
	}
	s, err := sessions.Issue(session.User{ID: "7", Email: "ada@example.com", Username: "ada", Role: "user"}, time.Now())
	if err != nil {
		b.Fatal(err)
	}
	guard := middleware.Auth(sessions, nothingRevoked{})
	request := httptest.NewRequest("GET", "/", nil)
	request.Header.Set("Cookie", "token="+s.Token)
	c, _ := gin.CreateTestContext(httptest.NewRecorder())
	b.ReportAllocs()
	for b.Loop() {
		c.Request = request
		if guard(c); c.IsAborted() {
			b.Fatal("refused")
		}
	}
}
