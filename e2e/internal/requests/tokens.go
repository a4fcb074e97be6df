package requests

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"time"

	"gin-auth/session"
)

// secret is the JWT_SECRET of a service that was started by Start.
const secret = "a secret of more than thirty-two bytes"

// NodeToken returns a token as the Express app issues it, without a jti. Its user is not registered.
func NodeToken(id string, issued time.Time) string {
	return Sign(map[string]any{"id": id, "email": id + "@example.com", "iat": issued.Unix(), "exp": issued.Unix() + 86400})
}

// OwnToken returns a token as the service issues it.
func OwnToken(id string, issued time.Time) string {
	sessions, err := session.New(session.Options{Secrets: []string{secret}, Lifetime: 24 * time.Hour})
	if err != nil {
		panic(err)
	}
	s, err := sessions.Issue(session.User{ID: id}, issued)
	if err != nil {
		panic(err)
	}
	return s.Token
}

// Sign returns a token with these claims.
func Sign(claims map[string]any) string {
	payload, err := json.Marshal(claims)
	if err != nil {
		panic(err)
	}
	encode := base64.RawURLEncoding.EncodeToString
	text := encode([]byte(`{"alg":"HS256","typ":"JWT"}`)) + "." + encode(payload)
	mac := hmac.New(sha256.New, []byte(secret))
	mac.Write([]byte(text))
	return text + "." + encode(mac.Sum(nil))
}
