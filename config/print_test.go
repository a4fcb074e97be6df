package config

import (
	"reflect"
	"strings"
	"testing"
)

// TestSettings loads the output of Settings again, and checks that it contains no secret.
func TestSettings(t *testing.T) {
	t.Parallel()
	for _, environment := range []string{
		"",
		"LOGIN_LIMIT=off\nJWT_EXPIRES_IN=10m",
		"NODE_ENV=production\nHOST=::1\nROUTE_PREFIX=/x\nJWT_SECRET=" + strong + "\nJWT_SECRET_PREVIOUS=" + strong + "2\n" +
			"JWT_EXPIRES_IN=36h\nJWT_ALLOW_WEAK_SECRET=true\nREDIS_SENTINELS=a:1,b:2\nREDIS_SENTINEL_MASTER=m\nREDIS_SENTINEL_PASSWORD=hidden\n" +
			"REDIS_PASSWORD=hidden\nREDIS_DB=3\nCORS_ORIGINS=https://a.example.com,https://b.example.com\nTRUSTED_PROXIES=10.0.0.0/8,::1\n" +
			"LOGIN_LIMIT=5/90s\nMETRICS_ADDR=:9090\nLOG_LEVEL=warn\nSHUTDOWN_DELAY=1s",
		"REDIS_URL=rediss://user:hidden@cache/1\nJWT_SECRET=" + strong + "\nJWT_EXPIRES_IN=90s\nLOGIN_LIMIT=10/24h",
	} {
		c, err := Load("", strings.Split(environment, "\n"))
		if err != nil {
			t.Fatal(err)
		}
		values := map[string]string{}
		for pair := range strings.SplitSeq(environment, "\n") {
			if name, value, _ := strings.Cut(pair, "="); typeOf(name) == reflect.TypeFor[Secret]() {
				values[name] = value
			}
		}
		again := []string{}
		for _, setting := range c.Settings() {
			if strings.Contains(setting.Value, "hidden") || strings.Contains(setting.Value, strong) {
				t.Errorf("%s is %q", setting.Name, setting.Value)
			}
			value := setting.Value
			if strings.HasPrefix(value, "(secret, ") {
				value = values[setting.Name]
			}
			if setting.Name == "REDIS_PORT" && c.RedisHost == "" {
				continue // does not specify a Redis by itself
			}
			if (setting.Name == "REDIS_DB" || setting.Name == "REDIS_TLS") && !strings.Contains(environment, setting.Name) {
				continue // nor do these
			}
			again = append(again, setting.Name+"="+value)
		}
		read, err := Load("", again)
		if err != nil {
			t.Errorf("%q: %v", again, err)
			continue
		}
		read.Warnings = c.Warnings
		if !reflect.DeepEqual(read, c) {
			t.Errorf("read back as\n%+v\nwant\n%+v", read, c)
		}
	}
}

// typeOf returns the type of the setting, nil if there is none.
func typeOf(name string) reflect.Type {
	for field := range reflect.TypeFor[Config]().Fields() {
		if field.Tag.Get("env") == name {
			return field.Type
		}
	}
	return nil
}

// TestDefaultSettings checks which settings differ from their defaults.
func TestDefaultSettings(t *testing.T) {
	t.Parallel()
	for environment, want := range map[string]string{
		"":                                "",
		"PORT=3000\nHOST=localhost":       "",
		"ROUTE_PREFIX=/api/auth/":         "",
		"ROUTE_PREFIX=/":                  "ROUTE_PREFIX=/",
		"HOST=127.0.0.1\nLOGIN_LIMIT=off": "HOST=127.0.0.1 LOGIN_LIMIT=off",
		"NODE_ENV=development\nLOG_FORMAT=json\nLOG_LEVEL=debug":                                                                  "NODE_ENV=development LOG_LEVEL=debug LOG_FORMAT=json",
		"REDIS_HOST=cache\nREDIS_PORT=6379\nJWT_SECRET=" + strong + "\nHOST=localhost":                                            "HOST=localhost JWT_SECRET=(secret, 38 bytes) REDIS_HOST=cache",
		"NODE_ENV=production\nREDIS_URL=redis://cache\nJWT_SECRET=" + strong + "\nLOG_FORMAT=json\nSHUTDOWN_DELAY=5s":             "NODE_ENV=production JWT_SECRET=(secret, 38 bytes) REDIS_URL=(secret, 13 bytes)",
		"NODE_ENV=production\nREDIS_URL=redis://cache\nJWT_SECRET=" + strong + "\nSHUTDOWN_DELAY=0s\nLOG_FORMAT=text\nREDIS_DB=0": "NODE_ENV=production JWT_SECRET=(secret, 38 bytes) REDIS_URL=(secret, 13 bytes) LOG_FORMAT=text SHUTDOWN_DELAY=0s",
	} {
		c, err := Load("", strings.Split(environment, "\n"))
		if err != nil {
			t.Fatalf("%s: %v", environment, err)
		}
		var got []string
		for _, setting := range c.Settings() {
			if !setting.Default {
				got = append(got, setting.Name+"="+setting.Value)
			}
		}
		if strings.Join(got, " ") != want {
			t.Errorf("%q: %q, want %q", environment, got, want)
		}
	}
}
