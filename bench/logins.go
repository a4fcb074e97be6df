package main

import (
	"context"
	"fmt"
	"net/http"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"gin-auth/user"
)

// bcryptCost is the cost of the hashes of both services.
const bcryptCost = 10

// loginCount counts the logins during floods.
type loginCount struct {
	logins       int64
	seconds, cpu float64 // elapsed time, and CPU time of the service
}

func (c loginCount) perSecond() float64 { return float64(c.logins) / c.seconds }

// perCore returns the logins per second of CPU time.
func (c loginCount) perCore() float64 { return float64(c.logins) / c.cpu }

// measureFlood compares the guard without logins and with 32 clients that log in, and counts their logins.
func (b *bench) measureFlood(r *results) (err error) {
	r.idle, r.flooded = map[string][]sample{}, map[string][]sample{}
	r.logins = map[string]loginCount{}
	if r.hash, err = b.hashTimes(); err != nil {
		return err
	}
	for _, name := range []string{ours, express1} {
		for i := range floodClients {
			if err := b.post(b.variants[name], "register", floodUser(i)); err != nil {
				return err
			}
		}
	}
	for range b.half() {
		for _, name := range []string{ours, express1} {
			idle, err := b.visit(b.variants[name])
			if err != nil {
				return err
			}
			stop := b.flood(b.variants[name])
			time.Sleep(500 * time.Millisecond)
			flooded, err := b.visit(b.variants[name])
			count := stop()
			if err != nil {
				return fmt.Errorf("%s under a flood of logins: %w", name, err)
			}
			r.idle[name], r.flooded[name] = append(r.idle[name], idle), append(r.flooded[name], flooded)
			total := r.logins[name]
			r.logins[name] = loginCount{
				total.logins + count.logins, total.seconds + count.seconds, total.cpu + count.cpu,
			}
		}
	}
	return nil
}

const floodClients = 32

// floodUser returns the body with which a client logs in and registers its own user. A user may have 100 sessions,
// so logins of a single user would soon end the session that is measured.
func floodUser(client int) string {
	return fmt.Sprintf(`{"username":"u%[1]d","email":"u%[1]d@example.com","password":"correct horse"}`, client)
}

// flood logs in from floodClients clients until stop is called. A client whose login is rejected waits for a
// second.
func (b *bench) flood(p *process) (stop func() loginCount) {
	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: floodClients}}
	ctx, cancel := context.WithCancel(b.ctx)
	var logins atomic.Int64
	var all sync.WaitGroup
	started, cpu := time.Now(), p.cpu()
	for i := range floodClients {
		all.Go(func() {
			for ctx.Err() == nil {
				if _, err := logInOnce(ctx, client, p, floodUser(i)); err == nil {
					logins.Add(1)
					continue
				}
				select {
				case <-time.After(time.Second):
				case <-ctx.Done():
				}
			}
		})
	}
	return func() loginCount {
		count := loginCount{logins.Load(), time.Since(started).Seconds(), p.cpu() - cpu}
		cancel()
		all.Wait()
		_, _ = logInOnce(b.ctx, client, p, floodUser(0)) // waits for the canceled logins
		client.CloseIdleConnections()
		return count
	}
}

// hashTimes returns the mean CPU time that hashing a password takes each of the services: with
// golang.org/x/crypto's bcrypt, and with bcryptjs.
func (b *bench) hashTimes() (map[string]time.Duration, error) {
	const hashes = 9
	hasher := user.Hasher{Cost: bcryptCost}
	before := ownCPU()
	for range hashes {
		if _, err := hasher.Hash("correct horse"); err != nil {
			return nil, err
		}
	}
	own := (ownCPU() - before) / hashes

	script := fmt.Sprintf(`const bcrypt = require('bcryptjs')
bcrypt.hashSync('correct horse', %[1]d)
const before = process.cpuUsage()
for (let i = 0; i < %[2]d; i++) bcrypt.hashSync('correct horse', %[1]d)
const { user, system } = process.cpuUsage(before)
console.log((user + system) / %[2]d)`, bcryptCost, hashes)
	node := exec.CommandContext(b.ctx, "node", "-e", script)
	node.Dir = "e2e"
	out, err := node.Output()
	if err != nil {
		return nil, fmt.Errorf("hashing with bcryptjs: %w", err)
	}
	microseconds, err := strconv.ParseFloat(strings.TrimSpace(string(out)), 64)
	if err != nil {
		return nil, fmt.Errorf("hashing with bcryptjs: %w", err)
	}
	return map[string]time.Duration{ours: own, express1: time.Duration(microseconds * float64(time.Microsecond))}, nil
}

// ownCPU returns the CPU time of the bench itself, without its child processes.
func ownCPU() time.Duration {
	var usage syscall.Rusage
	_ = syscall.Getrusage(syscall.RUSAGE_SELF, &usage)
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
}
