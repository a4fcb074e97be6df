package session

import (
	"net/http"
	"testing"
	"time"
)

func newBenched(b *testing.B) *Sessions {
	b.Helper()
	sessions, err := New(Options{Secrets: []string{secret}, Lifetime: time.Hour, Cookie: Cookie{Name: "token", Secure: true}})
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	return sessions
}

var benchedUser = User{ID: "6b054b001c2fac52a10afd91", Email: "ada@example.com", Username: "ada", Role: "user"}

func BenchmarkIssue(b *testing.B) {
	sessions, now := newBenched(b), time.Now()
	for b.Loop() {
		if _, err := sessions.Issue(benchedUser, now); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkAuthenticate(b *testing.B) {
	sessions := newBenched(b)
	s, err := sessions.Issue(benchedUser, time.Now())
	if err != nil {
		b.Fatal(err)
	}
	for name, authenticate := range map[string]func(string) (*Session, error){
		"new": sessions.verifyToken, "cached": sessions.Authenticate,
	} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := authenticate(s.Token); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkCookie(b *testing.B) {
	sessions := newBenched(b)
	s, err := sessions.Issue(benchedUser, time.Now())
	if err != nil {
		b.Fatal(err)
	}
	b.Run("read", func(b *testing.B) {
		b.ReportAllocs()
		header := http.Header{"Cookie": {"theme=dark; token=" + s.Token}}
		for b.Loop() {
			if sessions.ReadToken(header) != s.Token {
				b.Fatal("another token")
			}
		}
	})
	b.Run("set", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			sessions.SetCookie(http.Header{}, s)
		}
	})
}
