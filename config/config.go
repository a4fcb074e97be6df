// Package config reads the environment and a .env file once, into one Config.
//
// The names, defaults and bounds of the settings are defined only here. The names of the Node original keep their
// meaning: PORT, REDIS_HOST, REDIS_PORT, REDIS_PASSWORD, JWT_SECRET and NODE_ENV.
package config

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"
	"time"

	"github.com/caarlos0/env/v11"
)

// Load reads the .env file at path, if it exists, and environ, which has the form of os.Environ and takes
// precedence over the file. An empty value counts as none.
//
// If anything is wrong, the error is an *Error that names every wrong setting.
func Load(path string, environ []string) (*Config, error) {
	values, differing, err := readFile(path)
	if err != nil {
		return nil, &Error{Problems: lines(err)}
	}
	for _, pair := range environ {
		if name, value, ok := strings.Cut(pair, "="); ok {
			values[name] = value
		}
	}
	c, err := parse(values)
	if err == nil && len(differing) > 0 {
		c.Warnings = append(c.Warnings, dotenvWarning(differing))
	}
	return c, err
}

// readFile returns what ReadDotenv finds in the file at path, and an empty map if there is no such file.
func readFile(path string) (values map[string]string, differing []string, err error) {
	text, err := os.ReadFile(path) //nolint:gosec // G304: the path is main's own
	if errors.Is(err, fs.ErrNotExist) {
		return map[string]string{}, nil, nil
	}
	if err != nil {
		return nil, nil, fmt.Errorf("reading the .env file: %w", err)
	}
	return ReadDotenv(text)
}

// parse returns the Config of the given values, after all checks.
func parse(values map[string]string) (*Config, error) {
	var c Config
	p := findings{values: values}
	p.addParsing(env.ParseWithOptions(&c, env.Options{Environment: values}))
	c.Redis = c.findRedis(&p)
	c.setDefaults(values)
	c.check(&p)
	c.checkSecrets(&p)
	c.checkCookie(&p)
	if err := p.err(); err != nil {
		return nil, err
	}
	c.warn()
	return &c, nil
}

// setDefaults sets the defaults that depend on other settings.
func (c *Config) setDefaults(values map[string]string) {
	c.RoutePrefix = strings.TrimSuffix(c.RoutePrefix, "/")
	if c.Host == "" && c.Redis.Embedded() {
		c.Host = "localhost"
	}
	if c.LogFormat == "" {
		c.LogFormat = LogText
		if c.Production() {
			c.LogFormat = LogJSON
		}
	}
	if values["SHUTDOWN_DELAY"] == "" && c.Production() {
		c.ShutdownDelay = 5 * time.Second
	}
}
