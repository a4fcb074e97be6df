package config

import (
	"errors"
	"strconv"
	"strings"
	"time"
)

const day = 24 * time.Hour

// Lifetime is how long a token lives.
type Lifetime time.Duration

// UnmarshalText takes a whole number and one unit, d, h, m or s. A bare number is refused:
// jsonwebtoken reads the string "3600" as 3.6 seconds, people mean an hour.
func (l *Lifetime) UnmarshalText(text []byte) error {
	units := map[byte]time.Duration{'d': day, 'h': time.Hour, 'm': time.Minute, 's': time.Second}
	last := len(text) - 1
	if last < 1 || units[text[last]] == 0 {
		return errors.New("no unit")
	}
	unit := units[text[last]]
	count, err := strconv.Atoi(string(text[:last]))
	if err != nil {
		return err
	}
	if count < 1 || count > int(3650*day/unit) {
		return errors.New("out of range")
	}
	*l = Lifetime(time.Duration(count) * unit)
	return nil
}

// Limit is how many failures are let pass in a time. Its zero value means no limit.
type Limit struct {
	Failures int
	Per      time.Duration
}

// UnmarshalText takes "failures/duration", or "off".
func (l *Limit) UnmarshalText(text []byte) error {
	if strings.EqualFold(string(text), "off") {
		*l = Limit{}
		return nil
	}
	failures, per, _ := strings.Cut(string(text), "/")
	count, err := strconv.Atoi(failures)
	if err != nil {
		return err
	}
	duration, err := time.ParseDuration(per)
	if err != nil {
		return err
	}
	if count < 1 || count > 1e6 || duration < time.Second || duration > day {
		return errors.New("out of range")
	}
	*l = Limit{Failures: count, Per: duration}
	return nil
}
