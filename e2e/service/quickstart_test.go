package service

import (
	"os"
	"os/exec"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"gin-auth/e2e/internal/harness"
)

// TestQuickstart starts the service without any settings and runs the curl commands that it prints. They must be
// the same as those in the README.
func TestQuickstart(t *testing.T) {
	t.Parallel()
	harness.Need(t, "curl")
	port := strconv.Itoa(harness.FreePort(t))
	dir := t.TempDir()
	p := harness.Start(t, dir, []string{"PORT=" + port}, harness.Binary(t))
	p.WaitFor(t, "/me\n")

	lines := curlLines(p.Output())
	var inReadme []string
	for _, line := range curlLines(harness.ReadSource(t, "README.md")) {
		inReadme = append(inReadme, strings.ReplaceAll(line, "localhost:3000", "localhost:"+port))
	}
	if got, want := strings.Join(inReadme, "\n"), strings.Join(lines, "\n"); !strings.Contains(got, want) {
		t.Errorf("the README has\n%s\nbut the service prints\n%s", got, want)
	}
	answers := []string{
		`^{"message":"User registered successfully","user":{"id":"[0-9a-f]{24}","email":"ada@example.com","username":"ada","role":"user"}}
{"message":"User logged in successfully","user":{"id":"[0-9a-f]{24}","email":"ada@example.com","username":"ada","role":"user"}}
$`,
		`^{"user":{"id":"[0-9a-f]{24}","email":"ada@example.com","username":"ada","role":"user","jti":"[\w-]{32}","iat":\d+,"exp":\d+}}
{"message":"logged out successfully"}
$`,
		`^{"message":"Session expired. Please login again."}
$`,
	}
	if len(lines) != len(answers) {
		t.Fatalf("the service prints %d curl lines, want %d:\n%s", len(lines), len(answers), p.Output())
	}
	for i, line := range lines {
		command := exec.Command("sh", "-c", line)
		command.Dir = dir
		command.Env = []string{"PATH=" + os.Getenv("PATH"), "HOME=" + dir}
		out, err := command.Output()
		if err != nil || !regexp.MustCompile(answers[i]).Match(out) {
			t.Errorf("%s\nprinted\n%s%v", line, out, err)
		}
	}
	if status := p.Stop(t); status != 0 {
		t.Errorf("SIGTERM: exit status %d, want 0", status)
	}
}

// curlLines returns the lines of text that are curl commands, without leading and trailing spaces.
func curlLines(text string) []string {
	var lines []string
	for line := range strings.Lines(text) {
		if line = strings.TrimSpace(line); strings.HasPrefix(line, "curl ") {
			lines = append(lines, line)
		}
	}
	return lines
}
