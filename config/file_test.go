package config

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
)

// write writes a file of the test and returns its path.
func write(t *testing.T, name, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// TestSecretFiles reads each secret from a file.
func TestSecretFiles(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		strong:                 strong,
		strong + "\n":          strong,
		strong + "\r\n":        strong,
		strong + "\r":          strong,
		strong + "\n\n":        strong + "\n",
		strong + "\r\n\r\n":    strong + "\r\n",
		"\ufeff" + strong:      "\ufeff" + strong,
		" " + strong + " \n":   " " + strong + " ",
		"a$b#c`d\\e'" + strong: "a$b#c`d\\e'" + strong,
		strong + "\nhush\n":    strong + "\nhush",
	} {
		secret, previous := write(t, "secret", text), write(t, "previous", text+"x")
		url, password := write(t, "url", "redis://cache:1/2\n"), write(t, "password", text)
		c, err := Load("", []string{
			"JWT_SECRET_FILE= " + secret + " ", "JWT_SECRET_PREVIOUS_FILE=" + previous, "REDIS_URL_FILE=" + url,
			"REDIS_PASSWORD_FILE=" + password, "REDIS_SENTINEL_PASSWORD_FILE=",
		})
		if err != nil {
			t.Errorf("%q: %v", text, err)
			continue
		}
		if string(c.JWTSecret) != want || string(c.JWTSecretPrevious) != text+"x" || c.Redis.Addrs[0] != "cache:1" || string(c.Redis.Password) != want {
			t.Errorf("%q: %q, %q, %+v %q", text, string(c.JWTSecret), string(c.JWTSecretPrevious), c.Redis, string(c.Redis.Password))
		}
		said := fmt.Sprint(c.Settings(), c.Warnings)
		if warned := strings.Contains(said, "JWT_SECRET begins or ends with"); warned != (strings.TrimSpace(want) != want || want[0] == '\xef') {
			t.Errorf("%q: %q", text, c.Warnings)
		}
		if warned := strings.Contains(said, "JWT_SECRET has more than one line: all of "+secret+" is the value"); warned != strings.Contains(text, "hush") {
			t.Errorf("%q: %q", text, c.Warnings)
		}
		if line := fmt.Sprintf("{JWT_SECRET (secret, %d bytes in %s) false}", len(want), secret); !strings.Contains(said, line) || strings.Contains(said, "thirty") {
			t.Errorf("%s\nwant %s", said, line)
		}
	}
}

// TestWrongSecretFiles checks the reasons why files cannot be a secret.
func TestWrongSecretFiles(t *testing.T) {
	t.Parallel()
	const redis = "REDIS_HOST=a"
	dir := t.TempDir()
	missing, unreadable, fifo := filepath.Join(dir, "missing"), write(t, "unreadable", strong), filepath.Join(dir, "fifo")
	if err := os.Chmod(unreadable, 0); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Mkfifo(fifo, 0o600); err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]string{
		missing:                   "no such file or directory",
		dir:                       "it is a directory (Docker creates one if the file to mount does not exist)",
		fifo:                      "it is not a regular file",
		"/dev/null":               "it is not a regular file",
		unreadable:                fmt.Sprintf("permission denied to the user of this process (uid %d)", os.Getuid()),
		dir + "/a/b":              "no such file or directory",
		write(t, "empty", ""):     "the file is empty",
		write(t, "blank", "\r\n"): "the file is empty",
		write(t, "utf16", "\xff\xfeh\x00u\x00s\x00h\x00"):       "the file is not text in UTF-8",
		write(t, "latin1", "hush\xfc"):                          "the file is not text in UTF-8",
		write(t, "nul", "hush\x00"):                             "the file is not text in UTF-8",
		write(t, "large", strings.Repeat("hush", 16<<10)+"h"):   "it has more than 64 KiB",
		write(t, "largest", strings.Repeat("hush", 16<<10)):     "",
		write(t, "pem", "-----BEGIN PUBLIC KEY-----\nhush\n--"): "it is a key or a certificate in PEM or DER form",
	} {
		if path == unreadable && os.Getuid() == 0 {
			continue // root may read it
		}
		_, err := Load("", []string{redis, "JWT_SECRET_FILE=" + path})
		begin := fmt.Sprintf("JWT_SECRET_FILE is %q; it should be the absolute path of a file with the value of JWT_SECRET: %s", path, want)
		if strings.Contains(want, "PEM") {
			begin = fmt.Sprintf("JWT_SECRET is set (34 bytes in %s); it should be the secret that signs the tokens, 32 bytes or more: %s", path, want)
		}
		switch {
		case want == "" && err == nil:
		case err == nil || want == "" || !strings.HasPrefix(err.Error(), begin) || strings.Contains(err.Error(), "\n"):
			t.Errorf("got  %v\nwant %s", err, begin)
		case strings.Contains(err.Error(), "hush"):
			t.Errorf("a secret is in %v", err)
		}
	}
}

