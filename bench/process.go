package main

import (
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// process is a program started by the bench. It ends with the bench.
type process struct {
	*exec.Cmd
	port   string
	cookie string        // cookie of its requests; "" for the token
	first  time.Duration // from its start to its first response
}

func (p *process) url() string { return "http://127.0.0.1:" + p.port }

// start starts a program that listens on PORT, a free port, and waits until it listens.
func (b *bench) start(env []string, program string, args ...string) (*process, error) {
	port, err := freePort()
	if err != nil {
		return nil, err
	}
	for i := range args {
		args[i] = strings.ReplaceAll(args[i], "PORT", port)
	}
	p := &process{Cmd: exec.Command(program, args...), port: port}
	p.Env = append([]string{"PATH=" + os.Getenv("PATH"), "HOST=127.0.0.1", "PORT=" + port}, env...)
	p.Dir = b.dir
	p.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	started := time.Now()
	if err := p.Start(); err != nil {
		return nil, err
	}
	b.processes = append(b.processes, p)
	for time.Since(started) < 20*time.Second {
		if conn, err := net.Dial("tcp", "127.0.0.1:"+port); err == nil {
			_ = conn.Close()
			if answer, err := http.Get(p.url() + "/api/auth/me"); err == nil {
				_ = answer.Body.Close()
			}
			p.first = time.Since(started)
			return p, nil
		}
		time.Sleep(time.Millisecond)
	}
	return nil, fmt.Errorf("%s did not listen in time", filepath.Base(program))
}

// startRedis starts one Redis, or a node of a Cluster. It tries again if another program has taken one of the free
// ports before Redis listens there: Redis then ends.
func (b *bench) startRedis(cluster bool) (p *process, err error) {
	for range 3 {
		args := []string{"--port", "PORT", "--bind", "127.0.0.1", "--save", "", "--dir", b.dir}
		if cluster {
			bus, err := freePort()
			if err != nil {
				return nil, err
			}
			args = append(args, "--cluster-enabled", "yes", "--cluster-port", bus, "--cluster-config-file", "nodes-"+bus)
		}
		if p, err = b.start(nil, "redis-server", args...); err != nil {
			continue
		}
		time.Sleep(100 * time.Millisecond)
		var conn net.Conn
		if conn, err = net.Dial("tcp", "127.0.0.1:"+p.port); err == nil {
			_ = conn.Close()
			return p, nil
		}
	}
	return nil, err
}

// cpu returns the CPU time of a process and of its children, in seconds.
func (p *process) cpu() float64 {
	ticks := 0.0
	entries, _ := filepath.Glob("/proc/[0-9]*/stat")
	for _, entry := range entries {
		text, err := os.ReadFile(entry)
		if err != nil {
			continue
		}
		pid, rest, _ := strings.Cut(string(text), " (")
		fields := strings.Fields(rest[strings.LastIndex(rest, ")")+1:])
		if parent := strconv.Itoa(p.Process.Pid); pid != parent && fields[1] != parent {
			continue
		}
		for _, field := range fields[11:13] {
			n, _ := strconv.ParseFloat(field, 64)
			ticks += n
		}
	}
	return ticks / 100 // USER_HZ
}

// memory returns the peak memory of the process, in MB.
func (p *process) memory() float64 {
	text, _ := os.ReadFile(fmt.Sprintf("/proc/%d/status", p.Process.Pid))
	for line := range strings.Lines(string(text)) {
		if kb, ok := strings.CutPrefix(line, "VmHWM:"); ok {
			n, _ := strconv.ParseFloat(strings.Fields(kb)[0], 64)
			return n / 1024
		}
	}
	return 0
}

// exists reports whether a file or a directory of that name exists.
func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

func (b *bench) close() {
	for _, p := range b.processes {
		_ = p.Process.Kill()
		_ = p.Wait()
	}
	_ = os.RemoveAll(b.dir)
}
