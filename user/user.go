// Package user defines users: the stored record, the rules for its fields, ids, and password hashes.
package user

import (
	"crypto/rand"
	"encoding/binary"
	"encoding/hex"
	"time"
)

// User is the stored record of a user: one JSON value under the lower-case email.
type User struct {
	ID           string    `json:"id"`
	NumericID    bool      `json:"numericId,omitempty"` // the id is a number in the Node service and in tokens
	Email        string    `json:"email"`               // lower case
	Username     string    `json:"username"`            // unique; "" for none
	FullName     FullName  `json:"fullName,omitzero"`
	Role         string    `json:"role"`
	PasswordHash string    `json:"passwordHash"`       // bcrypt, or NoPassword
	Disabled     bool      `json:"disabled,omitempty"` // may not log in
	Created      time.Time `json:"created"`
}

// NoPassword is the hash of a user who has no password yet. No password matches it.
const NoPassword = "!"

// Now returns the current time in the form in which it is stored for a new user: in UTC and whole seconds.
func Now() time.Time { return time.Now().UTC().Truncate(time.Second) }

// NewID returns an id in the form of MongoDB's ObjectId, as the original's users have it: 24 hexadecimal digits, of
// which the first eight are the time in seconds. So whatever stores or checks such ids accepts these too.
func NewID(created time.Time) string {
	var id [12]byte
	rand.Read(id[:])                                          // never returns an error: see crypto/rand
	binary.BigEndian.PutUint32(id[:], uint32(created.Unix())) //nolint:gosec // G115: overflows in 2106, like MongoDB's
	return hex.EncodeToString(id[:])
}
