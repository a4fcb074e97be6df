package user

import "time"

// LimitError means that an attempt was rejected, and not counted, because the limit is reached.
type LimitError struct {
	// Wait is the time until another attempt is allowed. It is 0 if the limit would be reached only if all attempts in
	// progress failed.
	Wait time.Duration
}

func (e *LimitError) Error() string { return "too many attempts" }
