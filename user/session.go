package user

import "time"

// Session is the stored data of a session that was issued here.
type Session struct {
	// ID is the jti of the session's token. It gives no access.
	ID string
	// Record is the string from which the token can be made again, but only with the secret.
	Record string
	// IssuedAt and ExpiresAt are the token's iat and exp.
	IssuedAt, ExpiresAt time.Time
	// Address is the client's IP address when the session began.
	Address string
	// UserAgent is the client's User-Agent header at that time, shortened and without control characters.
	UserAgent string
}
