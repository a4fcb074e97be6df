package config

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
)

// TestPasswordsInOtherSettings puts a password into every setting, alone and together with each of those that specify
// a Redis. The password is never shown.
func TestPasswordsInOtherSettings(t *testing.T) {
	t.Parallel()
	values := []string{"redis://:hunter2hunter2@h", "user:hunter2hunter2@h", "//hunter2hunter2@h:6379", "x,hunter2hunter2@h"}
	others := []string{"", "REDIS_HOST=redis", "REDIS_CLUSTER_NODES=a:1", "REDIS_SENTINELS=a:1", "REDIS_URL=redis://h/1"}
	for field := range reflect.TypeFor[Config]().Fields() {
		name := field.Tag.Get("env")
		if name == "-" {
			continue
		}
		withheld := 0
		for _, value := range values {
			begin := fmt.Sprintf("%s is set (%d bytes, not shown because it may contain a password); it should be ", name, len(value))
			for _, other := range others {
				c, err := Load("", []string{other, "JWT_SECRET=" + strong, name + "=" + value})
				wantNoPassword(t, name, c, err)
				var wrong *Error
				if errors.As(err, &wrong) && strings.Contains("\n"+err.Error(), "\n"+begin) {
					withheld++
				}
			}
		}
		anyText := name == "NODE_ENV" || name == "REDIS_USERNAME" || field.Type == reflect.TypeFor[Secret]()
		if withheld == 0 && !anyText {
			t.Errorf("%s: no value is withheld; if every string is valid for it, add it to anyText", name)
		}
		wantNoPasswordOfFile(t, name)
	}
}

// wantNoPasswordOfFile puts a password into .env files, including some that are rejected.
func wantNoPasswordOfFile(t *testing.T, name string) {
	t.Helper()
	path := filepath.Join(t.TempDir(), ".env")
	for line, rejected := range map[string]bool{
		"=%s": false, " %s": false, "-X=%s": false, ":%s": false,
		"='%s": true, `="%s$X"`: true, "=`%s`": true, "=%s#x": true, `="%s" x`: true, "=%s\x00": true,
	} {
		text := name + fmt.Sprintf(line, "redis://:hunter2hunter2@h") + "\nredis://:hunter2hunter2@h\n"
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		c, err := Load(path, nil)
		if rejected && !strings.HasPrefix(fmt.Sprint(err), ".env line 1: "+name+" ") {
			t.Errorf("%q: %v", text, err)
		}
		wantNoPassword(t, name, c, err)
	}
}

// wantNoPassword fails if the password is in the printed configuration or in the error about it.
func wantNoPassword(t *testing.T, name string, c *Config, err error) {
	t.Helper()
	said := fmt.Sprintf("%v %#v", err, err)
	if c != nil {
		said += fmt.Sprint(c.Settings(), c.Warnings)
	}
	if strings.Contains(said, "hunter2") {
		t.Errorf("%s: a password is in %s", name, said)
	}
}
