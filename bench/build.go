package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// lookups replace db's lookup in the variants of the service, which are otherwise the same program. The
// replacements are not in the service's own files.
var lookups = map[string]string{
	without: `package db

import (
	"context"
	"time"
)

func (d *DB) Revoked(context.Context, string, string, func() int64) (bool, time.Time, error) {
	return false, time.Now(), nil
}
`,
	plain:     fmt.Sprintf(oneGet, `var client = redis.NewClient(defaults)`),
	pipelined: fmt.Sprintf(oneGet, `var client, _ = redis.NewClient(defaults).AutoPipeline()`),
}

// oneGet is the usual lookup: one GET per request, on a client with default options.
const oneGet = `package db

import (
	"context"
	"errors"
	"os"
	"time"

	"github.com/redis/go-redis/v9"
)

var defaults = &redis.Options{Addr: os.Getenv("REDIS_HOST") + ":" + os.Getenv("REDIS_PORT")}

%s

func (d *DB) Revoked(ctx context.Context, token, _ string, _ func() int64) (bool, time.Time, error) {
	err := client.Get(ctx, d.blacklist.key(token)).Err()
	if errors.Is(err, redis.Nil) {
		return false, time.Now(), nil
	}
	return err == nil, time.Now(), err
}
`

// build builds a variant of the service and returns its path.
func (b *bench) build(ctx context.Context, variant string) (binary string, err error) {
	dir, err := os.MkdirTemp(b.dir, "build-")
	if err != nil {
		return "", err
	}
	binary = filepath.Join(dir, "gin-auth")
	args := []string{"build", "-o", binary}
	if lookup, ok := lookups[variant]; ok {
		overlay, err := overlay(dir, lookup)
		if err != nil {
			return "", err
		}
		args = append(args, "-overlay", overlay)
	}
	if out, err := exec.CommandContext(ctx, "go", append(args, ".")...).CombinedOutput(); err != nil {
		return "", fmt.Errorf("go build (run the bench in the repository's directory): %w\n%s", err, out)
	}
	return binary, nil
}

// overlay writes files that replace db's in go build, and returns the path of their list.
func overlay(dir, lookup string) (list string, err error) {
	original, err := filepath.Abs("db/revocation.go")
	if err != nil {
		return "", err
	}
	text, err := os.ReadFile(original)
	if err != nil {
		return "", err
	}
	const method = "func (d *DB) Revoked("
	if strings.Count(string(text), method) != 1 {
		return "", fmt.Errorf("the source of %s has no %s", original, method)
	}
	files := map[string]string{
		original: strings.Replace(string(text), method, "func (d *DB) notRevoked(", 1),
		filepath.Join(filepath.Dir(original), "lookup_of_the_bench.go"): lookup,
	}
	replace := map[string]string{}
	for path, text := range files {
		replace[path] = filepath.Join(dir, filepath.Base(path))
		if err := os.WriteFile(replace[path], []byte(text), 0o600); err != nil {
			return "", err
		}
	}
	encoded, err := json.Marshal(map[string]any{"Replace": replace})
	if err != nil {
		return "", err
	}
	list = filepath.Join(dir, "overlay.json")
	return list, os.WriteFile(list, encoded, 0o600)
}
