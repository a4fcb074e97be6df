package db

import (
	"errors"
	"fmt"
	"net"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"
)

// explain adds to the error of a call what is known about its cause: why no connection can be made, which settings have
// the password, or that Redis is too far away for the timeout.
func (d *DB) explain(err error) error {
	var explained *connectError
	switch {
	case isPasswordError(err):
		return d.explainRefusal(err)
	case d.adviceOnTopology(err) != "":
		return fmt.Errorf("%w: %s", err, d.adviceOnTopology(err))
	case !unanswered(err) || errors.As(err, &explained):
		return err
	}
	if isTimeout(err) && d.dialer.asking.Load() > 0 {
		return &connectError{err, fmt.Sprintf("no sentinel (REDIS_SENTINELS) answered within %s (REDIS_TIMEOUT)", d.timeout)}
	}
	if failed := d.dialer.failed.Load(); failed != nil {
		return &connectError{err, failed.Error()}
	}
	if wanted := WantedTimeout(d.RoundTrip()); wanted > d.timeout && isTimeout(err) {
		return &connectError{err, fmt.Sprintf("a round trip to Redis takes %s: set REDIS_TIMEOUT=%s", d.RoundTrip(), wanted)}
	}
	if isTimeout(err) {
		return &connectError{err, fmt.Sprintf("Redis did not answer within %s (REDIS_TIMEOUT)", d.timeout)}
	}
	return err
}

// explainRefusal adds to the error of a wrong password which nodes of a Cluster refuse it, and which settings have it.
func (d *DB) explainRefusal(err error) error {
	if nodes := d.dialer.refusing(); len(nodes) > 0 {
		return fmt.Errorf("%w (at %s: %s)", err, strings.Join(nodes, ", "), adviceOnUser)
	}
	return fmt.Errorf("%w (see REDIS_USERNAME and REDIS_PASSWORD, or REDIS_URL)", err)
}

// isPasswordError reports whether Redis rejects every command, because the password is wrong or missing.
func isPasswordError(err error) bool {
	return redis.HasErrorPrefix(err, "WRONGPASS") || redis.HasErrorPrefix(err, "NOAUTH")
}

// RoundTrip returns how long a round trip to Redis takes, 0 if that is not known.
func (d *DB) RoundTrip() time.Duration {
	return time.Duration(d.dialer.roundTrip.Load()).Round(time.Millisecond)
}

// WantedTimeout returns the Options.Timeout for a Redis with that round trip: enough for two round trips and the time
// that Redis itself takes.
func WantedTimeout(roundTrip time.Duration) time.Duration {
	const step = 100 * time.Millisecond
	return (roundTrip*5/2 + step - 1).Truncate(step)
}

func isTimeout(err error) bool {
	var network net.Error
	return errors.As(err, &network) && network.Timeout()
}

// isFar reports whether the timeout is too short to wait for one round trip and then make two.
func (d *DB) isFar() bool { return 3*d.RoundTrip() > d.timeout }
