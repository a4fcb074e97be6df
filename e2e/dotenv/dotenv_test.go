// Package dotenv compares how this service reads a .env file with Node's dotenv.
package dotenv

import (
	"fmt"
	"math/rand/v2"
	"os"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/joho/godotenv"

	"gin-auth/config"
	"gin-auth/e2e/internal/harness"
)

// TestSameValues compares config.ReadDotenv with dotenv 16, 17 and 18. Every setting is either rejected by name,
// for a valid reason, or has exactly the value that Node reads. Both parsers read the line that an error suggests
// in the same way. DOTENV_SEED repeats a run, DOTENV_TEXTS is the number of generated files.
func TestSameValues(t *testing.T) {
	t.Parallel()
	harness.Node(t)
	seed := envNumber(t, "DOTENV_SEED", rand.Uint64())
	texts := generator{rand.New(rand.NewPCG(seed, 0))}.texts(envNumber(t, "DOTENV_TEXTS", 25_000))

	var total counts
	advised := map[string]variables{} // a file with a suggested line → the variables that Node must read in it
	for i, node := range parseWithNode(t, texts) {
		file, err := config.ReadDotenv([]byte(texts[i]))
		faults := append(total.compare(texts[i], file.Values, err, node), otherFaults(file, node[0])...)
		for _, fault := range faults {
			t.Errorf("DOTENV_SEED=%d: %s\ntext %q\nours %q, %v\nnode %q", seed, fault, texts[i], file.Values, err, node)
		}
		collectAdvice(advised, err, node[0])
	}
	t.Logf("DOTENV_SEED=%d: %d files: %+v", seed, len(texts), total)
	if low := len(texts) / 10; total.Same < low || total.Absent < low || total.Rejected < low {
		t.Error("some outcomes are too rare for a comparison: increase DOTENV_TEXTS")
	}
	checkAdvice(t, advised)
}

// settingNames has the names of the service's settings.
var settingNames = func() (names []string) {
	for field := range reflect.TypeFor[config.Config]().Fields() {
		if name := field.Tag.Get("env"); name != "-" {
			names = append(names, name)
		}
	}
	return names
}()

// counts counts the outcomes of the comparison, for whole files and for single settings.
type counts struct{ Unreadable, Rejected, Same, Absent int }

// variables is the result of one parser for a file.
type variables = map[string]string

// compare returns the faults in the values or the error that this service returns for a file. node has the
// variables that Node reads in it.
func (c *counts) compare(text string, values variables, err error, node []variables) (faults []string) {
	rejected, faults := rejectedNames(text, err)
	if slices.Contains(rejected, "") {
		c.Unreadable++
		return faults
	}
	for _, name := range rejected {
		c.Rejected++
		if !isRejectable(text, name, node[0]) {
			faults = append(faults, name+" is rejected without a reason")
		}
	}
	for name := range values {
		if !slices.Contains(settingNames, name) {
			faults = append(faults, name+" is not a setting")
		}
	}
	for _, name := range []string{"HOST", "PORT", "JWT_SECRET"} { // no other setting is in the files
		if slices.Contains(rejected, name) {
			continue
		}
		value, ok := values[name]
		for i, theirs := range node {
			if v, found := theirs[name]; v != value || found != ok {
				faults = append(faults, fmt.Sprintf("dotenv %d reads another %s", 16+i, name))
			}
		}
		if ok {
			c.Same++
		} else {
			c.Absent++
		}
	}
	return faults
}

// problemLine has groups for the line number and for the setting, if the message names one.
var problemLine = regexp.MustCompile(`^\.env line ([1-9][0-9]*): (?:there is |the file is |([A-Z_]+) )[ -~]+$`)

// isUnreadable reports whether text may be rejected as a whole.
func isUnreadable(text string) bool {
	return strings.ContainsAny(text, "\u2028\u2029") || strings.HasPrefix(text, "\xff\xfe") ||
		strings.HasPrefix(text, "\xfe\xff") || strings.Contains(text, "\x00=\x00")
}

// lineEnds replaces every line end by LF, as Node does.
var lineEnds = strings.NewReplacer("\r\n", "\n", "\r", "\n")