// TestSecretAsPath checks that a secret which is set instead of its path is not shown.
func TestSecretAsPath(t *testing.T) {
	t.Parallel()
	for value, reason := range map[string]string{
		"hush":                           "it does not begin with /",
		"./hush":                         "it does not begin with /",
		"/hush":                          "no such file or directory",
		"/hush/hush+hush==":              "no such file or directory",
		"-----BEGIN PRIVATE KEY----- hu": "this is what the file should contain, not its path",
		"redis://:hush@h":                "it does not begin with /",
		"/tmp/@hush":                     "no such file or directory",
	} {
		for _, name := range []string{"JWT_SECRET_FILE", "REDIS_TLS_KEY"} {
			_, err := Load("", []string{"REDIS_HOST=a", "REDIS_TLS=true", "REDIS_TLS_CERT=/hush/x", name + "=" + value})
			want := fmt.Sprintf("%s is set (%d bytes, not shown because it may contain a password); it should be ", name, len(value))
			if text := "\n" + fmt.Sprint(err); !strings.Contains(text, "\n"+want) || !strings.Contains(text, reason) || strings.Contains(text, "hush") {
				t.Errorf("%s: got  %v\nwant %s … %s", value, err, want, reason)
			}
		}
	}
}

// TestSecretTwice sets a secret and its file, each in .env or in the environment.
func TestSecretTwice(t *testing.T) {
	t.Parallel()
	const both = "JWT_SECRET and JWT_SECRET_FILE are both set; keep one of them"
	file := write(t, "secret", strong)
	for _, test := range []struct {
		dotenv  string
		environ []string
		want    string
	}{
		{"", []string{"JWT_SECRET=hush", "JWT_SECRET_FILE=" + file}, both},
		{"JWT_SECRET=hush\nJWT_SECRET_FILE=" + file, nil, both},
		{
			"JWT_SECRET=hush", []string{"JWT_SECRET_FILE=" + file},
			both + " (JWT_SECRET is in .env; JWT_SECRET= in the environment, with no value, overrides that)",
		},
		{
			"JWT_SECRET_FILE=" + file, []string{"JWT_SECRET=" + strong + "2"},
			both + " (JWT_SECRET_FILE is in .env; JWT_SECRET_FILE= in the environment, with no value, overrides that)",
		},
		{"JWT_SECRET=hush", []string{"JWT_SECRET=", "JWT_SECRET_FILE=" + file}, "<nil>"},
		{"JWT_SECRET_FILE=/none/x", []string{"JWT_SECRET_FILE=" + file}, "<nil>"},
		{"JWT_SECRET_FILE=" + file, []string{"JWT_SECRET_FILE=", "JWT_SECRET=" + strong}, "<nil>"},
		{"JWT_SECRET_FILE=" + file, nil, "<nil>"},
		{"JWT_SECRET_FILE=a$B", nil, ".env line 1: JWT_SECRET_FILE is read differently by Node's dotenv and by this service " +
			"(this service replaces $ and the name after it in an unquoted value); write it in single quotes: JWT_SECRET_FILE='...'"},
		{"JWT_SECRET=a$B", []string{"JWT_SECRET_FILE=" + file}, ".env line 1: JWT_SECRET is read differently by Node's dotenv and by this service " +
			"(this service replaces $ and the name after it in an unquoted value); write it in single quotes: JWT_SECRET='...'"},
		{"REDIS_URL_FILE=/tmp/none", []string{"JWT_SECRET=" + strong, "REDIS_HOST="},
			`REDIS_URL_FILE is "/tmp/none"; it should be the absolute path of a file with the value of REDIS_URL: no such file or directory`},
	} {
		environ := append([]string{"REDIS_HOST=a"}, test.environ...)
		c, err := Load(write(t, ".env", test.dotenv), environ)
		if fmt.Sprint(err) != test.want {
			t.Errorf("%q, %q:\ngot  %v\nwant %s", test.dotenv, environ, err, test.want)
		}
		if err == nil && c.JWTSecret != strong {
			t.Errorf("%q, %q: %q", test.dotenv, environ, string(c.JWTSecret))
		}
	}
}

