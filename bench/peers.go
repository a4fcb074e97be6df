package main

import (
	"fmt"
	"io"
	"net/http"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
)

// These are the peers: the usual alternatives to the service. Their programs are in bench/peers, each with its own
// go.mod or package.json.
const (
	expressSession = "express-session, connect-redis"
	ginSessions    = "gin-contrib/sessions, its redis store"
	scs            = "scs, goredisstore"
	ginGet         = "Gin, golang-jwt, one GET"
	ginGuard       = "Gin, golang-jwt, no Redis"
	ginBare        = "Gin without a guard"
)

// gogc makes the garbage collector run less often and use more memory. The service sets the same value itself, so
// each Go peer is also measured with it.
const gogc = "GOGC=200"

// tuned returns the name of a Go variant that runs with gogc.
func tuned(name string) string { return name + ", " + gogc }

// peer is a program of bench/peers.
type peer struct {
	name, dir string
	env       []string
	sessions  bool // a login starts a session; the token is not read
}

var peers = []peer{
	{expressSession, "express-session", nil, true},
	{ginSessions, "gin-sessions", nil, true},
	{scs, "scs", nil, true},
	{ginGet, "gin", []string{"MODE=get"}, false},
	{ginGuard, "gin", []string{"MODE=guard"}, false},
	{ginBare, "gin", []string{"MODE=bare"}, false},
}

// asks has the Redis commands that each program of the first table sends per request, in the order of that table.
var asks = []struct{ name, redis string }{
	{express1, "GET"},
	{expressSession, "GET, EXPIRE"},
	{ginSessions, "GET"},
	{scs, "GET"},
	{ginGet, "GET"},
	{ours, "EXISTS and GET, shared by many requests"},
	{ginGuard, "nothing"},
	{ginBare, "nothing"},
}

// leading returns the names in the first table.
func leading() []string {
	var names []string
	for _, row := range asks {
		names = append(names, row.name)
	}
	return names
}

// inGo returns the names of the Go programs in the first table.
func inGo() []string {
	return slices.DeleteFunc(leading(), func(name string) bool { return name == express1 || name == expressSession })
}

// startPeers builds and starts the peers: all with their defaults, and the Go programs also with gogc.
func (b *bench) startPeers() error {
	for _, p := range peers {
		program, args, err := b.buildPeer(p.dir)
		if err != nil {
			return fmt.Errorf("%s: %w", p.name, err)
		}
		names := map[string][]string{p.name: p.env}
		if program != "node" {
			names[tuned(p.name)] = append([]string{gogc}, p.env...)
		}
		for name, env := range names {
			if b.variants[name], err = b.start(append(b.env(b.redis), env...), program, args...); err != nil {
				return fmt.Errorf("%s: %w", name, err)
			}
			if !p.sessions {
				continue
			}
			if b.variants[name].cookie, err = logInOnce(b.ctx, http.DefaultClient, b.variants[name], ada); err != nil {
				return fmt.Errorf("%s: %w", name, err)
			}
		}
	}
	return nil
}

// buildPeer returns the program of a directory of bench/peers, and its arguments.
func (b *bench) buildPeer(dir string) (program string, args []string, err error) {
	source, err := filepath.Abs(filepath.Join("bench", "peers", dir))
	if err != nil {
		return "", nil, err
	}
	if server := filepath.Join(source, "server.js"); exists(server) {
		if !exists(filepath.Join(source, "node_modules")) {
			return "", nil, fmt.Errorf("the npm packages are not installed: run npm ci in bench/peers/%s", dir)
		}
		return "node", []string{server}, nil
	}
	program = filepath.Join(b.dir, "peer-"+dir)
	if exists(program) {
		return program, nil, nil
	}
	out, err := exec.CommandContext(b.ctx, "go", "build", "-C", source, "-o", program, ".").CombinedOutput()
	if err != nil {
		return "", nil, fmt.Errorf("go build: %w\n%s", err, out)
	}
	return program, nil, nil
}

// checkAnswers sends one request to each variant. The response must have the status 200 and the user.
func (b *bench) checkAnswers() error {
	bodies := map[string]string{}
	for name, p := range b.variants {
		request, err := http.NewRequestWithContext(b.ctx, http.MethodGet, p.url()+"/api/auth/me", nil)
		if err != nil {
			return err
		}
		request.Header.Set("Cookie", b.cookieFor(p))
		answer, err := http.DefaultClient.Do(request)
		if err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		body, err := io.ReadAll(answer.Body)
		_ = answer.Body.Close()
		if err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		if answer.StatusCode != http.StatusOK || !strings.Contains(string(body), "ada@example.com") {
			return fmt.Errorf("%s answered %s %s, want 200 and the user", name, answer.Status, body)
		}
		bodies[name] = string(body)
	}
	if len(bodies[ginBare]) != len(bodies[ours]) {
		return fmt.Errorf("%s must answer with as many bytes as %s, which answers %s", ginBare, ours, bodies[ours])
	}
	return nil
}
