package config

import (
	"errors"
	"math"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

const day = 24 * time.Hour

// Lifetime is the time after which a token expires.
type Lifetime time.Duration

// lifetimeUnits has the units of the npm package ms, which jsonwebtoken uses. It has no months.
var lifetimeUnits = []struct {
	words  string
	length time.Duration
}{
	{"ms msec msecs millisecond milliseconds", time.Millisecond},
	{"s sec secs second seconds", time.Second},
	{"m min mins minute minutes", time.Minute},
	{"h hr hrs hour hours", time.Hour},
	{"d day days", day},
	{"w week weeks", 7 * day},
	{"y yr yrs year years", 365*day + day/4},
}

// numberAndUnit is the regular expression of ms, except that the unit is required and a minus is not allowed.
var numberAndUnit = regexp.MustCompile(`^([0-9]*\.?[0-9]+) *([A-Za-z]+)$`)

// UnmarshalText accepts a number and a unit of the npm package ms. A number without a unit is rejected, because
// jsonwebtoken reads the string "3600" as 3.6 seconds, while people mean an hour.
func (l *Lifetime) UnmarshalText(text []byte) error {
	m := numberAndUnit.FindStringSubmatch(string(text))
	if m == nil {
		return errors.New("no number with a unit")
	}
	number, err := strconv.ParseFloat(m[1], 64)
	if err != nil {
		return err
	}
	for _, unit := range lifetimeUnits {
		if slices.Contains(strings.Fields(unit.words), strings.ToLower(m[2])) {
			return l.set(number * float64(unit.length.Milliseconds()))
		}
	}
	return errors.New("no such unit")
}

// set rounds down to whole seconds as jsonwebtoken does: it adds the seconds to the current time before it rounds, and
// only that sum is precise to a fraction of a microsecond.
func (l *Lifetime) set(milliseconds float64) error {
	const now = 1 << 30 // any time from 2004 to 2038
	seconds := math.Floor(now+milliseconds/1000) - now
	if seconds < 1 || seconds > (3650*day).Seconds() {
		return errors.New("out of range")
	}
	*l = Lifetime(time.Duration(seconds) * time.Second)
	return nil
}

// isBareNumber reports whether text is a lifetime that lacks a unit.
func isBareNumber(text string) bool { return strings.Trim(text, "0123456789.") == "" }

// String returns the lifetime as a whole number of the largest possible unit.
func (l Lifetime) String() string {
	for _, unit := range []struct {
		length time.Duration
		name   string
	}{{day, "d"}, {time.Hour, "h"}, {time.Minute, "m"}} {
		if length := time.Duration(l); length%unit.length == 0 {
			return strconv.Itoa(int(length/unit.length)) + unit.name
		}
	}
	return strconv.Itoa(int(time.Duration(l)/time.Second)) + "s"
}
