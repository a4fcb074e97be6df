// Gin answers GET /api/auth/me in one of three ways, selected by MODE:
//
//   - bare: every response has the same JSON. There is no guard.
//   - guard: golang-jwt verifies the signature and the times of the JSON Web Token in the cookie. The response has its
//     claims. There is no lookup in Redis, so nobody can log out.
//   - get: the same guard, which then looks up the token on the blacklist with one GET.
//
// It uses Gin, golang-jwt and go-redis as their documentation shows, in release mode, without a log line per request.
package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"

	"github.com/gin-gonic/gin"
	"github.com/golang-jwt/jwt/v5"
	"github.com/redis/go-redis/v9"
)

// constant has as many bytes as gin-auth's response.
const constant = `{"user":{"id":"6b054b001c2fac52a10afd91","email":"ada@example.com","username":"ada","role":"user",` +
	`"jti":"3q2-7wAAAAAAAAAAAAAAAAAAAAAAAAAA","iat":1700000000,"exp":1700086400}}`

func main() {
	gin.SetMode(gin.ReleaseMode)
	router := gin.New()
	router.Use(gin.Recovery())
	if err := addRoute(router, os.Getenv("MODE")); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	if err := router.Run(net.JoinHostPort(os.Getenv("HOST"), os.Getenv("PORT"))); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func addRoute(router *gin.Engine, mode string) error {
	guard := guard([]byte(os.Getenv("JWT_SECRET")))
	switch mode {
	case "bare":
		router.GET("/api/auth/me", func(c *gin.Context) {
			c.Data(http.StatusOK, "application/json; charset=utf-8", []byte(constant))
		})
	case "guard":
		router.GET("/api/auth/me", guard, me)
	case "get":
		client := redis.NewClient(&redis.Options{Addr: net.JoinHostPort(os.Getenv("REDIS_HOST"), os.Getenv("REDIS_PORT"))})
		router.GET("/api/auth/me", guard, notRevoked(client), me)
	default:
		return fmt.Errorf("MODE is %q, want bare, guard or get", mode)
	}
	return nil
}

// guard verifies the cookie's token once per request, and stores its claims for the handler.
func guard(secret []byte) gin.HandlerFunc {
	key := func(*jwt.Token) (any, error) { return secret, nil }
	return func(c *gin.Context) {
		cookie, err := c.Cookie("token")
		if err != nil {
			c.AbortWithStatusJSON(http.StatusUnauthorized, gin.H{"message": "Unauthorized"})
			return
		}
		token, err := jwt.Parse(cookie, key, jwt.WithValidMethods([]string{"HS256"}))
		if err != nil {
			c.AbortWithStatusJSON(http.StatusUnauthorized, gin.H{"message": "Unauthorized user"})
			return
		}
		c.Set("user", token.Claims)
		c.Set("token", cookie)
		c.Next()
	}
}

// notRevoked looks up the token in Redis with one GET per request.
func notRevoked(client *redis.Client) gin.HandlerFunc {
	return func(c *gin.Context) {
		err := blacklisted(c.Request.Context(), client, c.GetString("token"))
		switch {
		case errors.Is(err, redis.Nil):
			c.Next()
		case err != nil:
			c.AbortWithStatusJSON(http.StatusServiceUnavailable, gin.H{"message": "Authentication service unavailable"})
		default:
			c.AbortWithStatusJSON(http.StatusUnauthorized, gin.H{"message": "Session expired. Please login again."})
		}
	}
}

// blacklisted returns nil if the token is on the blacklist, and redis.Nil if it is not.
func blacklisted(ctx context.Context, client *redis.Client, token string) error {
	return client.Get(ctx, "blacklist:"+token).Err()
}

// me returns the claims, which c.JSON encodes for each request.
func me(c *gin.Context) {
	c.JSON(http.StatusOK, gin.H{"user": c.MustGet("user")})
}
