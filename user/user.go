// Package user says what a user is: the stored record, the rules for its fields, ids, and passwords with their
// hashes.
package user

import (
	"crypto/rand"
	"encoding/binary"
	"encoding/hex"
	"time"
)

// User is a user as they are stored: one JSON value under the lower-case email.
type User struct {
	ID           string    `json:"id"`
	NumericID    bool      `json:"numericId,omitempty"` // the id is a number in the Node service, and so in tokens
	Email        string    `json:"email"`               // lower case
	Username     string    `json:"username"`            // belongs to this user alone; "" for none
	FullName     FullName  `json:"fullName,omitzero"`
	Role         string    `json:"role"`
	PasswordHash string    `json:"passwordHash"`       // bcrypt, or NoPassword
	Disabled     bool      `json:"disabled,omitempty"` // may not log in
	Created      time.Time `json:"created"`
}

// NoPassword is the hash of a user who has no password yet. No password matches it.
const NoPassword = "!"

// Now returns the time at which a user is created, as it is stored: in UTC and whole seconds.
func Now() time.Time { return time.Now().UTC().Truncate(time.Second) }

// NewID returns an id of the form that the original's users have, MongoDB's ObjectId: 24 hexadecimal digits, the
// first eight of which are the time in seconds. So whatever stores or checks such ids accepts these too.
func NewID(created time.Time) string {
	var id [12]byte
	rand.Read(id[:])                                          // never fails: see crypto/rand
	binary.BigEndian.PutUint32(id[:], uint32(created.Unix())) //nolint:gosec // G115: overflows in 2106, as MongoDB's
	return hex.EncodeToString(id[:])
}
