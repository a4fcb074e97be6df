package harness

import (
	"cmp"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

// Clock is the clock of a redis-server: this machine's time plus an offset set by the test.
type Clock struct{ file string }

// preload is a library that shifts the time a program gets from the C library. It makes the system call itself,
// because it is called before it could look up the functions that it replaces.
const preload = `
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

static volatile int64_t *offset;

__attribute__((constructor)) static void start(void) {
	int file = open(getenv("CLOCK_OFFSET_FILE"), O_RDONLY);
	void *map = mmap(0, 8, PROT_READ, MAP_SHARED, file, 0);
	if (file < 0 || map == MAP_FAILED) abort();
	offset = map;
}

int clock_gettime(clockid_t id, struct timespec *ts) {
	int result = syscall(SYS_clock_gettime, id, ts);
	if (result == 0 && id == CLOCK_REALTIME && offset) ts->tv_sec += *offset;
	return result;
}

int gettimeofday(struct timeval *restrict tv, void *restrict tz) {
	struct timespec ts;
	int result = clock_gettime(CLOCK_REALTIME, &ts);
	tv->tv_sec = ts.tv_sec;
	tv->tv_usec = ts.tv_nsec / 1000;
	return result;
}

time_t time(time_t *t) {
	struct timespec ts;
	clock_gettime(CLOCK_REALTIME, &ts);
	if (t) *t = ts.tv_sec;
	return ts.tv_sec;
}
`

// StartRedisWithClock starts a redis-server with a clock set by the test. At first it has this machine's time plus
// the offset.
func StartRedisWithClock(t testing.TB, offset time.Duration, args ...string) (*Redis, *Clock) {
	t.Helper()
	dir := t.TempDir()
	source, library := filepath.Join(dir, "clock.c"), filepath.Join(dir, "clock.so")
	c := &Clock{file: filepath.Join(dir, "offset")}
	if err := os.WriteFile(source, []byte(preload), 0o600); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command(Need(t, "gcc"), "-shared", "-fPIC", "-o", library, source).CombinedOutput(); err != nil {
		t.Fatalf("gcc: %v\n%s", err, out)
	}
	c.Set(t, offset)
	r := &Redis{
		Port: FreePort(t), dir: t.TempDir(), args: args,
		env: []string{"LD_PRELOAD=" + library, "CLOCK_OFFSET_FILE=" + c.file},
	}
	r.Start(t)
	return r, c
}

// Set sets the clock to this machine's time plus the offset, in whole seconds.
func (c *Clock) Set(t testing.TB, offset time.Duration) {
	t.Helper()
	file, err := os.OpenFile(c.file, os.O_CREATE|os.O_WRONLY, 0o600) // not truncated: redis-server has it mapped
	if err != nil {
		t.Fatal(err)
	}
	if err := binary.Write(file, binary.NativeEndian, int64(offset/time.Second)); err != nil {
		t.Fatal(err)
	}
	if err := file.Close(); err != nil {
		t.Fatal(err)
	}
}

// shifted is the service with a clock that CLOCK_OFFSET shifts. It is built once for all tests of a package.
var shifted struct {
	once sync.Once
	dir  string
	err  error
}

// StartServiceAhead starts the service with a clock that is ahead of this machine's clock. A Go program gets the
// time from the kernel, so the service is built with another function in place of time.Now.
func StartServiceAhead(t testing.TB, ahead time.Duration, env ...string) *Service {
	t.Helper()
	shifted.once.Do(func() { shifted.dir, shifted.err = buildShifted() })
	if shifted.err != nil {
		t.Fatal(shifted.err)
	}
	env = append(env, "CLOCK_OFFSET="+strconv.Itoa(int(ahead/time.Second)))
	return startService(t, nil, filepath.Join(shifted.dir, "gin-auth"), env...)
}

// clock replaces the functions of package time that return the time.
const clock = `package %s

import (
	"os"
	"strconv"
	"time"
)

var clockOffset, _ = strconv.ParseInt(os.Getenv("CLOCK_OFFSET"), 10, 64)

func clockNow() time.Time {
	now := time.Now()
	return time.Unix(now.Unix()+clockOffset, int64(now.Nanosecond()))
}

func clockSince(t time.Time) time.Duration { return clockNow().Sub(t) }

func clockUntil(t time.Time) time.Duration { return t.Sub(clockNow()) }

var _, _, _ = clockNow, clockSince, clockUntil
`

// packages are the directories of the service's packages.
var packages = []string{"", "cli", "config", "controllers", "db", "middleware", "routes", "session", "user"}

// buildShifted builds the service with sources that use the shifted clock.
func buildShifted() (dir string, err error) {
	if dir, err = os.MkdirTemp("", "gin-auth-e2e-"); err != nil {
		return "", err
	}
	replace := map[string]string{}
	for _, name := range packages {
		if err := shiftPackage(dir, name, replace); err != nil {
			return dir, err
		}
	}
	list, err := json.Marshal(map[string]any{"Replace": replace})
	if err != nil {
		return dir, err
	}
	overlay := filepath.Join(dir, "overlay.json")
	if err := os.WriteFile(overlay, list, 0o600); err != nil {
		return dir, err
	}
	command := exec.Command("go", "build", "-overlay", overlay, "-o", dir, ".")
	command.Dir = Root()
	if out, err := command.CombinedOutput(); err != nil {
		return dir, fmt.Errorf("go build: %w\n%s", err, out)
	}
	return dir, nil
}

// shiftPackage writes the changed sources of a package to dir and adds them to replace.
func shiftPackage(dir, name string, replace map[string]string) error {
	functions := strings.NewReplacer(
		"time.Now()", "clockNow()", "time.Since(", "clockSince(", "time.Until(", "clockUntil(")
	add := func(path, text string) error {
		replace[path] = filepath.Join(dir, fmt.Sprint(len(replace), ".go"))
		return os.WriteFile(replace[path], []byte(text), 0o600)
	}
	files, err := filepath.Glob(filepath.Join(Root(), name, "*.go"))
	if err != nil {
		return err
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			return err
		}
		changed := functions.Replace(string(text))
		if strings.HasSuffix(file, "_test.go") || changed == string(text) {
			continue
		}
		if err := add(file, changed+"\nvar _ time.Time\n"); err != nil {
			return err
		}
	}
	source := fmt.Sprintf(clock, cmp.Or(name, "main"))
	return add(filepath.Join(Root(), name, "clock_of_the_tests.go"), source)
}
