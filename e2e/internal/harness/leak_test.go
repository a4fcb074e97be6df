package harness

import "testing"

// TestLeaked checks that the check can fail.
func TestLeaked(t *testing.T) {
	t.Parallel()
	env := []string{"PORT=3000", "JWT_SECRET=one secret for all", "JWT_SECRET_PREVIOUS=another secret", "REDIS_PASSWORD=opensesame"}
	for output, want := range map[string]string{
		"level=INFO msg=listening address=127.0.0.1:3000":      "",
		"cookie=token=eyJhbGciOiJIUzI1NiJ9.e30.c2lnbmF0dXJl":   "a token",
		"hash=$2a$04$abcdefghijklmnopqrstuvwxyzabcdefghijklmn": "a password's hash",
		`body={"password":"correct horse"}`:                    "a password",
		"dial redis://:opensesam@127.0.0.1:6379":               "a connection string",
		"REDIS_URL=redis://:****@127.0.0.1:6379":               "",
		"key=one secret for all":                               "JWT_SECRET",
		"key=another secret":                                   "JWT_SECRET_PREVIOUS",
		"auth opensesame":                                      "REDIS_PASSWORD",
	} {
		if got := leaked(output, env); got != want {
			t.Errorf("leaked(%q) = %q, want %q", output, got, want)
		}
	}
}
