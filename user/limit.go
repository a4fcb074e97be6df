package user

import "time"

// LimitError says that an attempt was not counted, because it would have been one too many.
type LimitError struct {
	// Wait is how long it takes until another attempt is allowed. It is 0 if the limit would only be reached if all
	// attempts under way failed.
	Wait time.Duration
}

func (e *LimitError) Error() string { return "too many attempts" }
