package config

import (
	"fmt"
	"strings"
)

// guesses has the names that other applications use for a setting of this service, the likeliest first. Their values
// are neither used nor shown.
var guesses = []struct {
	missing string // the setting that is missing
	instead string // the setting that has the same meaning
	meaning string
	names   string
}{
	{
		"JWT_SECRET", "JWT_SECRET", "the secret that signs the tokens",
		"JWT_SECRET JWT_SECRET_KEY JWT_KEY JWT_TOKEN_SECRET JWT_ACCESS_SECRET JWT_ACCESS_TOKEN_SECRET " +
			"JWT_SIGNING_KEY JWT_SIGNING_SECRET JWT_AUTH_SECRET ACCESS_TOKEN_SECRET ACCESS_TOKEN_SECRET_KEY " +
			"ACCESS_SECRET TOKEN_SECRET TOKEN_SECRET_KEY TOKEN_KEY AUTH_SECRET SECRET_KEY SECRET",
	},
	{
		"JWT_SECRET", "JWT_SECRET_FILE", "the file of the secret",
		"JWT_SECRET_FILE JWT_SECRET_KEY_FILE JWT_KEY_FILE ACCESS_TOKEN_SECRET_FILE JWT_SECRET_PATH",
	},
	{
		"REDIS_HOST", "REDIS_URL_FILE", "the file of the URL of Redis", "REDIS_URL_FILE REDIS_URI_FILE",
	},
	{
		"REDIS_HOST", "REDIS_URL", "the URL of Redis",
		"REDIS_URL REDIS_URI REDIS_TLS_URL REDIS_CONNECTION_STRING REDIS_CONNECTION_URL REDIS_CONNECTION " +
			"REDIS_CONN REDIS_DSN REDIS_PRIVATE_URL REDIS_PUBLIC_URL REDISCLOUD_URL REDISTOGO_URL REDISGREEN_URL " +
			"OPENREDIS_URL UPSTASH_REDIS_URL KV_URL REDIS_CACHE_URL REDIS_SESSION_URL CACHE_REDIS_URL " +
			"REDIS_ENDPOINT REDIS_ADDR REDIS_ADDRESS REDIS_SERVER",
	},
	{
		"REDIS_HOST", "REDIS_HOST", "the host of Redis",
		"REDIS_HOST REDIS_HOSTNAME REDIS_HOST_NAME REDIS_IP REDIS_SERVICE_HOST",
	},
}

// guess returns what to do if a variable is set that may be meant for the missing setting, "" if there is none.
func (p *findings) guess(missing string) string {
	for _, g := range guesses {
		if g.missing != missing {
			continue
		}
		for likely := range strings.FieldsSeq(g.names) {
			if name := p.others[fold(likely)]; name != "" {
				return fmt.Sprintf("%s is set: if it is %s, set %s to the same value", name, g.meaning, g.instead)
			}
		}
	}
	return ""
}

// fold makes jwtSecret, jwt-secret and JWT_SECRET the same name.
func fold(name string) string {
	return strings.ToUpper(strings.NewReplacer("_", "", "-", "", ".", "").Replace(name))
}
