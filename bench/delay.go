package main

import (
	"context"
	"fmt"
	"io"
	"net"
	"os"
	"time"
)

// delayed is the argument with which the bench starts itself as a delayProxy in its own process.
const delayed = "delayed"

// delayProxy forwards connections at HOST and PORT to TARGET. It delays all data from TARGET by DELAY. A delayed
// piece does not delay the next one.
func delayProxy(ctx context.Context) error {
	delay, err := time.ParseDuration(os.Getenv("DELAY"))
	if err != nil {
		return err
	}
	target := os.Getenv("TARGET")
	listener, err := net.Listen("tcp", net.JoinHostPort(os.Getenv("HOST"), os.Getenv("PORT")))
	if err != nil {
		return err
	}
	context.AfterFunc(ctx, func() { _ = listener.Close() })
	for {
		from, err := listener.Accept()
		if err != nil {
			return nil //nolint:nilerr // the listener was closed because the bench ended
		}
		to, err := net.Dial("tcp", target)
		if err != nil {
			return fmt.Errorf("dialling %s: %w", target, err)
		}
		go func() { _, _ = io.Copy(to, from); _ = to.Close() }()
		go later(from, to, delay)
	}
}

func later(to, from net.Conn, delay time.Duration) {
	type piece struct {
		due  time.Time
		data []byte
	}
	pieces := make(chan piece, 1024)
	go func() {
		defer close(pieces)
		for {
			buffer := make([]byte, 32<<10)
			n, err := from.Read(buffer)
			if err != nil {
				return
			}
			pieces <- piece{time.Now().Add(delay), buffer[:n]}
		}
	}()
	for p := range pieces {
		time.Sleep(time.Until(p.due))
		if _, err := to.Write(p.data); err != nil {
			_ = from.Close()
		}
	}
	_ = to.Close()
}
