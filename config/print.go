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
	// Value has the syntax of the environment variable, "" for none. Secrets and values that may contain one are
	// masked; for a secret from a file it has the file's path.
	Value string
}

// Settings returns all settings, including defaults, in the order of Config.
func (c *Config) Settings() []Setting {
	var settings []Setting
	config := reflect.ValueOf(*c)
	for field := range config.Type().Fields() {
		if name := field.Tag.Get("env"); name != "-" {
			value := text(config.FieldByIndex(field.Index).Interface())
			if path := c.SecretFiles[name]; path != "" {
				value = strings.TrimSuffix(value, ")") + " in " + path + ")"
			}
			settings = append(settings, Setting{name, value})
		}
	}
	return settings
}

// text formats the value of a setting so that it can be parsed again.
func text(value any) string {
	switch v := value.(type) {
	case Secret:
		if v == "" {
			return ""
		}
		return fmt.Sprintf("(secret, %d bytes)", len(v))
	case File:
		return string(v)
	case string:
		if mayContainPassword(v) {
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
		return strconv.Itoa(v.Failures) + "/" + shortDuration(v.Per)
	case time.Duration:
		return shortDuration(v)
	default:
		return fmt.Sprint(v)
	}
}

// shortDuration formats 1m0s as 1m.
func shortDuration(d time.Duration) string {
	text := d.String()
	if strings.HasSuffix(text, "m0s") {
		text = strings.TrimSuffix(text, "0s")
	}
	if strings.HasSuffix(text, "h0m") {
		text = strings.TrimSuffix(text, "0m")
	}
	return text
}
