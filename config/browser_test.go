package config

import (
	"strings"
	"testing"
)

// TestCookieDomains checks domains whose cookies browsers reject, and domains whose cookies they keep.
func TestCookieDomains(t *testing.T) {
	t.Parallel()
	const suffix = "public suffix"
	for domain, want := range map[string]string{
		"example.com":                     "",
		".Example.COM":                    "",
		"auth.example.co.uk":              "",
		"localhost":                       "",
		"127.0.0.1":                       "",
		"intranet":                        "",
		"me.github.io":                    "",
		"xn--bcher-kva.example":           "",
		strings.Repeat("a", 63) + ".com":  "",
		"com":                             suffix,
		".co.uk":                          suffix,
		"github.io":                       suffix,
		"HerokuApp.com":                   suffix,
		"xn--p1ai":                        suffix,
		strings.Repeat("a", 64) + ".com":  "it should be a domain",
		"-x.com":                          "it should be a domain",
		"x-.com":                          "it should be a domain",
		"x.-com":                          "it should be a domain",
		"12345":                           "it should be a domain",
		"example.123":                     "it should be a domain",
		"1.2.3":                           "it should be a domain",
		"::1":                             "it should be a domain",
		"a..com":                          "it should be a domain",
		".":                               "it should be a domain",
		strings.Repeat("a.", 127) + "com": "it should be a domain",
	} {
		_, err := Load("", []string{"COOKIE_DOMAIN=" + domain})
		if (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", domain, err, want)
		}
	}
}

// TestOrigins checks that an origin as people write it is corrected to the origin that a browser sends.
func TestOrigins(t *testing.T) {
	t.Parallel()
	for written, want := range map[string]string{
		"https://Bücher.Example/":     "https://xn--bcher-kva.example",
		"https://bücher.example:8443": "https://xn--bcher-kva.example:8443",
		"HTTPS://APP.example.com:443": "https://app.example.com",
	} {
		c, err := Load("", []string{"CORS_ORIGINS=" + written})
		if err != nil || c.CORSOrigins[0] != want {
			t.Errorf("%s: %v, %v, want %s", written, c, err, want)
		}
	}
	for _, written := range []string{
		"https://*.example.com", "https://a.b?x", "https://a.b#x", "https://u@a.b", "https://", "https://a.b:", "https://a b",
		"https://\u202ea.b", "//a.b", "https://a.b:99999",
	} {
		if c, err := Load("", []string{"CORS_ORIGINS=" + written}); err == nil {
			t.Errorf("%q is read as %q", written, c.CORSOrigins)
		}
	}
}

// TestNeverWorks checks settings that are valid by themselves, but do not work together or as intended.
func TestNeverWorks(t *testing.T) {
	t.Parallel()
	production := []string{"NODE_ENV=production", "REDIS_HOST=redis", "JWT_SECRET=a secret of more than thirty-two bytes"}
	for _, test := range []struct {
		settings string
		want     string // part of the one warning, "" for none
	}{
		{"HOST=localhost", "HOST is \"localhost\""},
		{"HOST=127.0.0.1", "HOST is \"127.0.0.1\""},
		{"HOST=::1", "HOST is \"::1\""},
		{"HOST=0.0.0.0", ""},
		{"REDIS_USERNAME=auth", "has no effect without a password"},
		{"REDIS_USERNAME=auth&REDIS_PASSWORD=p", ""},
		{"TRUSTED_PROXIES=10.0.0.0/8", ""},
		{"TRUSTED_PROXIES=10.0.0.0/8,0.0.0.0/0", "TRUSTED_PROXIES has 0.0.0.0/0"},
		{"TRUSTED_PROXIES=::/0", "TRUSTED_PROXIES has ::/0"},
		{"JWT_EXPIRES_IN=400d", ""},
		{"JWT_EXPIRES_IN=401d", "JWT_EXPIRES_IN is longer than 400 days"},
		{"COOKIE_DOMAIN=example.co.uk&CORS_ORIGINS=https://app.example.co.uk", ""},
		{"COOKIE_DOMAIN=example.co.uk&CORS_ORIGINS=https://other.co.uk", "CORS_ORIGINS has https://other.co.uk"},
		{"COOKIE_DOMAIN=example.co.uk&CORS_ORIGINS=https://other.co.uk&COOKIE_SAMESITE=none", ""},
		{"CORS_ORIGINS=https://other.co.uk", ""}, // the host of the service is not known
	} {
		c, err := Load("", append(strings.Split(test.settings, "&"), production...))
		if err != nil {
			t.Errorf("%s: %v", test.settings, err)
			continue
		}
		text := strings.Join(c.Warnings, "\n")
		if (len(c.Warnings) > 0) != (test.want != "") || len(c.Warnings) > 1 || !strings.Contains(text, test.want) {
			t.Errorf("%s: warnings %q, want %q", test.settings, c.Warnings, test.want)
		}
	}
	if _, err := Load("", []string{"REDIS_WAIT_REPLICAS=1"}); err == nil || !strings.Contains(err.Error(), "has no replicas") {
		t.Errorf("replicas of the embedded Redis: %v", err)
	}
	for _, address := range []string{":3000", "127.0.0.1:3000"} {
		_, err := Load("", append([]string{"METRICS_ADDR=" + address}, production...))
		if err == nil || !strings.Contains(err.Error(), "the same port as PORT") {
			t.Errorf("METRICS_ADDR=%s: %v", address, err)
		}
	}
}
