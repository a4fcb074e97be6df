package config

import (
	"errors"
	"log/slog"
	"net/netip"
	"slices"
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

// networks has the names of networks in Express's setting "trust proxy".
var networks = map[string]string{
	"loopback":    "127.0.0.0/8,::1/128",
	"linklocal":   "169.254.0.0/16,fe80::/10",
	"uniquelocal": "10.0.0.0/8,172.16.0.0/12,192.168.0.0/16,fc00::/7",
}

// UnmarshalText accepts addresses, networks in CIDR notation and the names in networks.
func (p *Prefixes) UnmarshalText(text []byte) error {
	for _, part := range split(text) {
		if named := networks[part]; named != "" {
			if err := p.UnmarshalText([]byte(named)); err != nil {
				return err
			}
			continue
		}
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

// levels has the words for each level: its own name first, then those of winston, pino, log4js and syslog.
var levels = map[slog.Level]string{
	slog.LevelDebug: "debug trace verbose silly all",
	slog.LevelInfo:  "info http notice",
	slog.LevelWarn:  "warn warning",
	slog.LevelError: "error fatal silent off crit critical alert emerg",
}

// UnmarshalText accepts the words in levels, in upper or lower case.
func (l *Level) UnmarshalText(text []byte) error {
	for level, words := range levels {
		if slices.Contains(strings.Fields(words), strings.ToLower(string(text))) {
			*l = Level(level)
			return nil
		}
	}
	return errors.New("not a level")
}

// parseBool accepts what strconv.ParseBool does, and yes, no, on and off, in upper or lower case.
func parseBool(text string) (any, error) {
	switch word := strings.ToLower(text); word {
	case "yes", "y", "on":
		return true, nil
	case "no", "n", "off":
		return false, nil
	default:
		return strconv.ParseBool(word)
	}
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
