package config

import (
	"slices"
	"strings"
	"testing"
	"time"
)

// TestWords checks how this service reads values that Node's libraries accept, and whether that causes a warning.
func TestWords(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name, words, read string
		warned            bool
	}{
		{"LOG_LEVEL", "debug,DEBUG", "debug", false},
		{"LOG_LEVEL", "trace,verbose,silly,all", "debug", true},
		{"LOG_LEVEL", "info,Info", "info", false},
		{"LOG_LEVEL", "http,HTTP,notice", "info", true},
		{"LOG_LEVEL", "warn,warning,WARNING", "warn", false},
		{"LOG_LEVEL", "error", "error", false},
		{"LOG_LEVEL", "fatal,silent,Silent,off,crit,critical,alert,emerg", "error", true},
		{"LOG_FORMAT", "text,TEXT", "text", false},
		{"LOG_FORMAT", "dev,Combined,common,short,tiny,pretty,simple", "text", true},
		{"LOG_FORMAT", "json, json ", "json", false},
		{"COOKIE_SECURE", "true,TRUE,1,yes,Y,on,t", "true", false},
		{"COOKIE_SECURE", "false,False,0,no,N,OFF,f", "false", false},
		{"COOKIE_SAMESITE", "Lax,LAX", "lax", false},
		{"COOKIE_DOMAIN", "localhost", "localhost", false},
		{"COOKIE_DOMAIN", ".example.com", ".example.com", false},
		{"COOKIE_DOMAIN", "127.0.0.1", "127.0.0.1", false},
		{"PORT", "8080, 8080 ,8080\r", "8080", false},
		{"BLACKLIST_KEY", "bl : {token} ", "bl : {token} ", false},
		{"HOST", "0.0.0.0", "0.0.0.0", false},
		{"CORS_ORIGINS", "https://a.b,https://a.b/,HTTPS://A.B,https://a.b:443,https://a.b:443/", "https://a.b", false},
		{"CORS_ORIGINS", "http://a.b:80", "http://a.b", false},
		{"CORS_ORIGINS", "http://A.b:443/", "http://a.b:443", false},
		{"CORS_ORIGINS", "https://a.b:80", "https://a.b:80", false},
		{"CORS_ORIGINS", "http://[::1]:5173/", "http://[::1]:5173", false},
		{"TRUSTED_PROXIES", "loopback", "127.0.0.0/8,::1/128", false},
		{"TRUSTED_PROXIES", "linklocal", "169.254.0.0/16,fe80::/10", false},
		{"TRUSTED_PROXIES", "uniquelocal", "10.0.0.0/8,172.16.0.0/12,192.168.0.0/16,fc00::/7", false},
	} {
		for word := range strings.SplitSeq(test.words, ",") {
			c, err := Load("", []string{test.name + "=" + word})
			if err != nil {
				t.Errorf("%s=%q: %v", test.name, word, err)
				continue
			}
			i := slices.IndexFunc(c.Settings(), func(s Setting) bool { return s.Name == test.name })
			if got := c.Settings()[i].Value; got != test.read {
				t.Errorf("%s=%q is read as %s, want %s", test.name, word, got, test.read)
			}
			if len(c.Warnings) > 1 || len(c.Warnings) > 0 != test.warned {
				t.Errorf("%s=%q: warnings %q", test.name, word, c.Warnings)
			}
		}
	}
}

// TestLifetime checks the lifetimes that jsonwebtoken gives tokens with these strings for expiresIn.
func TestLifetime(t *testing.T) {
	t.Parallel()
	for want, words := range map[time.Duration]string{
		time.Second:              "1s,1 s,1sec,1 secs,1second,1 Seconds,1000ms,1999ms,1000 msecs,1000milliseconds,1.9s,001s",
		90 * time.Second:         "90s,1.5m,1.5 mins,90000 millisecond,90000msec",
		69 * time.Second:         "1.15m",
		123 * time.Second:        "2.05m",
		15 * time.Minute:         "15m,15min,15 minutes,15 Minute,.25h,0.25 hr",
		2 * time.Hour:            "2h,2 hrs,2 hour,2HOURS,2   hours,120M",
		day:                      "1d,1D,1 day,24h,1.0d",
		7 * day:                  "7d,7 days,1w,1W,1 week,1weeks",
		365*day + 6*time.Hour:    "1y,1yr,1 yrs,1 year,1Years,365.25d",
		3650 * day:               "3650d,87600h",
		100 * time.Second:        "100000ms",
		9*365*day + 54*time.Hour: "9y",
	} {
		for word := range strings.SplitSeq(words, ",") {
			c, err := Load("", []string{"JWT_EXPIRES_IN=" + word})
			if err != nil {
				t.Errorf("%q: %v", word, err)
			} else if got := time.Duration(c.JWTExpiresIn); got != want || len(c.Warnings) > 0 != (want > 400*day) {
				t.Errorf("%q is read as %v, want %v; warnings %q", word, got, want, c.Warnings)
			}
		}
	}
}
