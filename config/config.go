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
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/caarlos0/env/v11"
)

// Load reads the .env file at path, if it exists, and environ, which has the form of os.Environ and takes precedence
// over the file. A variable with an empty value counts as not set.
//
// If anything is wrong, the error is an *Error that names every wrong setting.
func Load(path string, environ []string) (*Config, error) {
	file, err := readFile(path)
	if err != nil && file.Rejected == nil {
		return nil, &Error{Problems: lines(err)}
	}
	p := newFindings(file, err)
	for _, pair := range environ {
		if name, value, ok := strings.Cut(pair, "="); ok {
			p.set(name, value)
		}
	}
	c, err := parse(p)
	if err == nil && len(file.Differing) > 0 {
		c.Warnings = append(c.Warnings, dotenvWarning(file.Differing))
	}
	return c, err
}

// readFile returns what ReadDotenv finds in the file at path, or an empty Dotenv if there is no such file.
func readFile(path string) (Dotenv, error) {
	text, err := os.ReadFile(path) //nolint:gosec // G304: the path is main's own
	if errors.Is(err, fs.ErrNotExist) {
		return Dotenv{}, nil
	}
	if err != nil {
		return Dotenv{}, fmt.Errorf("reading the .env file: %w", err)
	}
	return ReadDotenv(text)
}

// parse returns the Config of the values in p, after all checks.
func parse(p *findings) (*Config, error) {
	var c Config
	p.readSecretFiles()
	p.dropInjectedPort()
	p.addParsing(env.ParseWithOptions(&c, env.Options{
		Environment: p.values,
		FuncMap:     map[reflect.Type]env.ParserFunc{reflect.TypeFor[bool](): parseBool},
	}))
	c.checkNodeEnv(p)
	c.Redis = c.findRedis(p)
	c.checkTLS(p)
	c.setDefaults(p.values)
	c.check(p)
	c.checkSecrets(p)
	c.checkCookie(p)
	if err := p.err(); err != nil {
		return nil, err
	}
	if len(p.files) > 0 {
		c.SecretFiles = p.files
	}
	c.warn(p)
	return &c, nil
}

// textFormats has the names of morgan's formats, and of pino's and winston's formats for people.
var textFormats = []Keyword{"dev", "combined", "common", "short", "tiny", "pretty", "simple"}

// setDefaults sets the defaults that depend on other settings, and replaces other spellings of a value.
func (c *Config) setDefaults(values map[string]string) {
	c.RoutePrefix = strings.TrimSuffix(c.RoutePrefix, "/")
	for i, origin := range c.CORSOrigins {
		c.CORSOrigins[i] = normalOrigin(origin)
	}
	if c.Host == "" && c.Redis.Embedded() {
		c.Host = "localhost"
	}
	switch {
	case c.LogFormat == "" && c.Production():
		c.LogFormat = LogJSON
	case c.LogFormat == "" || slices.Contains(textFormats, c.LogFormat):
		c.LogFormat = LogText
	}
	if values["SHUTDOWN_DELAY"] == "" && c.Production() {
		c.ShutdownDelay = 5 * time.Second
	}
}
