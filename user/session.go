package user

import "time"

// Session is what is stored of a session that was issued here.
type Session struct {
	// ID is the jti of the session's token. It grants nothing.
	ID string
	// Record is what the token can be made from again by someone who has the secret, and by nobody else.
	Record string
	// IssuedAt and ExpiresAt are the token's iat and exp.
	IssuedAt, ExpiresAt time.Time
	// Address is the client's IP address when the session began.
	Address string
	// UserAgent is the client's User-Agent header then, shortened and without control characters.
	UserAgent string
}
