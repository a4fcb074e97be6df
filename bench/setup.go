package main

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
)

const (
	secret = "a secret of more than thirty-two bytes"
	ada    = `{"username":"ada","email":"ada@example.com","password":"correct horse"}`
)

// These are the variants of the original and of the service. Those of bench/peers are in peers.go.
const (
	express1  = "Express, one process"
	express2  = "Express, two processes"
	ours      = "gin-auth"
	without   = "gin-auth without its lookup"
	plain     = "gin-auth with a plain GET"
	pipelined = "gin-auth with AutoPipeline's GET"
	logging   = "gin-auth, a log line per request"
)

type bench struct {
	options
	ctx       context.Context
	dir       string
	token     string
	processes []*process
	redis     *process
	binaries  map[string]string
	variants  map[string]*process
	cookies   map[string]string // variant → file with a cookie per line
}

func newBench(ctx context.Context, o options) (*bench, error) {
	dir, err := os.MkdirTemp("", "gin-auth-bench-")
	if err != nil {
		return nil, err
	}
	b := &bench{
		options: o, ctx: ctx, dir: dir,
		binaries: map[string]string{}, variants: map[string]*process{}, cookies: map[string]string{},
	}
	if err := b.setUp(); err != nil {
		b.close()
		return nil, err
	}
	return b, nil
}

func (b *bench) setUp() (err error) {
	if b.redis, err = b.startRedis(false); err != nil {
		return err
	}
	app, err := filepath.Abs("e2e/parity/express/server.js")
	if err != nil {
		return err
	}
	for _, name := range []string{ours, without, plain, pipelined} {
		if b.binaries[name], err = b.build(b.ctx, name); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
	}
	env := b.env(b.redis)
	for _, v := range []struct {
		name, program string
		env, args     []string
	}{
		{express1, "node", []string{"EXPRESS=5"}, []string{app}},
		{express2, "node", []string{"EXPRESS=5", "CLUSTER=2"}, []string{app}},
		{ours, b.binaries[ours], nil, nil},
		{tuned(ours), b.binaries[ours], []string{gogc}, nil},
		{logging, b.binaries[ours], []string{"LOG_LEVEL=info"}, nil},
		{without, b.binaries[without], nil, nil},
		{plain, b.binaries[plain], nil, nil},
		{pipelined, b.binaries[pipelined], nil, nil},
	} {
		if b.variants[v.name], err = b.start(append(env, v.env...), v.program, v.args...); err != nil {
			return fmt.Errorf("%s: %w", v.name, err)
		}
	}
	if err := b.logIn(); err != nil {
		return err
	}
	if err := b.startPeers(); err != nil {
		return err
	}
	return b.checkAnswers()
}

func (b *bench) env(redis *process) []string {
	return []string{
		"NODE_ENV=production", "JWT_SECRET=" + secret, "LOGIN_LIMIT=off", "LOG_LEVEL=warn",
		"REDIS_HOST=127.0.0.1", fmt.Sprint("REDIS_PORT=", redis.port),
	}
}

// logIn registers at each service that stores users itself. It keeps the token that is sent to all variants.
func (b *bench) logIn() error {
	for _, name := range []string{express1, ours} {
		if err := b.post(b.variants[name], "register", ada); err != nil {
			return err
		}
		cookie, err := logInOnce(b.ctx, http.DefaultClient, b.variants[name], ada)
		if err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		_, b.token, _ = strings.Cut(cookie, "=")
	}
	return nil
}

// post sends a body to a route of a service. A status of 400 or more is an error.
func (b *bench) post(p *process, route, body string) error {
	answer, err := http.Post(p.url()+"/api/auth/"+route, "application/json", strings.NewReader(body))
	if err != nil {
		return err
	}
	_ = answer.Body.Close()
	if answer.StatusCode >= http.StatusBadRequest {
		return fmt.Errorf("%s: %s", route, answer.Status)
	}
	return nil
}