// rejectedNames returns the settings that err names, with "" for the whole file, and the faults in the messages.
// The messages must be in the order of their lines, name a setting that is in their line, and contain no part of a
// value.
func rejectedNames(text string, err error) (names, faults []string) {
	if err == nil {
		return nil, nil
	}
	lines := strings.Split(lineEnds.Replace(text), "\n")
	last := 0
	for message := range strings.SplitSeq(err.Error(), "\n") {
		m := problemLine.FindStringSubmatch(message)
		if m == nil || m[2] != "" && !slices.Contains(settingNames, m[2]) {
			return nil, append(faults, "unexpected message: "+message)
		}
		names = append(names, m[2])
		n, _ := strconv.Atoi(m[1])
		if n <= last || n > len(lines) || !strings.Contains(lines[n-1], m[2]) {
			faults = append(faults, "wrong line: "+message)
		}
		last = n
		if m[2] == "" && !isUnreadable(text) {
			faults = append(faults, "the file is rejected without a reason")
		}
	}
	for _, word := range secretWords {
		if strings.Contains(err.Error(), word) {
			faults = append(faults, "a value is shown")
		}
	}
	return names, faults
}

// isRejectable reports whether a setting may be rejected. It may if godotenv fails or reads another value than
// Node, or if the value has a NUL byte, bytes that are not UTF-8, or a variable that another line may set. It may
// also if its name is in the file more than once, or in a line that Node ignores, because godotenv reads such
// lines.
func isRejectable(text, name string, node variables) bool {
	text = lineEnds.Replace(text)
	values, err := godotenv.Unmarshal(text)
	ours, found := values[name]
	value, read := node[name]
	for line := range strings.Lines(text) {
		alone, _ := godotenv.Unmarshal(line)
		if _, foundAlone := alone[name]; foundAlone && !read {
			return true
		}
	}
	return err != nil || found != read || ours != value || strings.Count(text, name) > 1 ||
		strings.ContainsAny(value, "\x00$") || strings.ContainsRune(value, utf8.RuneError) && !utf8.ValidString(text)
}

// otherFaults returns the names in Others that are wrong: settings, and names that Node does not read or reads as
// empty. __proto__ is skipped because a JavaScript object does not contain it.
func otherFaults(file config.Dotenv, node variables) (faults []string) {
	for _, name := range append(slices.Clone(file.Differing), file.Others...) {
		value, found := node[name]
		wrong := !found || value == "" && slices.Contains(file.Others, name)
		if wrong && name != "__proto__" || slices.Contains(settingNames, name) {
			faults = append(faults, fmt.Sprintf("%q is said to be another name", name))
		}
	}
	return faults
}

var advice = regexp.MustCompile(`(?m): (\S+) is read differently by Node's .*(?:: |otherwise )\S+=('|"|)\.\.\.`)

// collectAdvice adds a file for each line that err suggests, with the value that Node reads now.
func collectAdvice(advised map[string]variables, err error, node variables) {
	if err == nil {
		return
	}
	for _, m := range advice.FindAllStringSubmatch(err.Error(), -1) {
		name, quote := m[1], m[2]
		advised[name+"="+quote+node[name]+quote] = variables{name: node[name]}
	}
}

// checkAdvice checks that this service and Node read the same value in each suggested line.
func checkAdvice(t *testing.T, advised map[string]variables) {
	t.Helper()
	var texts []string
	for text := range advised {
		texts = append(texts, text)
	}
	for i, node := range parseWithNode(t, texts) {
		file, err := config.ReadDotenv([]byte(texts[i]))
		for _, read := range append(node, file.Values) {
			if err != nil || !reflect.DeepEqual(read, advised[texts[i]]) {
				t.Errorf("the suggested line %q: this service reads %q, %v; Node reads %q", texts[i], file.Values, err, node)
				break
			}
		}
	}
	t.Logf("%d suggested lines compared", len(texts))
}

// envNumber returns the number in the environment variable name, or otherwise if it is not set.
func envNumber(t *testing.T, name string, otherwise uint64) uint64 {
	t.Helper()
	s := os.Getenv(name)
	if s == "" {
		return otherwise
	}
	n, err := strconv.ParseUint(s, 10, 64)
	if err != nil {
		t.Fatalf("reading %s: %v", name, err)
	}
	return n
}
