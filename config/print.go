package config

import (
	"fmt"
	"log/slog"
	"reflect"
	"strconv"
	"strings"
	"time"

	"github.com/caarlos0/env/v11"
)

// Setting is one setting with the value that is in effect.
type Setting struct {
	Name string
	// Value has the syntax of the environment variable, "" for none. Secrets and values that may contain one are
	// masked; for a secret from a file it has the file's path.
	Value string
	// Default reports whether the setting would have the same value if it were not set.
	Default bool
}

// Settings returns all settings, including defaults, in the order of Config.
func (c *Config) Settings() []Setting {
	var settings []Setting
	config, defaults := reflect.ValueOf(*c), reflect.ValueOf(c.defaults())
	for field := range config.Type().Fields() {
		name := field.Tag.Get("env")
		if name == "-" {
			continue
		}
		value := text(config.FieldByIndex(field.Index).Interface())
		isDefault := value == text(defaults.FieldByIndex(field.Index).Interface())
		if name == "ROUTE_PREFIX" && value == "" {
			value = "/"
		}
		if path := c.SecretFiles[name]; path != "" {
			value = strings.TrimSuffix(value, ")") + " in " + path + ")"
		}
		settings = append(settings, Setting{name, value, isDefault})
	}
	return settings
}

// defaults returns the settings that would be in effect if only NODE_ENV and the Redis were specified as in c.
func (c *Config) defaults() Config {
	var d Config
	// The defaults can be parsed, because Load has done so.
	_ = env.ParseWithOptions(&d, env.Options{Environment: map[string]string{}})
	d.NodeEnv, d.Redis = c.NodeEnv, c.Redis
	d.setDefaults(nil)
	d.NodeEnv = ""
	return d
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
