package main

import (
	"bytes"
	"context"
	_ "embed"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"gin-auth/session"
)

//go:embed tokens.lua
var tokensLua []byte

// makeCookies writes the files with many cookies: one with tokens for all variants that read tokens, and one for
// each peer with sessions, with the cookies of that many logins.
func (b *bench) makeCookies() error {
	tokens, err := b.writeTokens("tokens", b.tokens)
	if err != nil {
		return err
	}
	for _, name := range leading() {
		b.cookies[name] = tokens
	}
	files, failures := make([]string, len(peers)), make([]error, len(peers))
	var all sync.WaitGroup
	for i, p := range peers {
		if p.sessions {
			all.Go(func() { files[i], failures[i] = b.logInOften(p) })
		}
	}
	all.Wait()
	for i, p := range peers {
		if failures[i] != nil {
			return fmt.Errorf("%s: %w", p.name, failures[i])
		}
		if p.sessions {
			b.cookies[p.name] = files[i]
		}
	}
	return nil
}

// writeTokens writes a file with the cookies of n users, with tokens like the service's.
func (b *bench) writeTokens(name string, n int) (file string, err error) {
	sessions, err := session.New(session.Options{Secrets: []string{secret}, Lifetime: 24 * time.Hour})
	if err != nil {
		return "", err
	}
	var lines bytes.Buffer
	for i := range n {
		user := session.User{ID: fmt.Sprintf("%024x", i), Email: "ada@example.com", Username: "ada", Role: "user"}
		issued, err := sessions.Issue(user, time.Now())
		if err != nil {
			return "", err
		}
		fmt.Fprintf(&lines, "token=%s\n", issued.Token)
	}
	return b.writeCookies(name, lines.Bytes())
}

// logInOften starts many sessions at a peer, 32 at a time.
func (b *bench) logInOften(p peer) (file string, err error) {
	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 32}}
	defer client.CloseIdleConnections()
	cookies := make([]string, b.tokens)
	failures := make([]error, 32)
	var next atomic.Int64
	var all sync.WaitGroup
	for worker := range failures {
		all.Go(func() {
			for i := next.Add(1) - 1; i < int64(len(cookies)) && failures[worker] == nil; i = next.Add(1) - 1 {
				cookies[i], failures[worker] = logInOnce(b.ctx, client, b.variants[p.name], ada)
			}
		})
	}
	all.Wait()
	if err := errors.Join(failures...); err != nil {
		return "", err
	}
	return b.writeCookies(p.dir, []byte(strings.Join(cookies, "\n")+"\n"))
}

func (b *bench) writeCookies(name string, lines []byte) (file string, err error) {
	file = filepath.Join(b.dir, "cookies-"+name)
	return file, os.WriteFile(file, lines, 0o600)
}

// logInOnce logs in with a body and returns the cookie that the response sets.
func logInOnce(ctx context.Context, client *http.Client, p *process, body string) (cookie string, err error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, p.url()+"/api/auth/login", strings.NewReader(body))
	if err != nil {
		return "", err
	}
	request.Header.Set("Content-Type", "application/json")
	answer, err := client.Do(request)
	if err != nil {
		return "", err
	}
	defer func() { _ = answer.Body.Close() }()
	_, _ = io.Copy(io.Discard, answer.Body)
	set := answer.Cookies()
	if answer.StatusCode != http.StatusOK || len(set) != 1 {
		return "", fmt.Errorf("a login was answered with %s and %d cookies", answer.Status, len(set))
	}
	return set[0].Name + "=" + set[0].Value, nil
}
