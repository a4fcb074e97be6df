// Bench measures what a request to a protected route costs: the service beside the Express original, beside
// itself without the look-up in Redis, and beside what people write, one GET a request. It needs redis-server,
// wrk and node with the packages of e2e/package.json; everything listens on loopback. See docs/performance.md.
//
//	go run ./bench                       everything, in about ten minutes; writes bench/RESULTS.md
//	go run ./bench -rounds 1 -time 1s -out "$(mktemp -d)"    whether it works
package main

import (
	"context"
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
	flag.IntVar(&o.rounds, "rounds", 10, "how often each variant has its turn")
	flag.DurationVar(&o.turn, "time", 3*time.Second, "how long a turn is")
	flag.StringVar(&o.out, "out", "bench", "directory for RESULTS.md and the plots")
	flag.Parse()
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
	out    string
}