// TestFilesWithoutEffect checks the warnings about variables that are not settings here. Most of them name a file.
func TestFilesWithoutEffect(t *testing.T) {
	t.Parallel()
	ca := write(t, "ca", string(newCertificate(t, "ca", nil).pem))
	const inEnvironment = " has no effect in .env: set it in the environment"
	const ssl = " has no effect in .env: set REDIS_TLS_CA to the file with the CA of Redis"
	const node = "NODE_EXTRA_CA_CERTS has no effect, because only Node reads it: if it has the CA of Redis, set REDIS_TLS_CA to that file"
	for _, test := range []struct {
		dotenv, environ string
		want            []string
	}{
		{"", "REDIS_HOST_FILE=/x", []string{"REDIS_HOST_FILE has no effect: only secrets are read from files; set REDIS_HOST"}},
		{"REDIS_USERNAME_FILE=/x", "", []string{"REDIS_USERNAME_FILE has no effect: only secrets are read from files; set REDIS_USERNAME"}},
		{"", "JWT_SECRETFILE=/x", []string{"JWT_SECRETFILE has no effect: write JWT_SECRET_FILE"}},
		{"", "redis_password_file=/x", []string{"redis_password_file has no effect: write REDIS_PASSWORD_FILE"}},
		{"", "REDIS_TLS_CA_FILE=/x", []string{"REDIS_TLS_CA_FILE has no effect: write the path in REDIS_TLS_CA"}},
		{"", "REDIS_HOST_FILE=", nil},
		{"", "LOG_FILE=/x", nil},
		{"SSL_CERT_FILE=/x\nSSL_CERT_DIR=/x", "", []string{"SSL_CERT_FILE" + ssl, "SSL_CERT_DIR" + ssl}},
		{"SSL_CERT_FILE=/x", "REDIS_TLS_CA=" + ca, []string{"SSL_CERT_FILE" + ssl}},
		{"SSL_CERT_FILE=/x", "SSL_CERT_FILE=/x", nil},
		{"", "SSL_CERT_FILE=/x", nil},
		{"GOGC=50\nGOMEMLIMIT=1GiB", "", []string{"GOGC" + inEnvironment, "GOMEMLIMIT" + inEnvironment}},
		{"GOGC=50", "GOGC=50", nil},
		{"", "GOMAXPROCS=2", nil},
		{"NODE_EXTRA_CA_CERTS=/x", "", []string{node}},
		{"", "NODE_EXTRA_CA_CERTS=/x", []string{node}},
		{"NODE_EXTRA_CA_CERTS=/x", "REDIS_TLS_CA=" + ca, nil},
		{"NODE_EXTRA_CA_CERTS=/x", "REDIS_TLS=false", nil},
	} {
		environ := []string{"REDIS_HOST=a", "REDIS_TLS=true", "JWT_SECRET=" + strong, test.environ}
		c, err := Load(write(t, ".env", test.dotenv), environ)
		if err != nil || !slices.Equal(c.Warnings, test.want) {
			t.Errorf("%q, %s: %q, %v\nwant %q", test.dotenv, test.environ, c.Warnings, err, test.want)
		}
	}
	_, err := Load("", []string{"REDIS_HOST=a", "JWT_SECRETFILE=/x"})
	if want := "; it should be the secret that signs the tokens, 32 bytes or more: without it no token can be signed or checked; " +
		"JWT_SECRETFILE is set: if it is the file of the secret, set JWT_SECRET_FILE to the same value"; err == nil || !strings.HasSuffix(err.Error(), want) {
		t.Errorf("a typo: %v", err)
	}
}
