// Bench measures the cost of a request to a protected route: of the service, of alternatives to it, of the Express
// original, and of the service with another lookup or none. It needs redis-server, wrk, node, and the packages of
// e2e/package.json and bench/peers/express-session/package.json. Everything listens on loopback. See
// docs/performance.md.
//
//	go run ./bench                       everything, in about fourteen minutes; writes bench/RESULTS.md
//	go run ./bench -rounds 1 -time 1s -tokens 1000 -out "$(mktemp -d)"    checks that it works
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"
	"time"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	if err := run(ctx); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context) error {
	if len(os.Args) > 1 && os.Args[1] == delayed {
		return delayProxy(ctx)
	}
	var o options
	flag.IntVar(&o.rounds, "rounds", 10, "turns of each variant in the first part; the other parts have half as many")
	flag.DurationVar(&o.turn, "time", 2*time.Second, "length of a turn")
	flag.IntVar(&o.tokens, "tokens", 100_000, "number of distinct tokens or sessions in the part with many of them")
	flag.StringVar(&o.out, "out", "bench", "directory for RESULTS.md and the plots")
	flag.Parse()
	if o.rounds < 1 || o.tokens < 1 {
		return errors.New("-rounds and -tokens must be at least 1")
	}
	if err := os.MkdirAll(o.out, 0o750); err != nil {
		return err
	}
	b, err := newBench(ctx, o)
	if err != nil {
		return err
	}
	defer b.close()
	results, err := b.measure()
	if err != nil {
		return err
	}
	for name, text := range results.files() {
		if err := os.WriteFile(filepath.Join(o.out, name), []byte(text), 0o600); err != nil {
			return err
		}
	}
	return nil
}

type options struct {
	rounds int
	turn   time.Duration
	tokens int
	out    string
}

// half returns the number of rounds of the parts after the first.
func (o options) half() int { return (o.rounds + 1) / 2 }
