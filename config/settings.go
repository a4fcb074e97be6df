package config

import (
	"fmt"
	"log/slog"
	"reflect"
	"strconv"
	"strings"
	"time"
)

// Setting is one setting as it is in effect.
type Setting struct {
	Name string
	// Value is in the form that the setting is written in, "" for none. A secret, or what may contain one, is
	// masked.
	Value string
}

// Settings returns every setting that is in effect, defaults too, in the order of Config.
func (c *Config) Settings() []Setting {
	var settings []Setting
	config := reflect.ValueOf(*c)
	for field := range config.Type().Fields() {
		if name := field.Tag.Get("env"); name != "-" {
			settings = append(settings, Setting{name, text(config.FieldByIndex(field.Index).Interface())})
		}
	}
	return settings
}

// text writes a setting's value as UnmarshalText and its kin read it.
func text(value any) string {
	switch v := value.(type) {
	case Secret:
		if v == "" {
			return ""
		}
		return fmt.Sprintf("(secret, %d bytes)", len(v))
	case string:
		if mayHoldPassword(v) {
			return "(" + withheld(v) + ")"
		}
		return v
	case List:
		return strings.Join(v, ",")
	case Prefixes:
		parts := make([]string, len(v))
		for i, prefix := range v {
			parts[i] = prefix.String()
		}
		return strings.Join(parts, ",")
	case Level:
		return strings.ToLower(slog.Level(v).String())
	case Lifetime:
		return v.String()
	case Limit:
		if v == (Limit{}) {
			return "off"
		}
		return strconv.Itoa(v.Failures) + "/" + short(v.Per)
	case time.Duration:
		return short(v)
	default:
		return fmt.Sprint(v)
	}
}

// short writes 1m0s as 1m.
func short(d time.Duration) string {
	text := d.String()
	if strings.HasSuffix(text, "m0s") {
		text = strings.TrimSuffix(text, "0s")
	}
	if strings.HasSuffix(text, "h0m") {
		text = strings.TrimSuffix(text, "0m")
	}
	return text
}

// String returns the lifetime with the largest unit that it is a whole number of.
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
