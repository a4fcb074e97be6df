package config

import (
	"errors"
	"log/slog"
	"net/netip"
	"strconv"
	"strings"
	"time"
)

// Keyword is one of the few values that a setting can have, in lower case.
type Keyword string

// UnmarshalText accepts a keyword in upper or lower case.
func (k *Keyword) UnmarshalText(text []byte) error {
	*k = Keyword(strings.ToLower(string(text)))
	return nil
}

// List is a list of strings, separated by commas.
type List []string

// UnmarshalText splits text at its commas and removes the space around each part.
func (l *List) UnmarshalText(text []byte) error {
	*l = split(text)
	return nil
}

// Prefixes is a list of networks, separated by commas. An address without a length is a network of one.
type Prefixes []netip.Prefix

// UnmarshalText accepts addresses and networks in CIDR notation.
func (p *Prefixes) UnmarshalText(text []byte) error {
	for _, part := range split(text) {
		prefix, err := netip.ParsePrefix(part)
		if err != nil {
			addr, err := netip.ParseAddr(part)
			if err != nil {
				return errors.New("neither an address nor a network")
			}
			prefix = netip.PrefixFrom(addr, addr.BitLen())
		}
		*p = append(*p, prefix)
	}
	return nil
}

// split returns the parts of text that are not empty.
func split(text []byte) []string {
	var parts []string
	for part := range strings.SplitSeq(string(text), ",") {
		if part = strings.TrimSpace(part); part != "" {
			parts = append(parts, part)
		}
	}
	return parts
}

// Level is a log level.
type Level slog.Level

// UnmarshalText accepts the names of the four levels, but not forms such as "info+2".
func (l *Level) UnmarshalText(text []byte) error {
	switch strings.ToLower(string(text)) {
	case "debug", "info", "warn", "error":
		return (*slog.Level)(l).UnmarshalText(text)
	}
	return errors.New("not a level")
}

const day = 24 * time.Hour

// Lifetime is the time after which a token expires.
type Lifetime time.Duration

// UnmarshalText accepts a whole number and one unit: d, h, m or s. A number without a unit is rejected, because
// jsonwebtoken reads the string "3600" as 3.6 seconds, while people mean an hour.
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

// Limit is the number of failures that are allowed in a period. The zero value means no limit.
type Limit struct {
	Failures int
	Per      time.Duration
}

// UnmarshalText accepts "failures/duration" and "off".
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
