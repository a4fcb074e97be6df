package controllers_test

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"gin-auth/controllers"
	"gin-auth/db"
	"gin-auth/middleware"
	"gin-auth/routes"
	"gin-auth/session"
	"gin-auth/user"
)

// ownUsers implements controllers.Users. Here it is a map; with a database, each method is one statement.
type ownUsers struct {
	mu    sync.Mutex
	users []user.User
}

// CreateUser is an INSERT. Unique indexes on the email and on the folded username make sure that no two users share
// one, even if two register at once.
func (o *ownUsers) CreateUser(_ context.Context, u user.User) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	for _, other := range o.users {
		if other.Email == u.Email {
			return user.ErrEmailTaken
		}
		if user.FoldUsername(other.Username) == user.FoldUsername(u.Username) {
			return user.ErrUsernameTaken
		}
	}
	o.users = append(o.users, u)
	return nil
}

// UserByEmail is a SELECT. An error means that the database is unavailable, and is answered with 503.
func (o *ownUsers) UserByEmail(_ context.Context, email string) (user.User, bool, error) {
	return o.find(func(u user.User) bool { return u.Email == email })
}

// UsernameOwner is SELECT email, id by the folded username.
func (o *ownUsers) UsernameOwner(_ context.Context, username string) (email, id string, err error) {
	u, _, err := o.find(func(u user.User) bool {
		return user.FoldUsername(u.Username) == user.FoldUsername(username)
	})
	return u.Email, u.ID, err
}

func (o *ownUsers) find(is func(user.User) bool) (user.User, bool, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	for _, u := range o.users {
		if is(u) {
			return u, true, nil
		}
	}
	return user.User{}, false, nil
}

// ReplaceHash is UPDATE … SET hash = $3 WHERE email = $1 AND hash = $2 AND NOT disabled. The condition on the old
// hash makes only one of two concurrent changes succeed.
func (o *ownUsers) ReplaceHash(_ context.Context, email, old, hash string) (bool, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	for n := range o.users {
		if u := &o.users[n]; u.Email == email && u.PasswordHash == old && !u.Disabled {
			u.PasswordHash = hash
			return true, nil
		}
	}
	return false, nil
}

// Example_ownUsers stores the users outside Redis. Sessions, logouts and the limit of failed logins stay in Redis. In
// app.go, Users is set in newAuth.
func Example_ownUsers() {
	log := slog.New(slog.DiscardHandler)
	sessions, err := session.New(session.Options{
		Secrets: []string{"a secret of 32 bytes or more ..."}, Lifetime: time.Hour, Cookie: session.Cookie{Name: "token"},
	})
	if err != nil {
		panic(err)
	}
	store, err := db.Open(db.Options{ // the embedded Redis
		Timeout:      time.Second,
		Log:          log,
		RebuildToken: sessions.RebuildToken,
	})
	if err != nil {
		panic(err)
	}
	defer func() { _ = store.Close() }()
	metrics, err := middleware.NewMetrics(prometheus.NewRegistry())
	if err != nil {
		panic(err)
	}
	handler, err := routes.New(routes.Options{
		Auth: &controllers.Auth{
			Sessions: sessions, SessionStore: store, Revoker: store, Clock: store, Limiter: store, Log: log,
			Users:             &ownUsers{},
			Passwords:         controllers.NewPasswords(user.Hasher{Cost: 4, MinLength: 8}),
			RegistrationRoles: []string{"user"},
		},
		Health: &controllers.Health{Redis: store}, Guard: middleware.Auth(sessions, store), Metrics: metrics, Log: log,
	})
	if err != nil {
		panic(err)
	}
	post := func(path, body string) {
		request := httptest.NewRequest(http.MethodPost, path, strings.NewReader(body))
		request.Header.Set("Content-Type", "application/json")
		response := httptest.NewRecorder()
		handler.ServeHTTP(response, request)
		fmt.Println(path, response.Code, len(response.Result().Cookies()))
	}
	const ada = `{"username":"ada","email":"ada@example.com","password":"correct horse"}`
	post("/register", ada)
	post("/register", ada)
	post("/login", `{"username":"Ada","password":"correct horse"}`)
	post("/login", `{"username":"Ada","password":"wrong horse"}`)
	// Output:
	// /register 201 1
	// /register 409 0
	// /login 200 1
	// /login 401 0
}
