package config

import (
	"slices"
	"strings"
	"unicode"
)

// checkNodeEnv rejects other spellings of production, with which the original would run in development. The rules for
// production are then checked as well, so that one run names everything that is wrong.
func (c *Config) checkNodeEnv(p *findings) {
	letters := strings.Map(func(r rune) rune {
		if unicode.IsLetter(r) {
			return unicode.ToLower(r)
		}
		return -1
	}, c.NodeEnv)
	if !c.Production() && slices.Contains([]string{"production", "prod", "prd"}, letters) {
		p.wrong("NODE_ENV", "only that spelling turns on the rules for production")
		c.NodeEnv = "production"
	}
}

// isDevelopment reports whether NODE_ENV is one of the usual names of development.
func (c *Config) isDevelopment() bool {
	name := strings.ToLower(strings.TrimSpace(c.NodeEnv))
	return slices.Contains([]string{"", "development", "dev", "test", "local"}, name)
}
